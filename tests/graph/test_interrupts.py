"""A signal in the middle of a load or a save: nothing of it stays, and what comes next is right."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from brinery import FilesystemStore, MemoryStore, Persistable
from brinery.session import identity
from brinery_codecs.pickle import PickleCodec


class Node(Persistable):
    """An object that others refer to."""

    def __init__(self, *others: Any) -> None:
        self.others = list(others)


@pytest.fixture(autouse=True)
def keyboard_interrupt() -> Any:
    """SIGINT raises KeyboardInterrupt, also where a shell has made background jobs ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def interrupting(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int = 1) -> None:
    """Let a SIGINT come while a function is called for the given time."""
    real, left = getattr(owner, name), [call]

    def called(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **options)

    patch.setattr(owner, name, called)


def interrupted(action: Callable[[], Any], owner: Any, name: str, call: int = 1) -> None:
    """Call `action`, which is interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        interrupting(patch, owner, name, call)
        with pytest.raises(KeyboardInterrupt):
            action()


def test_the_next_save_knows_nothing_of_one_that_was_interrupted_at_its_end() -> None:
    """The pickler that is kept would write references to objects that are dead."""
    store = MemoryStore()
    one = Node(Node())
    interrupted(partial(store.save, one), PickleCodec, "renews")
    ids = {store.id_of(one), store.id_of(one.others[0])}
    one.others[0].others = ["changed"]
    one.others.append(Node())
    id_ = store.save(one)
    assert ids < {*store.list()}
    del one
    store.invalidate_cache()
    assert [each.others for each in store.load(id_).others] == [["changed"], []]


def test_a_load_that_is_interrupted_while_it_enters_objects_leaves_none() -> None:
    """The next one returns objects that all are known."""
    store = MemoryStore()
    nodes = [Node(), Node(), Node()]
    for node, other in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        node.others.append(other)
    ids = store.save_many(nodes)
    del node, other, nodes
    gc.collect()
    for call in (1, 2, 3):
        store.invalidate_cache()
        interrupted(lambda: store.load(ids[0]), identity, "Weak", call)
        loaded = store.load_many(ids)
        assert [*map(store.id_of, loaded)] == ids
        assert loaded[0].others[0].others[0].others[0] is loaded[0]
        del loaded


def test_a_transaction_that_is_interrupted_as_it_begins_holds_nothing_back(tmp_path: Path) -> None:
    """Neither then nor later."""
    from brinery.session.session import Session

    def transaction() -> None:
        with store.transaction():
            store.save(Node(), "never")

    with FilesystemStore(tmp_path) as store:
        begin = Session.begin

        def begun(self: Session, transaction: Any) -> None:
            begin(self, transaction)
            os.kill(os.getpid(), signal.SIGINT)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "begin", begun)
            with pytest.raises(KeyboardInterrupt):
                transaction()
        with store.transaction():
            store.save(Node(), "one")
        store.save(Node(), "two")
    with FilesystemStore(tmp_path) as store:
        assert store.list() == ["one", "two"]


def test_a_handler_that_loads_the_object_that_is_being_loaded_gets_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object is one object."""
    found: list[Any] = []
    with FilesystemStore(tmp_path) as store:
        store.save(Node(), "node")
        store.invalidate_cache()
        store.load("node")
        store.invalidate_cache()
        former = signal.signal(signal.SIGUSR1, lambda *_: found.append(store.load("node")))
        read = os.read

        def signalled(fd: int, size: int) -> bytes:
            monkeypatch.undo()
            os.kill(os.getpid(), signal.SIGUSR1)
            return read(fd, size)

        monkeypatch.setattr(os, "read", signalled)
        try:
            node = store.load("node")
        finally:
            signal.signal(signal.SIGUSR1, former)
        assert found == [node]
        assert store.id_of(node) == "node"
