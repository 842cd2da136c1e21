"""The standard pickle, at any protocol (PEP 307, PEP 3154, PEP 574)."""

from __future__ import annotations

import pickle
import sys

from brinery.codec import Capabilities, Encode
from brinery_codecs._pickle.family import PickleFamily
from brinery_codecs._pickle.targets import Target
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
        return sys.version.partition(" ")[0]

    def _pickler(self, target: Target, state: WriteState) -> pickle.Pickler:
        pickler = pickle.Pickler(target, self.protocol)
        pickler.dispatch_table = state.table
        return pickler

    def renews(self, encode: Encode) -> bool:
        """Prepare an encoder for another save, which keeps the pickler."""
        state: WriteState = encode.args[0]  # type: ignore[attr-defined]
        state.renew()
        return True

    def _writes_by_name(self, cls: type) -> bool:
        return True
