"""The state that the records of one save share while a codec writes them."""

from __future__ import annotations

from brinery.typing import TYPE_CHECKING, Any
from brinery_codecs._pickle.openings import Opening
from brinery_codecs._pickle.reducers import ReducerTable
from brinery_codecs._pickle.targets import Pieces

if TYPE_CHECKING:
    from brinery_codecs._pickle.by_value.reducer import ClassReducer
    from brinery_codecs.functions import FunctionReducer


class WriteState:
    """Everything that the records of one save share."""

    def __init__(self, table: ReducerTable) -> None:
        self.table = table
        self.openings: dict[int, Opening | None] = {}
        """The opening of each class that this save has met, by its `id()`; None for a class without one."""
        self.idle: tuple[Any, Pieces] | None = None
        """A pickler that waits for the next record, and the pieces that it writes."""
        self._by_value: tuple[FunctionReducer, ClassReducer] | None = None

    def renew(self) -> None:
        """Prepare for another save: forget all objects, and what was found out about classes."""
        self.openings.clear()
        self.table.renew()
        if self.idle is not None:
            pickler, target = self.idle
            pickler.memo = {}
            target.pieces.clear()

    def by_value(self) -> tuple[FunctionReducer, ClassReducer]:
        """Return the reducers of functions and of classes that are written by value."""
        if self._by_value is None:
            # Not all codecs write anything by value, and looking through code brings in much.
            from brinery_codecs._pickle.by_value.reducer import ClassReducer
            from brinery_codecs.functions import FunctionReducer

            self._by_value = FunctionReducer(), ClassReducer()
        return self._by_value
