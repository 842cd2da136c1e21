"""The base of the codecs of the pickle family: protocols, dumping, loading, classes by value."""

from __future__ import annotations

import copy
import functools
import io
import pickle
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from itertools import chain
from types import CodeType
from typing import Any, ClassVar, Final, Protocol, Self

from brinery.codec import Buffer, Codec, Encode, Mention, ReadLinks, Sink, WriteLinks
from brinery.errors import BrineryError, DecodeError, ProtocolError, is_too_deep
from brinery.evolution.placeholder import Placeholder
from brinery_codecs._pickle.analysis.scan import scan
from brinery_codecs._pickle.deep import DeepPickler
from brinery_codecs._pickle.finders import admitted, finder_of
from brinery_codecs._pickle.names import NEW, Names, OldStateError
from brinery_codecs._pickle.openings import (
    FUNCTION,
    FUNCTION_KEY,
    REFILL,
    Opening,
    are_simple,
    is_in_place,
    is_ordinary,
    is_plain,
    joined,
    may_name,
    opening_of,
)
from brinery_codecs._pickle.record_names import Beginning, InexactError, Suspended, Upgrading
from brinery_codecs._pickle.reducers import Reducer, ReducerTable
from brinery_codecs._pickle.targets import Pieces, Target, detached
from brinery_codecs._pickle.unpicklers import (
    SuspendableUnpickler,
    UpgradingUnpickler,
    bytes_follow,
    names_unpickler,
)
from brinery_codecs._pickle.write_state import WriteState

HIGHEST = 5
"""Every Python from 3.8 on reads it, and it writes large buffers without a copy."""


class Pickler(Protocol):
    """Anything that dumps."""

    def dump(self, obj: Any, /) -> None:
        """Write the pickle of `obj`."""


class Unpickler(Protocol):
    """Anything that loads."""

    file: Any
    """What it reads; it stays behind the pickle that was loaded."""

    def load(self) -> Any:
        """Return the object."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a global."""


class PickleFamily(Codec):
    """A codec whose payload is a pickle, of a protocol to choose."""

    protocols: ClassVar[range] = range(HIGHEST + 1)
    protocol: int
    special: ClassVar[MutableMapping[type, Reducer]] = {}
    """Reducers of the wrapped library, by type."""
    _is_portable = False

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

    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> None:
        """Write the pickle of `obj`."""
        state = links.batch.get(id(self))
        if state is None:
            state = links.batch[id(self)] = self._write_state(links)
        sink.pieces += self._encode(state, obj)[0]

    def encoder(self, links: WriteLinks) -> Encode:
        """Return a function that writes objects of one save; see `Codec.encoder`."""
        state = links.batch[id(self)] = self._write_state(links)
        return functools.partial(self._encode, state)

    def _encode(self, state: WriteState, obj: Any) -> tuple[list[Any], int, bool]:
        cls = type(obj)
        if cls in state.openings:
            opening = state.openings[cls]
        else:
            opening = state.openings[cls] = self._opening(cls, state)
        if state.table.met:
            state.table.begin()
        if opening is None or not (attributes := obj.__dict__):
            return self._encode_otherwise(state, obj)
        # Nobody else may use the idle pickler while this encodes: a hook of the user may save, too.
        idle, state.idle = state.idle, None
        pickler, target = idle or self._new_pickler(state)
        target.pieces.clear()
        size = target.base = len(opening.head)
        pickler.memo = {FUNCTION_KEY: FUNCTION, id(obj): (1, obj)}
        try:
            pickler.dump(attributes)
        except Exception as error:
            if is_too_deep(error):
                return self._encode_otherwise(state, obj)
            raise
        for note in opening.notes:
            note()
        found = joined(opening, target.pieces)
        state.idle = pickler, target
        self._check(pickler, found)
        return found, size, opening.is_plain and are_simple(found, size)

    def _encode_otherwise(self, state: WriteState, obj: Any) -> tuple[list[Any], int, bool]:
        sink = Pieces()
        self._write(obj, sink, state)
        return sink.pieces, 0, False

    def _write(self, obj: Any, sink: Pieces, state: WriteState) -> None:
        try:
            # See `_encode`.
            idle, state.idle = state.idle, None
            pickler, target = idle or self._new_pickler(state)
            target.pieces.clear()
            target.base = 0
            pickler.memo = {}
            pickler.dump(obj)
            sink.pieces += target.pieces
            self._check(pickler, sink.pieces)
            state.idle = pickler, target
            return
        except Exception as error:
            if not is_too_deep(error):
                raise
        # The attempt has cost as much as a thousand objects, and its output is dropped.
        sink.pieces.clear()
        pickler = self._deep_pickler(sink, state)
        pickler.dump(obj)
        self._check(pickler, sink.pieces)

    def _new_pickler(self, state: WriteState) -> tuple[Any, Pieces]:
        target = Pieces()
        return self._pickler(target, state), target

    def detached(self, parts: Sequence[bytes], sizes: Sequence[int]) -> bytes:
        """Return a pickle that takes its large buffers from outside."""
        return detached(parts, sizes)

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object of the pickle that `source` starts with."""
        names = self._names(links)
        cls, size = names.opened(source)
        if cls is None or may_name(source):
            try:
                return self._load(source, names, links, buffers)
            except Exception as failure:  # noqa: BLE001 - raised again unless the payload can be mended
                return self._mended(failure, source, names, buffers)
        try:
            first = links.resolve, links.construct(None, NEW, (cls,))
            return pickle.loads(REFILL + source[size:], buffers=chain(first, buffers))
        except MemoryError:
            raise
        except Exception as failure:
            # Once more, by an unpickler that shows where it fails.
            if not links.restart():
                raise
            try:
                return self._load(source, names, links, buffers)
            except Exception as again:  # noqa: BLE001 - raised again, this or the first
                # The second attempt may fail for another reason, because of the first.
                reason = _place_of(failure)
                if reason[0] is PickleFamily.load.__code__ or reason == _place_of(again):
                    return self._mended(again, source, names, buffers)
                raise failure from failure.__cause__

    def made_by(self, opening: bytes, links: ReadLinks) -> type | None:
        """Return the class whose bare object an opening makes; see `Codec.made_by`."""
        cls, size = self._names(links).opened(opening)
        return cls if cls is not None and size == len(opening) and is_plain(cls) else None

    def still_makes(self, cls: type) -> bool:
        """Return whether a class is found under its name, and its objects take a state without its code."""
        return is_in_place(cls) and is_plain(cls)

    @staticmethod
    def fill(state: bytes, obj: Any, resolve: Callable[[str], Any]) -> None:
        """Give an object its state; see `Codec.fill`."""
        pickle.loads(REFILL + state, buffers=(resolve, obj))

    def _mended(
        self, failure: Exception, source: Buffer, names: Names, buffers: Iterable[Buffer]
    ) -> Any:
        """Return the object by another unpickler; raise `failure` if that does not help."""
        from brinery_codecs._pickle.mending import is_of_members, mended

        links = names.links
        if isinstance(failure, BrineryError) or not (
            links.takes_placeholders or is_of_members(failure)
        ):
            raise failure
        try:
            found = mended(source, lambda: Upgrading(names), links, buffers, finder_of(source))
        except BrineryError as error:
            if error.id is not None:  # of another object, which code of the user has loaded
                raise
            raise failure from failure.__cause__
        except Exception:  # noqa: BLE001 - the first failure is that of the record
            raise failure from failure.__cause__
        if issubclass(type(found), Placeholder):
            raise failure  # the whole record is to be replaced, and written back as it is
        return found

    def _load(
        self, source: Buffer, names: Names, links: ReadLinks, buffers: Iterable[Buffer]
    ) -> Any:
        self._scan(source, names)
        unpickler = self._unpickler(source, names, buffers)
        try:
            obj = unpickler.load()
        except OldStateError:
            links.restart()
        else:
            if unpickler.file.read(1):
                raise bytes_follow()
            if names.given is None:
                return obj
            del unpickler
            return self._with_getattr(obj, source, names, links, buffers)
        del unpickler  # its memo must not be taken for that of the next one: see `locate`
        return self._load_old(source, names, buffers)

    def _with_getattr(
        self,
        obj: Any,
        source: Buffer,
        names: Names,
        links: ReadLinks,
        buffers: Iterable[Buffer],
    ) -> Any:
        # Nearly every payload that names `getattr` calls it, and got a function in its place.  If the
        # object holds that function, the payload has `getattr` as data: decode it again with the real one.
        assert names.given is not None
        given, names.given = names.given(), None
        if given is None or names.restriction is not None:
            return obj
        links.restart()
        names.update(_GETATTR)
        try:
            return self._unpickler(source, names, buffers).load()
        except Exception:  # noqa: BLE001 - a class that was renamed, say: take the object as it was
            links.restart()
        finally:
            for key in _GETATTR:
                del names[key]
        obj = self._unpickler(source, names, buffers).load()
        names.given = None  # or the next payload would be decoded twice as well
        return obj

    def begin(
        self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()
    ) -> Callable[[], Any] | None:
        """Decode until the root is constructed; return the function for the rest, None for `load`."""
        names = self._names(links)
        cls, _ = names.opened(source)
        if cls is not None:
            links.construct(None, NEW, (cls,))
            return None
        self._scan(source, names)
        unpickler = self._unpickler(source, Beginning(names, links, exact=False), buffers)
        try:
            obj = unpickler.load()
        except Suspended:
            # To decode again in C is faster than to go on in Python.
            return None
        except InexactError:
            return self._begin_exactly(source, names, links, buffers)
        except OldStateError:
            links.restart()
        else:
            if unpickler.file.read(1):
                raise bytes_follow()
            return lambda: obj
        del unpickler
        old = Upgrading(names)
        beginning = Beginning(old, links, exact=True)
        return self._old(source, beginning, old, buffers).begin()  # type: ignore[no-any-return]

    def _load_old(self, source: Buffer, names: Names, buffers: Iterable[Buffer]) -> Any:
        old = Upgrading(names)
        try:
            return self._old(source, old, old, buffers).whole()
        except OldStateError as error:
            raise DecodeError(
                f"a class by value holds an object of {error} in an older version, which cannot be upgraded"
            ) from error

    def _old(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        old: Upgrading,
        buffers: Iterable[Buffer],
    ) -> UpgradingUnpickler:
        return UpgradingUnpickler(source, names, buffers, finder_of(source), old.upgrades)

    def _begin_exactly(
        self, source: Buffer, names: Names, links: ReadLinks, buffers: Iterable[Buffer]
    ) -> Callable[[], Any]:
        exact = Beginning(names, links, exact=True)
        unpickler = SuspendableUnpickler(source, exact, buffers, finder_of(source))
        return unpickler.begin()  # type: ignore[no-any-return]

    def _reducers(self) -> Mapping[type, Reducer]:
        return self.special

    def portable(self) -> Self:
        """Return a codec that writes the same and refuses what only this ``__main__`` has."""
        portable = copy.copy(self)
        portable._is_portable = True
        return portable

    def locate(self, source: Buffer, error: Exception) -> str | None:
        """Return the path inside the object at which decoding failed; see `analysis.failure`."""
        from brinery_codecs._pickle.analysis.failure import path_of_failure

        family = PickleFamily
        holders = (family._load, family.begin, family._begin_exactly, SuspendableUnpickler.finish)
        return path_of_failure(source, error, (holder.__code__ for holder in holders))

    def advice_on(self, error: Exception) -> str | None:
        """Return what helps if a class refuses what the record has of its objects."""
        from brinery_codecs._pickle import load_advice

        return load_advice.advice_on(error)

    def mentions(self, source: Buffer) -> Iterable[Mention]:
        """Return the globals and external references that a payload names."""
        from brinery_codecs._pickle.analysis.trace import Trace

        return list(Trace(source).mentions())

    def needs(self, source: Buffer) -> Iterable[tuple[str, str]]:
        """Return module and qualname of each global that decoding a payload would import."""
        return list(scan(source, None).needed)

    @staticmethod
    def _scan(source: Buffer, names: Names) -> None:
        # The restriction is checked before the first opcode is carried out.
        restriction = names.restriction
        if restriction is None:
            return
        found = scan(source, restriction.admits, names.is_enumeration)
        if found.unsure:
            # Everything that it names is admitted, and may be imported now.
            names.find_enumerations(finder_of(source), found.unsure)
            found = scan(source, restriction.admits, names.is_enumeration)
        for module, name in found.extensions:
            # An unpickler may have it already, and not ask for it.
            admitted(pickle.Unpickler(io.BytesIO()).find_class, restriction)(module, name)

    @abstractmethod
    def _pickler(self, target: Target, state: WriteState) -> Pickler: ...

    def _deep_pickler(self, sink: Sink, state: WriteState) -> Pickler:
        """Return the pickler for objects that are too deep for the other one."""
        return DeepPickler(sink, self.protocol, state.table)

    def _opening(self, cls: type, state: WriteState) -> Opening | None:
        """Return the opening of the payloads of a class, None if it has none."""
        if not self._writes_by_name(cls):
            return None
        known = state.known_openings.get(cls)
        if known is not None and is_ordinary(cls) and is_in_place(cls):
            return known if known.is_plain == is_plain(cls) else None
        table = state.table
        if not table.is_persistable(cls) or (found := opening_of(cls, self.protocol)) is None:
            return None
        found = state.known_openings[cls] = found._replace(notes=table.notes(cls))
        return found

    def _writes_by_name(self, cls: type) -> bool:
        """Return whether payloads name an importable class, and their pickler is in C."""
        return False

    def _check(self, pickler: Any, pieces: Sequence[Buffer]) -> None:
        """Raise an exception if the pickle that was written cannot be read back as it should."""
        # What is written by value does not spell the name: see `classes`.
        if self._is_portable and any(
            type(piece) is bytes and b"__main__" in piece for piece in pieces
        ):
            for module, name in self.needs(b"".join(pieces)):
                if "__main__" in (module, name):
                    raise pickle.PicklingError(
                        f"{name} is defined in __main__, which another process does not have: "
                        "move it to a module"
                    )

    def _unpickler(
        self, source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
    ) -> Unpickler:
        return names_unpickler(source, names, buffers)

    def _write_state(self, links: WriteLinks) -> WriteState:
        return WriteState(ReducerTable(links, self.protocol, self._reducers()))

    def _names(self, links: ReadLinks) -> Names:
        # Asked for each record.  `dump` keeps its state under the ID itself.
        names = links.batch.get(-id(self))
        if names is None:
            # One table for all codecs of a name: they may differ in the protocol alone.
            names = links.batch.get((Names, self.name))
            if names is None:
                names = Names(links, self)
                links.batch[Names, self.name] = names
            links.batch[-id(self)] = names
        return names


def _place_of(error: BaseException) -> tuple[CodeType | None, int]:
    # Where an exception was raised.
    code, at, traceback = None, 0, error.__traceback__
    while traceback is not None:
        code, at = traceback.tb_frame.f_code, traceback.tb_lasti
        traceback = traceback.tb_next
    return code, at


_GETATTR: Final = dict.fromkeys((("builtins", "getattr"), ("__builtin__", "getattr")), getattr)
