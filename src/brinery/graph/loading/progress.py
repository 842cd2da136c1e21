"""Reporting how far a load is: the objects that are decoded, of those that it has found so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from brinery.backend import Ranges, Version
from brinery.errors import DecodeError
from brinery.graph.loading.decoder import Decoder
from brinery.graph.loading.fetch import Fetched, GetMany
from brinery.graph.loading.loader import Loader
from brinery.graph.loading.simple import Made, SimpleRecord
from brinery.ids import name_of
from brinery.session.options import LoadOptions
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.graph.loading.mapper import Mapper


class ReportingLoader(Loader):
    """A load that reports each object.

    The function that it calls may load other objects of the store, but none that this load has read already:
    there would be two of it.
    """

    def __init__(
        self, session: Session, options: LoadOptions, mapper: Mapper | None = None
    ) -> None:
        super().__init__(session, options, mapper)
        assert options.progress is not None
        self._progress = options.progress
        self._fetcher.reading = self._reading
        self._names: set[str] = set()  # of the records that were read
        self._is_reporting = False

    def _report(self, done: int) -> None:
        self._is_reporting = True
        try:
            self._progress(done)
        finally:
            self._is_reporting = False

    def _reading(self, get_many: GetMany) -> GetMany:
        progress, names = self._progress, self._names
        names.clear()  # all records may be read a second time

        def get_records(wave: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
            wanted = [*wave]
            names.update(wanted)
            progress.total = max(progress.total, progress.done + len(names))
            for each in get_many(wanted):
                self._report(progress.done)
                yield each

        return get_records

    def _decode(self, ids: Sequence[str], fetched: Fetched) -> None:
        progress = self._progress
        progress.total = progress.done + len(fetched.simple) + len(fetched.others)
        super()._decode(ids, fetched)

    def _filled(
        self, simple: Mapping[str, SimpleRecord], objects: dict[str, Any]
    ) -> list[Made] | None:
        reported = _ReportedRecords(simple, self._report, self._progress.done)
        made = super()._filled(reported, objects)
        if reported.error is not None:
            raise reported.error
        return made

    def _new_decoder(self) -> Decoder:
        all_ = self._progress.total
        return _ReportingDecoder(self.session, self._report, all_, self._placeholders)

    def is_incomplete(self, id: str) -> bool:
        """Return whether decoding an object waits for code of the user's; reports refuse more in `lend`."""
        return not self._is_reporting and super().is_incomplete(id)

    def lend(self, id: str) -> Any:
        """Return an object as `Loader.lend` does; raise `DecodeError` to the function that gets reports."""
        if self._is_reporting and name_of(id) in self._names:
            raise DecodeError(
                "it is being loaded already: the function that is called with the progress of the load loads "
                "it again",
                id=id,
                advice="Load it when the first load has ended",
            )
        return super().lend(id)


class _ReportedRecords(dict[str, SimpleRecord]):
    """Simple records, each of which is reported once the next of the values is asked for."""

    error: Exception | None = None
    """What the last report has raised."""

    def __init__(
        self, records: Mapping[str, SimpleRecord], report: Callable[[int], None], before: int
    ) -> None:
        super().__init__(records)
        self._report = report
        self._before = before

    def values(self) -> Any:
        return self._reported()

    def _reported(self) -> Iterator[SimpleRecord]:
        for done, record in enumerate(super().values(), self._before + 1):
            yield record
            try:
                self._report(done)
            except Exception as error:
                self.error = error
                raise


class _ReportingDecoder(Decoder):
    """Decodes in order, and reports each object."""

    def __init__(
        self, session: Session, report: Callable[[int], None], all_: int, placeholders: bool
    ) -> None:
        super().__init__(session, placeholders=placeholders)
        self._report = report
        self._all = all_
        self._done = 0

    def _start_again(self) -> None:
        super()._start_again()
        self._done = self._all - len(self.pending)

    def _decode_full(self, id_: str) -> None:
        super()._decode_full(id_)
        self._done += 1
        self._report(self._done)
