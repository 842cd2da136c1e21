"""The state that the records of one save share while a codec writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brinery_codecs._pickle.prefixes import Prefix
from brinery_codecs._pickle.reducers import ReducerTable
from brinery_codecs._pickle.targets import Relay
from brinery_codecs.shared_classes import ClassWriter


@dataclass(slots=True)
class WriteState:
    """Everything that the records of one save share."""

    table: ReducerTable
    classes: ClassWriter
    """Describes classes by value; only codecs that write classes by value use it."""
    is_canonical: bool = False
    """Whether classes are written to be compared, not to be read."""
    prefixes: dict[type, Prefix | None] = field(default_factory=dict)
    """The prefix of each class that this save has met; None for a class without one."""
    known_prefixes: dict[type, Prefix | None] = field(default_factory=dict)
    """The same, of all saves of a store."""
    idle: tuple[Any, Relay] | None = None
    """A pickler that waits for the next record, and where it writes to."""
