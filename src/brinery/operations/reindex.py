"""Filling the extra columns of a database from the objects, where they are not filled.

Each object is loaded apart from the living objects of the store, and the functions of `extra_fields` are
called with it.  Only the columns are written: the records and their versions stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from brinery.backends.sql import SqlBackend
from brinery.backends.sql.extra_columns import Filling
from brinery.errors import BrineryError, InvalidArgumentError, NotFoundError, StorageError
from brinery.graph.loading.loader import Loader
from brinery.ids import Id, id_of, name_of
from brinery.operations.recode import LeftRecord
from brinery.operations.report import Report, counted
from brinery.record.info import read_info
from brinery.session.cache import Caches
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.progress import Progress, Show
from brinery.session.session import OpenedStore, Session, required_session

MOST_RECORDS: Final = 500
"""Most records of a commit."""
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class ReindexReport(Report):
    """The result of `reindex`."""

    filled: int
    """Records whose columns were filled."""
    unchanged: int
    """Records whose columns were filled already."""
    left: Sequence[LeftRecord] = ()
    """Records whose columns are still unfilled, because the object cannot be loaded."""

    @property
    def is_whole(self) -> bool:
        """Return whether the columns of every record are filled now."""
        return not self.left

    def headline(self) -> str:
        """Return how many records were filled, unchanged and left."""
        line = f"columns of {counted(self.filled, 'record')} filled, {self.unchanged} unchanged"
        return line + (f", {len(self.left)} left unfilled" if self.left else "")

    def details(self) -> Iterator[str]:
        """Yield a line for each record whose columns are unfilled."""
        yield from (f"{found.id}: left unfilled: {found.reason}" for found in self.left)


def reindex(
    store: OpenedStore, *, everything: bool = False, progress: Show | None = None
) -> ReindexReport:
    """Fill the columns of `extra_fields` for the records of a `SqlStore` where they are not filled.

    Make the index of references again, if the database has one.

    They are unfilled after a copy, a restore, and a write by a store without these `extra_fields`, and in
    records that are older than the column.  With `everything`, compute the values of all records again:
    after a change of a function.  The records stay as they are.  `progress` is called with the number of
    records done and the number of all, at most ten times a second.

    Decoding runs the code that records name.  Records that cannot be decoded are reported.  Raise
    `InvalidArgumentError` for a store without `extra_fields`, and `StorageError`.
    """
    session = required_session("store", store).outside()
    backend, values = session.base, session.fields
    if not isinstance(backend, SqlBackend) or values is None:
        raise InvalidArgumentError(
            "store: expected a SqlStore that was opened with extra_fields, which say how to fill the columns"
        )
    return _Reindexer(session, backend, everything).run(progress)


class _Reindexer:
    def __init__(self, session: Session, backend: SqlBackend, everything: bool) -> None:
        self._session = session
        self._backend = backend
        self._everything = everything
        self._wanted: dict[str, frozenset[str]] = {}  # by name, the columns that are filled
        self._done: set[str] = set()
        self._left: dict[str, LeftRecord] = {}
        self._batch: list[Filling] = []

    def run(self, show: Show | None) -> ReindexReport:
        """Fill all; repeat that for records that another process has written since."""
        with self._session.lock, self._session.call_lock, self._session.opened():
            self._backend.rebuild_index()
        count = len(self._backend.columns.unfilled(everything=True))
        self._wanted = dict(self._backend.columns.unfilled(everything=self._everything))
        progress = Progress(show, len(self._wanted))
        for _ in range(_ATTEMPTS):
            for name in [*self._wanted]:
                if name in self._wanted:
                    self._fill(name)
                progress(len(self._done) + len(self._left))
            self._flush()
            self._wanted = {
                name: filled
                for name, filled in self._backend.columns.unfilled().items()
                if name not in self._left
            }
            if not self._wanted:
                break
        for name in self._wanted:
            id_ = Id(id_of(name) or name)
            self._left[name] = LeftRecord(id_, "it changes too often to be filled")
        progress.end()
        filled = len(self._done - self._left.keys())
        return ReindexReport(
            filled=filled,
            unchanged=max(0, count - filled - len(self._left)),
            left=tuple(sorted(self._left.values(), key=lambda left: left.id)),
        )

    def _fill(self, name: str) -> None:
        """Fill the columns of the record `name`, and of all that it reaches and that lack columns."""
        id_ = Id(name)
        try:
            id_ = Id(id_of(name) or read_info(self._backend, name).id)
            view = self._session.beside(IdentityMap(), Caches())
            loader = Loader(view)
            loaded = loader.load([id_], keeps_fetched=True)  # keeps all objects alive
        except StorageError:
            raise
        except BrineryError as error:
            del self._wanted[name]
            if not (isinstance(error, NotFoundError) and error.id == id_):
                self._left[name] = LeftRecord(id_, str(error))
            return
        for found, read in loader.fetched.items():
            obj = view.identity.get(found)
            if obj is not NOTHING and name_of(found) in self._wanted:
                self._add(name_of(found), read.record.version, obj)
        self._wanted.pop(name, None)
        del loaded

    def _add(self, name: str, version: Any, obj: Any) -> None:
        assert self._session.fields is not None
        values = self._session.fields(obj)
        self._batch.append(Filling(name, version, values, self._wanted.pop(name)))
        self._done.add(name)
        if len(self._batch) == MOST_RECORDS:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        with self._session.lock, self._session.call_lock, self._session.opened():
            self._backend.columns.fill(batch)
