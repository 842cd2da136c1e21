"""The pause of the cyclic garbage collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from brinery import BrineryError, MemoryStore
from brinery.session.gc_pause import GcPause


@pytest.fixture(autouse=True)
def collector_on() -> Iterator[None]:
    """Each test starts with the collector on, and leaves it so."""
    gc.enable()
    yield
    assert gc.isenabled()


def test_the_collector_rests_inside_and_runs_after() -> None:
    """Nested pauses count."""
    with GcPause():
        with GcPause():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """The caller who switched it off has to switch it on."""
    gc.disable()
    try:
        with GcPause():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_inside_restores_it() -> None:
    """Also an error that `except Exception` does not catch."""
    with pytest.raises(KeyboardInterrupt), GcPause():
        raise KeyboardInterrupt
    assert gc.isenabled()


def test_the_last_of_several_threads_restores_it() -> None:
    """The first to leave does not switch the collector on for the others."""
    first_left, may_leave = threading.Event(), threading.Event()

    def short() -> None:
        with GcPause():
            pass
        first_left.set()

    def long() -> None:
        with GcPause():
            first_left.wait(10)
            states.append(gc.isenabled())
            may_leave.wait(10)

    states: list[bool] = []
    holder = threading.Thread(target=long)
    holder.start()
    visitor = threading.Thread(target=short)
    visitor.start()
    visitor.join(10)
    may_leave.set()
    holder.join(10)
    assert states == [False]
    assert gc.isenabled()


def test_a_failed_load_restores_it() -> None:
    """The store's own use of it, on the way out of an error."""
    with pytest.raises(BrineryError):
        MemoryStore().load("nothing.1")
    assert gc.isenabled()


def test_an_interrupt_at_any_step_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would rest for the whole process, for ever."""
    for name in ("disable", "enable", "isenabled"):
        for comes_first in (True, False):
            real = getattr(gc, name)

            def interrupted(real: Any = real, comes_first: bool = comes_first) -> Any:
                monkeypatch.undo()
                found = None if comes_first else real()
                raise KeyboardInterrupt(found)

            monkeypatch.setattr(gc, name, interrupted)
            with suppress(KeyboardInterrupt), GcPause():
                pass
            monkeypatch.undo()
            assert gc.isenabled(), (name, comes_first)
