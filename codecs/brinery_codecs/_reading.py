"""How the codecs of the pickle family read: names resolved once, roots announced."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from brinery.codec import Buffer, ReadLinks
from brinery.errors import MissingClassError

_NEW = copyreg.__newobj__  # type: ignore[attr-defined]
FindClass = Callable[[str, str], Any]

# Pickles below protocol 4 have no frames: without read-ahead the C unpickler calls for each opcode.
_READ_AHEAD = 1 << 16


class Names(dict[tuple[str, str], Any]):
    """The globals that payloads name, each looked up once for all records of one load.

    The functions of `brinery.reference` become methods of `links`.
    """

    def __init__(self, links: ReadLinks, codec: str) -> None:
        construct = links.construct
        super().__init__(
            {
                ("brinery.reference", "external"): links.resolve,
                ("brinery.reference", "root"): lambda constructor, *args: construct(
                    None, constructor, args
                ),
                ("brinery.reference", "new_root"): lambda *args: construct(None, _NEW, args),
                ("brinery.reference", "hashable_root"): lambda early, constructor, *args: construct(
                    early, constructor, args
                ),
            }
        )
        self._codec = codec

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`; the next time it is here."""
        try:
            found = find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise MissingClassError(
                f"{module}.{name} cannot be imported: {error}",
                codec=self._codec,
                advice=_advice(module, name),
            ) from error
        self[module, name] = found
        return found


def _advice(module: str, name: str) -> str:
    if module == "__main__":
        return (
            f"It was defined in the script that saved the record: move {name} to a module, or save "
            "with the codec 'cloudpickle' or 'dill', which keep such classes whole"
        )
    return f"Install or put on sys.path what provides the module {module!r}, as it was when saving"


def names_of(links: ReadLinks, codec: str) -> Names:
    """Return the names of one load, made when they are first asked for."""
    key = (Names, codec)
    names = links.shared.get(key)
    if names is None:
        names = links.shared[key] = Names(links, codec)
    return names


def open_source(source: Buffer) -> Any:
    """Return a file to unpickle from."""
    file = io.BytesIO(source)
    if source[:1] == b"\x80" and source[1] >= 4:
        return file
    return io.BufferedReader(file, _READ_AHEAD)


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

    def __init__(self, names: Names, links: ReadLinks, *, exact: bool) -> None:
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
        return self._hashable_root(None, _NEW, *args)

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
        self, source: Buffer, names: Beginning, buffers: Iterable[Buffer], find_class: FindClass
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


class NamesUnpickler(pickle.Unpickler):
    """An unpickler that finds its globals by `names`."""

    names: Names | Beginning

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        # Called for each global of each record: the common case first.
        try:
            return self.names[module, name]
        except KeyError:
            return self.names.find(super().find_class, module, name)


def names_unpickler(
    source: Buffer, names: Names | Beginning, buffers: Iterable[Buffer]
) -> NamesUnpickler:
    """Return an unpickler that is ready to load."""
    # One is made for each record, and a constructor in Python would take half of that time.
    unpickler = NamesUnpickler(open_source(source), buffers=buffers)
    unpickler.names = names
    return unpickler
