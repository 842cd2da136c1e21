"""The metadata of a record, read from its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brinery.backend import About, Backend, Missing
from brinery.errors import NotFoundError, RecordError, SealError, refusal_of
from brinery.ids import Id, id_of, name_of
from brinery.record.annotation import Tag, annotation_in
from brinery.record.end import end_size
from brinery.record.reader import parse_metadata
from brinery.record.record import Metadata, about_of
from brinery.record.seal import Seals
from brinery.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

_END = 4096  # bytes read at first: enough for the metadata of most records


class RecordInfo(NamedTuple):
    """The metadata of a record; reading them imports no class of the user's."""

    id: Id
    codec: str
    codec_config: dict[str, Any]
    protocol: int | None
    class_name: str
    """`module:qualname` of the object's class."""
    references: tuple[Id, ...]
    """The IDs of the persistable objects that the object refers to, those of one class together."""
    size: int
    """The size of the whole record in bytes."""
    created: datetime
    """When the record was written, in UTC."""
    python: str
    """Version of the Python that wrote it."""
    codec_version: str
    """Version of the library that encoded it."""
    transform: str | None
    """The name of the payload's transform, if it has one."""
    transform_config: dict[str, Any]
    raw_size: int
    """Bytes of the payload as the codec wrote it."""
    versions: dict[str, int]
    """Versions of classes (`module:qualname`) of objects in the record, if above 1."""
    libraries: dict[str, str]
    """Versions of the libraries whose classes the record names, by top-level package."""
    sealed: bool
    """Whether the record has a seal; with a key it was checked."""
    note: str | None
    """What `save` was given as `note`."""
    tags: dict[str, Tag]
    """What `save` was given as `tags`."""
    user: str | None
    """The user who wrote the record, if the store notes that: see `provenance` of `Store`."""
    host: str | None
    """The machine on which it was written."""
    program: str | None
    """The program that wrote it."""


def read_metadata(
    backend: Backend, name: str, id: str | None = None, seals: Seals | None = None
) -> tuple[Metadata, int]:
    """Return the metadata of the record `name`, and its size; `id` is the ID that it must have.

    Raise `NotFoundError`, `RecordError`, `StorageError`, and `SealError` if no key of `seals` has sealed it.
    """
    path = backend.where(name)
    try:
        end, size, _ = backend.get_tail(name, _END)
        needed = end_size(end, size, id=id, path=path)
        if needed > len(end):
            end, size, _ = backend.get_tail(name, needed)
    except Missing:
        raise NotFoundError(id or name, backend.location) from None
    try:
        return parse_metadata(end, size, id=id, path=path, seals=seals), size
    except SealError as error:
        if error.id is not None:
            raise
        raise refusal_of(error, name, None, path) from error


def read_each(
    backend: Backend, names: Iterable[str], seals: Seals | None = None
) -> Iterator[tuple[str, Metadata | RecordError, int]]:
    """Yield, in any order, each of the names that is there with its metadata, or the error, and its size.

    The ends of many records are read at once.  Raise `StorageError`; with `seals`, also `SealError`.
    """
    for name, end, size, _ in backend.get_tails(names, _END):
        id_ = id_of(name)
        found: Metadata | RecordError | None = None
        try:
            if end_size(end, size, id=id_, path=None) <= len(end):
                found = parse_metadata(end, size, id=id_, path=None, seals=seals)
        except (RecordError, SealError):
            pass  # read once more, for an error with the path, which takes long to find
        if found is None:
            try:
                found, size = read_metadata(backend, name, id_, seals)
            except NotFoundError:  # removed since
                continue
            except RecordError as error:
                found = error
        yield name, found, size


def read_infos(
    backend: Backend, ids: Iterable[str], seals: Seals | None = None
) -> Iterator[RecordInfo]:
    """Yield, in any order, the metadata of those records `ids` that are there; raise as `read_info`."""
    wanted = {name_of(id_): id_ for id_ in ids}
    for name, found, size in read_each(backend, wanted, seals):
        if isinstance(found, RecordError):
            raise found
        id_ = wanted[name]
        yield _info_of(found, size) if found.id == id_ else read_info(backend, name, id_, seals)


def read_info(
    backend: Backend, name: str, id: str | None = None, seals: Seals | None = None
) -> RecordInfo:
    """Return the metadata of the record `name` for users; raise what `read_metadata` raises."""
    return _info_of(*read_metadata(backend, name, id, seals))


def _info_of(metadata: Metadata, size: int) -> RecordInfo:
    from datetime import UTC, datetime

    done, writer = metadata.transform, metadata.kind.writer
    note, tags = annotation_in(metadata.more)
    return RecordInfo(
        id=Id(metadata.id),
        codec=metadata.codec,
        codec_config=dict(metadata.config),
        protocol=metadata.protocol,
        class_name=metadata.class_name,
        references=tuple(map(Id, metadata.references)),
        size=size,
        created=datetime.fromtimestamp(metadata.created, UTC),
        python=metadata.python,
        codec_version=metadata.codec_version,
        transform=done.name if done else None,
        transform_config=dict(done.config) if done else {},
        raw_size=done.size if done else metadata.payload_size,
        versions=dict(metadata.versions),
        libraries=dict(metadata.libraries),
        sealed=metadata.content is not None,
        note=note,
        tags=dict(tags or {}),
        user=writer.get("user"),
        host=writer.get("host"),
        program=writer.get("program"),
    )


def about_in(data: bytes) -> About | None:
    """Return the column values of the record in `data`; None for bytes that are not a whole record.

    For records that are moved byte for byte, damaged or not.  If the metadata are known, use `about_of`.
    """
    try:
        return about_of(parse_metadata(data, len(data)), {})
    except RecordError:
        return None
