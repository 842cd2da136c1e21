"""An unpickler for payloads that the others failed to read: members wait, and parts are replaced.

Two plain objects that are in each other's sets and hash by their attributes cannot both be complete when they
become members.  Here members whose hash fails are entered at the end, when all states are set.

If the reader takes placeholders, a part whose class refuses its arguments or its state gets one: an exception
whose constructor has changed, a member that its enumeration has lost.  The rest of the object is as it was.
A state may be refused when others refer to the part already; then the payload is read again from its start.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable

from brinery.codec import Buffer, ReadLinks
from brinery.errors import BrineryError
from brinery.evolution.placeholder import reconstruct
from brinery.typing import Any, ClassVar, Final
from brinery_codecs._pickle.finders import FindClass
from brinery_codecs._pickle.record_names import Upgrading
from brinery_codecs._pickle.unpicklers import UpgradingUnpickler

_MOST_REPLACED: Final = 100
_HASHING: Final = frozenset({"__hash__", "__eq__"})
_BY_NEW: Final = (copyreg.__newobj__, copyreg.__newobj_ex__)  # type: ignore[attr-defined]


def is_of_members(error: BaseException) -> bool:
    """Return whether an unpickler failed because it asked an object for its hash, or compared it."""
    called = error.__traceback__
    found = False
    while called is not None:
        name = called.tb_frame.f_code.co_name
        # The function that the unpickler in C called is the first that is not of this package.
        module = str(called.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in ("brinery", "brinery_codecs"):
            return name in _HASHING
        found = found or name in _HASHING
        called = called.tb_next
    return found


def mended(
    source: Buffer,
    names: Callable[[], Upgrading],
    links: ReadLinks,
    buffers: Iterable[Buffer],
    find_class: FindClass,
) -> Any:
    """Return the object of a payload that another unpickler could not read; raise if this one cannot."""
    replaced = set[int]()
    given = list(buffers)
    while True:
        links.restart()
        unpickler = MendingUnpickler(source, names(), links, given, find_class)
        unpickler.replaced = replaced
        try:
            return unpickler.whole()
        except _RefusedStateError as refused:
            if len(replaced) >= _MOST_REPLACED:
                raise refused.error from None
            replaced.add(refused.number)


class _RefusedStateError(BaseException):
    """The object with a number refused its state.  Not an `Exception`: user code must not catch it."""

    def __init__(self, number: int, error: Exception) -> None:
        super().__init__(number)
        self.number = number
        self.error = error


class MendingUnpickler(UpgradingUnpickler):
    """See the module."""

    def __init__(
        self,
        source: Buffer,
        names: Upgrading,
        links: ReadLinks,
        buffers: Iterable[Buffer],
        find_class: FindClass,
    ) -> None:
        super().__init__(source, names, buffers, find_class, names.upgrades)
        self.replaced: set[int] = set()
        """The numbers of the objects that are placeholders from the start."""
        self._links = links
        self._count = 0
        self._made: dict[int, tuple[int, Any]] = {}
        self._waiting: list[tuple[Any, Callable[[], None], list[Any]]] = []

    # -- parts that are replaced

    def _make(self, load: Callable[[Any], None], cls: Any, skipped: int) -> None:
        number = self._count = self._count + 1
        below, (maker, args) = len(self.stack) - 2, self.stack[-2:]
        try:
            if number in self.replaced:
                raise _ReplacedError
            super()._make(load, cls, skipped)
        except BrineryError:
            raise
        except Exception:
            placeholder = self._placeholder(cls)
            if placeholder is None:
                raise
            del self.stack[below:]
            by_new = maker in _BY_NEW or load is pickle._Unpickler.load_newobj  # type: ignore[attr-defined]
            make = placeholder.__new__ if by_new else type(placeholder).__call__
            self.stack.append(make(placeholder, *args[skipped:]))
            return
        self._made[id(self.stack[-1])] = number, self.stack[-1]

    def _reconstruct(self, cls: Any, base: Any, state: Any) -> None:
        number = self._count = self._count + 1
        placeholder = self._placeholder(cls) if number in self.replaced else None
        if placeholder is not None:
            self.stack[-2:] = [reconstruct(placeholder, base, state)]
            return
        super()._reconstruct(cls, base, state)
        self._made[id(self.stack[-1])] = number, self.stack[-1]

    def _placeholder(self, cls: Any) -> Any:
        # Not that of the root, whose record gets one as a whole.
        if not isinstance(cls, type) or self._links.is_external_type(cls):
            return None
        return self._links.placeholder_of(cls.__module__, cls.__qualname__)

    def load_build(self) -> None:
        """Set the state of an object, or find out that it refuses it."""
        obj = self.stack[-2]
        number, _ = self._made.get(id(obj), (0, None))
        try:
            super().load_build()
        except BrineryError:
            raise
        except Exception as error:
            if number and self._placeholder(type(obj)) is not None:
                raise _RefusedStateError(number, error) from None
            raise

    # -- members that wait

    def load_reduce(self) -> None:
        """Call a function; the set that protocols below 4 make of a list gets its elements afterwards."""
        maker, args = self.stack[-2:]
        if maker is set and len(args) == 1 and type(args[0]) is list:
            made = set[Any]()
            self.stack[-2:] = [made]
            self._enter(made, lambda: made.update(args[0]), args[0])
            return
        super().load_reduce()

    def load_additems(self) -> None:
        """Add elements to a set."""
        items = self.pop_mark()
        target = self.stack[-1]
        if isinstance(target, set):
            self._enter(target, lambda: target.update(items), items)
            return
        for item in items:
            target.add(item)

    def load_setitem(self) -> None:
        """Enter a value under a key."""
        value, key = self.stack.pop(), self.stack.pop()
        target = self.stack[-1]
        self._enter(target, lambda: target.__setitem__(key, value), [key])

    def load_setitems(self) -> None:
        """Enter values under keys."""
        items = self.pop_mark()
        target = self.stack[-1]

        def enter() -> None:
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[key] = value

        self._enter(target, enter, items[::2])

    def _enter(self, target: Any, enter: Callable[[], None], members: list[Any]) -> None:
        # What comes after a member that waits, waits as well: the order stays.
        if any(waiting is target for waiting, _, _ in self._waiting) or not _have_hashes(members):
            self._waiting.append((target, enter, members))
        else:
            enter()

    def _complete(self, root: Any) -> Any:
        root = super()._complete(root)
        for _, enter, members in self._waiting:
            try:
                enter()
            except Exception as error:
                for member in members:
                    number, _ = self._made.get(id(member), (0, None))
                    if number and not _have_hashes([member]) and self._placeholder(type(member)):
                        raise _RefusedStateError(number, error) from None
                raise
        self._waiting.clear()
        return root

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **UpgradingUnpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.REDUCE[0]: load_reduce,
        pickle.ADDITEMS[0]: load_additems,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
    }


class _ReplacedError(Exception):
    """An object is not to be made."""


def _have_hashes(members: list[Any]) -> bool:
    try:
        for member in members:
            hash(member)
    except Exception:  # noqa: BLE001 - a hash of the user's may raise anything for an object that is not complete
        return False
    return True
