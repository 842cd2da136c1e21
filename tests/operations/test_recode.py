"""Rewriting stores with another codec: complete, compared, repeatable."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import brinery
from brinery import (
    FilesystemStore,
    Id,
    MemoryStore,
    Persistable,
    SealError,
    SqlStore,
    Store,
    Trust,
    upgrades,
)
from brinery.backend import Delete, Put, Version
from brinery.backends.memory import MemoryBackend
from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks
from brinery.verify.isomorphism import assert_isomorphic


class Node(Persistable):
    """Refers to others."""

    def __init__(self, *after: Any, **more: Any) -> None:
        self.after = list(after)
        self.more = more


class Sum(Persistable):
    """Reads its parts when it is decoded."""

    def __init__(self, *parts: Node) -> None:
        self.parts = parts
        self.total = len(parts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.total = sum(part.more["number"] for part in self.parts)


class Curious(Persistable):
    """Reads its parts when it is encoded, by a reduction of its own."""

    look: Callable[[Any], Any] = staticmethod(repr)

    def __init__(self, held: Any) -> None:
        self.held = held

    def __getstate__(self) -> dict[str, Any]:
        type(self).look(self.held)
        return dict(self.__dict__)


class Odd:
    """Cannot be compared: reducing it fails, and its bytes differ each time."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        if sys._getframe(1).f_code.co_name == "_reduction_parts":
            raise RuntimeError("not now")
        return _odd, (os.urandom(4),)


def _odd(_: bytes) -> Odd:
    return Odd()


def forms(store: Store) -> set[tuple[str, int | None, str | None]]:
    """Return codec, protocol and transform of all records."""
    infos = [store.info(id_) for id_ in store]
    return {(info.codec, info.protocol, info.transform) for info in infos}


def held(store: Store) -> dict[str, bytes]:
    """Return the bytes of all records, by name."""
    return {name: data for name, data, _ in store.backend.get_many(list(store.backend.list()))}


def reopened(store: Store, **options: Any) -> Store:
    """Open a second store on the same backend."""
    return Store(store.backend, **options)


@pytest.fixture
def store() -> MemoryStore:
    """A ring of three, with keys and sets of them, strings, shared lists, and a plain object."""
    store = MemoryStore()
    shared = [1, 2]
    ring = Node(Node(Node(), words={"one", "two", "three"}, a=shared, b=shared))
    ring.after[0].after[0].after.append(ring)
    ring.more.update(key={ring.after[0]: "x"}, members={ring.after[0], 7}, own=ring)
    store.save(ring, id="ring")
    store.save({"list": [shared, shared], "first": ring}, id="plain")
    return store


# -- records that are recoded


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "auto"])
@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_all_records_get_codec_protocol_and_transform(
    store: Store, codec: str, protocol: int, compress: str
) -> None:
    """IDs, references and the graph stay; a second run finds nothing to do; the store remembers."""
    references = {id_: set(store.references(id_)) for id_ in store}
    with reopened(store, codec=codec, protocol=protocol, compress=compress) as new:
        report = brinery.recode(new)
        assert report.is_whole
        assert report.uncompared == ()
        assert report.recoded + report.unchanged == len(store) == 4
        assert forms(new) <= {
            ("pickle" if codec == "auto" else codec, protocol, transform)
            for transform in ({None} if compress == "none" else {None, "gzip"})
        }
        before = held(new)
        assert brinery.recode(new).unchanged == 4
        assert held(new) == before
    again = reopened(store)
    assert (again.codec, again.transform) == (new.codec, new.transform)
    assert {id_: set(again.references(id_)) for id_ in again} == references
    fresh = reopened(store)
    assert_isomorphic(store.load_many(["ring", "plain"]), fresh.load_many(["ring", "plain"]))


def test_from_msgpack_and_back() -> None:
    """External references have another form there, and strings are never shared."""
    store = MemoryStore(codec="msgpack")
    store.save_many([Id("a") + "b", {"k": ["k", "k"], "s": {1, "x"}, "t": (1, 2.5)}], ["a", "b"])
    with reopened(store, codec="pickle") as new:
        assert brinery.recode(new).recoded == 2
        assert new.load("b") == {"k": ["k", "k"], "s": {1, "x"}, "t": (1, 2.5)}
    with reopened(store, codec="msgpack") as new:
        report = brinery.recode(new)
        assert (report.recoded, report.left, report.uncompared) == (2, (), ())


def test_classes_and_functions_by_value_are_kept(tmp_path: Path) -> None:
    """From dill to cloudpickle, and back, in a process that has neither class nor function."""
    script = (
        "import brinery\n"
        "class Local(brinery.Persistable):\n"
        "    def __init__(self, f): self.f = f\n"
        "factor = 3\n"
        "store = brinery.FilesystemStore('jobs', codec='dill')\n"
        "store.save([Local(lambda x: x * factor), Local(len)], 'both')\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    for codec in ("cloudpickle", "dill"):
        with FilesystemStore(tmp_path / "jobs", codec=codec) as store:
            report = brinery.recode(store)
            assert (report.recoded, report.left) == (3, ())
            first, second = store.load("both")
            assert type(first) is type(second)
            assert (first.f(2), second.f("abc")) == (6, 3)


def test_where_only_the_transform_differs_nothing_is_decoded(tmp_path: Path) -> None:
    """Not even the class need be importable; the payload is the same."""
    (tmp_path / "shop.py").write_text("class Task:\n    def __init__(self): self.x = 'x' * 1000\n")
    script = (
        "import brinery, shop; brinery.FilesystemStore('a').save([shop.Task(), 'y' * 500], 't')"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    plain = FilesystemStore(tmp_path / "a").info("t")
    with FilesystemStore(tmp_path / "a", compress="gzip") as store:
        report = brinery.recode(store)
        packed = store.info("t")
    assert (report.recoded, packed.transform, packed.raw_size) == (1, "gzip", plain.raw_size)
    assert (report.size_before, report.size_after) == (plain.size, packed.size)
    with FilesystemStore(tmp_path / "a", compress="none") as store:
        assert brinery.recode(store).recoded == 1
        assert (store.info("t").transform, store.info("t").raw_size) == (None, plain.raw_size)


@pytest.mark.parametrize("old", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "auto"])
def test_neighbours_are_not_loaded(old: str, codec: str) -> None:
    """A record is recoded even if another one that it refers to cannot be decoded."""
    store = MemoryStore(codec=old)
    store.save(Node(Node(), name="first"), id="first")
    damaged = bytearray(store.backend.get("Node.1")[0])
    damaged[3] ^= 1
    store.backend.put("Node.1", bytes(damaged))
    with reopened(store, codec=codec, protocol=2) as new:
        report = brinery.recode(new)
        assert report.recoded == 1
        assert [left.id for left in report.left] == ["Node.1"]
        assert report.headline().endswith(" unchanged, 1 left as they are")
        assert new.info("first").protocol == 2
        assert new.references("first") == ("Node.1",)


def test_a_class_that_looks_at_its_neighbours_is_decoded_among_them() -> None:
    """Whatever it does with them while it is decoded."""
    store = MemoryStore()
    parts = [Node(number=1), Node(number=2)]
    parts[0].after.append(Sum(*parts))
    store.save(parts[0].after[0], id="sum")
    with reopened(store, protocol=2) as new:
        assert brinery.recode(new).recoded == 3
        assert new.load("sum").total == 3
        assert forms(new) == {("pickle", 2, None)}


@pytest.mark.parametrize(
    "look",
    [repr, str, bool, len, iter, list, "{}".format, lambda x: x == 1, lambda x: x.more],
    ids=["repr", "str", "bool", "len", "iter", "list", "format", "equality", "attribute"],
)
def test_whatever_is_asked_of_a_neighbour_is_answered_by_the_object_itself(
    look: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stub in its place never answers, not even to isinstance."""
    store = MemoryStore()
    store.save(Curious(Node()), id="curious")
    seen = []

    def look_at(held: Any) -> None:
        seen.append(isinstance(held, Node))
        try:
            look(held)
        except TypeError:
            pass  # no such thing

    monkeypatch.setattr(Curious, "look", staticmethod(look_at))
    with reopened(store, protocol=2) as new:
        report = brinery.recode(new)
    assert (report.recoded, report.left) == (2, ())
    assert False not in seen


def test_upgraded_and_renamed_classes_are_written_in_their_present_form() -> None:
    """As a save would write them."""
    store = MemoryStore(renames={f"{__name__}:Old": f"{__name__}:New"})
    old = type("Old", (Persistable,), {"__module__": __name__})
    globals()["Old"] = old
    try:
        obj = old()
        obj.name = "x"
        store.save(obj, id="it")
    finally:
        del globals()["Old"]
    with reopened(store, protocol=2, renames={f"{__name__}:Old": f"{__name__}:New"}) as new:
        assert brinery.recode(new).recoded == 1
        assert new.info("it").class_name == f"{__name__}:New"
        assert new.info("it").versions == {f"{__name__}:New": 2}
    assert reopened(store).load("it").title == "x"


class New(Persistable):
    title: str


@upgrades(New, to=2)
def _(state: dict[str, Any]) -> dict[str, Any]:
    return {"title": state["name"]}


def test_further_columns_of_a_database_keep_their_values(tmp_path: Path) -> None:
    """They are computed from the object, also if only the transform differs."""
    from sqlalchemy import Column, Integer

    fields = {Column("number", Integer): lambda obj: obj.more["number"]}
    options: dict[str, Any] = {"extra_fields": fields}
    place = f"sqlite:///{tmp_path}/records.db"
    with SqlStore(place, **options) as store:
        store.save_many([Node(number=7, text="x" * 1000), Node(number=8)], ["a", "b"])
    for changes in ({"protocol": 2}, {"compress": "gzip"}):
        with SqlStore(place, **options, **changes) as store:
            assert brinery.recode(store).left == ()
            assert list(store.query(store.columns.number == 7)) == ["a"]
            assert store.info("a").protocol == 2
    assert store.transform is not None


# -- records that are left


class LossyCodec(Codec):
    """Silently turns every tuple of a list into a list."""

    name = "lossy"
    capabilities = Capabilities(instances=True)
    version = "1"

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        sink.write(pickle.dumps([list(x) if type(x) is tuple else x for x in obj], 5))

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        return pickle.loads(source)


def test_a_record_that_would_come_back_different_is_left_as_it_is() -> None:
    """With the place of the difference; the others are recoded."""
    store = MemoryStore()
    store.save_many([[1, (2,)], [1, [2]]], ["pair", "list"])
    before = held(store)
    with reopened(store, codec=LossyCodec()) as new:
        report = brinery.recode(new)
    assert report.recoded == 1
    (left,) = report.left
    assert (left.id, "[1]" in left.reason, "different" in left.reason) == ("pair", True, True)
    assert held(store)["pair"] == before["pair"]
    assert held(store)["list"] != before["list"]


def test_objects_that_cannot_be_compared_are_recoded_and_reported() -> None:
    """If comparing fails, and bytes differ each time."""
    store = MemoryStore()
    store.save_many([[Odd()], [1]], ["odd", "one"])
    with reopened(store, protocol=4) as new:
        report = brinery.recode(new)
    assert (report.recoded, report.left, report.uncompared) == (2, (), (Id("odd"),))
    assert "odd: decoded, not compared" in str(report)


def test_records_that_the_codec_refuses_are_left_and_reported(store: Store) -> None:
    """As is a record without its class or codec here, and a damaged one."""
    store.save([1, 2], id="fine")
    store.backend.put("Broken.1", b"")
    before = held(store)
    with reopened(store, codec="msgpack") as new:
        report = brinery.recode(new)
    assert report.recoded == 1
    assert {left.id for left in report.left} == {"Broken.1", "Node.1", "Node.2", "plain", "ring"}
    assert not report.is_whole
    assert "ring: left as it is: " in str(report)
    assert {**held(store), "fine": b""} == {**before, "fine": b""}


def test_a_record_of_a_missing_class_is_left_and_reported(tmp_path: Path) -> None:
    """By its name; its record does not change at all."""
    (tmp_path / "shop.py").write_text("class Task: pass\n")
    script = "import brinery, shop; brinery.FilesystemStore('a').save(shop.Task(), 't')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    before = (tmp_path / "a" / "t").read_bytes()
    with FilesystemStore(tmp_path / "a", protocol=2) as store:
        (left,) = brinery.recode(store).left
    assert "shop" in left.reason
    assert (tmp_path / "a" / "t").read_bytes() == before


def test_a_dry_run_says_the_same_and_writes_nothing(store: Store) -> None:
    """Counts and sizes; the settings stay, too."""
    before = {name: store.backend.get(name) for name in (*held(store), ".settings.json")}
    with reopened(store, codec="dill", compress="gzip") as new:
        trial = brinery.recode(new, dry_run=True)
        assert {name: new.backend.get(name) for name in before} == before
        report = brinery.recode(new)
    assert (trial.recoded, trial.size_before) == (report.recoded, report.size_before)
    assert trial.size_before == sum(len(data) for data, _ in list(before.values())[:-1])
    assert abs(trial.size_after - sum(map(len, held(store).values()))) < 100  # gzip, times
    assert "would be recoded" in str(trial)


# -- others, and the same process, at the same time


def test_living_objects_stay_those_of_their_records(store: Store) -> None:
    """The next save writes nothing, and a change is not a conflict."""
    ring = store.load("ring")
    with reopened(store, protocol=2) as new:
        ring = new.load("ring")
        brinery.recode(new)
        before = held(new)
        assert not any(b"brinery.ids" in data for data in before.values())  # references are strings
        assert new.load("ring") is ring
        new.save(ring)
        assert held(new) == before
        ring.more["extra"] = 1
        new.save(ring)
        assert held(new) != before


class Interfering(MemoryBackend):
    """Calls a function once, before a commit of several records."""

    then: Callable[[], Any] | None = None

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        puts = list(puts)
        if self.then is not None and len(puts) > 1:
            then, self.then = self.then, None
            then()
        return super().commit(puts, deletes)


def test_a_record_that_another_process_changes_is_recoded_again() -> None:
    """With its new content; a removed record is not written again."""
    backend = Interfering()
    store = Store(backend)
    changed = {"number": 1}
    store.save_many([changed, [2], [3]], ["changed", "removed", "same"])

    def interfere() -> None:
        changed["number"] = 2
        store.save(changed)
        store.remove("removed")

    backend.then = interfere
    with reopened(store, protocol=2) as new:
        report = brinery.recode(new)
        assert (report.recoded, report.left) == (2, ())
        assert new.load("changed") == {"number": 2}
        assert new.list() == ["changed", "same"]
        assert forms(new) == {("pickle", 2, None)}


RECODE = """
import sys, brinery
store = brinery.FilesystemStore(sys.argv[1], codec="cloudpickle", durability="process")
print("ready", flush=True)
print(brinery.recode(store).recoded)
"""


@pytest.mark.thorough
def test_a_killed_run_is_repeated_and_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle leaves each record old or new, and all of them readable."""
    with FilesystemStore(tmp_path, durability="process") as store:
        chain = Node()
        for _ in range(4_999):
            chain = Node(chain)
        store.save(chain, id="last")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", RECODE, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    watched = FilesystemStore(tmp_path)
    ids = [f"Node.{number}" for number in range(1, 5_000, 500)]
    while all(watched.info(id_).codec == "pickle" for id_ in ids):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with FilesystemStore(tmp_path, codec="cloudpickle", durability="process") as store:
        assert store.load("last")
        report = brinery.recode(store)
        assert report.is_whole
        assert report.recoded + report.unchanged == 5_000
        assert 0 < report.unchanged < 5_000
        assert forms(store) == {("cloudpickle", 5, None)}


def test_progress_is_reported(store: Store) -> None:
    """From none to all."""
    reported: list[tuple[int, int]] = []
    with reopened(store, protocol=2) as new:
        brinery.recode(new, progress=lambda *at: reported.append(at))
    assert (reported[0][1], reported[-1]) == (4, (4, 4))


def test_a_sealed_store_is_not_recoded_without_its_key(tmp_path: Path) -> None:
    """None of its records could be rewritten, but it would get the settings of an opener without the key."""
    key = os.urandom(32)
    with FilesystemStore(tmp_path, codec="dill") as early:
        early.list()
        with FilesystemStore(tmp_path, codec="pickle", trust=Trust(key=key)) as store:
            store.save([1], id="one")
        with pytest.raises(SealError):
            brinery.recode(early)
        assert brinery.recode(early, dry_run=True).left
    with FilesystemStore(tmp_path, trust=Trust(key=key)) as store:
        assert (store.codec.name, store.load("one")) == ("pickle", [1])
