"""The records that a garbage collection has removed, until it is certain that no save needs them.

Records are removed in one commit with a box that holds them, under a dotted name, and with the list
``.trash``, which lists the boxes.  So a removed record is always in a box that is listed, also after a crash.
The version of the list is the epoch of the store: a save that has relied on a record reads it before and
afterwards, and looks for the record again if it has changed.

A box is a line of JSON, with names and sizes, and then the bytes of the records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from brinery.backend import ABSENT, Backend, Conflict, Delete, Missing, Put, Version
from brinery.catalog.cas_list import CasList
from brinery.errors import CorruptRecordError, StorageError
from brinery.ids import id_of, is_hashed
from brinery.record.clock import now
from brinery.record.info import about_in
from brinery.typing import Final, NamedTuple

NAME: Final = ".trash"


class Removed(NamedTuple):
    """A record that is to be removed, in this very version."""

    name: str
    data: bytes
    version: Version


def epoch_of(backend: Backend) -> Version | None:
    """Return what changes whenever records are removed by a garbage collection."""
    try:
        return backend.get_tail(NAME, 0)[2]
    except Missing:
        return None


class Trash:
    """The trash of a store, in the hands of one garbage collection."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._list = CasList(backend, NAME, ("box",), ("moved",))
        self._entries, self._version = self._list.read()

    def boxes(self) -> Sequence[str]:
        """Return the names of the boxes that there are.  Raise `CorruptRecordError`."""
        names = [str(entry["box"]) for entry in self._entries]
        for name in names:
            if not name.startswith(f"{NAME}-"):
                raise self._damaged(NAME, f"{name!r:.80} is not a box")
        return names

    def move(self, records: Sequence[Removed]) -> Sequence[str]:
        """Move those records here that are still in their version; return their names."""
        left = list(records)
        while left:
            box = f"{NAME}-{os.urandom(8).hex()}"
            entries = [*self._entries, {"box": box, "moved": now()}]
            head = json.dumps([(record.name, len(record.data)) for record in left]).encode() + b"\n"
            put = Put(box, [head, *(record.data for record in left)], ABSENT)
            deletes = [Delete(record.name, record.version) for record in left]
            try:
                self._commit(entries, [put], deletes)
            except Conflict as conflict:
                changed = set(conflict.names)
                left = [record for record in left if record.name not in changed]
            else:
                break
        return [record.name for record in left]

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of every record in the trash.  Raise `CorruptRecordError`."""
        for box in self.boxes():
            yield from self._opened(box)

    def _opened(self, box: str) -> Iterator[tuple[str, bytes]]:
        try:
            data, _ = self._backend.get(box)
        except Missing as missing:
            raise _taken_over(self._backend) from missing
        try:
            start = data.index(b"\n") + 1
            sizes = json.loads(data[:start])
            for name, size in sizes:
                if not _is_name(name) or type(size) is not int or size < 0:
                    raise ValueError(f"{name!r:.80} is not a record")
            if start + sum(size for _, size in sizes) != len(data):
                raise ValueError("the sizes do not add up")
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged(box, str(error)) from error
        for name, size in sizes:
            yield name, data[start : start + size]
            start += size

    def _damaged(self, name: str, how: str) -> CorruptRecordError:
        return CorruptRecordError(
            f"holds records that gc has removed, and is damaged ({how}). Move it elsewhere, and {NAME!r} "
            "beside it; what is not put back stays removed",
            id=name,
            path=self._backend.where(name),
        )

    def put_back(self, names: Iterable[str]) -> Sequence[str]:
        """Give records of the trash their names back, if these are free; return the names."""
        wanted = set(names)
        back = []
        for name, data in self.records() if wanted else ():
            if name in wanted:
                try:
                    self._backend.commit([Put(name, (data,), ABSENT, about_in(data))])
                except Conflict:  # a save has written it again
                    continue
                back.append(name)
        return back

    def next_epoch(self) -> None:
        """Change the epoch again: now all removed records are gone."""
        self._commit(self._entries, (), ())

    def clear(self) -> None:
        """Delete all boxes for good."""
        self._commit((), (), self.boxes())

    def _commit(
        self,
        entries: Sequence[Mapping[str, object]],
        puts: Sequence[Put],
        deletes: Sequence[str | Delete],
    ) -> None:
        listing = self._list.put(entries, self._version)
        try:
            versions = self._backend.commit([*puts, listing], deletes)
        except Conflict as conflict:
            if NAME in conflict.names:
                raise _taken_over(self._backend) from conflict
            raise
        self._entries, self._version = list(entries), versions[NAME]


def _is_name(name: object) -> bool:
    return isinstance(name, str) and (id_of(name) is not None or is_hashed(name))


def _taken_over(backend: Backend) -> StorageError:
    return StorageError(
        "collect garbage",
        "another gc is at work in this store; it puts back or deletes what was removed. Try again when it "
        "has finished",
        path=backend.location,
    )
