"""The objects of one save: what the caller asked for, and what the save has met."""

from __future__ import annotations

from brinery.backend import Expect, Version
from brinery.codec import Codec
from brinery.ids import name_of
from brinery.session.identity import Entry
from brinery.typing import Any, NamedTuple


class Root(NamedTuple):
    """One object that the caller asked to save."""

    obj: Any
    id: str | None = None
    """The ID that the caller chose; None for the object's own or a new one."""
    overwrite: bool = False
    """Replace any record that is stored under `id`."""
    expect: Version | None = None
    """The version that the record `id` must have; None for no such demand."""


class Work:
    """One object that a save writes, unless it has not changed."""

    # One is made for each object.  Values that few of them have are those of the class.
    is_demanded = False
    """Whether the caller said which version to replace."""
    is_gone = False
    """Whether the record of an unchanged object was removed from the store."""
    number = -1
    """The place among the records that the save has written, which is a part of their nonces; -1 for none."""
    digest = b""
    """Of the payload that was written."""
    codec: Codec | None = None
    """The codec that wrote it."""

    def __init__(
        self,
        obj: Any,
        id: str,
        reference: str,
        entry: Entry | None,
        expect: Version | Expect,
        chosen: bool,
        found_in: Work | None,
    ) -> None:
        self.obj = obj
        self.id = id
        self.reference = reference
        """The ID as payloads have it: a plain string, whatever class the IDs of the factory have."""
        self.name = name_of(reference)
        self.entry = entry
        self.expect = expect
        self.chosen = chosen
        """Whether the caller chose the ID."""
        self.found_in = found_in
        """The record that refers to it; None for a root."""
