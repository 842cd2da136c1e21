"""Uses that ask more of ghosts than most programs do."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.lazy.test_loading import Job, Jobs, place, saved
from tests.lazy.walk import ghosts_of

import brinery
from brinery import FilesystemStore, MemoryStore, Persistable, Store, Trust
from brinery.graph.loading import ghosts, met

__all__ = ["place"]


class Link(Persistable):
    """Refers to the next one."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.next: Any = None


class Frozen(Persistable):
    """Uses its own attributes past all hooks."""

    n: int

    def __init__(self, n: int) -> None:
        object.__setattr__(self, "n", n)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)

    def __len__(self) -> int:
        return int(object.__getattribute__(self, "n"))

    def __iadd__(self, more: int) -> Frozen:
        object.__setattr__(self, "n", object.__getattribute__(self, "n") + more)
        return self

    def __setitem__(self, key: str, value: int) -> None:
        object.__setattr__(self, key, value)


class Looked(Persistable):
    """Looks at what it refers to, or loads it, when it gets its state."""

    store: Any = None

    def __init__(self, other: Any) -> None:
        self.other = other

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.seen = Looked.store.load("Job.2", lazy=True).n


class By:
    """Is made by a call with the object that it belongs to."""

    def __init__(self, function: Any, owner: Any) -> None:
        self.function, self.owner = function, owner

    def __reduce__(self) -> Any:
        return self.function, (self.owner,)


class Named(Job):
    """Has a text, a length and elements."""

    def __str__(self) -> str:
        return f"job {self.n}"

    def __iter__(self) -> Any:
        return iter([("n", self.n)])


def test_threads_of_an_update_use_its_objects(place: Callable[..., Store]) -> None:
    """The function waits for them, and they for the store."""
    saved(place, Jobs(20))
    store = place()

    def add(root: Any) -> None:
        with ThreadPoolExecutor(3) as pool:
            root.total = sum(pool.map(lambda job: job.n, root.jobs))

    assert store.update("root", add).total == 190
    with store.transaction(), ThreadPoolExecutor(2) as pool:
        root = store.load("root", lazy=True)
        assert sum(pool.map(lambda job: job.n, root.jobs)) == 190


def test_a_use_that_waits_for_ever_is_an_error(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread is in a call of the store, which does not end."""
    monkeypatch.setattr(ghosts, "WAIT", 0.2)
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with store.session.lock, store.session.call_lock:
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with pytest.raises(brinery.StoreBusyError, match=r"Job\.2"):
        assert root.jobs[1].n
    release.set()
    thread.join()
    assert root.jobs[1].n == 1


@pytest.mark.parametrize("count", [100, 3000])
def test_a_chain_of_which_every_other_object_is_alive(
    place: Callable[..., Store], count: int
) -> None:
    """An eager load wakes the others, without recursion and in proportion."""
    links = [Link(n) for n in range(count)]
    for link, following in itertools.pairwise(links):
        link.next = following
    with place() as store:
        store.save_many({f"link.{n}": link for n, link in enumerate(links)})
    del links, link, following
    store = place()
    kept = [store.load(f"link.{n}", lazy=True) for n in range(0, count, 2)]
    root = store.load("link.0")
    assert root is kept[0]
    assert not ghosts_of(store, root)


def test_a_target_that_was_collected_is_missed(place: Callable[..., Store]) -> None:
    """Its referrer of before refers to it again; nothing that leads nowhere is written."""
    saved(place, Jobs(1))
    store = place(lazy=True)
    root = store.load("root")
    leaf = Link(5)
    root.jobs.append(leaf)
    store.save(root, deep=False)
    del leaf
    store.invalidate_cache()
    root = store.load("root")
    leaf = root.jobs.pop()
    store.save(root)
    assert store.gc(["root"], dry_run=False, older_than=0).garbage
    root.jobs.append(leaf)
    with pytest.raises(brinery.DanglingReferenceError, match="Link"):
        store.save(root)
    with place() as other:
        assert len(other.load("root").jobs) == 1


@pytest.mark.parametrize("how", ["remove", "clear", "elsewhere"])
def test_targets_that_were_removed(place: Callable[..., Store], how: str) -> None:
    """By this store or another one: a record that refers to them is not written."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    if how == "remove":
        store.remove("Job.2")
        root.more = 1
    elif how == "clear":
        store.clear()
    else:
        with place() as other:
            other.remove_many(["Job.2", "root"])
    with pytest.raises(brinery.DanglingReferenceError):
        store.save(root)


def test_a_target_stays_until_the_commit(place: Callable[..., Store]) -> None:
    """Of a transaction, which another process uses to collect it."""
    saved(place, Jobs(2))
    store, other = place(lazy=True), place()
    root = store.load("Job.1")
    new = Link(9)
    new.next = root.next
    with pytest.raises(brinery.ConflictError, match=r"Job\.2"):
        _save_while_removed(store, new, other)
    assert "new" not in other


def _save_while_removed(store: Store, new: Any, other: Store) -> None:
    with store.transaction():
        store.save(new, "new")
        other.remove("Job.2")


def test_special_methods_may_go_past_the_hooks(place: Callable[..., Store]) -> None:
    """They find a whole object, and what they set stays."""
    saved(place, [Frozen(3), Frozen(4), Frozen(5)])
    store = place(lazy=True)
    first, second, third = store.load("root")
    assert not store.is_loaded(first)
    assert len(first) == 3
    second += 10
    assert second.n == 14
    third["n"] = 7
    assert third.n == 7


def test_hooks_that_load_and_use_ghosts(place: Callable[..., Store]) -> None:
    """While their own object is loaded."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    Looked.store = store
    try:
        store.save(Looked(None), "looked")
        root = store.load("root")
        assert not store.is_loaded(root.jobs[1])
        store.invalidate_cache()
        root = store.load("root")
        assert store.load("looked").seen == 1
        assert root.jobs[1].n == 1
    finally:
        Looked.store = None


@pytest.mark.parametrize("function", [str, list, dict, set, tuple, OrderedDict])
def test_builtins_that_look_at_a_target(function: Any) -> None:
    """They find it whole."""
    with MemoryStore() as store:
        job = Job(1)
        job.all = By(function, Named(4))
        store.save(job, "job")
        del job
        gc.collect()
        found = store.load("job", lazy=True).all
        assert type(found) is function
        assert "4" in str(found)


def test_a_record_of_a_safe_codec_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its references name classes, too, and anybody may have written them."""
    (tmp_path / "module_of_a_stranger.py").write_text(
        "from brinery import Persistable\nclass Task(Persistable): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = import_module("module_of_a_stranger")
    with MemoryStore(codec="msgpack") as store:
        task = module.Task()
        store.save(task, "task", codec="pickle")
        store.save({"task": task}, "root")
        del task
        monkeypatch.delitem(sys.modules, "module_of_a_stranger")
        lazily = Store(store.backend, lazy=True, trust=Trust(codecs=["msgpack"]))
        with pytest.raises(brinery.TrustError, match="task"):
            lazily.load("root")
        assert "module_of_a_stranger" not in sys.modules


def test_classes_that_are_equal_to_others_are_told_apart(app: Any) -> None:
    """By a metaclass that compares names; their objects are no ghosts."""
    with MemoryStore() as store:
        store.save([app.Twin(3)], "root")
        store.invalidate_cache()
        (twin,) = store.load("root", lazy=True)
        assert store.is_loaded(twin)
        assert twin.n == 3
        twin.n = 4
        store.save(twin)
        store.invalidate_cache()
        assert store.update("root", lambda root: None)[0].n == 4


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a module with odd classes."""
    module: Any = ModuleType("app_of_twins")
    monkeypatch.setitem(sys.modules, "app_of_twins", module)
    exec(
        "from brinery import Persistable\n"
        "class Meta(type):\n"
        "    def __eq__(cls, other): return cls.__name__ == getattr(other, '__name__', None)\n"
        "    def __hash__(cls): return hash(cls.__name__)\n"
        "class Twin(Persistable, metaclass=Meta):\n"
        "    def __init__(self, n): self.n = n\n"
        "class Task(Persistable): pass\n"
        "class Value(Persistable):\n"
        "    def __hash__(self): return 7\n"
        "    def __eq__(self, other): return type(other) is type(self)\n",
        vars(module),
    )
    return module


def test_a_subclass_of_the_class_of_a_ghost(place: Callable[..., Store]) -> None:
    """Is one of the user's, and its objects are ordinary ones."""
    saved(place, Jobs(2))
    root = place(lazy=True).load("root")
    cls: Any = type(root.jobs[1])
    sub = type("Sub", (cls,), {})
    made: Any = sub(7)
    assert made.n == 7
    made.n = 8
    assert made.n == 8
    assert root.jobs[1].n == 1


def test_the_type_of_a_ghost_cannot_be_saved(place: Callable[..., Store]) -> None:
    """The error says what can."""
    saved(place, Jobs(2))
    store = place(lazy=True)
    root = store.load("root")
    root.kind = type(root.jobs[1])
    with pytest.raises(brinery.EncodeError, match=r"not read yet.*obj\.__class__"):
        store.save(root)
    root.kind = root.jobs[1].__class__
    store.save(root)


def test_a_class_with_another_hash_is_no_ghost(app: Any) -> None:
    """A dict in which the ghost is a key would lose it; the object itself loads."""
    with MemoryStore() as store:
        task = app.Task()
        store.save({"keys": {task: 1}, "task": task}, "root")
        id_ = store.id_of(task)
        del task
        gc.collect()
        lazily = Store(store.backend, lazy=True)
        root = lazily.load("root")
        store.invalidate_cache()
        store.replace(id_, app.Value())
        with pytest.raises(brinery.StaleReferenceError, match="Value"):
            assert root["task"].n
        assert type(lazily.load(id_)) is app.Value
        assert not lazily.is_loaded(root["task"])


def test_a_missing_class_gets_a_placeholder_when_it_is_met(app: Any) -> None:
    """Also behind a ghost of a load that asked for placeholders."""
    with MemoryStore() as store:
        job = Job(1)
        job.next = Job(2)
        job.next.next = app.Task()
        store.save(job, "job")
        del job, app.Task
        store.invalidate_cache()
        found = store.load("job", lazy=True, missing="placeholder")
        assert isinstance(found.next.next, brinery.Placeholder)


def test_an_interrupted_refresh_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object has its state, and is saved with it."""
    with MemoryStore() as store:
        job = Job(1)
        store.save(job, "job")
        job.n = 5
        with monkeypatch.context() as patch:
            patch.setattr(ghosts.Ghosts, "_wake", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.refresh(job)
        assert job.n == 5
        assert type(job) is Job
        store.save(job)
        store.invalidate_cache()
        assert store.load("job").n == 5


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_large_records_are_not_read_by_hundreds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk reads ahead by bytes."""
    monkeypatch.setattr(met, "_LARGEST", 1_000_000)
    with FilesystemStore(tmp_path) as store:
        jobs = []
        for n in range(100):
            job = Job(n)
            job.all = np.full(20_000, n)
            jobs.append(job)
        store.save(jobs, "jobs")
    del jobs, job
    store = FilesystemStore(tmp_path, lazy=True)
    jobs = store.load("jobs")
    for number, job in enumerate(jobs[:50]):
        assert job.n == number
    loaded = sum(map(store.is_loaded, jobs))
    assert 50 <= loaded < 70
