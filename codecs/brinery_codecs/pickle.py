"""The standard pickle, at any protocol (PEP 307, PEP 3154, PEP 574)."""

from __future__ import annotations

import pickle
import platform

from brinery.codec import Capabilities
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

    def _renew(self, pickler: pickle.Pickler) -> bool:
        pickler.clear_memo()
        return True
