"""Large records, read in parts: large buffers go straight into memory of their own, where they stay.

The bytes are taken in their order, each once, so that a transform can be undone and a seal be checked on the
way.  Nothing is decoded before all of them were checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO

from brinery.backend import Ranges
from brinery.codec import Buffer
from brinery.record.buffers import (
    CHUNK,
    PIECE,
    LargeBuffer,
    chunk_digests,
    digest_around,
    new_memory,
)
from brinery.record.digest import digest_of_each, digests
from brinery.record.end import damaged
from brinery.record.format import SIMPLE
from brinery.record.payload import PayloadExpander
from brinery.record.record import Metadata, Record
from brinery.record.seal import Content
from brinery.typing import Any, Protocol

Detached = Callable[[Sequence[bytes], Sequence[int]], tuple[bytes, Sequence[bool]]]
"""The method of codecs, `Codec.detached`."""


class LargeRecord:
    """A record that is read in parts, whose end was read and checked."""

    def __init__(
        self, ranges: Ranges, metadata: Metadata, path: str | None, content: Content | None = None
    ) -> None:
        """`content` is checked if it is given: the record then has a seal."""
        self.metadata = metadata
        self._ranges = ranges
        self._path = path
        self._content = content

    def read(self, detached: Detached, expander: PayloadExpander) -> Record:
        """Return the record, with its large buffers apart from the rest.

        Raise `RecordError` if any byte has changed, and what `PayloadExpander.restored` raises.
        """
        metadata, source = self.metadata, self._source(expander)
        memory = new_memory(metadata.libraries)
        parts, buffers, at = [], [], 0
        for offset, size, expected in metadata.buffers:
            parts.append(source.read(offset - at))
            is_writable = _is_writable(detached, parts[-1], size)
            buffer, found = _buffer(source, size, memory if is_writable else None)
            if found != expected:
                raise self._damaged()
            buffers.append(buffer)
            at = offset + size
        done = metadata.transform
        parts.append(source.read((metadata.payload_size if done is None else done.size) - at))
        if digest_around(parts, metadata.buffers) != metadata.raw_digest or not source.is_right():
            raise self._damaged()
        if not buffers:
            return Record(metadata, b"", self._ranges.version, parts[0])
        return self._record(self._detached(detached, parts)[0], buffers)

    def mapped(
        self, detached: Detached, *, is_private: bool, checks_all: bool
    ) -> tuple[Record, Any]:
        """Return the record, with views of a map of its file as its large buffers; and that map.

        The bytes outside of these are checked, and of the others only the digests, unless it `checks_all`.
        The payload has no transform, and no seal that is to be checked.  Raise what `read` raises, and
        `NotMappableError`.
        """
        metadata, ranges, parts, at = self.metadata, self._ranges, [], 0
        for offset, size, _ in metadata.buffers:
            parts.append(ranges.read(at, offset))
            at = offset + size
        parts.append(ranges.read(at, metadata.payload_size))
        if digest_around(parts, metadata.buffers) != metadata.payload_digest:
            raise self._damaged()
        if checks_all and not all(map(self._is_right, metadata.buffers)):
            raise self._damaged()
        raw, writable = self._detached(detached, parts)
        file = ranges.map(at, is_private=is_private)
        view = memoryview(file)
        buffers = [view[offset : offset + size] for offset, size, _ in metadata.buffers]
        for number, is_writable in enumerate(writable):
            if not is_writable:
                buffers[number] = buffers[number].toreadonly()
        return self._record(raw, buffers), file

    def _is_right(self, buffer: LargeBuffer) -> bool:
        # It is read, and not taken from a map: there a failure of the disk would end the process.
        offset, size, expected = buffer
        memory = memoryview(bytearray(min(size, CHUNK)))
        found = []
        for at in range(0, size, CHUNK):
            chunk = memory[: size - at]
            self._ranges.read_into(offset + at, chunk)
            found.append(digests()[1](chunk))
        return b"".join(found) == expected

    def _detached(self, detached: Detached, parts: Sequence[bytes]) -> tuple[bytes, Sequence[bool]]:
        try:
            return detached(parts, [each.size for each in self.metadata.buffers])
        except ValueError as error:
            raise damaged(
                "brinery does not write such metadata", self.metadata.id, self._path
            ) from error

    def _record(self, raw: bytes, buffers: Sequence[Buffer]) -> Record:
        # Its payload alone does not fill an object.
        metadata = self.metadata._replace(flags=self.metadata.flags & ~SIMPLE)
        return Record(metadata, b"", self._ranges.version, raw, buffers)

    def _source(self, expander: PayloadExpander) -> _Source:
        metadata, ranges = self.metadata, self._ranges
        if metadata.transform is None:
            return _Stored(ranges, self._content)
        # The stored bytes are checked before they are expanded.  They could change in between: of sealed
        # ones, those that were checked are kept.
        if self._content is not None:
            ranges = Ranges(ranges.read(0, metadata.payload_size), ranges.version)
            self._content.update(ranges.read(0, metadata.payload_size))
            is_right = self._content.is_right()
        else:
            is_right = digest_of_each(_pieces(ranges, metadata)) == metadata.payload_digest
        if not is_right:
            raise self._damaged()
        return _Expanded(expander.expanded(metadata, _pieces(ranges, metadata), self._path))

    def _damaged(self) -> Exception:
        return damaged("the digest of its payload does not match", self.metadata.id, self._path)


class _Source(Protocol):
    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer where the payload ends before."""

    def read_into(self, view: memoryview) -> None:
        """Fill `view` with the next bytes; or with what is there, where the payload ends before."""

    def is_right(self) -> bool:
        """Return whether the payload ends here, and has the seal that it must have."""


class _Stored:
    # A payload without transform.
    def __init__(self, ranges: Ranges, content: Content | None) -> None:
        self._ranges = ranges
        self._content = content
        self._at = 0

    def read(self, size: int) -> bytes:
        found = self._ranges.read(self._at, self._at + size)
        self._note(found, size)
        return found

    def read_into(self, view: memoryview) -> None:
        self._ranges.read_into(self._at, view)
        self._note(view, len(view))

    def _note(self, found: Buffer, size: int) -> None:
        self._at += size
        if self._content is not None:
            self._content.update(found)

    def is_right(self) -> bool:
        return self._content is None or self._content.is_right()


class _Expanded:
    # What a transform makes of a payload.
    def __init__(self, parts: Iterator[Buffer]) -> None:
        self._parts = parts
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        found = BytesIO()
        found.writelines(self._take(size))
        return found.getvalue()

    def read_into(self, view: memoryview) -> None:
        at = 0
        for part in self._take(len(view)):
            view[at : at + len(part)] = part
            at += len(part)

    def _take(self, size: int) -> Iterator[memoryview]:
        while size:
            while not self._left:
                part = next(self._parts, None)
                if part is None:
                    return
                self._left = memoryview(part)
            found, self._left = self._left[:size], self._left[size:]
            size -= len(found)
            yield found

    def is_right(self) -> bool:
        # The last part is followed by the checks of the transform.
        return not self._left and not any(map(len, self._parts))


def _pieces(ranges: Ranges, metadata: Metadata) -> Iterable[bytes]:
    size = metadata.payload_size
    return (ranges.read(at, min(at + PIECE, size)) for at in range(0, size, PIECE))


def _is_writable(detached: Detached, part: bytes, size: int) -> bool:
    # `part` comes before a buffer of this size.
    try:
        return detached((part, b""), (size,))[1][0]
    except ValueError:  # it is damaged: the digests will say so
        return False


def _buffer(
    source: _Source, size: int, memory: Callable[[int], Buffer] | None
) -> tuple[Buffer, bytes]:
    """Return the next bytes of a payload in memory of their own, and the digests of their chunks.

    `memory` makes what can be written to; without it the buffer is bytes.  The digest of each chunk is taken
    while it is in the cache of the processor.
    """
    if memory is None:
        data = source.read(size)
        return data, chunk_digests(data)
    made = memory(size)
    view = memoryview(made)
    found = []
    for at in range(0, size, CHUNK):
        chunk = view[at : at + CHUNK]
        source.read_into(chunk)
        found.append(digests()[1](chunk))
    return made, b"".join(found)
