"""The state that the records of one save share while a codec writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brinery_codecs._pickle.by_value.reducer import ClassReducer
from brinery_codecs._pickle.prefixes import Prefix
from brinery_codecs._pickle.reducers import ReducerTable
from brinery_codecs._pickle.targets import Relay
from brinery_codecs.functions import FunctionReducer


@dataclass(slots=True)
class WriteState:
    """Everything that the records of one save share."""

    table: ReducerTable
    reduce_function: FunctionReducer = field(default_factory=FunctionReducer)
    reduce_class: ClassReducer = field(default_factory=ClassReducer)
    """Reduce what is written by value; not all codecs do."""
    prefixes: dict[type, Prefix | None] = field(default_factory=dict)
    """The prefix of each class that this save has met; None for a class without one."""
    known_prefixes: dict[type, Prefix | None] = field(default_factory=dict)
    """The same, of all saves of a store."""
    idle: tuple[Any, Relay] | None = None
    """A pickler that waits for the next record, and where it writes to."""
