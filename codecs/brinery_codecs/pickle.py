"""The standard pickle, at any protocol (PEP 307, PEP 3154, PEP 574)."""

from __future__ import annotations

import pickle
import platform
from types import FunctionType
from typing import Any

from brinery.codec import Capabilities, Sink
from brinery_codecs._pickle.deep import DeepPickler
from brinery_codecs._pickle.family import PickleFamily
from brinery_codecs._pickle.prefixes import FRAMED, Prefix, is_in_place, prefix_of
from brinery_codecs._pickle.targets import Take, Target
from brinery_codecs._pickle.write_state import WriteState


class PickleCodec(PickleFamily):
    """Objects of importable classes, whole and fast; a payload is an ordinary pickle file."""

    name = "pickle"
    capabilities = Capabilities(
        references=True,
        cycles=True,
        shared_identity=True,
        instances=True,
        plain_pickle=True,
        restrictable=True,
        out_of_band=True,
    )

    @property
    def version(self) -> str:
        """Return the version of Python, whose pickle module does the work."""
        return platform.python_version()

    def _pickler(self, target: Target, state: WriteState, take: Take | None) -> pickle.Pickler:
        pickler = pickle.Pickler(target, self.protocol, buffer_callback=take)
        pickler.dispatch_table = state.table
        return pickler

    def _prefix(self, cls: type, state: WriteState) -> Prefix | None:
        if self.protocol < FRAMED:
            return None
        if not state.table.is_persistable(cls):
            return None
        found = state.known_prefixes.get(cls)
        if found is None or not is_in_place(cls):
            found = state.known_prefixes[cls] = prefix_of(cls, self.protocol)
        return found

    def portable(self) -> PortablePickleCodec:
        """Return the codec that refuses classes and functions of ``__main__``."""
        return PortablePickleCodec(self.protocol)

    def _renew(self, pickler: pickle.Pickler) -> bool:
        pickler.clear_memo()
        return True


class PortablePickleCodec(PickleCodec):
    """Writes the same bytes as `PickleCodec`, and refuses classes and functions of ``__main__``.

    Another process has another ``__main__``.  The check costs a call for each object that is written,
    so it is made only if another codec can take over.
    """

    def _pickler(self, target: Target, state: WriteState, take: Take | None) -> _PortablePickler:
        pickler = _PortablePickler(target, self.protocol, buffer_callback=take)
        pickler.dispatch_table = state.table
        return pickler

    def _prefix(self, cls: type, state: WriteState) -> Prefix | None:
        return None if cls.__module__ == "__main__" else super()._prefix(cls, state)

    def _deep_pickler(self, sink: Sink, state: WriteState, take: Take | None) -> DeepPickler:
        return DeepPickler(sink, self.protocol, state.table, _refuse_main, take)


class _PortablePickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        return _refuse_main(obj)


def _refuse_main(obj: Any) -> Any:
    cls = type(obj)
    if (cls is FunctionType or issubclass(cls, type)) and obj.__module__ == "__main__":
        raise pickle.PicklingError(
            f"{obj.__qualname__} is defined in __main__, which another process does not have: "
            "move it to a module"
        )
    return NotImplemented
