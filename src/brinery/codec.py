"""The codec interface: objects to payloads and back.

A codec does not know the form of IDs, paths or backends.  The store gives it only `links`: `WriteLinks`
while it writes, `ReadLinks` while it reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from brinery.typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview

ALIGNMENT: Final = 64
"""A large buffer starts in a payload at a multiple of so many bytes."""

Encode = Callable[[Any], tuple[Sequence[Buffer], int, bool]]
"""Encodes an object: returns the pieces of its payload, the size in bytes of the *opening* among them, and
whether the payload is *simple*.  An opening makes the bare object, and is the same for all objects of a
class; its size is 0 where there is none.  A payload is simple if decoding it runs no code of the user's."""

DEFAULT_PROTOCOL: Final = None
"""Leaves the choice of the protocol to the store's settings, and then to the codec."""


class Capabilities(NamedTuple):
    """What a codec keeps.  A store refuses what a codec says that it does not keep.

    `references`
        Persistable objects inside an object become external references.
    `cycles`
        An object that contains itself, directly or not, comes back so.
    `shared_identity`
        Two references to one object inside a record come back as references to one object.
    `instances`
        Objects of importable classes.
    `closures`
        Lambdas, nested functions and what they capture.
    `classes_by_value`
        Classes that cannot be imported, such as those of ``__main__``.
    `plain_pickle`
        The payload opens with nothing but ``pickle.load``.
    `safe_to_read`
        Decoding never runs code that the payload names.
    `restrictable`
        Decoding names nothing that `ReadLinks.restriction` does not admit.
    `deterministic`
        Equal objects with equal sharing give equal bytes, in every process.
    `out_of_band`
        Large buffers stay where they are while a payload is written, and can be read into place.
    """

    references: bool = True
    cycles: bool = False
    shared_identity: bool = False
    instances: bool = False
    closures: bool = False
    classes_by_value: bool = False
    plain_pickle: bool = False
    safe_to_read: bool = False
    restrictable: bool = False
    deterministic: bool = False
    out_of_band: bool = False


class Sink:
    """Where a codec writes a payload: a file-like object that keeps the pieces it is given."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[Any] = []

    def write(self, data: Buffer) -> int:
        """Take `data`; a mutable buffer is copied.  Return its length in bytes."""
        piece = data if type(data) is bytes else bytes(data)
        self.pieces.append(piece)
        return len(piece)


class WriteLinks(Protocol):
    """What a codec gets from the store while it encodes one record."""

    @property
    def root(self) -> Any:
        """The object that the record is about."""

    @property
    def batch(self) -> dict[Any, Any]:
        """A table for results that codecs compute once for all records of one save."""

    @property
    def cache(self) -> dict[Any, Any]:
        """A table for results that codecs keep while the store is open; `ReadLinks` has the same one."""

    def is_external_type(self, cls: type, /) -> bool:
        """Return whether `external` may return an ID for objects of exactly this type; cache it by type."""

    def external(self, obj: Any, /) -> str | None:
        """Return the ID to write instead of `obj`, or None to write the object in place.

        The answer is None for the root and for every object that is not persistable.
        """

    def met(self, id: str, /) -> None:
        """Note a reference in the current record, in place of another call of `external`."""

    def note_version(self, cls: type, /) -> Callable[[], None] | None:
        """Return a function to call for each object of exactly this class that is written in place.

        None where nothing is to be called, as for most classes; cache it by type.
        """

    def note_library(self, module: str, /) -> Callable[[], None] | None:
        """Return a function to call once for each record that names a class or function of a module.

        The record then has the version of the library that the module belongs to.  None if the
        module has no such version, as in the standard library.
        """


class Restriction(Protocol):
    """The globals that the reader lets payloads name; see `brinery.trust.restriction`."""

    def admits(self, module: str, qualname: str, /) -> bool:
        """Return whether a payload may name this global; nothing is imported to find out."""

    def admits_object(self, module: str, qualname: str, found: Any, /) -> bool:
        """Return whether the object under an admitted name may be used."""

    def is_enumeration(self, module: str, qualname: str, /) -> bool | None:
        """Return whether an enumeration has this name; None if its module is not imported yet."""


class ReadLinks(Protocol):
    """What a codec gets from the store while it decodes one record."""

    @property
    def restriction(self) -> Restriction | None:
        """What the payload may name; None where it may name anything."""

    @property
    def batch(self) -> dict[Any, Any]:
        """A table for results that codecs compute once for all records of one load."""

    @property
    def cache(self) -> dict[Any, Any]:
        """A table for results that codecs keep while the store is open; `WriteLinks` has the same one."""

    def is_external_type(self, cls: type, /) -> bool:
        """Return whether objects of exactly this type have records of their own."""

    def resolve(self, id: str, /) -> Any:
        """Return the persistable object that the external reference `id` names."""

    def construct(
        self,
        early: Mapping[str, Any] | None,
        constructor: Callable[..., Any],
        args: Sequence[Any],
        /,
    ) -> Any:
        """Announce the root: return it, made by ``constructor(*args)`` unless it exists already.

        Call it as soon as the constructor and its arguments are decoded and before the state is,
        and go on with the object that it returns.  `early` is None, or, for a root that hashes by
        its attributes, those of them that are plain values.
        """

    def find(self, module: str, name: str, look_up: Callable[[str, str], Any], /) -> Any:
        """Return the class or function that was called `name` of `module` when it was written.

        ``look_up(module, name)`` imports a present name.  A name that cannot be imported gets a
        placeholder, or the error of `look_up` is raised.
        """

    def is_lasting(self, module: str, name: str, /) -> bool:
        """Return whether a result of `find` may be kept for all records of this load."""

    def upgrader(self, module: str, name: str, cls: Any, /) -> Callable[[Any], Any] | None:
        """Return the function that upgrades the states in this record of objects of exactly `cls`.

        `module` and `name` are those that the record names; None where the states are up to date.
        """

    def note_version(self, cls: type, /) -> Callable[[], None] | None:
        """Answer as `WriteLinks.note_version`, for classes that are encoded to be compared."""

    @property
    def current(self) -> str:
        """The name of the record that is being decoded; empty if it has none."""

    @property
    def takes_placeholders(self) -> bool:
        """Return whether a part that cannot be made may be replaced by a placeholder."""

    def placeholder_of(self, module: str, qualname: str, /) -> type | None:
        """Return the class of placeholders for objects of a class; None unless `takes_placeholders`."""

    def restart(self) -> bool:
        """Prepare to decode the same record again, from its start.

        Return whether that may be done to find out where decoding failed.  Not if code of the user has loaded
        other objects meanwhile and that failed: it would load them again, and so would the code in these.
        """


class PlainLinks:
    """Links that know neither renamed classes nor versions; a base for the links of tests."""

    restriction: Restriction | None = None
    current = ""
    takes_placeholders = False

    def placeholder_of(self, module: str, qualname: str, /) -> type | None:
        """Return None: failures are raised."""
        return None

    def met(self, id: str, /) -> None:
        """Do nothing: references are not listed."""

    def note_version(self, cls: type, /) -> Callable[[], None] | None:
        """Return None: classes have no versions."""
        return None

    def note_library(self, module: str, /) -> Callable[[], None] | None:
        """Return None: libraries have no versions."""
        return None

    def find(self, module: str, name: str, look_up: Callable[[str, str], Any], /) -> Any:
        """Return what `look_up` finds."""
        return look_up(module, name)

    def is_lasting(self, module: str, name: str, /) -> bool:
        """Return True."""
        return True

    def upgrader(self, module: str, name: str, cls: Any, /) -> Callable[[Any], Any] | None:
        """Return None: all states are up to date."""
        return None

    def restart(self) -> bool:
        """Return True: nothing has to be prepared."""
        return True


class Mention(NamedTuple):
    """A global or external reference that decoding a payload needs."""

    kind: Literal["global", "external"]
    name: str
    """``module:qualname`` of a class or function, or the ID of an external reference."""
    path: str
    """Where in the object that is, as in ``.tasks[3]``; "" for the root."""


class Codec(ABC):
    """Turns one object into a payload and back.

    An instance is immutable, may be used by several threads at once, and is made again from
    ``type(codec)(**codec.config())``.  `dump` and `load` may raise any exception: the store turns it into
    `EncodeError` or `DecodeError`; a codec that knows the cause raises these itself.
    """

    name: ClassVar[str]
    """The name in records, URLs and settings.  Never re-used for changed bytes."""
    capabilities: Capabilities
    protocols: ClassVar[Sequence[int]] = ()
    """The protocols to choose from; empty where there is only one."""
    protocol: int | None = None
    """The protocol that this instance writes."""
    options: ClassVar[Mapping[str, type]] = {}
    """Further keyword arguments of the constructor and their types (bool, int or str).

    They may be among the arguments of a store and in its URL.
    """

    @property
    @abstractmethod
    def version(self) -> str:
        """The version of the library that does the work."""

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make this codec again; JSON types only."""
        return {}

    @abstractmethod
    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> None:
        """Write the payload of `obj` to `sink`.

        A memoryview among the pieces of the sink is a large buffer, at an offset that is a multiple of
        `ALIGNMENT`; only a codec that can read it `out_of_band` leaves one there.
        """

    @abstractmethod
    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object that the payload `source` describes."""

    def encoder(self, links: WriteLinks) -> Encode:
        """Return a function that encodes the objects of a save, one after the other, as `dump` does."""

        def encode(obj: Any) -> tuple[Sequence[Buffer], int, bool]:
            sink = Sink()
            self.dump(obj, sink, links)
            return sink.pieces, 0, False

        return encode

    def renews(self, encode: Encode) -> bool:
        """Prepare a function of `encoder` for another save with the same links; return whether it can."""
        return False

    def detached(
        self, parts: Sequence[bytes], sizes: Sequence[int]
    ) -> tuple[bytes, Sequence[bool]]:
        """Return a payload for `load` that takes its large buffers from outside; and which are writable.

        `parts` are its bytes before, between and after the buffers, which have these sizes in bytes.  Raise
        `ValueError` if they do not belong together.
        """
        raise NotImplementedError

    def made_by(self, opening: bytes, links: ReadLinks) -> type | None:
        """Return the class whose bare object an opening makes, where `fill` may be used for its objects.

        None, as from the base class, means that only `load` decodes these payloads.
        """
        return None

    def still_makes(self, cls: type) -> bool:
        """Return whether a class that `made_by` returned before is that class now."""
        return False

    @staticmethod
    def fill(state: bytes, obj: Any, resolve: Callable[[str], Any]) -> None:
        """Give a bare object its state: the part of a simple payload after its opening; see `ReadLinks`."""
        raise NotImplementedError

    def may_run_code(self, source: Buffer, buffers: Iterable[Buffer] = ()) -> bool:
        """Return whether decoding may run code that uses what a payload refers to; nothing is run now."""
        return True

    def portable(self) -> Codec:
        """Return a codec that writes the same bytes, and refuses objects that only this process could load.

        A chain of codecs uses it; when it refuses, the chain tries its next codec.
        """
        return self

    def begin(
        self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()
    ) -> Callable[[], Any] | None:
        """Decode until the root is constructed; return a function that decodes the rest.

        A store asks for this where a cycle of records needs an object before its turn.  By the time
        this method returns, `links.construct` has been called, unless the root is made otherwise; the
        function that it returns gives the complete root.  The base class decodes all at once, which
        is right for codecs whose roots are never part of a cycle.
        """
        obj = self.load(source, links, buffers)
        return lambda: obj

    def locate(self, source: Buffer, error: Exception) -> str | None:
        """Return the path inside the object at which `load` or `begin` failed with `error`.

        "" is the root.  A store asks after a failure only, and before the traceback of `error` is gone.
        An answer has to be certain; None, as from the base class, means "not known".  Nothing
        that the payload names may be imported or called.
        """
        return None

    def advice_on(self, error: Exception) -> str | None:
        """Return what to do about an exception of `load` or `begin`; the base class returns None."""
        return None

    def mentions(self, source: Buffer) -> Iterable[Mention]:
        """Return the globals and references of a payload, for diagnosis; nothing is imported or called."""
        return ()

    def needs(self, source: Buffer) -> Iterable[tuple[str, str]]:
        """Return module and qualname of each global that decoding a payload would import.

        The base class takes them from `mentions`.  Nothing may be imported or called; raise
        `TrustError` if that cannot be found out without decoding.
        """
        names = [each.name for each in self.mentions(source) if each.kind == "global"]
        return [(name.partition(":")[0], name.partition(":")[2]) for name in names]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.config() == other.config()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.config().items()))))

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.config().items())
        return f"{type(self).__name__}({options})"
