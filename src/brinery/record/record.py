"""The record, taken apart: its metadata and its payload."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from brinery.backend import About
from brinery.codec import Buffer
from brinery.record.buffers import LargeBuffer
from brinery.record.clock import now
from brinery.record.digest import digest_of
from brinery.record.format import NONCE_SIZE, REFS, SIMPLE, SMALL
from brinery.record.kind import Kind, kind_of
from brinery.reference import REF
from brinery.typing import Any, Final, NamedTuple

NOTHING_MORE: Final[Mapping[str, Any]] = MappingProxyType({})
_OF_KIND: Final = ("opening", "versions", "libraries", "writer")
_NONCE_IN_TAIL: Final = slice(16, 16 + NONCE_SIZE)
Groups = Sequence[Any]
"""References, grouped by the class of their targets: a class, the list of its IDs, the next class, …"""
IN_REFS: Final = "\0"
"""In place of a class: the references that a load does not follow, because they are in a `Ref`.  The last."""


class Transformation(NamedTuple):
    """The transform of a stored payload, with the size and digest of the original."""

    name: str
    """Of the transform."""
    config: Mapping[str, Any]
    size: int
    """The size in bytes of the payload as the codec wrote it."""
    digest: bytes
    """Its digest."""


class Metadata(NamedTuple):
    """What a record says of itself; it is read without touching the payload.

    A named tuple, because one is made for each record: it takes 0.5 µs, a frozen dataclass 2.
    """

    id: str
    kind: Kind
    groups: Groups
    references: tuple[str, ...]
    """The IDs of `groups`."""
    payload_size: int
    """The size in bytes of the payload as it is stored."""
    payload_digest: bytes
    """Digest of the payload as it is stored."""
    created: float
    """Seconds since the epoch."""
    nonce: bytes
    flags: int = 0
    transform: Transformation | None = None
    """None if the payload is stored as the codec wrote it."""
    buffers: tuple[LargeBuffer, ...] = ()
    """The large buffers inside the payload."""
    content: bytes | None = None
    """The keyed digest of the payload, if the record is sealed."""
    more: Mapping[str, Any] = NOTHING_MORE
    """The optional fields that do not describe the payload: what is beside the object, and unknown ones."""

    @property
    def raw_digest(self) -> bytes:
        """Return the digest of the payload as the codec wrote it."""
        return self.payload_digest if self.transform is None else self.transform.digest

    @property
    def is_simple(self) -> bool:
        """Return whether decoding runs no code of the user's, as the writer says."""
        return bool(self.flags & SIMPLE)

    @property
    def followed(self) -> Sequence[str]:
        """Return the IDs of the objects that are loaded with this one."""
        return self.references if self.flags < REFS else flat(self.groups_to_follow)

    @property
    def groups_to_follow(self) -> Groups:
        """Return the groups that have these IDs."""
        return self.groups[:-2] if self.flags & REFS else self.groups

    @property
    def in_refs(self) -> Sequence[str]:
        """Return the IDs of the objects that a `Ref` in this one leads to."""
        found: Sequence[str] = self.groups[-1] if self.flags & REFS else ()
        return found

    @property
    def class_name(self) -> str:
        """Return `module:qualname` of the class of the object."""
        return self.kind.class_name

    @property
    def codec(self) -> str:
        """Return the name of the codec."""
        return self.kind.codec

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the keyword arguments that make the codec."""
        return self.kind.config

    @property
    def codec_version(self) -> str:
        """Return the version of the library that encoded the object."""
        return self.kind.codec_version

    @property
    def protocol(self) -> int | None:
        """Return the protocol, None for codecs without protocols."""
        return self.kind.protocol

    @property
    def python(self) -> str:
        """Return the version of Python that wrote the record."""
        return self.kind.python

    @property
    def versions(self) -> Mapping[str, int]:
        """Return the versions of classes (`module:qualname`) of objects in the payload, if above 1."""
        return self.kind.versions

    @property
    def libraries(self) -> Mapping[str, str]:
        """Return the versions of the libraries whose classes the payload names."""
        return self.kind.libraries


class Record(NamedTuple):
    """A record whose digests were checked."""

    metadata: Metadata
    data: bytes
    """The whole record; the payload starts at its first byte."""
    version: Any
    """The backend's version of it."""
    raw: bytes | None = None
    """The payload after its transform was undone, or without its `buffers`."""
    buffers: Sequence[Any] = ()
    """The large buffers that the payload takes from outside, if the record was read in parts."""

    @property
    def stored(self) -> bytes | memoryview:
        """Return the bytes of the payload as they are stored."""
        size = self.metadata.payload_size
        # Copying a few bytes takes a third of the time that two views take.
        return self.data[:size] if size < SMALL else memoryview(self.data)[:size]

    @property
    def payload(self) -> bytes | memoryview:
        """Return the bytes of the payload as the codec wrote them."""
        if self.raw is None and self.metadata.transform is None:
            return self.stored
        if self.raw is None:
            raise ValueError("the payload is still transformed: expand the record first")
        return self.raw if len(self.raw) < SMALL else memoryview(self.raw)


def grouped(references: Iterable[str], classes: Mapping[str, str]) -> Groups:
    """Return IDs, each once, grouped by the class of their targets; `classes` has that of each."""
    groups: list[Any] = []
    known: dict[str, list[str]] = {}
    for id_ in dict.fromkeys(references):
        class_name = classes[id_]
        if class_name in known:
            known[class_name].append(id_)
        else:
            known[class_name] = ids = [id_]
            groups += (class_name, ids)
    if IN_REFS in known:
        at = groups.index(IN_REFS)
        del groups[at : at + 2]
        groups += (IN_REFS, [id_.removeprefix(REF) for id_ in known[IN_REFS]])
    return groups


def classes_in(groups: Groups) -> dict[str, str]:
    """Return the class of the target of each ID: the inverse of `grouped`."""
    return {
        REF + id_ if name == IN_REFS else id_: name
        for name, ids in zip(groups[::2], groups[1::2], strict=True)
        for id_ in ids
    }


def flat(groups: Groups) -> tuple[str, ...]:
    """Return the IDs of groups of references."""
    if len(groups) == 2:
        return (*groups[1],)
    if IN_REFS in groups[-2:-1]:  # an object may be referred to in both ways
        return (*dict.fromkeys(id_ for ids in groups[1::2] for id_ in ids),)
    return tuple(id_ for ids in groups[1::2] for id_ in ids)


def new_metadata(
    *,
    id: str,
    codec: str,
    config: Mapping[str, Any],
    codec_version: str,
    protocol: int | None,
    class_name: str,
    references: Sequence[str] = (),
    payload: Sequence[Buffer],
    **fields: Any,
) -> Metadata:
    """Return the metadata of a record that is written now, by this Python.

    `payload` is that of the stored form; `references` count as those to objects of no known class.  `fields`
    are other fields of `Metadata`, and `opening`, `versions`, `libraries` and `writer` of the kind.
    """
    of_kind = {key: fields.pop(key, None) for key in _OF_KIND}
    groups: Groups = ["", list(references)] if references else []
    found: dict[str, Any] = {
        "groups": groups,
        "payload_size": sum(map(len, payload)),
        "payload_digest": digest_of(payload),
        "created": now(),
        "nonce": os.urandom(NONCE_SIZE),
        **fields,
    }
    found["references"] = flat(found["groups"])
    described = {
        "codec": codec,
        "config": dict(config),
        "codec_version": codec_version,
        "protocol": protocol,
    }
    kind = kind_of(class_name, described, **of_kind)
    return Metadata(id, kind, **found)


def nonce_in(tail: Buffer) -> bytes:
    """Return the nonce in the tail of a record; of other bytes, something."""
    return bytes(tail[_NONCE_IN_TAIL])


def about_of(metadata: Metadata, fields: Mapping[str, Any] | None) -> About:
    """Return the values that an engine with columns stores beside a record; `fields` as in `About`."""
    references = tuple(dict.fromkeys(metadata.references))
    return About(metadata.class_name, metadata.codec, metadata.created, references, fields)
