"""The base of the codecs of the pickle family: protocols, and the writing half; `reading` has the other."""

from __future__ import annotations

import copy
import functools
import pickle
from abc import abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence

from brinery.codec import Buffer, Encode, Sink, WriteLinks
from brinery.errors import ProtocolError, is_too_deep
from brinery.typing import Any, ClassVar, Protocol, Self
from brinery_codecs._pickle.bare import OverlapError, check_bare
from brinery_codecs._pickle.openings import (
    FUNCTION,
    FUNCTION_KEY,
    Opening,
    are_simple,
    joined,
    opening_of,
)
from brinery_codecs._pickle.reading import PickleReader
from brinery_codecs._pickle.reducers import Reducer, ReducerTable
from brinery_codecs._pickle.targets import Pieces, Target
from brinery_codecs._pickle.write_state import WriteState

HIGHEST = 5
"""Every Python from 3.8 on reads it, and it writes large buffers without a copy."""


class Pickler(Protocol):
    """Anything that dumps."""

    def dump(self, obj: Any, /) -> None:
        """Write the pickle of `obj`."""


class PickleFamily(PickleReader):
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
        self.capabilities = kept._replace(out_of_band=kept.out_of_band and protocol >= 5)

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
        key = id(type(obj))  # a metaclass may say that two classes are equal
        if key in state.openings:
            opening = state.openings[key]
        else:
            opening = state.openings[key] = self._opening(type(obj), state)
        if state.table.met:
            state.table.begin()
        if opening is None or not (attributes := obj.__dict__):
            return self._encode_otherwise(state, obj)
        # Nobody else may use the idle pickler while this encodes: a hook of the user may save, too.
        idle, state.idle = state.idle, None
        pickler, target = idle or self._new_pickler(state)
        head, is_plain, notes = opening
        pieces = target.pieces
        pieces.clear()
        size = target.base = len(head)
        pickler.memo = {FUNCTION_KEY: FUNCTION, id(obj): (1, obj)}
        try:
            pickler.dump(attributes)
        except OverlapError:
            return self._encode_otherwise(state, obj)
        except Exception as error:
            if is_too_deep(error):
                return self._encode_otherwise(state, obj)
            raise
        for note in notes:
            note()
        found = joined(head, pieces)
        state.idle = pickler, target
        self._check(pickler, found)
        return found, size, is_plain and are_simple(found, size)

    def _encode_otherwise(self, state: WriteState, obj: Any) -> tuple[list[Any], int, bool]:
        try:
            return self._written(state, obj), 0, False
        except OverlapError:
            rewrite = state.table.arrays.rewrite
            return rewrite(lambda: self._written(state, obj)), 0, False

    def _written(self, state: WriteState, obj: Any) -> list[Any]:
        sink = Pieces()
        self._write(obj, sink, state)
        return sink.pieces

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

    def _reducers(self) -> Mapping[type, Reducer]:
        return self.special

    def portable(self) -> Self:
        """Return a codec that writes the same and refuses what only this ``__main__`` has."""
        portable = copy.copy(self)
        portable._is_portable = True
        return portable

    @abstractmethod
    def _pickler(self, target: Target, state: WriteState) -> Pickler: ...

    def _deep_pickler(self, sink: Sink, state: WriteState) -> Pickler:
        """Return the pickler for objects that are too deep for the other one."""
        from brinery_codecs._pickle.deep import DeepPickler

        return DeepPickler(sink, self.protocol, state.table)

    def _opening(self, cls: type, state: WriteState) -> Opening | None:
        """Return the opening of the payloads of a class, None if it has none."""
        table = state.table
        if not self._writes_by_name(cls) or cls in self.special or not table.is_persistable(cls):
            return None
        found = opening_of(cls, self.protocol)
        if found is not None:
            check_bare(cls)
            found = Opening(found.head, found.is_plain, table.notes(cls))
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

    def _write_state(self, links: WriteLinks) -> WriteState:
        return WriteState(ReducerTable(links, self.protocol, self._reducers()))
