"""A session and its views: what each may do, and when."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import brinery
from brinery import ClosedError, FilesystemStore, InvalidArgumentError, MemoryStore, fsck
from brinery.backend import ABSENT, Put


def test_a_closed_session_commits_nothing(tmp_path: Path) -> None:
    """Neither by itself nor by a view that was made before."""
    store = FilesystemStore(tmp_path)
    view = store.session.outside()
    store.close()
    for session in (store.session, view):
        with pytest.raises(ClosedError):
            session.commit([Put("a", (b"1",), ABSENT)])
        with pytest.raises(ClosedError):
            session.check_open()
    assert not list(tmp_path.glob("a"))


def test_a_view_holds_nothing_back_and_closes_nothing() -> None:
    """Both are for the session."""
    store = MemoryStore()
    view = store.session.outside()
    with pytest.raises(InvalidArgumentError, match="view"):
        view.new_transaction()
    with pytest.raises(InvalidArgumentError, match="view"):
        view.close()
    store.save([1])


def test_a_view_outside_sees_what_is_stored() -> None:
    """Not what a transaction holds back."""
    store = MemoryStore()
    with store.transaction():
        store.save([1], "one")
        assert list(store.session.backend.list()) == ["one"]
        assert list(store.session.outside().backend.list()) == []


def test_fsck_of_a_closed_store_is_an_error(tmp_path: Path) -> None:
    """As every other call."""
    store = FilesystemStore(tmp_path)
    store.save([1])
    store.close()
    with pytest.raises(ClosedError):
        fsck(store)


def test_copy_and_recode_say_what_they_expect(tmp_path: Path) -> None:
    """A path is not an opened store."""
    with pytest.raises(InvalidArgumentError, match="source: expected an opened store, got 'jobs'"):
        brinery.copy("jobs", MemoryStore())  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="open it with make_store"):
        brinery.recode(tmp_path)  # type: ignore[arg-type]


def test_a_store_without_a_place_cannot_be_pickled() -> None:
    """The error says what to do instead."""
    store = MemoryStore()
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(InvalidArgumentError, match=r"brinery\.copy"):
            travel(store)
