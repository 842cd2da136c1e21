"""The record that a placeholder was loaded from, and is written back as."""

from __future__ import annotations

from brinery.codec import Codec
from brinery.record.record import Record
from brinery.typing import NamedTuple


class OriginalRecord(NamedTuple):
    """The record that a placeholder was loaded from."""

    record: Record
    codec: Codec
    reason: str
    """Why it was not decoded; empty if it was."""

    @property
    def class_name(self) -> str:
        """Return `module:qualname` of the class, as recorded."""
        return self.record.metadata.class_name

    @property
    def references(self) -> tuple[str, ...]:
        """Return the IDs that the record refers to."""
        return self.record.metadata.references

    @property
    def payload(self) -> bytes | memoryview:
        """Return the payload."""
        return self.record.payload
