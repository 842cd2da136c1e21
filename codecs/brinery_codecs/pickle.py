"""The standard pickle, at any protocol (PEP 307, PEP 3154, PEP 574)."""

from __future__ import annotations

import pickle
import platform

from brinery.codec import Capabilities, Sink
from brinery_codecs._family import PickleFamily, Session, Take


class PickleCodec(PickleFamily):
    """Objects of importable classes, whole and fast; a payload is an ordinary pickle file."""

    name = "pickle"
    capabilities = Capabilities(
        references=True,
        cycles=True,
        shared_identity=True,
        instances=True,
        plain_pickle=True,
        out_of_band=True,
    )

    @property
    def version(self) -> str:
        """Return the version of Python, whose pickle module does the work."""
        return platform.python_version()

    def _pickler(self, sink: Sink, session: Session, take: Take | None) -> pickle.Pickler:
        pickler = pickle.Pickler(sink, self.protocol, buffer_callback=take)
        pickler.dispatch_table = session.table
        return pickler

    def _renew(self, pickler: pickle.Pickler) -> bool:
        pickler.clear_memo()
        return True
