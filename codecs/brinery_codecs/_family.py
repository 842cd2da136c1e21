"""What the codecs of the pickle family share: protocols, dumping, loading, classes by value."""

from __future__ import annotations

from abc import abstractmethod
from collections import ChainMap
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any, ClassVar, Final, Protocol

from brinery.codec import Buffer, Codec, ReadLinks, Sink, WriteLinks
from brinery.errors import DecodeError, ProtocolError
from brinery_codecs._reading import (
    Beginning,
    FindClass,
    InexactError,
    Names,
    OldStateError,
    SuspendableUnpickler,
    Suspended,
    Upgrading,
    UpgradingUnpickler,
    names_of,
    names_unpickler,
)
from brinery_codecs._reduction import Reducer, ReducerTable
from brinery_codecs.shared_classes import (
    ClassReader,
    ClassWriter,
    NoExternals,
    canonical_code,
    classes_of,
    shared_class,
)

HIGHEST = 5
"""Every Python from 3.8 on reads it, and it writes large buffers without a copy."""

_SMALL: Final = 1 << 12  # bytes of a record after which a pickler is used again

Take = Callable[[Any], None]
"""Takes the buffers that go out of band."""


class Pickler(Protocol):
    """Anything that dumps."""

    def dump(self, obj: Any, /) -> None:
        """Write the pickle of `obj`."""


class Unpickler(Protocol):
    """Anything that loads."""

    def load(self) -> Any:
        """Return the object."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a global."""


@dataclass(slots=True)
class Session:
    """What the records of one save share."""

    table: ReducerTable
    classes: ClassWriter
    """Describes classes by value; only the codecs that write such ask it."""
    is_canonical: bool = False
    """Whether classes are written to be compared, not to be read."""
    idle: tuple[Any, Relay] | None = None
    """A pickler that waits for the next record, and where it writes to."""


class Relay(Sink):
    """A sink that gives its pieces to that of the record at hand."""

    __slots__ = ()


class PickleFamily(Codec):
    """A codec whose payload is a pickle, of a protocol to choose."""

    protocols: ClassVar[range] = range(HIGHEST + 1)
    protocol: int
    special: ClassVar[MutableMapping[type, Reducer]] = {}
    """Reducers of the wrapped library, by type."""

    def __init__(self, protocol: int | None = None) -> None:
        if protocol is None:
            protocol = HIGHEST
        if type(protocol) is not int or protocol not in self.protocols:
            raise ProtocolError(protocol, self.name, self.protocols)
        self.protocol = protocol
        # Protocol 5 (PEP 574) brought out-of-band buffers.
        kept = type(self).capabilities
        self.capabilities = replace(kept, out_of_band=kept.out_of_band and protocol >= 5)

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make this codec again."""
        return {"protocol": self.protocol}

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        """Write the pickle of `obj`."""
        session = links.shared.get(id(self))
        if session is None:
            session = links.shared[id(self)] = self._session(links)
        if buffers is not None and self.capabilities.out_of_band:
            self._pickler(sink, session, lambda buffer: buffers.append(buffer.raw())).dump(obj)
            return
        # Whoever is encoding has the idle pickler to himself: a hook of the user's may save, too.
        idle, session.idle = session.idle, None
        if idle is None:
            relay = Relay()
            pickler = self._pickler(relay, session, None)
        else:
            pickler, relay = idle
        relay.pieces = sink.pieces
        pickler.dump(obj)
        # Forgetting takes as long as the table is large, and that does not shrink.
        if sum(map(len, sink.pieces)) < _SMALL and self._renew(pickler):
            session.idle = pickler, relay

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object of the pickle that `source` starts with."""
        names = self._names(links)
        try:
            return self._unpickler(source, names, buffers).load()
        except OldStateError:
            links.restart()
            return self._load_old(source, names, buffers)

    def begin(
        self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()
    ) -> Callable[[], Any]:
        """Decode until the root is constructed; return what goes on to the end."""
        names = self._names(links)
        try:
            obj = self._unpickler(source, Beginning(names, links, exact=False), buffers).load()
        except Suspended:
            # To decode anew in C is faster than to go on in Python.
            return lambda: self.load(source, links, buffers)
        except InexactError:
            return self._begin_exactly(source, names, links, buffers)
        except OldStateError:
            links.restart()
            old = Upgrading(names)
            beginning = Beginning(old, links, exact=True)
            return self._old(source, beginning, old, buffers).begin()  # type: ignore[no-any-return]
        return lambda: obj

    def _load_old(self, source: Buffer, names: Names, buffers: Iterable[Buffer]) -> Any:
        old = Upgrading(names)
        try:
            return self._old(source, old, old, buffers).whole()
        except OldStateError as error:
            raise DecodeError(
                f"a class that it has by value holds an object of {error}, in an older version"
            ) from error

    def _old(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        old: Upgrading,
        buffers: Iterable[Buffer],
    ) -> UpgradingUnpickler:
        find_class = self._finder(source, old)
        return UpgradingUnpickler(source, names, buffers, find_class, old.upgrades)

    def _begin_exactly(
        self, source: Buffer, names: Names, links: ReadLinks, buffers: Iterable[Buffer]
    ) -> Callable[[], Any]:
        exact = Beginning(names, links, exact=True)
        unpickler = SuspendableUnpickler(source, exact, buffers, self._finder(source, names))
        return unpickler.begin()  # type: ignore[no-any-return]

    def _finder(self, source: Buffer, names: Names | Upgrading) -> FindClass:
        # An unpickler in C learns the protocol, on which its search for names depends, by loading.
        head = source[:2] if source[:1] == b"\x80" else b""
        finder = self._unpickler(b"".join((head, b"N.")), names, ())
        finder.load()
        return finder.find_class

    @abstractmethod
    def _pickler(self, sink: Sink, session: Session, take: Take | None) -> Pickler: ...

    def _renew(self, pickler: Any) -> bool:
        """Make a pickler as it was when it was new; return whether that is possible."""
        return False

    def _unpickler(
        self, source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
    ) -> Unpickler:
        return names_unpickler(source, names, buffers)

    def _session(self, links: WriteLinks) -> Session:
        table = ReducerTable(links, self.protocol, self.special)
        return Session(table, self._class_writer(links, classes_of(links)))

    def _names(self, links: ReadLinks) -> Names:
        names = names_of(links, self.name)
        key = (shared_class.__module__, shared_class.__name__)
        if key not in names:
            names[key] = ClassReader(
                links,
                lambda: self._class_writer(links),
                lambda blob: self._unpickler(blob, names, ()).load(),
            )
        return names

    def _class_writer(
        self, links: WriteLinks | ReadLinks, known: dict[tuple[str, int], type] | None = None
    ) -> ClassWriter:
        def encode(writer: ClassWriter, group: tuple[type, ...], canonical: bool) -> bytes:
            sink = Sink()
            special: dict[type, Reducer] = {CodeType: canonical_code} if canonical else {}
            table = ReducerTable(NoExternals(links), self.protocol, ChainMap(special, self.special))
            self._pickler(sink, Session(table, writer, canonical), None).dump(list(group))
            return b"".join(sink.pieces)

        return ClassWriter(encode, known)
