"""What is stored beside an object: a note and tags.

They are optional fields of the text of a record, so that they are read without the object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from brinery.record.format import packing, typed
from brinery.typing import Any, Final, NamedTuple

Tag = str | int | float | bool | None
"""The value of a tag: a scalar of JSON."""
LARGEST: Final = 1 << 16
"""The most bytes of a note and tags that a save takes: a list of a store reads those of all records."""
_FIELDS: Final = ("note", "tags")
ANNOTATION: Final = frozenset(_FIELDS)
"""The fields of a record that this module knows."""


class Annotation(NamedTuple):
    """A note and tags; None if there is none.

    In the options of a save, None keeps what is there, and an empty note or no tags remove it.
    """

    note: str | None = None
    tags: Mapping[str, Tag] | None = None

    def over(self, former: Annotation) -> Annotation:
        """Return what a record gets that had `former`, if a save asks for this."""
        note = former.note if self.note is None else self.note or None
        return Annotation(note, former.tags if self.tags is None else self.tags or None)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a record that has this."""
        return {key: value for key, value in zip(_FIELDS, self, strict=True) if value is not None}

    def in_place_of(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return optional fields of a record with this, and the others as they are in `more`."""
        return {key: each for key, each in more.items() if key not in _FIELDS} | self.fields()

    def is_same(self, other: Annotation) -> bool:
        """Return whether records have the same bytes for both; 1, 1.0 and True are different tags."""
        pack = packing()[0]
        return pack(self.fields()) == pack(other.fields())

    def check(self) -> None:
        """Raise `TypeError` or `ValueError`, which say what was expected, for what records cannot have."""
        if self.note is not None and type(self.note) is not str:
            raise TypeError(f"note: expected a string, got {self.note!r:.60}")
        if self.tags is not None:
            _check_tags(typed(self.tags, dict))

    def check_size(self) -> None:
        """Raise `ValueError` if this is larger than what a save takes."""
        size = len(packing()[0](self.fields()))
        if size > LARGEST:
            raise ValueError(
                f"expected a note and tags of at most {LARGEST:,} bytes, got {size:,}: save an object that "
                "has the rest"
            )


NO_ANNOTATION: Final = Annotation()


def annotation_in(more: Mapping[str, Any]) -> Annotation:
    """Return the annotation among the optional fields of a record."""
    return Annotation(more.get("note"), more.get("tags"))


def check_fields(more: Mapping[str, Any]) -> None:
    """Raise `TypeError` or `ValueError` if optional fields of a record have no right annotation."""
    found = [more[key] for key in _FIELDS if key in more]
    if None in found:
        raise TypeError("a note or tags are nil")
    if found:
        annotation_in(more).check()


def _check_tags(tags: Mapping[Any, Any]) -> None:
    for key, value in tags.items():
        if type(key) is not str:
            raise TypeError(f"tags: expected names that are strings, got {key!r:.60}")
        if value is not None and type(value) not in (str, int, float, bool):
            raise TypeError(
                f"tags: expected a string, a number, true, false or None for {key!r:.60}, got "
                f"{value!r:.60}: an object belongs in what is saved"
            )
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            raise ValueError(
                f"tags: expected a number of 64 bits for {key!r:.60}, got {value!r:.60}"
            )
        if type(value) is float and not math.isfinite(value):
            raise ValueError(f"tags: expected a finite number for {key!r:.60}, got {value!r}")
