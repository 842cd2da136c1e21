"""Placeholders in a save: whether the record that they came from is still right."""

from __future__ import annotations

from brinery.errors import EncodeError, pass_memory_error
from brinery.evolution.original import OriginalRecord
from brinery.graph.comparison import Reloading
from brinery.graph.saving.encoder import Encoder, located
from brinery.graph.saving.work import Work


def is_original(encoder: Encoder, work: Work, original: OriginalRecord) -> bool:
    """Return whether a placeholder is written back as its original record.

    It is, unless its attributes were changed, or it goes to another store, where its references would lead
    to other records.  Raise `EncodeError` for one that can be written neither way.
    """
    session = encoder.session
    if original.reason:
        if original.references and session.identity.entry(work.obj) is None:
            alien = EncodeError(
                f"a placeholder that was not decoded refers to records of another store: {original.reason}",
                advice="Install the missing class or codec, and load the object again, before saving "
                "it in another store",
            )
            raise located(work, encoder.codec, alien)
        return True
    try:
        digest = encoder.explained(work, original.codec).digest
        return Reloading(session).digest(original.codec, original.record) == digest
    except Exception as error:  # noqa: BLE001 - then it is encoded again, and that raises the error
        pass_memory_error(error)
        return False
