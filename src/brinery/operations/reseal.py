"""Seals of records that go from one store to another.

A seal is worth something in one store alone.  So what is copied keeps its seal where the target takes the
identity of the source, or has it already; between two other stores it is sealed anew, which needs the keys
of both.
"""

from __future__ import annotations

from brinery.catalog.settings import read_settings
from brinery.errors import SealError
from brinery.record.reader import parse
from brinery.record.record import Metadata, build
from brinery.record.seal import Seals
from brinery.stores.store import Store
from brinery.trust.gate import check_identity


class Resealer:
    """Checks the seals of records of `source`, and makes those of `target`."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source = source
        self._target = target
        self._old: Seals | None = None
        self._new: Seals | None = None
        self._is_same = True

    def seals_of_source(self) -> Seals | None:
        """Return what checks the seals of the source; None without a key, or where nothing is sealed."""
        settings = read_settings(self._source.backend)
        if settings is None or settings.identity is None:
            return None
        return self._source._guard.seals

    def check(self) -> None:
        """Raise `SealError` where the target would refuse records of the source; nothing is written."""
        source, target = self._source, self._target
        settings = read_settings(source.backend)
        identity = settings.identity if settings else None
        held = read_settings(target.backend)
        # A new store takes the identity of the one that is copied.
        own = held.identity if held else identity
        check_identity(target.trust, own, target.backend.location)
        self._is_same = own == identity
        if source.trust.secrets:
            self._old = source._guard.seals
        if target.trust.secrets and self._old is not None:
            return
        if target.trust.secrets and identity is None:
            raise SealError(
                "nothing in the source is sealed, and the target was opened with a key. If you know where "
                "the records of the source are from, open it with a key, too, and seal them there with "
                "reseal(unsealed=True)",
                path=target.backend.location,
            )
        if not self._is_same:
            raise SealError(
                "the seals of the source and of the target are not those of one store. Open both with their "
                "keys, and the copies are sealed anew",
                path=target.backend.location,
            )

    def begin(self) -> None:
        """Begin to write; the target has its settings by now."""
        target = self._target
        settings = read_settings(target.backend)
        target._guard.adopt(settings.identity if settings else None)
        if target.trust.secrets:
            target._remember_once()
            self._new = target._guard.seals

    def resealed(self, data: bytes, id: str, path: str) -> tuple[Metadata, bytes]:
        """Return the metadata of a record, and the bytes that the target is to have.

        Raise `RecordError` where it is damaged, `SealError` where no key that is to have sealed it has.
        """
        record = parse(data, id=id, path=path, seals=self._old or self._new)
        metadata = record.metadata
        if self._old is None or self._new is None or (self._is_same and self._fits(data)):
            return metadata, data
        pieces = build(metadata, [bytes(record.stored)], record.buffers, self._new)
        return metadata, b"".join(pieces)

    def _fits(self, data: bytes) -> bool:
        try:
            parse(data, seals=self._new)
        except SealError:
            return False
        return True
