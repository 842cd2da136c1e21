"""A process that was started for one case: a fresh interpreter, or a copy of this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

from brinery.bench.run import child
from brinery.bench.run.memory import resident
from brinery.errors import InvalidArgumentError, storage_error

_SHOWN: Final = 500  # characters of the output of a crashed process

# Before anything of brinery is imported, take the search path of the parent.
_PROGRAM: Final = (
    "import json, sys; job = json.load(sys.stdin); sys.path[:] = job['path'];"
    "from brinery.bench.run.child import main; main(job, int(sys.argv[1]))"
)


class Process:
    """A process that was started for one case, the leader of a session of its own."""

    def __init__(self, pid: int, findings: int, errors: IO[bytes], base: int | None = None) -> None:
        self.pid = pid
        self.is_copy = base is not None
        """Whether it is a copy of this process."""
        self.findings = findings
        self._errors = errors
        self.base = base or 0
        """The resident bytes that it shares with the process that it was copied from."""
        self._code: int | None = None

    def wait(self) -> int:
        """Return the exit code, negative if a signal ended it."""
        if self._code is None:
            _, status = os.waitpid(self.pid, 0)
            self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def kill(self) -> None:
        """End it and all processes that it started."""
        if self._code is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # not yet a leader, or gone
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def output(self) -> str:
        """Return the end of its output."""
        self._errors.seek(0)
        return " ".join(self._errors.read().decode(errors="replace").split())[-_SHOWN:]


@contextmanager
def fresh(job: Mapping[str, Any]) -> Iterator[Process]:
    """Start an interpreter for a job."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise InvalidArgumentError(
            "sys.executable names no Python interpreter: run the benchmark with one"
        )
    path = [os.getcwd() if entry == "" else entry for entry in sys.path if isinstance(entry, str)]
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
        given.write(json.dumps({**job, "path": path}).encode())
        given.seek(0)
        try:
            started = subprocess.Popen(
                [sys.executable, "-P", "-X", "faulthandler", "-c", _PROGRAM, str(writing)],
                stdin=given,
                stdout=errors,
                stderr=errors,
                pass_fds=[writing],
                start_new_session=True,
                # So that sets and dicts of strings have the same order in all cases.
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        except OSError as error:
            os.close(reading)
            raise storage_error("start a process", error) from error
        finally:
            os.close(writing)
        started.returncode = 0  # it is waited for here
        yield from _watched(Process(started.pid, reading, errors))


@contextmanager
def forked(function: Callable[[child.Send], None]) -> Iterator[Process]:
    """Call a function in a copy of this process: objects get there without being serialized."""
    if not hasattr(os, "fork"):
        raise InvalidArgumentError(
            "an object of this process is measured in copies of the process, and this system has no fork: "
            "write a function that makes the object, and give its name to `brinery bench`"
        )
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors:
        with warnings.catch_warnings():
            # Python 3.12 warns if there are threads.  The copy needs none of their locks: it encodes,
            # decodes, and ends without running exit handlers.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            _be_child(function, reading, writing, errors.fileno())
        os.close(writing)
        yield from _watched(Process(pid, reading, errors, resident() or 0))


def _be_child(
    function: Callable[[child.Send], None], reading: int, writing: int, errors: int
) -> None:
    code = 1
    try:
        os.setsid()
        os.close(reading)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        child.end_with_parent()
        function(child.sender(writing))
        code = 0
    finally:
        os._exit(code)


def _watched(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.kill()
        os.close(process.findings)


def end_of(code: int, output: str) -> str:
    """Return how a process ended that sent no status itself."""
    how = f"the process ended with status {code}"
    if code < 0:
        try:
            how = f"the process crashed ({signal.Signals(-code).name})"
        except ValueError:
            how = f"the process crashed (signal {-code})"
    return f"{how}: {output}" if output else how
