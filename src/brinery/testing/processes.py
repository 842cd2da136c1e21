"""New processes that work on one place at once, each with a backend of its own.

They are forked from a server that has imported this package and nothing else, where the system has
such servers (POSIX): that takes some milliseconds, where a new interpreter takes some hundred.  What
they are to do has to be a function of a module, or a `functools.partial` of one.
"""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.process
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import Any, Final, Self

from brinery.backend import Backend

Opener = Callable[[], Backend]
"""Opens one place as a new backend, in any process: it can be pickled."""
Tell = Callable[[object], None]
Work = Callable[[Backend, Tell], None]
"""The work of a process: it gets its backend, and a function that reports to its parent."""

LIMIT: Final = 60.0
"""Seconds after which a process that says nothing counts as hanging."""
_PRELOADED: Final = ["brinery.testing.backend"]
_READY: Final = "ready"
_DONE: Final = "done"
_FAILED: Final = "failed"
_TOLD: Final = "told"


class WorkerProcess:
    """A process that opens a backend, waits to be let go, and then does its work.

    Use it as a context manager: a process that still runs at the end is killed.
    """

    def __init__(self, opener: Opener, work: Work) -> None:
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context(
            "forkserver" if "forkserver" in methods else "spawn"
        )
        if "forkserver" in methods:
            context.set_forkserver_preload(_PRELOADED)
        self._pipe, theirs = context.Pipe()
        self._process: multiprocessing.process.BaseProcess
        self._process = context.Process(target=_run, args=(opener, work, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is the end of the pipe

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._process.close()
        self._pipe.close()

    def wait_until_ready(self) -> None:
        """Wait until its backend is open."""
        assert self._receive()[0] == _READY

    def let_go(self) -> None:
        """Let the process begin."""
        self._pipe.send(None)

    def told(self) -> Iterator[Any]:
        """Yield the reports of the process, until its work is done.

        Raise `AssertionError` when it fails, dies, or says nothing for a minute.
        """
        while True:
            kind, value = self._receive()
            if kind == _DONE:
                return
            yield value

    def heard(self) -> list[Any]:
        """Return the reports that are there, without waiting for more."""
        heard = []
        while self._pipe.poll():
            heard.append(self._receive()[1])
        return heard

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the process while the block runs (SIGSTOP)."""
        process = self._process.pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def kill(self) -> list[Any]:
        """Kill the process (SIGKILL), and return its reports that were not read."""
        self._process.kill()
        self._process.join()
        heard: list[Any] = []
        while True:
            try:
                kind, value = self._pipe.recv()
            except (EOFError, OSError):  # OSError: within a message
                return heard
            if kind == _TOLD:
                heard.append(value)

    def _receive(self) -> tuple[str, Any]:
        assert self._pipe.poll(LIMIT), f"{self._process.name} has said nothing for {LIMIT:.0f} s"
        try:
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise AssertionError(f"it died: exit code {self._process.exitcode}") from None
        assert kind != _FAILED, f"in {self._process.name}:\n{value}"
        return kind, value


def in_processes(openers: Sequence[Opener], work: Sequence[Work]) -> list[list[Any]]:
    """Do each work in a process of its own, all beginning at once; return the reports of each.

    The openers are used in turn.  Raise `AssertionError` when one of them fails.
    """
    with ExitStack() as stack:
        workers = [
            stack.enter_context(WorkerProcess(opener, each))
            for opener, each in zip(itertools.cycle(openers), work)
        ]
        for worker in workers:
            worker.wait_until_ready()
        for worker in workers:
            worker.let_go()
        return [[*worker.told()] for worker in workers]


def _run(opener: Opener, work: Work, pipe: Any) -> None:
    """Be the process."""
    try:
        with closing(opener()) as backend:
            pipe.send((_READY, None))
            pipe.recv()
            work(backend, lambda value: pipe.send((_TOLD, value)))
        pipe.send((_DONE, None))
    except BaseException:  # noqa: BLE001 - the parent raises it
        pipe.send((_FAILED, traceback.format_exc()))
        sys.exit(1)
