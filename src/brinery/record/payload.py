"""Applying a transform to a payload for its record, and undoing it.

The stored bytes of a record are checked before anything is expanded.  The expanded payload is checked again,
against the size and digest of the payload that the codec wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brinery.codec import Buffer
from brinery.errors import (
    BrineryError,
    CorruptRecordError,
    RecordTooLargeError,
    pass_memory_error,
)
from brinery.record.buffers import is_undamaged
from brinery.record.digest import digest_of
from brinery.record.record import Record, Transformation
from brinery.registry.transforms import transform_from
from brinery.transform import Transform
from brinery.typing import Any, Final, NamedTuple

MAX_EXPANDED: Final = 1 << 30
"""The default of the most bytes that a stored payload may expand to."""

# Payloads below `_LEAST` bytes are not transformed.  A transform must save `_LEAST_GAIN` bytes, because its
# description in the metadata takes about 60.
_LEAST: Final = 128
_LEAST_GAIN: Final = 64
_LEAST_SHARE: Final = (
    20  # a transform must save a twentieth: less is not worth the time of a reader
)


class Stored(NamedTuple):
    """A payload in the form to store."""

    pieces: Sequence[Buffer]
    digest: bytes
    transform: Transformation | None


def stored(transform: Transform, pieces: Sequence[Buffer], digest: bytes, limit: int) -> Stored:
    """Return a payload transformed; unchanged if that saves nothing or a reader would refuse its size.

    `digest` is the digest of the payload, `limit` the most bytes that a reader expands.
    """
    size = sum(map(len, pieces))
    if _LEAST <= size <= limit:
        encoded = transform.encode(pieces)
        if sum(map(len, encoded)) + max(_LEAST_GAIN, size // _LEAST_SHARE) <= size:
            done = Transformation(transform.name, transform.config(), size, digest)
            return Stored(encoded, digest_of(encoded), done)
    return Stored(pieces, digest, None)


class PayloadExpander:
    """Expands the payloads of records with the transforms that the records name."""

    def __init__(self, limit: int) -> None:
        """`limit` is the most bytes that a stored payload may expand to."""
        self.limit = limit
        self._classes: dict[str, type[Transform]] = {}
        self._made: dict[tuple[str, str], Transform] = {}

    def known(self, transform: Transform | None) -> Transform | None:
        """Remember the class of a transform, which need not be registered; return the transform."""
        if transform is not None:
            self.known_class(type(transform))
        return transform

    def known_class(self, cls: type[Transform]) -> None:
        """Remember the class of a transform."""
        self._classes[cls.name] = cls

    @property
    def classes(self) -> Mapping[str, type[Transform]]:
        """Return the remembered classes by name."""
        return self._classes

    def restored(self, record: Record, path: str | None = None) -> Record:
        """Return a record with the payload as the codec wrote it.

        Raise `RecordTooLargeError`, `CorruptRecordError`, and for a missing transform
        `UnknownTransformError` or `TransformNotInstalledError`.
        """
        done = record.metadata.transform
        if done is None:
            return record
        id_ = record.metadata.id
        if done.size > self.limit:
            raise RecordTooLargeError(done.size, self.limit, id=id_, path=path)
        transform = self._transform(done.name, done.config, id_)
        try:
            raw = transform.decode(record.stored, done.size)
            if len(raw) != done.size or not is_undamaged(raw, done.digest, record.metadata.buffers):
                raise ValueError("its size or digest differs from that in the metadata")
        except Exception as error:
            pass_memory_error(error)
            raise CorruptRecordError(
                f"is damaged: the transform {done.name!r} cannot expand its payload ({error}). "
                "Restore it from a backup, or remove it",
                id=id_,
                path=path,
            ) from error
        return record._replace(raw=raw)

    def _transform(self, name: str, config: Mapping[str, Any], id_: str) -> Transform:
        key = (name, repr(config))
        transform = self._made.get(key)
        if transform is None:
            try:
                transform = transform_from(name, config, self._classes.get(name))
            except BrineryError as error:
                # The registry knows no IDs.
                error.id = id_
                error.args = (f"{id_!r}: {error.args[0]}", *error.args[1:])
                raise
            self._made[key] = transform
        return transform
