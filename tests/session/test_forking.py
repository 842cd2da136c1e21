"""Forked and spawned processes can use the stores of their parents, even if threads were in a call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brinery import FilesystemStore, MemoryStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PRELUDE = """
import os, signal, sys, threading, time
import brinery
from brinery import ConflictError, FilesystemStore, MemoryStore, Persistable, TransactionError
from brinery.session import forking

signal.alarm(60)


class Thing(Persistable):
    def __init__(self, n):
        self.n = n


def in_child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended_well(*pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


store = FilesystemStore(sys.argv[1])
"""


def run(script: str, place: Path) -> None:
    """Run a script in a fresh Python; warnings of forks with threads (Python 3.12 on) are expected."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning"]
    done = subprocess.run(
        [*command, "-c", PRELUDE + script, str(place)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_parent_and_child_go_on_without_preparation(tmp_path: Path) -> None:
    """Living objects stay alive in both processes, and no number is used twice."""
    script = """
things = [Thing(n) for n in range(5)]
store.save_many(things)
store.idfactory.reserve(10)

def work():
    assert store.load("Thing.1") is things[0]
    for n in range(20):
        store.save(Thing("child"))

pids = [in_child(work) for _ in range(3)]
for n in range(20):
    store.save(Thing("parent"))
ended_well(*pids)
"""
    run(script, tmp_path)
    assert len(FilesystemStore(tmp_path).list()) == 5 + 20 + 3 * 20


@pytest.mark.thorough
def test_a_fork_waits_for_the_calls_of_other_threads(tmp_path: Path) -> None:
    """Whenever the fork happens, the child finds its lock free and its tables complete."""
    script = """
stop = False
done = []

def save():
    thing = Thing(0)
    while not stop:
        thing.n += 1
        done.append(store.save(Thing(thing)))

threads = [threading.Thread(target=save) for _ in range(3)]
for thread in threads:
    thread.start()
while len(done) < 10:
    time.sleep(0.001)

def work():
    known = store.list()
    id = store.save(Thing("child"))
    assert id not in known
    with store.transaction():
        store.update(id, lambda thing: setattr(thing, "n", "changed"))
    assert store.load(id).n == "changed"

for _ in range(25):
    ended_well(in_child(work))
stop = True
for thread in threads:
    thread.join()
assert {*done} <= {*store.list()}
assert len({*done}) == len(done)
assert FilesystemStore(sys.argv[1]).check().is_good
"""
    run(script, tmp_path)


def test_a_transaction_stays_with_the_parent(tmp_path: Path) -> None:
    """The child sees the store without it, and cannot commit it a second time."""
    script = """
kept = Thing(0)
store.save(kept)
fresh = Thing(1)

def work():
    assert store.list() == ["Thing.1"]
    assert fresh.persistent_id is None
    assert store.save(kept) == "Thing.1"
    store.save(Thing("child"), "child")

child = False
try:
    with store.transaction():
        store.save(fresh, "fresh")
        with store.transaction():
            kept.n = 5
            store.save(kept)
            pid = os.fork()
            if pid == 0:
                child = True
                kept.n = 0
                work()
            else:
                ended_well(pid)
except TransactionError as error:
    os._exit(0 if child and "forked" in str(error) else 1)
except BaseException:
    os._exit(2)
if child:
    os._exit(3)
assert store.list() == ["Thing.1", "child", "fresh"]
assert FilesystemStore(sys.argv[1]).load("Thing.1").n == 5
"""
    run(script, tmp_path)


def test_a_thread_that_does_not_end_its_save_stops_no_fork(tmp_path: Path) -> None:
    """In the child nobody is encoding, so that a pickle of the store opens it by its place."""
    script = """
forking.WAIT = 0.2
begun, end = threading.Event(), threading.Event()

class Slow:
    def __getstate__(self):
        begun.set()
        end.wait()
        return {"n": 1}

thread = threading.Thread(target=lambda: store.save([Slow()], "slow"))
thread.start()
begun.wait()

def work():
    assert not store.session.outer_encoders()
    store.save([store], "mine")
    store.invalidate_cache()
    assert store.load("mine") == [store]

ended_well(in_child(work))
assert not store.session.outer_encoders()  # another thread is
end.set()
thread.join()
assert store.list() == ["mine", "slow"]
"""
    run(script, tmp_path)


def test_a_thread_that_does_not_end_its_transaction_stops_no_fork(tmp_path: Path) -> None:
    """The fork waits a while, and the child goes on without the thread's open transaction."""
    script = """
forking.WAIT = 0.2
kept, fresh = Thing(0), Thing(1)
id = store.save(kept)
begun, end, caught = threading.Event(), threading.Event(), []

def transact():
    try:
        with store.transaction():
            kept.n = 7
            store.save(kept)
            store.save(fresh, "fresh")
            begun.set()
            end.wait()
    except ConflictError as error:
        caught.append(error)

thread = threading.Thread(target=transact)
thread.start()
begun.wait()

def work():
    assert store.list() == [id]
    again = store.load(id)
    assert again.n == 0
    assert fresh.persistent_id is None
    assert store.save(fresh) != "fresh"
    store.update(id, lambda thing: setattr(thing, "m", 1))

ended_well(in_child(work))
end.set()
thread.join()
# The child has changed what the thread wanted to change.
assert [error.ids for error in caught] == [(id,)]
assert "fresh" not in store
assert len(store) == 2
"""
    run(script, tmp_path)


def test_every_store_of_the_process_is_prepared(tmp_path: Path) -> None:
    """Memory stores are copied; closed and dead stores do no harm."""
    script = """
memory, closed = MemoryStore(), FilesystemStore(sys.argv[1] + "/closed")
memory.save(Thing(0))
closed.save(Thing(0))
closed.close()
for _ in range(10):
    MemoryStore().save(Thing(0))

def work():
    memory.save(Thing(1))
    assert len(memory) == 2
    memory.pre_fork()
    memory.post_fork()

store.pre_fork()
pid = in_child(work)
store.post_fork()
ended_well(pid)
assert len(memory) == 1
other = threading.Thread(target=lambda: store.save(Thing(3)))
other.start()
other.join(10)
assert not other.is_alive()
"""
    run(script, tmp_path)


@pytest.mark.thorough
def test_two_threads_can_fork_at_once(tmp_path: Path) -> None:
    """Neither waits for the other for ever, and all locks are free afterwards."""
    script = """
stores = [FilesystemStore(sys.argv[1] + f"/{n}") for n in range(5)]

def work():
    for store in stores:
        store.save(Thing(0))

def fork():
    for _ in range(10):
        ended_well(in_child(work))

threads = [threading.Thread(target=fork) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert [len(store) for store in stores] == [30] * 5
"""
    run(script, tmp_path)


SPAWNED = """
import multiprocessing, sys
from brinery import FilesystemStore


def work(store):
    return [store.save([n]) for n in range(25)]


if __name__ == "__main__":
    store = FilesystemStore(sys.argv[1])
    store.save([0])
    with multiprocessing.get_context(sys.argv[2]).Pool(3) as pool:
        found = pool.map(work, [store] * 3, chunksize=1)
    ids = [id for ids in found for id in ids]
    assert len({*ids}) == 75, ids
    assert {*ids} < {*store.list()}
"""


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_stores_can_be_sent_to_processes(tmp_path: Path, method: str) -> None:
    """With each start method of `multiprocessing`."""
    (tmp_path / "script.py").write_text(SPAWNED, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning"]
    done = subprocess.run(
        [*command, str(tmp_path / "script.py"), str(tmp_path / "store"), method],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_hooks_hold_no_store_alive() -> None:
    """A store without references dies, and gives its block of numbers back."""
    import gc
    import weakref

    store = MemoryStore()
    store.save([1])
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
