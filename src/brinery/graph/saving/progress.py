"""Reporting how far a save is: the objects that are encoded, of those that it has found so far."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.backend import Put
from brinery.graph.saving.inner import InnerSaver
from brinery.graph.saving.saver import Saver
from brinery.graph.saving.work import Root, Work
from brinery.session.active import ACTIVE
from brinery.session.options import SaveOptions
from brinery.session.progress import Progress
from brinery.session.session import Session


class _ReportingSaver(Saver):
    """A save that reports each object."""

    def _begin(self, session: Session, options: SaveOptions) -> None:
        super()._begin(session, options)
        self._progress = Progress(options.progress, 0)

    def _enlist(self, roots: Sequence[Root]) -> list[str]:
        ids = super()._enlist(roots)
        if not self.works.found:
            self._progress.end()
        return ids

    def _encode(self, work: Work) -> Put | None:
        is_again = work.is_gone
        put = super()._encode(work)
        if not is_again:
            self._progress.total = len(self.works.found)
            self._progress(self._progress.done + 1)
        return put


class _ReportingInnerSaver(_ReportingSaver, InnerSaver):
    """The same, inside another save."""


def reporting_saver(session: Session, options: SaveOptions) -> Saver:
    """Return what saves objects now, as `saver_for` does, and reports each."""
    if ACTIVE.encoders and session.outer_encoders():
        return _ReportingInnerSaver(session, options)
    return _ReportingSaver(session, options)
