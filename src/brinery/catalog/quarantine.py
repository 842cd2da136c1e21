"""The quarantine of a store: damaged records, moved out of the way and kept byte for byte.

One mechanism for all engines: the bytes are stored under a dotted name, ``.quarantine-`` and a key, which
`list` leaves out; the list ``.quarantine`` has the old name of each, and why it was moved.  A record is moved
in one commit, and only in the version that was found damaged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from brinery.backend import ABSENT, Backend, Conflict, Delete, Missing, Put, Version
from brinery.catalog.cas_list import CasList, Entry
from brinery.errors import IdTakenError, InvalidArgumentError, NotFoundError
from brinery.ids import id_of, name_of
from brinery.record.clock import now
from brinery.record.info import about_in
from brinery.typing import Any, Final

NAME: Final = ".quarantine"


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record in the quarantine."""

    key: str
    """Names it in calls."""
    name: str
    """The name that it had: the ID, escaped."""
    status: str
    """What `fsck` found."""
    reason: str
    size: int
    """Bytes."""
    moved: datetime
    """When, in UTC."""


class Quarantine:
    """The quarantine of a store; `store` may also be its backend.

    Every method may raise `StorageError`, and `CorruptRecordError` where the list of the quarantine is
    damaged.
    """

    def __init__(self, store: Any) -> None:
        self._backend: Backend = store if isinstance(store, Backend) else store.backend
        texts = ("key", "name", "status", "reason")
        self._list = CasList(self._backend, NAME, texts, ("size", "moved"))

    def entries(self) -> Sequence[QuarantinedRecord]:
        """Return what is there, in the order in which it was moved."""
        return tuple(map(_from_entry, self._list.read()[0]))

    def read(self, key: str) -> bytes:
        """Return the bytes of a record.  Raise `NotFoundError`."""
        self._entry(key)
        return self._bytes(key)[0]

    def move(
        self, name: str, data: bytes, version: Version, status: str, reason: str
    ) -> QuarantinedRecord | None:
        """Move the record under `name` here; None if it is not in `version` any more."""
        time = now()
        stamp = datetime.fromtimestamp(time, UTC).strftime("%Y%m%dT%H%M%SZ")
        moved = QuarantinedRecord(
            key=f"{stamp}-{os.urandom(4).hex()}",
            name=name,
            status=status,
            reason=reason,
            size=len(data),
            moved=datetime.fromtimestamp(time, UTC),
        )
        entry = {**asdict(moved), "moved": time}
        put = Put(_place(moved.key), (data,), ABSENT)
        try:
            self._list.change(lambda entries: [*entries, entry], [put], [Delete(name, version)])
        except Conflict:
            return None
        return moved

    def put_back(self, key: str, name: str | None = None) -> str:
        """Move a record to the name that it had, or to that of the ID `name`; return the name.

        Raise `NotFoundError`, and `IdTakenError` if that name is in use.
        """
        entry = self._entry(key)
        target = entry.name if name is None else name_of(name)
        data, version = self._bytes(key)
        try:
            self._list.change(
                lambda entries: _without(entries, key),
                [Put(target, (data,), ABSENT, about_in(data))],
                [Delete(_place(key), version)],
            )
        except Conflict as conflict:
            raise IdTakenError(id_of(target) or target, self._backend.location) from conflict
        return target

    def drop(self, key: str) -> None:
        """Delete a record for good.  Raise `NotFoundError`."""
        self._entry(key)
        self._list.change(lambda entries: _without(entries, key), (), [_place(key)])

    def _entry(self, key: str) -> QuarantinedRecord:
        if not isinstance(key, str):
            raise InvalidArgumentError(
                f"expected the key of a record in quarantine, a string, got {key!r:.60}"
            )
        for entry in self.entries():
            if entry.key == key:
                return entry
        raise NotFoundError(key, f"the quarantine of {self._backend.location}")

    def _bytes(self, key: str) -> tuple[bytes, Version]:
        try:
            return self._backend.get(_place(key))
        except Missing:
            raise NotFoundError(key, f"the quarantine of {self._backend.location}") from None


def _place(key: str) -> str:
    return f"{NAME}-{key}"


def _without(entries: Sequence[Entry], key: str) -> list[Entry]:
    return [entry for entry in entries if entry.get("key") != key]


def _from_entry(entry: Entry) -> QuarantinedRecord:
    return QuarantinedRecord(
        key=entry["key"],
        name=entry["name"],
        status=entry["status"],
        reason=entry["reason"],
        size=int(entry["size"]),
        moved=datetime.fromtimestamp(entry["moved"], UTC),
    )
