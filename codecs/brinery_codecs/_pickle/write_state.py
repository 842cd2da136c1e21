"""The state that the records of one save share while a codec writes them."""

from __future__ import annotations

import copyreg

from brinery.typing import TYPE_CHECKING, Any
from brinery_codecs._pickle.openings import Opening, is_in_place
from brinery_codecs._pickle.reducers import ReducerTable
from brinery_codecs._pickle.targets import Pieces

if TYPE_CHECKING:
    from brinery_codecs._pickle.by_value.reducer import ClassReducer
    from brinery_codecs.functions import FunctionReducer


class WriteState:
    """Everything that the records of one save share."""

    def __init__(self, table: ReducerTable) -> None:
        self.table = table
        self.openings: dict[type, Opening | None] = {}
        """The opening of each class that this save has met; None for a class without one."""
        self.known_openings: dict[type, Opening] = {}
        """Those of former saves: they hold while their classes are ordinary."""
        self.idle: tuple[Any, Pieces] | None = None
        """A pickler that waits for the next record, and the pieces that it writes."""
        self._by_value: tuple[FunctionReducer, ClassReducer] | None = None
        self._looked_at = 0  # how many types of the table were found under their names
        self._reductions = dict(copyreg.dispatch_table)  # on which the reducers rest

    def renew(self) -> bool:
        """Prepare for another save; return whether the reducers still hold."""
        self.openings.clear()
        self.table.reductions.clear()
        if self.idle is not None:
            pickler, target = self.idle
            pickler.memo = {}
            target.pieces.clear()
        if len(self.table) != self._looked_at:
            # A class that is not found under its name must not live longer than its objects.
            if not all(map(is_in_place, self.table)):
                return False
            self._looked_at = len(self.table)
        return self._reductions == copyreg.dispatch_table

    def begin(self) -> None:
        """Prepare for the next record."""
        if self.table.met:
            self.table.begin()

    def by_value(self) -> tuple[FunctionReducer, ClassReducer]:
        """Return the reducers of functions and of classes that are written by value."""
        if self._by_value is None:
            # Not all codecs write anything by value, and looking through code brings in much.
            from brinery_codecs._pickle.by_value.reducer import ClassReducer
            from brinery_codecs.functions import FunctionReducer

            self._by_value = FunctionReducer(), ClassReducer()
        return self._by_value
