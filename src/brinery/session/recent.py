"""The records of the last small loads."""

from __future__ import annotations

from brinery.record.record import Record
from brinery.typing import Any, Final


class RecentRecords:
    """The records loaded last: a save of an object that was just loaded need not read its record again."""

    _MOST: Final = 64
    _LARGEST: Final = 1 << 16  # bytes
    MOST_OF_ONE_LOAD: Final = 16

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def add(self, id: str, record: Record) -> None:
        """Keep a record that was just loaded."""
        restored = 0 if record.raw is None else len(record.raw)
        if record.buffers or len(record.data) + restored > self._LARGEST:
            return
        records = self._records
        records.pop(id, None)
        while len(records) >= self._MOST:
            del records[next(iter(records))]
        records[id] = record

    def get(self, id: str, version: Any) -> Record | None:
        """Return the record `id` if it is kept in this version, None otherwise."""
        record = self._records.get(id)
        return record if record is not None and record.version == version else None
