"""Commits to a directory: staged, and published under the lock of the writers.

Loaded with the first write, because most programs that open a store only read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from brinery.backend import Conflict, Delete, Put, Unchanged, Version, as_delete
from brinery.backends.directory.commit import Commit, not_as_expected
from brinery.backends.directory.layout import Layout, check_name
from brinery.backends.directory.lock import WritersLock
from brinery.backends.directory.lock_state import Turn
from brinery.backends.directory.presence import Presence
from brinery.backends.directory.recovery import recover
from brinery.backends.directory.staging import Staging, sweep
from brinery.backends.directory.step import Step
from brinery.errors import storage_error


class Writer:
    """Makes the commits of one backend, and finishes those that were cut off."""

    __slots__ = ("_has_finished", "_has_swept", "_layout", "_presence", "_timeout")

    def __init__(self, layout: Layout, presence: Presence, lock_timeout: float) -> None:
        self._layout = layout
        self._presence = presence
        self._timeout = lock_timeout
        self._has_finished = False
        self._has_swept = False

    def commit(self, puts: Iterable[Put], deletes: Iterable[str | Delete]) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.  Raise `Conflict`."""
        with Staging(self._layout, self._presence.prepare) as staging:
            for put in puts:
                staging.add(put)
            removed = tuple(map(as_delete, deletes))
            for name, _ in removed:
                check_name(name)
            if staging.staged:
                staging.sync()
                self._publish(staging, removed)
            elif removed and self._presence.allows(removed):
                self._publish(staging, removed)
            return {name: staged.version for name, staged in staging.staged.items()}

    def _publish(self, staging: Staging, removed: Sequence[Delete]) -> None:
        deletes = [each for each in removed if type(each) is not Unchanged]
        is_one = len(staging.staged) + len(deletes) == 1
        step = Step(staging)
        with self.lock(changing=is_one) as turn:
            try:
                if turn.interrupted or not self._has_finished:
                    self.finish(turn)
                    if is_one:
                        turn.change()
                if len(deletes) < len(removed):
                    self._check_unchanged(removed)
                if not is_one or not step.run(deletes):
                    Commit(staging, deletes).run(turn)
            except OSError as error:
                # That of the file of the lock: the others are translated where they fail.
                raise storage_error("write", error, path=self._layout.lock) from error
        step.sync()
        if not self._has_swept:
            self._has_swept = True
            sweep(self._layout.staging)

    def _check_unchanged(self, removed: Iterable[Delete]) -> None:
        unchanged = [each for each in removed if type(each) is Unchanged]
        if wrong := not_as_expected(self._layout, unchanged):
            raise Conflict(wrong)

    def lock(self, *, changing: bool = False, timeout: float | None = None) -> WritersLock:
        """Return the lock, as a context; with `changing`, names change from the beginning on."""
        layout = self._layout
        layout.check_links()
        return WritersLock(
            layout.lock,
            self._timeout if timeout is None else timeout,
            lambda: self._presence.prepare(layout.housekeeping),
            access=layout.access,
            changing=changing,
        )

    def finish(self, turn: Turn) -> None:
        """Finish or take back commits that were cut off, under the lock."""
        try:
            recover(self._layout)
            if turn.interrupted:
                turn.restart()
        except BaseException as error:
            turn.is_unfinished = True
            if isinstance(error, OSError):
                raise storage_error("write", error, path=self._layout.lock) from error
            raise
        self._has_finished = True
