"""Faults below a directory, and a check that they leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brinery.backend import Put
from brinery.testing.backend import body


def state_of(root: Path) -> dict[str, bytes]:
    """Return the content of every file below `root`, except the lock."""
    files = (path for path in root.rglob("*") if path.is_file())
    found = {str(path.relative_to(root)): path.read_bytes() for path in files}
    found.pop(".brinery/lock", None)
    return found


@contextmanager
def nothing_changes(root: Path) -> Iterator[None]:
    """Check that files and descriptors are afterwards what they were before."""
    state, descriptors = state_of(root), set(os.listdir("/proc/self/fd"))
    yield
    assert state_of(root) == state
    assert set(os.listdir("/proc/self/fd")) <= descriptors


def put(number: int, data: bytes | None = None, **more: Any) -> Put:
    """Return the put of one record."""
    return Put(f"Task.{number}", (body(number) if data is None else data,), **more)


def fail_once(
    patch: pytest.MonkeyPatch, call: str, turn: int, late: bool, error: BaseException
) -> None:
    """Let the call number `turn` on a record raise, before it does its work or `late`."""
    real, count = getattr(os, call), [0]

    def failing(*args: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] - 1 != turn:
            return real(*args, **more)
        if late:
            real(*args, **more)
        raise error

    patch.setattr(os, call, failing)


def after(turns: int, real: Callable[..., Any], fail: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works for some turns and then fails."""
    count = [0]

    def call(*args: Any, **more: Any) -> Any:
        count[0] += 1
        return (real if count[0] <= turns else fail)(*args, **more)

    return call
