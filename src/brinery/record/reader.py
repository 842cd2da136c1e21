"""Parsing records: every byte is checked before any byte of the payload is decoded.

`record_as_written` reads nearly all records in one pass.  What it does not take is read by `parse`, which has
an error for each problem.  The format is specified in `docs/design/record-format.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brinery.codec import Buffer
from brinery.errors import ForeignRecordError, MisplacedRecordError, SealError
from brinery.record.annotation import ANNOTATION, check_fields
from brinery.record.buffers import LargeBuffer, check_places, is_undamaged
from brinery.record.clock import FAR_FUTURE
from brinery.record.digest import digests
from brinery.record.end import damaged, end_size, refined
from brinery.record.format import (
    FORMAT_VERSION,
    MAGIC,
    REFS,
    SEALED,
    SIMPLE,
    SMALL,
    TAIL,
    TAIL_SIZE,
    UNCOVERED,
    packing,
    plain_unpacking,
    typed,
)
from brinery.record.kind import kind_from, small_kind
from brinery.record.record import (
    IN_REFS,
    NOTHING_MORE,
    Groups,
    Metadata,
    Record,
    Transformation,
    flat,
)
from brinery.record.seal import CONTENT_SIZE, PROOF_SIZE, Content, Seals
from brinery.typing import Any, Final

_new: Final = tuple.__new__
_unpack_tail: Final = TAIL.unpack_from
_UNUSUAL: Final = 0xFFFF & ~(SIMPLE | REFS)
"""Flags of records that are not plain, or damaged."""
_UNDAMAGED: Final = (ValueError, TypeError, KeyError, RecursionError)
"""What a well-formed end with other content raises while it is taken apart."""


def metadata_as_written(data: bytes, id: str | None) -> Metadata | None:
    """Return the metadata of a plain record; None if `parse` has to read it.

    A plain record has no seal, no transform, no large buffers, and no optional field that is not known.

    The whole record is then undamaged and, if `id` is given, has that ID.
    """
    # Called for each record that is read: all in one function, to save calls.
    end = len(data) - TAIL_SIZE
    if end < 0 or type(data) is not bytes:
        return None
    kind_size, text_size, created, nonce, flags, digest, check, form, magic = _unpack_tail(
        data, end
    )
    kind_at = end - kind_size
    text_at = kind_at - text_size
    if magic != MAGIC or form != FORMAT_VERSION or flags & _UNUSUAL or text_at < 0:
        return None
    end_digest, payload_digest = digests()
    if end_digest(data[text_at:-UNCOVERED]) != check or not 0 <= created < FAR_FUTURE:
        return None
    # Copying a few bytes takes a third of the time that a view takes.
    payload = data[:text_at] if text_at < SMALL else memoryview(data)[:text_at]
    more: Mapping[str, Any] = NOTHING_MORE
    if payload_digest(payload) != digest:
        return None
    try:
        kind = small_kind(data[kind_at:end])
        text = plain_unpacking()(data[text_at:kind_at])
        try:
            id_, groups = text
        except ValueError:
            id_, groups, more = _annotated(text)
    except _UNDAMAGED:
        return None
    if type(groups) is not list or type(id_) is not str or (id is not None and id_ != id):
        return None
    references: list[str] = []
    if groups:
        pairs = iter(groups)
        for class_name in pairs:
            ids = next(pairs, None)
            if type(class_name) is not str or type(ids) is not list:
                return None
            references += ids
        if {*map(type, references)} != {str}:
            return None
    if flags > SIMPLE:
        if IN_REFS not in groups[-2:-1]:
            return None
        references = [*dict.fromkeys(references)]
    # fmt: off
    return _new(Metadata, (
        id_, kind, groups, (*references,), text_at, digest, created, nonce, flags, None, (), None, more,
    ))
    # fmt: on


def _annotated(text: Any) -> tuple[Any, Any, Mapping[str, Any]]:
    id_, groups, more = text
    if not typed(more, dict).keys() <= ANNOTATION:
        raise ValueError("there are other fields")
    check_fields(more)
    return id_, groups, more or NOTHING_MORE


def record_as_written(data: bytes, version: Any, id: str | None) -> Record | None:
    """Return a plain record; None if `parse` has to read it.

    A record that is returned is undamaged and, if `id` is given, has that ID.
    """
    metadata = metadata_as_written(data, id)
    return None if metadata is None else _new(Record, (metadata, data, version, None, ()))


def parse_metadata(
    end: Buffer,
    size: int,
    *,
    id: str | None = None,
    path: str | None = None,
    seals: Seals | None = None,
) -> Metadata:
    """Read the metadata of a record of `size` bytes from its last bytes, `end`.

    Raise a `RecordError` when they are damaged, foreign, or those of another ID than `id`, and a
    `SealError` when `seals` are given and none of their keys has sealed them.
    """
    return parse_end(end, size, id, path, seals)[0]


def parse_end(
    end: Buffer, size: int, id: str | None, path: str | None, seals: Seals | None
) -> tuple[Metadata, Content | None]:
    """Return what `parse_metadata` returns, and with `seals` the content that the payload must have."""
    needed = end_size(end, size, id=id, path=path)
    if len(end) < needed:
        raise ValueError(f"expected the last {needed} bytes, got {len(end)}")
    described = bytes(end[len(end) - needed :])
    tail_at = needed - TAIL_SIZE
    kind_size, text_size, created, nonce, flags, digest, check, *_ = _unpack_tail(
        described, tail_at
    )
    if digests()[0](described[:-UNCOVERED]) != check:
        raise damaged("the digest of its end does not match", id, path)
    proof_at = kind_size + text_size
    proof = described[proof_at:tail_at]
    # Check the seal before the rest is unpacked.
    content = None
    if seals is not None:
        content = _content(seals, described, proof_at, id, path)
    try:
        if not 0 <= created < FAR_FUTURE:
            raise ValueError("the time is out of range")
        kind = kind_from(described[text_size:proof_at])
        id_, groups, *optional = typed(packing()[1](described[:text_size]), list)
        more = typed(optional[0], dict) if optional else {}
        transform, buffers = _optional(more)
        check_fields(more)
        metadata = Metadata(
            typed(id_, str),
            kind,
            _checked(groups, flags),
            flat(groups),
            size - needed,
            digest,
            created,
            nonce,
            flags,
            transform,
            buffers,
            proof[:CONTENT_SIZE] if flags & SEALED else None,
            more or NOTHING_MORE,
        )
        check_places(buffers, size - needed if transform is None else transform.size)
    except _UNDAMAGED as error:
        raise damaged("brinery does not write such metadata", id, path) from error
    if id is not None and metadata.id != id:
        raise MisplacedRecordError(metadata.id, id=id, path=path)
    return metadata, content


def _content(
    seals: Seals, described: bytes, proof_at: int, id: str | None, path: str | None
) -> Content:
    proof = described[proof_at:-TAIL_SIZE]
    if len(proof) != PROOF_SIZE:
        raise SealError(
            "it has no seal, and the store was opened with a key, which demands one. If you know where "
            "all records without a seal are from, store.reseal(unsealed=True) seals them",
            id=id,
            path=path,
        )
    content = seals.content(proof, described[:proof_at], described[-TAIL_SIZE:-UNCOVERED])
    if content is None:
        raise SealError(
            "none of the keys given has sealed it: it was forged, or moved here from another store, or "
            "sealed with a key that is not in trust=Trust(key=[…])",
            id=id,
            path=path,
        )
    return content


def _checked(groups: Any, flags: int) -> Groups:
    found = typed(groups, list)
    if len(found) % 2:
        raise ValueError("a group of references has no IDs")
    if flags & REFS and IN_REFS not in found[-2:-1]:
        raise ValueError("the last group of references is of a class")
    for class_name, ids in zip(found[::2], found[1::2], strict=True):
        if {*map(type, typed(ids, list))} != {str}:
            raise TypeError("a reference is not a string")
        typed(class_name, str)
    return found  # type: ignore[no-any-return]


def _optional(more: dict[str, Any]) -> tuple[Transformation | None, tuple[LargeBuffer, ...]]:
    # Take out the fields that describe the payload.
    transform = buffers = None
    if "transform" in more:
        found = typed(more.pop("transform"), dict)
        transform = Transformation(
            typed(found["name"], str),
            typed(found["config"], dict),
            _size(found["size"]),
            typed(found["digest"], bytes),
        )
    buffers = tuple(
        LargeBuffer(_size(offset), _size(size), typed(digests, bytes))
        for offset, size, digests in typed(more.pop("buffers", []), list)
    )
    return transform, buffers


def _size(value: Any) -> int:
    if typed(value, int) < 0:
        raise ValueError("a size is negative")
    return int(value)


def parse(
    data: bytes,
    version: Any = None,
    *,
    id: str | None = None,
    path: str | None = None,
    seals: Seals | None = None,
    admit: Callable[[Metadata], object] | None = None,
) -> Record:
    """Check a record and parse it; no payload byte is decoded.

    `admit` is called with the metadata before the payload is read.  Raise a `RecordError` if any byte has
    changed since the record was written, or if `id` is given and the record has another ID.  Raise a
    `SealError` if `seals` are given and none of their keys has sealed it; and all that `admit` raises.
    """
    if seals is None and admit is None and (found := record_as_written(data, version, id)):
        return found
    try:
        metadata, content = parse_end(data, len(data), id, path, seals)
    except ForeignRecordError as error:
        raise refined(error, data, len(data)) from error
    if admit is not None:
        admit(metadata)
    record = Record(metadata, data, version)
    payload = memoryview(data)[: metadata.payload_size]
    if content is not None:
        # One pass is enough: sealed bytes need no other digest.
        content.update(payload)
        if not content.is_right():
            raise damaged("its payload has changed since it was sealed", id, path)
        return record
    buffers = metadata.buffers if metadata.transform is None else ()
    if not is_undamaged(payload, metadata.payload_digest, buffers):
        raise damaged("the digest of its payload does not match", id, path)
    return record
