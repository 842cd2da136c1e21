"""A signal handler or a `__del__` that uses a store in the middle of a write of its own thread."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    FilesystemStore,
    LockedError,
    MemoryStore,
    Persistable,
    ReentrantWriteError,
    Store,
    make_store,
)
from brinery.backends.directory import recovery
from brinery.backends.memory import MemoryBackend
from brinery.backends.sql.backend import SqlBackend
from brinery.backends.sql.dialects.generic_connection import GenericConnection
from brinery.backends.sql.dialects.sqlite_connection import SqliteConnection
from brinery.record.held_bytes import HeldBytes

MEANWHILE: dict[str, tuple[Any, str]] = {
    "directory": (os, "link"),
    "directory, several": (recovery, "forward"),
    "sqlite": (SqliteConnection, "commit"),
    "sqlite in memory": (SqliteConnection, "commit"),
    "sqlite in memory, generic": (GenericConnection, "commit"),
    "memory": (MemoryBackend, "_fits"),
}
"""What is called in the middle of a commit of each engine."""


def opened(kind: str, root: Path) -> Store:
    if kind.startswith("directory"):
        return FilesystemStore(root / "s", durability="process", lock_timeout=20)
    if kind == "memory":
        return MemoryStore()
    if "generic" in kind:
        return Store(SqlBackend("sqlite://", native=False))
    url = "sqlite://" if "in memory" in kind else f"sqlite:///{root}/s.db"
    store = make_store(url, timeout=20, durability="process")
    assert isinstance(store, Store)
    return store


@contextmanager
def signalled(patch: pytest.MonkeyPatch, owner: Any, name: str, times: int = 1) -> Iterator[None]:
    """Let a function send a signal to this process before it does its work, some times."""
    real = getattr(owner, name)
    left = [times]

    def signalling(*args: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            signal.raise_signal(signal.SIGUSR1)
        return real(*args, **more)

    with patch.context() as inner:
        inner.setattr(owner, name, signalling)
        yield
    assert not left[0], f"{name} was not called"


@contextmanager
def handling(handler: Callable[[], Any]) -> Iterator[list[Exception]]:
    """Call `handler` for each signal; give the list of its errors."""
    errors: list[Exception] = []

    def handle(number: int, frame: Any) -> None:
        try:
            handler()
        except Exception as error:  # noqa: BLE001 - the test looks at them
            errors.append(error)

    former = signal.signal(signal.SIGUSR1, handle)
    try:
        yield errors
    finally:
        signal.signal(signal.SIGUSR1, former)


class TestSignals:
    """The handler gets an error at once, and the write below it is made."""

    @pytest.mark.parametrize("kind", MEANWHILE)
    @pytest.mark.parametrize("is_other", [False, True])
    def test_a_save_is_refused_in_the_middle_of_a_commit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, is_other: bool
    ) -> None:
        """Also to another store on the same place."""
        store = opened(kind, tmp_path)
        store["first"] = 1
        if is_other and "memory" in kind:
            other = Store(store.backend)
        else:
            other = opened(kind, tmp_path) if is_other else store
        count = 1 if kind in ("directory", "memory") else 5
        with (
            handling(lambda: other.replace("checkpoint", 1)) as errors,
            signalled(monkeypatch, *MEANWHILE[kind]),
        ):
            store.save_many([[number] for number in range(count)])
        assert [type(error) for error in errors] == [ReentrantWriteError]
        assert "signal handler" in str(errors[0])
        assert sorted(store.list()) == ["first", *(f"list.{n + 1}" for n in range(count))]
        other["checkpoint"] = 2
        assert store["checkpoint"] == 2

    @pytest.mark.parametrize("kind", MEANWHILE)
    def test_a_load_does_not_wait_for_its_own_thread(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """It returns, or is refused."""
        store = opened(kind, tmp_path)
        store.save(Node(Node(None)), "root")
        found: list[Any] = []
        owner, name = MEANWHILE[kind]
        with (
            handling(lambda: found.append(Store(store.backend).load("root"))) as errors,
            signalled(monkeypatch, owner, name),
        ):
            store.save_many([[1], [2], [3]])
        assert len(found) + len(errors) == 1
        assert all(type(error) is ReentrantWriteError for error in errors)

    def test_a_save_elsewhere_is_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In another directory nobody waits."""
        store, other = FilesystemStore(tmp_path / "a"), FilesystemStore(tmp_path / "b")
        with handling(lambda: other.save([1])) as errors, signalled(monkeypatch, os, "link"):
            store.save([2])
        assert not errors
        assert other.list() == store.list() == ["list.1"]

    def test_a_transaction_is_not_mixed_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While it holds back a record, the handler can neither add nor read one."""
        store = FilesystemStore(tmp_path)
        session = store.session
        for call in (lambda: store.replace("b", [2]), lambda: session.backend.get("a")):
            with store.transaction(), handling(call) as errors:
                store["a"] = [1] * 50
                overlay: Any = session.backend
                with signalled(monkeypatch, overlay._held._file, "write"):
                    store["c"] = [3] * 50
                store.invalidate_cache()
            assert [type(error) for error in errors] == [ReentrantWriteError]
            store.invalidate_cache()
            assert store.load_many(["a", "c"]) == [[1] * 50, [3] * 50]
            assert "b" not in store

    def test_a_thread_that_waits_for_another_is_not_told_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It gets the lock when the other has finished."""
        store, other = FilesystemStore(tmp_path), FilesystemStore(tmp_path)
        store.save([0])
        real = os.link
        begun, errors = threading.Event(), list[Exception]()

        def save() -> None:
            try:
                other.save([2])
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=save)

        def link(*args: Any) -> None:
            if not begun.is_set():
                begun.set()
                thread.start()
            real(*args)

        monkeypatch.setattr(os, "link", link)
        store.save([1])
        thread.join()
        assert not errors
        assert len(store) == 3


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["directory", "sqlite", "sqlite in memory", "memory"])
def test_a_timer_that_saves_at_any_time_never_waits_for_itself(tmp_path: Path, kind: str) -> None:
    """The save is made, or refused at once; whatever is stored is whole."""
    store = opened(kind, tmp_path)
    saved: list[bool] = []

    def save() -> None:
        try:
            store["checkpoint"] = len(saved)
            saved.append(True)
        except ReentrantWriteError:
            saved.append(False)

    over = threading.Event()
    main = threading.get_ident()

    def interrupt() -> None:
        while not over.wait(random.uniform(0.0003, 0.004)):
            signal.pthread_kill(main, signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    with handling(save) as unexpected:
        thread.start()
        for turn in range(750):
            store["main"] = turn
        over.set()
        thread.join()
    assert not unexpected
    assert saved
    store.invalidate_cache()
    assert store["main"] == 749
    assert store.check().is_good


class Node(Persistable):
    def __init__(self, link: Node | None) -> None:
        self.link = link


@pytest.mark.parametrize("kind", MEANWHILE)
def test_a_finalizer_that_saves_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Python shows the error of a `__del__`, and goes on."""
    store = opened(kind, tmp_path)
    store["first"] = 1

    class Saves:
        def __del__(self) -> None:
            store["last words"] = 1

    garbage = [Saves()]
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: seen.append(found.exc_type))

    def drop() -> None:
        garbage.clear()
        gc.collect()

    with handling(drop) as errors, signalled(monkeypatch, *MEANWHILE[kind]):
        store.save_many([[1], [2]])
    assert not errors
    assert seen == [ReentrantWriteError]
    assert len(store) == 3


def test_the_error_is_one_of_the_lock() -> None:
    """Programs that handle `LockedError` handle this one."""
    assert issubclass(ReentrantWriteError, LockedError)
    with closing(HeldBytes("here")) as held:
        start, size = held.append([b"ab", b"", memoryview(b"cd")])
        assert held.read(start, size) == b"abcd"
