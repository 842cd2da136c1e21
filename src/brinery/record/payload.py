"""Applying a transform to a payload for its record, and undoing it.

The stored bytes of a record are checked before anything is expanded.  The expanded payload is checked again,
against the size and digest of the payload that the codec wrote.

A large payload goes through its transform in parts.  What the transform makes waits in a temporary file: only
at the end is it known whether it is worth it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from brinery.backend import Data, Stream, size_of
from brinery.codec import Buffer
from brinery.errors import (
    BrineryError,
    CorruptRecordError,
    EncodeError,
    RecordTooLargeError,
    StorageError,
    pass_memory_error,
)
from brinery.record.buffers import PIECE, is_undamaged
from brinery.record.digest import digest_of_each
from brinery.record.record import Metadata, Record, Transformation
from brinery.registry.transforms import transform_from
from brinery.transform import Transform
from brinery.typing import Final, NamedTuple

MAX_EXPANDED: Final = 1 << 30
"""The default of the most bytes that a stored payload may expand to."""

# Payloads below `_LEAST` bytes are not transformed.  A transform must save `_LEAST_GAIN` bytes, because its
# description in the metadata takes about 60.
_LEAST: Final = 128
LARGE: Final = 1 << 18
"""Bytes from which on a payload is transformed in parts."""
_LEAST_GAIN: Final = 64
_LEAST_SHARE: Final = (
    20  # a transform must save a twentieth: less is not worth the time of a reader
)


class Stored(NamedTuple):
    """A payload in the form to store."""

    pieces: Data
    digest: bytes
    transform: Transformation | None


def stored(transform: Transform, pieces: Data, digest: bytes, limit: int) -> Stored:
    """Return a payload transformed; unchanged if that saves nothing or a reader would refuse its size.

    `digest` is the digest of the payload, `limit` the most bytes that a reader expands.  Raise `EncodeError`
    if the transform fails, `StorageError` if there is no room for what it makes.
    """
    size = size_of(pieces)
    if _LEAST <= size <= limit:
        most = size - max(_LEAST_GAIN, size // _LEAST_SHARE)
        encoded = _encoded(transform, pieces, size, most)
        if encoded is not None and size_of(encoded) <= most:
            done = Transformation(transform.name, transform.config(), size, digest)
            return Stored(encoded, digest_of_each(encoded), done)
    return Stored(pieces, digest, None)


def _encoded(transform: Transform, pieces: Data, size: int, most: int) -> Data | None:
    try:
        if size < LARGE:
            return transform.encode([*pieces])
        return _in_parts(transform.encode_in_parts(_parts(pieces), size), most)
    except (EncodeError, StorageError):
        raise
    except Exception as error:
        pass_memory_error(error)
        reason = f"the transform {transform.name!r} failed: {type(error).__name__}: {error}"
        raise EncodeError(reason) from error


def _in_parts(encoded: Iterable[bytes], most: int) -> Stream | None:
    """Return what a transform makes; None if it makes more than `most` bytes, as soon as that is known."""
    from brinery.record.held_bytes import HeldBytes

    held = HeldBytes(in_memory=PIECE)
    for part in encoded:
        if held.size + len(part) > most:
            return None
        held.append((part,))
    return Stream(held.size, lambda: held.pieces(PIECE))


def _parts(pieces: Data) -> Iterator[Buffer]:
    for piece in pieces:
        if len(piece) <= PIECE:
            yield piece
        else:
            view = memoryview(piece)
            yield from (view[at : at + PIECE] for at in range(0, len(view), PIECE))


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
        if done is None or record.raw is not None:
            return record
        transform = self._transform(record.metadata, done, path)
        try:
            raw = transform.decode(record.stored, done.size)
            if len(raw) != done.size or not is_undamaged(raw, done.digest, record.metadata.buffers):
                raise ValueError("its size or digest differs from that in the metadata")
        except Exception as error:
            pass_memory_error(error)
            raise _damaged(done, error, record.metadata.id, path) from error
        return record._replace(raw=raw)

    def expanded(
        self, metadata: Metadata, pieces: Iterable[Buffer], path: str | None
    ) -> Iterator[Buffer]:
        """Yield the payload of a large record as the codec wrote it, from its stored bytes, in parts.

        The caller compares the digest.  Raise what `restored` raises.
        """
        done = metadata.transform
        if done is None:
            yield from pieces
            return
        transform = self._transform(metadata, done, path)
        try:
            yield from transform.decode_in_parts(pieces, done.size)
        except Exception as error:
            pass_memory_error(error)
            raise _damaged(done, error, metadata.id, path) from error

    def _transform(self, metadata: Metadata, done: Transformation, path: str | None) -> Transform:
        id_, name, config = metadata.id, done.name, done.config
        if done.size > self.limit:
            raise RecordTooLargeError(done.size, self.limit, id=id_, path=path)
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


def _damaged(
    done: Transformation, error: Exception, id: str, path: str | None
) -> CorruptRecordError:
    return CorruptRecordError(
        f"is damaged: the transform {done.name!r} cannot expand its payload ({error}). "
        "Restore it from a backup, or remove it",
        id=id,
        path=path,
    )
