"""Seals renewed: of all records of a store, and of records that go from one store to another.

A seal is worth something in one store alone.  So what is copied keeps its seal where the target takes the
identity of the source, or has it already; between two other stores it is sealed anew, which needs the keys
of both.
"""

from __future__ import annotations

from typing import Any

from brinery.backend import Missing, Put, Version
from brinery.catalog.settings import read_settings
from brinery.errors import SealError
from brinery.record.reader import parse
from brinery.record.record import Metadata, about_of
from brinery.record.seal import Seals
from brinery.record.writer import build
from brinery.session.session import Session
from brinery.trust.gate import check_identity


class Resealer:
    """Checks the seals of records of `source`, and makes those of `target`."""

    def __init__(self, source: Session, target: Session) -> None:
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
        return self._source.gate.seals

    def check(self) -> None:
        """Raise `SealError` where the target would refuse records of the source; nothing is written."""
        source, target = self._source, self._target
        settings = read_settings(source.backend)
        identity = settings.identity if settings else None
        held = read_settings(target.backend)
        # A new store takes the identity of the one that is copied.
        own = held.identity if held else identity
        check_identity(target.gate.trust, own, target.backend.location)
        self._is_same = own == identity
        if source.gate.trust.secrets:
            self._old = source.gate.seals
        if target.gate.trust.secrets and self._old is not None:
            return
        if target.gate.trust.secrets and identity is None:
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
        target.gate.adopt(settings.identity if settings else None)
        if target.gate.trust.secrets:
            target.remember_once()
            self._new = target.gate.seals

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


def reseal(session: Session, *, unsealed: bool = False) -> int:
    """Seal every record of a store with the first key; return how many were written.

    Records that any of the keys has sealed are accepted, and with `unsealed` also those without a seal.
    Raise `TrustError`, `RecordError`, `StorageError`; what was written before stays.
    """
    gate = session.gate
    if not gate.is_sealing:
        raise SealError(
            "a seal needs a key: open it with trust=Trust(key=…)", path=session.backend.location
        )
    if gate.identity is None and not unsealed:
        gate.check_sealed()
    session.remember_once()
    written: dict[str, Any] = {}
    try:
        for name in list(session.backend.list()):
            if (versions := _resealed(session, name, unsealed=unsealed)) is not None:
                written[name] = versions
    finally:
        # Living objects are still those of their records.
        session.identity.renew(written)
    return len(written)


def _resealed(session: Session, name: str, *, unsealed: bool) -> tuple[Version, Version] | None:
    # The version of a record before and after; None where it was removed since it was listed.
    seals = session.gate.seals
    assert seals is not None
    try:
        data, version = session.backend.get(name)
    except Missing:
        return None
    path = session.backend.where(name)
    record = parse(data, version, path=path)
    if record.metadata.content is not None or not unsealed:
        record = parse(data, version, path=path, seals=seals)
    metadata = record.metadata
    pieces = build(metadata, [bytes(record.stored)], record.buffers, seals)
    put = Put(name, pieces, version, about_of(metadata, None))
    return version, session.commit([put])[name]
