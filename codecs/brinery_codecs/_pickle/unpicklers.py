"""Unpicklers: the one in C that goes by names, and those that can be suspended and that upgrade."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable
from enum import Enum

from brinery.codec import Buffer
from brinery.errors import DecodeError
from brinery.evolution.placeholder import reconstruct
from brinery.reference import class_of
from brinery.typing import Any, ClassVar, Final
from brinery_codecs._pickle.finders import FindClass
from brinery_codecs._pickle.names import Names
from brinery_codecs._pickle.record_names import Beginning, Suspended, Upgrading
from brinery_codecs._pickle.source import open_source


class NamesUnpickler(pickle.Unpickler):
    """An unpickler that finds its globals by `names`."""

    names: Names | Beginning | Upgrading
    file: Any

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        # Called for each global of each record: the common case first.
        try:
            return self.names[module, name]
        except KeyError:
            return self.names.find(super().find_class, module, name)


def names_unpickler(
    source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
) -> NamesUnpickler:
    """Return an unpickler that is ready to load."""
    # One is made for each record, and a constructor in Python would take half of that time.
    file = open_source(source)
    unpickler = NamesUnpickler(file, buffers=buffers)
    unpickler.names, unpickler.file = names, file
    return unpickler


def bytes_follow() -> DecodeError:
    """Return the error for a pickle that ends before its payload does."""
    return DecodeError(
        "bytes follow the end of the pickle",
        object_path="",
        advice="The payload is damaged, or something else wrote it: restore it from a backup",
    )


class SuspendableUnpickler(pickle._Unpickler):
    """The pure-Python unpickler, which can go on after its root was constructed.

    `find_class` is that of an unpickler in C that is set to the protocol of the payload.
    """

    def __init__(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        buffers: Iterable[Buffer],
        find_class: FindClass,
    ) -> None:
        super().__init__(open_source(source), buffers=buffers)
        self._names = names
        self._find_class = find_class

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        try:
            return self._names[module, name]
        except KeyError:
            return self._names.find(self._find_class, module, name)

    stack: list[Any]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]]

    def begin(self) -> Any:
        """Decode until the root is constructed; return a function that goes on to the end."""
        try:
            obj = self.load()
        except Suspended as suspended:
            # The call of `root` was the first of the pickle: its place on the stack is the root's.
            self.stack[-1] = suspended.args[0]
            return self.finish
        return lambda: obj

    def finish(self) -> Any:
        """Decode to the end from where it was suspended; return the root."""
        try:
            while key := self.read(1):
                self.dispatch[key[0]](self)
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            if self.read(1):
                raise bytes_follow() from None
            return stop.value
        raise EOFError


class UpgradingUnpickler(SuspendableUnpickler):
    """A `SuspendableUnpickler` that upgrades the states of objects before it sets them.

    The unpickler in C has no hook for that; this one is for records of older versions alone.
    """

    def __init__(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        buffers: Iterable[Buffer],
        find_class: FindClass,
        upgrades: dict[Any, Callable[[Any], Any]],
    ) -> None:
        super().__init__(source, names, buffers, find_class)
        self._upgrades = upgrades
        self._stateless: dict[int, Any] = {}
        self._of_new_arguments: dict[int, Any] = {}
        # The callables that make an object; other calls may return one that is complete already.
        self._makers = [*_MAKERS, *(names["brinery.reference", name] for name in _ROOTS)]

    def begin(self) -> Any:
        """Decode until the root is constructed; return a function that goes on to the end."""
        finish = super().begin()
        if finish == self.finish:
            self._note(self.stack[-1])
        return lambda: self._complete(finish())

    def whole(self) -> Any:
        """Decode the record; return its root."""
        root = self._complete(self.load())
        if self.read(1):
            raise bytes_follow()
        return root

    def _complete(self, root: Any) -> Any:
        # Objects without attributes have no state in the record, but may need one now.
        for obj in self._stateless.values():
            self.stack = [obj, None]
            self._build()
        self._stateless.clear()
        return root

    def _note(self, obj: Any) -> None:
        # Members of enumerations have no state, and were made with their class.
        if (
            class_of(obj) in self._upgrades
            and not isinstance(obj, Enum)
            and id(obj) not in self._of_new_arguments
        ):
            self._stateless[id(obj)] = obj

    def _build(self) -> None:
        obj, state = self.stack[-2:]
        cls = class_of(obj)
        if cls not in self._upgrades or id(obj) in self._of_new_arguments:
            _C_LIKE.load_build(self)
            return
        upgrade = f"the upgrade of a state of {cls.__module__}:{cls.__qualname__}"
        try:
            made = self.stack[-1] = self._upgrades[cls](state)
        except Exception as error:
            raise DecodeError(f"{upgrade} failed: {type(error).__name__}: {error}") from error
        if made is None:
            del self.stack[-1]
            return
        try:
            _C_LIKE.load_build(self)
        except Exception as error:
            raise DecodeError(
                f"{upgrade} returned an object of type {type(made).__qualname__}, and setting it failed: "
                f"{type(error).__name__}: {error}"
            ) from error

    def load_build(self) -> None:
        """Set the state of an object, upgraded."""
        self._stateless.pop(id(self.stack[-2]), None)
        self._build()

    def load_newobj(self) -> None:
        """Make an object by ``__new__``."""
        self._make(_C_LIKE.load_newobj, self.stack[-2], 0)
        self._note(self.stack[-1])

    def load_newobj_ex(self) -> None:
        """Make an object by ``__new__`` with keyword arguments."""
        _C_LIKE.load_newobj_ex(self)
        self._note(self.stack[-1])

    def load_reduce(self) -> None:
        """Call a function, which may make an object."""
        maker, args = self.stack[-2:]
        is_maker = any(maker is known for known in self._makers)
        if maker in RECONSTRUCTORS:
            self._reconstruct(*args)
        else:
            skipped = _skipped(args) if is_maker else 0
            self._make(_C_LIKE.load_reduce, args[skipped - 1] if skipped else maker, skipped)
        made = self.stack[-1]
        if maker is type(made) or is_maker:
            self._note(made)

    def _reconstruct(self, cls: Any, base: Any, state: Any) -> None:
        # How protocols 0 and 1 make objects: the items of a tuple are its arguments.
        upgrade = self._upgrades.get(cls) if isinstance(cls, type) else None
        if upgrade is None or base is not tuple or not _is_made_of_arguments(cls):
            _C_LIKE.load_reduce(self)
            return
        self.stack[-1] = cls, base, _upgraded_arguments(cls, upgrade, state)
        _C_LIKE.load_reduce(self)
        self._of_new_arguments[id(self.stack[-1])] = self.stack[-1]

    def _make(self, load: Callable[[Any], None], cls: Any, skipped: int) -> None:
        """Make an object of `cls`, whose arguments are those on the stack without the first `skipped`.

        They are upgraded if the object has no state that could be, or if the class refuses them.
        """
        upgrade = self._upgrades.get(cls) if isinstance(cls, type) else None
        if upgrade is None:
            load(self)
            return
        below, (maker, args) = len(self.stack) - 2, self.stack[-2:]
        if not _is_made_of_arguments(cls):
            try:
                load(self)
            except Exception:  # noqa: BLE001 - the present arguments may do
                del self.stack[below:]
            else:
                return
        else:
            del self.stack[below:]
        present = _upgraded_arguments(cls, upgrade, args[skipped:])
        self.stack += (maker, (*args[:skipped], *present))
        load(self)
        self._of_new_arguments[id(self.stack[-1])] = self.stack[-1]

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.REDUCE[0]: load_reduce,
    }


def _upgraded_arguments(cls: type, upgrade: Callable[[Any], Any], args: Any) -> tuple[Any, ...]:
    try:
        return tuple(upgrade(tuple(args)))
    except Exception as error:
        raise DecodeError(
            f"the upgrade of the arguments of {cls.__module__}:{cls.__qualname__} failed: "
            f"{type(error).__name__}: {error}"
        ) from error


def _is_made_of_arguments(cls: type) -> bool:
    """Return whether objects of a class have no state, as named tuples."""
    return issubclass(cls, tuple) and type.__getattribute__(cls, "__dictoffset__") == 0


def _skipped(args: tuple[Any, ...]) -> int:
    """Return how many arguments of a maker come before those of the constructor; the class is the last."""
    for place, arg in enumerate(args[:3]):
        if isinstance(arg, type):
            return place + 1
    return 0


RECONSTRUCTORS: Final = (copyreg._reconstructor, reconstruct)  # type: ignore[attr-defined]
"""The function that protocols 0 and 1 name, and the one that replaces it where classes may be missing."""
_C_LIKE: Any = pickle._Unpickler
_ROOTS = ("root", "new_root", "hashable_root")
_MAKERS: tuple[Any, ...] = (
    *RECONSTRUCTORS,
    copyreg.__newobj__,  # type: ignore[attr-defined]
    copyreg.__newobj_ex__,  # type: ignore[attr-defined]
)
