"""Mapping the large arrays of records: views of files, in place of memory of their own.

A map lasts as long as any array uses it, and the session notes for as long which objects have such arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from brinery.codec import Codec
from brinery.errors import NotFoundError, NotMappableError
from brinery.ids import name_of
from brinery.record.info import read_metadata
from brinery.record.parts import LargeRecord
from brinery.record.record import Metadata, Record
from brinery.session.entry import Entry
from brinery.session.options import Mapped
from brinery.session.session import Session
from brinery.typing import Any

id_of_object = id


class Mapper:
    """Maps the arrays of the records of one load."""

    def __init__(self, session: Session, how: Mapped, *, placeholders: bool = False) -> None:
        """Prepare to map arrays.  Raise `NotMappableError` if the engine has no files to map."""
        if not session.backend.capabilities.maps_files:
            raise NotMappableError(
                "it has no file for each record, as a store in a directory (FilesystemStore) has",
                "Load without mmap, or copy the store to a directory",
                path=session.backend.location,
            )
        self.how = how
        self._session = session
        self._placeholders = placeholders
        self._files: dict[str, Any] = {}

    def record(self, large: LargeRecord, codec: Codec, path: str) -> Record:
        """Return a record that has large buffers, with views of its file as these.

        Raise `NotMappableError`, and what `LargeRecord.mapped` raises.
        """
        metadata = large.metadata
        reason, advice = self._hindrance(metadata, codec)
        if reason:
            raise NotMappableError(reason, advice, id=metadata.id, path=path)
        record, file = large.mapped(
            codec.detached, is_private=self.how.is_private, checks_all=self.how.checks_all
        )
        self._files[metadata.id] = file
        return record

    def _hindrance(self, metadata: Metadata, codec: Codec) -> tuple[str, str]:
        # Return why a record cannot be mapped, and what to do; empty texts if it can.
        if metadata.transform is not None:
            return (
                f"its payload is compressed by {metadata.transform.name!r}",
                'Load it without mmap, or recode the store with compress="none"',
            )
        if self._session.gate.is_sealing:
            return (
                "it is sealed, and every byte of it has to be checked first",
                "Load it without mmap",
            )
        if self._session.gate.restriction is not None:
            return (
                "the store was opened with trust=Trust(classes=…), for which the whole payload is looked "
                "through first",
                "Load it without mmap, or leave classes out",
            )
        if self._placeholders:
            return (
                "a placeholder keeps the whole record",
                'Load it without mmap, or without missing="placeholder"',
            )
        if not codec.capabilities.out_of_band:
            return f"its codec {codec.name!r} cannot read arrays in place", "Load it without mmap"
        return "", ""

    def require(self, id: str, obj: Any) -> None:
        """Raise `NotMappableError` if the living object `id` has large arrays that are not mapped so."""
        session = self._session
        present = mapped_as(session, id, obj)
        if present is not None and present.is_private == self.how.is_private:
            return
        with suppress(NotFoundError):  # it was removed
            metadata, _ = read_metadata(session.backend, name_of(id), id)
            if not metadata.buffers:
                return
            held = "in memory"
            if present is not None:
                held = f"mapped with mmap={'c' if present.is_private else 'r'!r}"
            raise NotMappableError(
                f"it is alive, and its arrays are {held}",
                "Drop the object; or call invalidate_cache(), to get another one from the next load",
                id=id,
                path=session.backend.where(name_of(id)),
            )

    def end(self, objects: Mapping[str, Any]) -> None:
        """Note the objects of a load that have mapped arrays."""
        for id_, file in self._files.items():
            if id_ in objects:  # others left the graph while it was read
                self._session.mapped[id_, id_of_object(objects[id_]), self.how.is_private] = file


def mapped_as(session: Session, id: str, obj: Any) -> Mapped | None:
    """Return how the large arrays of the living object `id` were mapped; None if they were not."""
    for is_private in (False, True):
        if session.mapped.get((id, id_of_object(obj), is_private)) is not None:
            return Mapped(is_private)
    return None


def mapped_again(session: Session, entry: Entry, how: Mapped) -> Record | None:
    """Return the record of a living object, mapped; None if it has another version now."""
    backend, id_ = session.backend, str(entry.id)
    path = backend.where(name_of(id_))
    with backend.open_ranges(name_of(id_)) as ranges:
        if ranges.version != entry.version:
            return None
        large = session.gate.opened(ranges, id_, path)
        session.gate.check_codec(entry.codec, large.metadata)
        return Mapper(session, how).record(large, entry.codec, path)
