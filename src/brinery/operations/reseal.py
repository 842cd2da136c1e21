"""Sealing records again: all records of a store, and records that are copied to another store.

A seal is valid in one store only.  A copied record keeps its seal if the target has the identity of the
source, or takes it.  Otherwise the copy is sealed again, which needs the keys of both stores.
"""

from __future__ import annotations

from typing import Any

from brinery.backend import Missing, Put, Version
from brinery.catalog.settings import read_settings
from brinery.errors import SealError
from brinery.operations.examination import checked
from brinery.record.reader import parse
from brinery.record.record import Metadata, about_of
from brinery.record.seal import Seals
from brinery.record.writer import build
from brinery.session.session import Session
from brinery.trust.gate import check_identity


class Resealer:
    """Checks the seals of records of `source`, and seals their copies for `target`."""

    def __init__(self, source: Session, target: Session) -> None:
        self._source = source
        self._target = target
        self._old: Seals | None = None
        self._new: Seals | None = None
        self._is_same = True

    def seals_of_source(self) -> Seals | None:
        """Return the seals of the source; None without a key, or if nothing is sealed."""
        settings = read_settings(self._source.backend)
        if settings is None or settings.identity is None:
            return None
        return self._source.gate.seals

    def check(self) -> None:
        """Raise `SealError` if the target would refuse records of the source; nothing is written."""
        source, target = self._source, self._target
        settings = read_settings(source.backend)
        identity = settings.identity if settings else None
        held = read_settings(target.backend)
        # A new store takes the identity of the source.
        own = held.identity if held else identity
        check_identity(target.gate.trust, own, target.backend.location)
        self._is_same = own == identity
        if source.gate.trust.secrets:
            self._old = source.gate.seals
        if target.gate.trust.secrets and self._old is not None:
            return
        if target.gate.trust.secrets and identity is None:
            raise SealError(
                "expected sealed records, because the target was opened with a key; nothing in the source is "
                "sealed. If you know where its records are from, open the source with a key, too, and seal "
                "them there with reseal(unsealed=True)",
                path=target.backend.location,
            )
        if not self._is_same:
            raise SealError(
                "the seals of the source and of the target belong to different stores. Open both with their "
                "keys: then the copies are sealed again",
                path=target.backend.location,
            )

    def begin(self) -> None:
        """Prepare to seal for the target, which must have its settings."""
        target = self._target
        settings = read_settings(target.backend)
        target.gate.adopt(settings.identity if settings else None)
        if target.gate.trust.secrets:
            target.remember_once()
            self._new = target.gate.seals

    def resealed(self, data: bytes, id: str, path: str) -> tuple[Metadata, bytes]:
        """Return the metadata of a record, and the bytes to write to the target.

        Raise `RecordError` if it is damaged, `SealError` if none of the keys has sealed it.
        """
        record = parse(data, id=id, path=path, seals=self._old or self._new)
        metadata = record.metadata
        if self._old is None or self._new is None or (self._is_same and self._fits(data)):
            return metadata, data
        pieces = build(metadata, [bytes(record.stored)], self._new)
        return metadata, b"".join(pieces)

    def _fits(self, data: bytes) -> bool:
        try:
            parse(data, seals=self._new)
        except SealError:
            return False
        return True


def reseal(session: Session, *, unsealed: bool = False) -> int:
    """Seal every record of a store with the first key; return how many were written.

    Records sealed by any of the keys are accepted, and with `unsealed` also records without a seal.  Raise
    `TrustError`, `RecordError`, `StorageError`; records written before the error stay written.
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
        # Living objects get the new versions of their records.
        session.identity.renew(written)
    return len(written)


def _resealed(session: Session, name: str, *, unsealed: bool) -> tuple[Version, Version] | None:
    # Return the version of a record before and after; None if it was removed after the listing.
    seals = session.gate.seals
    assert seals is not None
    try:
        data, version = session.backend.get(name)
    except Missing:
        return None
    path = session.backend.where(name)
    record = checked(name, data, version, path=path)
    if record.metadata.content is not None or not unsealed:
        record = checked(name, data, version, path=path, seals=seals)
    metadata = record.metadata
    pieces = build(metadata, [bytes(record.stored)], seals)
    put = Put(name, pieces, version, about_of(metadata, None))
    return version, session.commit([put])[name]
