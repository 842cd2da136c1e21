"""The values that an engine with columns stores beside the bytes of a record."""

from __future__ import annotations

from brinery.backend import About
from brinery.errors import RecordError
from brinery.record.reader import parse_metadata
from brinery.record.record import about_of


def about_in(data: bytes) -> About | None:
    """Return the column values of the record in `data`; None for bytes that are not a whole record.

    For records that are moved byte for byte, damaged or not.  If the metadata are known, use `about_of`.
    """
    try:
        return about_of(parse_metadata(data, len(data)), {})
    except RecordError:
        return None
