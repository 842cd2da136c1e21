"""What the records of a save have beside their objects."""

from __future__ import annotations

from collections.abc import Mapping

from brinery.graph.saving.work import Work
from brinery.record.annotation import NO_ANNOTATION, Annotation, annotation_in
from brinery.record.record import NOTHING_MORE, Metadata
from brinery.session.entry import Entry
from brinery.typing import Any


class Annotations:
    """The annotations of one save: what it asks for its roots, else what their records have."""

    def __init__(self) -> None:
        self.asked: Annotation | None = None
        """What the save asks for; None for nothing."""
        self.written: dict[str, Annotation] = {}
        """Of the records that get one, by ID."""

    def is_new(self, work: Work, entry: Entry) -> bool:
        """Return whether the save asks for another annotation than that of an object's record."""
        former = entry.annotation or NO_ANNOTATION
        return not self._of(work, former).is_same(former)

    def fields(self, work: Work, entry: Entry | None) -> Mapping[str, Any]:
        """Return the optional fields of the record that is written for an object."""
        if entry is None:
            entry = work.former
        former = None if entry is None else entry.annotation
        found = self._of(work, former or NO_ANNOTATION)
        if found == NO_ANNOTATION:
            return NOTHING_MORE
        self.written[work.reference] = found
        return found.fields()

    def of_original(self, work: Work, metadata: Metadata) -> Metadata:
        """Return the metadata of a placeholder's record, which is written again."""
        entry = work.entry
        former = annotation_in(metadata.more) if entry is None else entry.annotation
        found = self._of(work, former or NO_ANNOTATION)
        self.written[work.reference] = found
        return metadata._replace(more=found.in_place_of(metadata.more))

    def _of(self, work: Work, former: Annotation) -> Annotation:
        # Only roots are annotated.
        if self.asked is None or work.found_in is not None:
            return former
        return self.asked.over(former)
