"""Running operations under strace, which can kill a process at a call, or let the call fail.

The process that is traced is a fork of this one, in which everything has been imported; it waits until
strace has attached, and forks once more for each operation: strace counts the calls of each process by
themselves.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from brinery.errors import BrineryError, NotFoundError
from brinery.session.forking import ForkLock

DONE, CLEAN, NOT_FOUND, UNCLEAN, LEAK, KILLED = 0, 10, 11, 12, 13, 137

# The calls on files; their names depend on the machine.
CALLS = [
    "open",
    "openat",
    "creat",
    "close",
    "read",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "pwrite64",
    "writev",
    "lseek",
    "fsync",
    "fdatasync",
    "syncfs",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "ftruncate",
    "truncate",
    "flock",
    "getdents64",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
]


def why_not() -> str | None:
    """Return why nothing can be traced here, None if it can."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "strace is needed: apt-get install strace"
    try:
        traced(["true"], [lambda: None])
    except OSError as error:
        return f"processes must not be traced here: {error}"
    return None


@dataclass
class Trace:
    """How the operations ended, and the calls that each of them made."""

    endings: list[int]
    lines: list[list[str]]
    errors: str

    def counts(self, index: int) -> Counter[str]:
        """Return how often one operation called what."""
        return Counter(re.findall(r"^(\w+)\(", "\n".join(self.lines[index]), re.MULTILINE))


def traced(options: Sequence[str], operations: Sequence[Callable[[], object]]) -> Trace:
    """Run each operation in a process of its own, under strace with these options."""
    options = [] if list(options) == ["true"] else list(options)
    with tempfile.TemporaryDirectory(prefix="brinery-trace-") as scratch:
        log, errors = Path(scratch, "log"), Path(scratch, "errors")
        ours, theirs = (
            socket.socketpair()
        )  # receiving and sending are none of the calls in question
        child = os.fork()
        if child == 0:
            _run_all(theirs, str(errors), operations)
        theirs.close()
        command = ["strace", "-f", "-o", str(log), *options, "-p", str(child)]
        try:
            tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            assert tracer.stderr is not None
            line = tracer.stderr.readline()
            if "attached" not in line:
                raise OSError(line.strip() or "strace ended")
            ours.send(b"go")
            endings = json.loads(ours.recv(1 << 16))
            tracer.communicate(timeout=60)
        finally:
            ours.close()
            os.waitpid(child, 0)
        text = errors.read_text() if errors.exists() else ""
        return Trace([code for _, code in endings], _split(log, endings), text)


def _split(log: Path, endings: Sequence[tuple[int, int]]) -> list[list[str]]:
    by_process: Mapping[str, list[str]] = {str(pid): [] for pid, _ in endings}
    for line in log.read_text(errors="replace").splitlines():
        pid, _, call = line.partition(" ")
        if pid in by_process:
            by_process[pid].append(call.lstrip())
    return list(by_process.values())


def _fork() -> int:
    """Fork without a call on files: from Python 3.12 on, `os.fork` reads one to count the threads."""
    ctypes.pythonapi.PyOS_BeforeFork()
    child: int = ctypes.PyDLL(None).fork()
    if child == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    if child < 0:
        raise OSError("cannot fork")
    return child


def _run_all(
    caller: socket.socket, errors: str, operations: Sequence[Callable[[], object]]
) -> None:
    try:
        # The stores of other tests are alive here as well, and each has something to do at each fork.
        ForkLock._stores.clear()
        # Yama lets only ancestors trace a process, unless that says who may: here, anyone.
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_long(-1), 0, 0, 0)
        if not caller.recv(2):
            return
        endings = []
        for operation in operations:
            child = _fork()
            if child == 0:
                os._exit(_outcome(operation, errors))
            status = os.waitpid(child, 0)[1]
            endings.append((child, os.WEXITSTATUS(status) if os.WIFEXITED(status) else KILLED))
        caller.send(json.dumps(endings).encode())
    finally:
        os._exit(0)


def _outcome(operation: Callable[[], object], errors: str) -> int:
    before = _descriptors()
    try:
        operation()
        ending = DONE
    except NotFoundError:
        ending = NOT_FOUND
    except BrineryError:
        ending = CLEAN
    except BaseException:  # noqa: BLE001 - any error is a result
        with open(errors, "a") as file:
            traceback.print_exc(file=file)
        return UNCLEAN
    return ending if _descriptors() <= before else LEAK


def _descriptors() -> set[int]:
    """Return the open descriptors, without any of the calls that are traced."""
    found = set()
    for fd in range(200):
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_GETFD)
            found.add(fd)
    return found
