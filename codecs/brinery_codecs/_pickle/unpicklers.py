"""How the codecs of the pickle family read: names resolved once, roots announced."""

from __future__ import annotations

import _compat_pickle
import copyreg
import functools
import io
import operator
import pickle
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, EnumType
from typing import Any, ClassVar, Final, NamedTuple

from brinery.codec import Buffer, Codec, ReadLinks, Restriction
from brinery.errors import DecodeError, MissingClassError, TrustError
from brinery.reference import named
from brinery_codecs._pickle.analysis.rules import OWN
from brinery_codecs._pickle.analysis.values import refused_attribute, refused_name, refused_object
from brinery_codecs._pickle.members import combining
from brinery_codecs._pickle.prefixes import (
    calls_root,
    class_of,
    end_of_opening,
    memo_after,
    refilled,
)

NEW = copyreg.__newobj__  # type: ignore[attr-defined]
FindClass = Callable[[str, str], Any]

Own = Callable[[ReadLinks, "Names"], Any]
"""Makes what stands for a name in the payloads of one load."""


def _external(links: ReadLinks, names: Names) -> Any:
    return links.resolve


def _root(links: ReadLinks, names: Names) -> Any:
    construct = links.construct
    return lambda constructor, *args: construct(None, constructor, args)


def _new_root(links: ReadLinks, names: Names) -> Any:
    construct = links.construct
    return lambda *args: construct(None, NEW, args)


def _hashable_root(links: ReadLinks, names: Names) -> Any:
    construct = links.construct
    return lambda early, constructor, *args: construct(early, constructor, args)


REFERENCES: Final[Mapping[tuple[str, str], Own]] = {
    ("brinery.reference", "external"): _external,
    ("brinery.reference", "root"): _root,
    ("brinery.reference", "new_root"): _new_root,
    ("brinery.reference", "hashable_root"): _hashable_root,
}
"""The functions of `brinery.reference`, which become methods of the links."""

# Pickles below protocol 4 have no frames: without read-ahead the C unpickler calls for each opcode.
_READ_AHEAD = 1 << 16
_LINE = 1 << 10


class Names(dict[tuple[str, str], Any]):
    """The globals that payloads name, each looked up once for all records of one load."""

    def __init__(self, links: ReadLinks, codec: Codec, own: Mapping[tuple[str, str], Own]) -> None:
        """`own` makes what stands for names of brinery, when a payload first has them."""
        super().__init__()
        self._links = links
        self.codec = codec
        self._own = own
        self.restriction = links.restriction
        self._openings: dict[bytes, Opened | None] = {}
        self._enumerations: set[type] = set()

    def __missing__(self, key: tuple[str, str]) -> Any:
        own = self._own.get(key)
        if own is None:
            raise KeyError(key)
        found = self[key] = own(self._links, self)
        return found

    def refilled(self, source: Buffer) -> tuple[bytes, tuple[Any, ...]] | None:
        """Return a pickle of the same object that names nothing, and the first buffers that it takes.

        None where the payload may name more than its opening does; see `_openings`.
        """
        if not isinstance(source, bytes) or not (end := end_of_opening(source)):
            return None
        # For each record: known openings without a further call.
        opening = source[:end]
        opened = self._openings[opening] if opening in self._openings else self._opened(opening)
        if opened is None or (data := refilled(source, end)) is None:
            return None
        return data, opened.memo

    def opened_root(self, source: Buffer) -> type | None:
        """Return the class of a root made by its ``__new__`` alone, where the opening is known.

        In a ring every object is begun before its turn: 1.4 µs for each so, where an unpickler takes 5.8.
        """
        if not isinstance(source, bytes) or not (end := end_of_opening(source)):
            return None
        if not calls_root(source, end):
            return None
        opening = source[:end]
        opened = self._openings[opening] if opening in self._openings else self._opened(opening)
        return None if opened is None else opened.root

    def _opened(self, opening: bytes) -> Opened | None:
        # What a new opening stands for; None where an unpickler has to read it.
        named = class_of(opening)
        found = None
        if named is not None and self.restriction is None:
            cls = self._lasting(*named)
            if cls is None:
                return None  # for this record
            functions = self[_NEW_ROOT], self[_EXTERNAL]
            found = Opened(memo_after(named, *functions, cls), cls)
        self._openings[opening] = found
        return found

    def _lasting(self, module: str, name: str) -> Any:
        # The global, None where it is not the same for all records of this load, or missing.
        if (module, name) not in self:
            try:
                self.find(finder_of(b"\x80\x05"), module, name)
            except (DecodeError, TrustError, OldStateError):  # whoever reads all of it tells so
                return None
        return self.get((module, name))

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`; the next time it is here.

        Raise `OldStateError` where the record has states of it that are to be upgraded.
        """
        found, upgrade = self.look_up(find_class, module, name)
        if upgrade is not None:
            raise OldStateError(f"{module}.{name}")
        narrowed = _narrowed(self, module, name, found)
        if narrowed is not None:
            # Not kept: what refers back to this object would wait for the collector.
            return narrowed
        if self._links.is_lasting(module, name):
            self[module, name] = found
        return found

    def look_up(
        self, find_class: FindClass, module: str, name: str
    ) -> tuple[Any, Callable[[Any], Any] | None]:
        """Return the global and what upgrades the states that the record at hand has of it.

        Raise `TrustError` for what the reader does not admit.
        """
        if self.restriction is not None:
            find_class = admitted(find_class, self.restriction)
        try:
            found = self._links.find(module, name, find_class)
        except (ImportError, AttributeError, SystemExit) as error:
            # A script that is imported may end with sys.exit: that is no reason to end this process.
            how = f"it ends with {error!r}" if isinstance(error, SystemExit) else str(error)
            raise MissingClassError(
                f"{module}.{name} cannot be imported: {how}{_installed(module)}",
                codec=self.codec.name,
                advice=_advice(module, name),
            ) from error
        if self.restriction is not None and isinstance(found, EnumType):
            self._enumerations.add(found)
        return found, self._links.upgrader(module, name, found)

    def may_combine(self, cls: type) -> bool:
        """Tell whether a reader that restricts what is named admits the class of flags."""
        # A record may refer to flags in records of their own, and not name their class.
        name = cls.__module__, cls.__qualname__
        return cls in self._enumerations or (
            self.restriction is not None
            and self.restriction.admits(*name)
            and self.restriction.admits_object(*name, cls)
        )


class Opened(NamedTuple):
    """What an unpickler has at the end of an opening; see `_openings`."""

    memo: tuple[Any, ...]
    root: type


_NEW_ROOT = ("brinery.reference", "new_root")
_EXTERNAL = ("brinery.reference", "external")


class OldStateError(BaseException):
    """A record has states of an older version of a class.  Not an `Exception`: see `Suspended`."""


class Upgrading:
    """The names of a record that has states of older versions of classes."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.restriction = names.restriction
        self.upgrades: dict[Any, Callable[[Any], Any]] = {}

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._names[key]

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`, and note how to upgrade it."""
        found, upgrade = self._names.look_up(find_class, module, name)
        if upgrade is not None:
            self.upgrades[found] = upgrade
        narrowed = _narrowed(self, module, name, found)
        return found if narrowed is None else narrowed

    def may_combine(self, cls: type) -> bool:
        """Tell whether a reader that restricts what is named admits the class of flags."""
        return self._names.may_combine(cls)


def _narrowed(
    names: Names | Upgrading, module: str, name: str, found: Any
) -> Callable[..., Any] | None:
    # What payloads get in place of a function that may do more than they need; None for all others.
    if found is named:
        # What looks globals up in its turn has to go by the same names.
        return lambda module, name: names.find(named, module, name)
    if found is getattr:
        return lambda obj, name, *default: _attribute(names, obj, name, default)
    if (
        found is operator.or_
        and names.restriction is not None
        and not names.restriction.admits_object(module, name, found)
    ):
        return combining(names.may_combine)
    return None


def admitted(find_class: FindClass, restriction: Restriction) -> FindClass:
    """Return a `find_class` that refuses what a reader does not admit, by its name and by what it is."""

    def find(module: str, name: str) -> Any:
        key = (module, name)
        if key not in OWN and not restriction.admits(module, name):
            # Below protocol 3 a pickle may have the names of Python 2.
            key = _compat_pickle.NAME_MAPPING.get(key, key)
            key = _compat_pickle.IMPORT_MAPPING.get(key[0], key[0]), key[1]
            if key not in OWN and not restriction.admits(*key):
                raise refused_name(module, name)
        found = find_class(module, name)
        if key not in OWN and not restriction.admits_object(*key, found):
            raise refused_object(*key, found)
        return found

    return find


def _attribute(names: Names | Upgrading, obj: Any, name: str, default: tuple[Any, ...]) -> Any:
    # Below protocol 4, this is how nested classes are named; members of enumerations: see `members`.
    if default or not isinstance(obj, type):
        if names.restriction is not None:
            raise refused_attribute(name)
        return getattr(obj, name, *default)
    module, qualname = obj.__module__, f"{obj.__qualname__}.{name}"

    def look_up(present: str, path: str) -> Any:
        # The class may be one that cannot be imported under its name: it is at hand.
        return getattr(obj, name) if (present, path) == (module, qualname) else named(present, path)

    return names.find(look_up, module, qualname)


def _installed(module: str) -> str:
    # Most distributions are called like the package that they bring; the others are not worth a search.
    from importlib import metadata

    package = module.partition(".")[0]
    try:
        return f" ({package} {metadata.version(package)} is installed)"
    except (metadata.PackageNotFoundError, ValueError):
        return ""


def _advice(module: str, name: str) -> str:
    if module == "__main__":
        return (
            f"It was defined in the script that saved the record: move {name} to a module, or save "
            "with the codec 'cloudpickle' or 'dill', which keep such classes whole"
        )
    return f"Install or put on sys.path what provides the module {module!r}, as it was when saving"


def open_source(source: Buffer) -> Any:
    """Return a file to unpickle from."""
    if len(source) > 1 and source[0] == 0x80 and source[1] >= 4:
        return _View(source) if len(source) > _READ_AHEAD else io.BytesIO(source)
    return io.BufferedReader(io.BytesIO(source), _READ_AHEAD)


class _View:
    """A file over a large payload that copies nothing by itself: an array is read into its place.

    With frames an unpickler reads all else in pieces of 64 KB.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, source: Buffer) -> None:
        self._data = memoryview(source).cast("B")
        self._at = 0

    def readinto(self, target: Any) -> int:
        taken = self._data[self._at : self._at + len(target)]
        target[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def read(self, size: int) -> bytes:
        taken = bytes(self._data[self._at : self._at + size])
        self._at += len(taken)
        return taken

    def readline(self) -> bytes:
        # For opcodes of old protocols, which only a hostile payload has here.
        start = self._at
        while (piece := self.read(_LINE)) and (end := piece.find(b"\n")) < 0:
            pass
        if piece:
            self._at += end + 1 - len(piece)
        return bytes(self._data[start : self._at])


class Suspended(BaseException):
    """The root is constructed.  Not an `Exception`: user code must not catch it."""


class InexactError(BaseException):
    """The root's arguments hold objects that its state may refer to as well."""


class Beginning:
    """The names of a pickle that is decoded until its root is constructed.

    Decoding it again from the start makes the arguments of the constructor a second time.  That does
    no harm where they are atoms, classes and persistable objects; otherwise `InexactError` is raised,
    unless `exact` says that the unpickler can go on from where it stopped.
    """

    def __init__(self, names: Names | Upgrading, links: ReadLinks, *, exact: bool) -> None:
        self._names = names
        self._links = links
        self._exact = exact
        self._is_past = False
        self._roots = {
            ("brinery.reference", "root"): self._root,
            ("brinery.reference", "new_root"): self._new_root,
            ("brinery.reference", "hashable_root"): self._hashable_root,
        }

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._roots[key] if key in self._roots else self._names[key]

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`."""
        return self._names.find(find_class, module, name)

    def _new_root(self, *args: Any) -> Any:
        return self._hashable_root(None, NEW, *args)

    def _root(self, constructor: Any, *args: Any) -> Any:
        return self._hashable_root(None, constructor, *args)

    def _hashable_root(self, early: Any, constructor: Any, *args: Any) -> Any:
        if not self._exact and not all(map(self._is_same_again, args)):
            raise InexactError
        obj = self._links.construct(early, constructor, args)
        if self._is_past:
            # An object that its own arguments refer to is constructed twice; the first one counts.
            return obj
        self._is_past = True
        raise Suspended(obj)

    def _is_same_again(self, value: Any) -> bool:
        # The tuple that a tuple's constructor takes is made for the purpose; those inside are not.
        items = value if type(value) is tuple else (value,)
        return all(
            cls in _ATOMS or issubclass(cls, type) or self._links.is_external_type(cls)
            for cls in map(type, items)
        )


_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})


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
    dispatch: ClassVar[dict[int, Callable[[Any], None]]]

    def begin(self) -> Any:
        """Decode until the root is constructed; return what goes on to the end."""
        try:
            obj = self.load()
        except Suspended as suspended:
            # The call of `root` was the first of the pickle: its place on the stack is the root's.
            self.stack[-1] = suspended.args[0]
            return self._finish
        return lambda: obj

    def _finish(self) -> Any:
        try:
            while key := self.read(1):
                self.dispatch[key[0]](self)
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            return stop.value
        raise EOFError


class UpgradingUnpickler(SuspendableUnpickler):
    """A `SuspendableUnpickler` that upgrades the states of objects before it sets them.

    The unpickler in C cannot be told to; this one is for records of older versions alone.
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
        # What makes an object; other calls may return one that is complete already.
        self._makers = [*_MAKERS, *(names["brinery.reference", name] for name in _ROOTS)]

    def begin(self) -> Any:
        """Decode until the root is constructed; return what goes on to the end."""
        finish = super().begin()
        if finish == self._finish:
            self._note(self.stack[-1])
        return lambda: self._complete(finish())

    def whole(self) -> Any:
        """Decode the record; return its root."""
        return self._complete(self.load())

    def _complete(self, root: Any) -> Any:
        # Objects without attributes have no state in the record, but may need one now.
        for obj in self._stateless.values():
            self.stack = [obj, None]
            self._build()
        self._stateless.clear()
        return root

    def _note(self, obj: Any) -> None:
        # Members of enumerations have no state, and were made with their class.
        if type(obj) in self._upgrades and not isinstance(obj, Enum):
            self._stateless[id(obj)] = obj

    def _build(self) -> None:
        obj, state = self.stack[-2:]
        cls = type(obj)
        if cls not in self._upgrades:
            _C_LIKE.load_build(self)
            return
        what = f"the upgrade of a state of {cls.__module__}:{cls.__qualname__}"
        try:
            made = self.stack[-1] = self._upgrades[cls](state)
        except Exception as error:
            raise DecodeError(f"{what} failed: {type(error).__name__}: {error}") from error
        if made is None:
            del self.stack[-1]
            return
        try:
            _C_LIKE.load_build(self)
        except Exception as error:
            raise DecodeError(
                f"{what} returned an object of type {type(made).__qualname__}, and setting it failed: "
                f"{type(error).__name__}: {error}"
            ) from error

    def load_build(self) -> None:
        """Set the state of an object, upgraded."""
        self._stateless.pop(id(self.stack[-2]), None)
        self._build()

    def load_newobj(self) -> None:
        """Make an object by ``__new__``."""
        _C_LIKE.load_newobj(self)
        self._note(self.stack[-1])

    def load_newobj_ex(self) -> None:
        """Make an object by ``__new__`` with keyword arguments."""
        _C_LIKE.load_newobj_ex(self)
        self._note(self.stack[-1])

    def load_reduce(self) -> None:
        """Call what makes an object, or anything else."""
        maker = self.stack[-2]
        _C_LIKE.load_reduce(self)
        made = self.stack[-1]
        if maker is type(made) or any(maker is known for known in self._makers):
            self._note(made)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.REDUCE[0]: load_reduce,
    }


_C_LIKE: Any = pickle._Unpickler
_ROOTS = ("root", "new_root", "hashable_root")
_MAKERS: tuple[Any, ...] = (
    copyreg._reconstructor,  # type: ignore[attr-defined]
    copyreg.__newobj__,  # type: ignore[attr-defined]
    copyreg.__newobj_ex__,  # type: ignore[attr-defined]
)


class NamesUnpickler(pickle.Unpickler):
    """An unpickler that finds its globals by `names`."""

    names: Names | Beginning | Upgrading

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        # Called for each global of each record: the common case first.
        try:
            return self.names[module, name]
        except KeyError:
            return self.names.find(super().find_class, module, name)


def finder_of(source: Buffer) -> FindClass:
    """Return how an unpickler of this pickle imports what it names.

    It looks up what it is asked for and nothing else: present names go by no further ones.
    """
    return _finder(bytes(source[:2]) if source[:1] == b"\x80" else b"")


@functools.cache
def _finder(head: bytes) -> FindClass:
    # An unpickler in C learns the protocol, on which its search for names depends, by loading.
    unpickler = pickle.Unpickler(io.BytesIO(b"".join((head, b"N."))))
    unpickler.load()
    return unpickler.find_class


def names_unpickler(
    source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
) -> NamesUnpickler:
    """Return an unpickler that is ready to load."""
    # One is made for each record, and a constructor in Python would take half of that time.
    unpickler = NamesUnpickler(open_source(source), buffers=buffers)
    unpickler.names = names
    return unpickler
