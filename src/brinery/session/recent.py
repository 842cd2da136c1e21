"""The records of the last small loads."""

from __future__ import annotations

from brinery.backend import Version
from brinery.typing import Final


class RecentRecords:
    """The records loaded last: a save of an object that was just loaded need not read its record again."""

    _MOST: Final = 64
    _LARGEST: Final = 1 << 16  # bytes
    MOST_OF_ONE_LOAD: Final = 16

    def __init__(self) -> None:
        self._records: dict[str, tuple[bytes, Version]] = {}

    def add(self, id: str, data: bytes, version: Version) -> None:
        """Keep the bytes of a record that was just loaded, if they are few."""
        records = self._records
        if len(records) >= self._MOST and id not in records:
            del records[next(iter(records))]
        if 0 < len(data) <= self._LARGEST:  # large records are read in parts
            records[id] = data, version

    def get(self, id: str, version: Version) -> bytes | None:
        """Return the bytes of the record `id` if they are kept in this version, None otherwise."""
        data, kept = self._records.get(id, (None, None))
        return data if kept == version else None
