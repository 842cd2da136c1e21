"""`Ref`: references that a load does not follow."""

from __future__ import annotations

import copy as copying
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import brinery
from brinery import (
    DanglingReferenceError,
    InvalidArgumentError,
    MemoryStore,
    NotFoundError,
    Persistable,
    Placeholder,
    Ref,
    Store,
    make_store,
)
from brinery.session.identity import NOTHING

CODECS: list[Any] = [
    *((name, p) for name in ("pickle", "cloudpickle", "dill") for p in range(6)),
    ("msgpack", None),
    ("json", None),
]
CODECS = [pair for pair in CODECS if pair[0] == "pickle" or pair[1] in (None, 2, 5)]


class Net(Persistable):
    """What others refer to."""

    def __init__(self, name: str = "net") -> None:
        self.name = name


class Job(Persistable):
    """Refers to a net without being loaded with it."""

    def __init__(self, net: Any, **more: Any) -> None:
        self.net = net
        vars(self).update(more)


class Hooked(Job):
    """Runs code of its own when it is loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class Checking(Hooked):
    """Notes an attribute of the object that it refers to, when it is loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.seen = self.net.number


class Loading(Job):
    """Loads the object of an ID when it is loaded."""

    store: Store

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.found = self.store.load(self.net)


class Gone(Persistable):
    """A class that is missing later."""


@pytest.fixture(params=["memory://", "{}/directory", "sqlite:///{}/database.sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return a store of each engine."""
    with make_store(request.param.format(tmp_path)) as made:
        yield made


def saved(store: Store, cls: type[Job] = Job) -> None:
    """Save a job and its net, and forget them."""
    store.save_many({"job": cls(Ref(Net())), "other": Net("other")})
    store.invalidate_cache()


class TestLoading:
    """The object is read when it is asked for."""

    @pytest.mark.parametrize("cls", [Job, Hooked])
    @pytest.mark.parametrize("lazy", [False, True])
    def test_it_is_not_followed(self, store: Store, cls: type[Job], lazy: bool) -> None:
        """The net stays unread until the reference is called."""
        saved(store, cls)
        store.remove("Net.1")
        net = store.load("job", lazy=lazy).net
        assert (type(net), net.id, net.is_loaded) == (Ref, "Net.1", False)
        assert repr(net) == "<Ref to 'Net.1'>"
        with pytest.raises(NotFoundError, match=r"Net\.1"):
            net()

    @pytest.mark.parametrize("cls", [Job, Hooked])
    @pytest.mark.parametrize("lazy", [False, True])
    def test_a_call_loads(self, store: Store, cls: type[Job], lazy: bool) -> None:
        """Each gives the one living object, which it keeps."""
        saved(store, cls)
        net = store.load("job", lazy=lazy).net
        assert net().name == "net"
        assert net() is store.load("Net.1")
        assert net.is_loaded
        assert store.ref("Net.1")() is net()
        net().name = "changed"
        assert net().name == "changed"

    def test_what_is_alive_is_loaded(self, store: Store) -> None:
        """Also if this reference was not called."""
        saved(store)
        net = store.load("Net.1")
        ref = store.load("job").net
        assert ref.is_loaded
        assert ref() is net

    def test_fast_and_slow_ways(self, store: Store) -> None:
        """A load of one object whose class is known, of many, and of such that others refer to."""
        ids = store.save_many([Job(Ref(Net(str(n)))) for n in range(4)] + [Job(Job(Ref(Net("4"))))])
        for some in ids[:1], ids[1:2], ids[2:], ids:
            store.invalidate_cache()
            for lazy in False, True:
                for job in store.load_many(some, lazy=lazy):
                    ref = job.net if type(job.net) is Ref else job.net.net
                    assert not ref.is_loaded or lazy
                    assert ref().name == str(ids.index(store.id_of(job)))
                    assert type(ref()) is Net

    def test_both_kinds_of_reference(self, store: Store) -> None:
        """An object may be referred to in both ways, and is loaded then."""
        net = Net()
        store.save(Job(net, ref=Ref(net)), "job")
        del net
        store.invalidate_cache()
        job = store.load("job")
        assert job.ref.is_loaded
        assert job.ref() is job.net
        assert [*store.references("job")] == ["Net.1"]

    def test_a_circle(self, store: Store) -> None:
        """The object may refer back."""
        job = Job(None)
        net = Net()
        job.net, vars(net)["job"] = Ref(net), job
        store.save(job, "job")
        del job, net
        store.invalidate_cache()
        net = store.load("job").net()
        assert vars(net)["job"] is store.load("job")

    def test_it_makes_no_ghost(self, store: Store) -> None:
        """A lazy load makes some for the other references alone, also once the class is known."""
        store.save_many({f"job-{n}": Job(Ref(Net()), other=Job(None)) for n in range(3)})
        store.invalidate_cache()
        for n in range(3):
            job = store.load(f"job-{n}", lazy=True)
            assert not store.is_loaded(job.other)
            assert store.session.identity.get(job.net.id) is NOTHING

    def test_the_order_of_a_load(self, store: Store) -> None:
        """It does not depend on it: what refers to an object directly finds that complete."""
        first = Hooked(None, number=1)
        first.net = Ref(second := Checking(first))
        store.save_many({"first": first, "second": second})
        del first, second
        store.invalidate_cache()
        found = store.load_many(["first", "second"])
        assert found[1].seen == 1
        assert found[0].net() is found[1]

    def test_a_load_inside_a_load(self, store: Store) -> None:
        """It gets the object of the load around it, which does not wait for the reference."""
        first = Hooked(None)
        first.net = Ref(second := Loading("first"))
        store.save_many({"first": first, "second": second})
        del first, second
        store.invalidate_cache()
        Loading.store = store
        found = store.load_many(["first", "second"])
        assert found[1].found is found[0]

    def test_a_missing_class(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of its object: the object with the reference is complete all the same."""
        store.save(Job(Ref(Gone())), "job")
        store.invalidate_cache()
        with monkeypatch.context() as without:
            without.delattr(f"{__name__}.Gone")
            job, gone = store.load_many(["job", "Gone.1"], missing="placeholder")
            assert isinstance(gone, Placeholder)
            assert store.load("job") is job

    @pytest.mark.parametrize(("codec", "protocol"), CODECS)
    def test_codecs(self, codec: str, protocol: int | None) -> None:
        """All keep it, wherever it is in the object."""
        store = MemoryStore(codec=codec, protocol=protocol)
        nets = [Net("a"), Net("b")]
        store.save_many(nets, codec="pickle")
        first, second = map(Ref, nets)
        store.save([first, {"key": [second, first]}, nets[0]], "plain")
        del nets, first, second
        store.invalidate_cache()
        found = store.load("plain")
        assert [found[0].is_loaded, found[1]["key"][0].is_loaded] == [True, False]
        assert found[0]() is found[2]
        assert found[1]["key"][0]().name == "b"
        assert found[1]["key"][1] == found[0]


class TestSaving:
    """It counts as a reference of the record."""

    def test_its_object_is_saved(self, store: Store) -> None:
        """Under an ID of its own, with all that is behind it; and later with its changes."""
        job = Job(Ref(Job(Ref(Net()))))
        assert job.net.id is None
        store.save(job)
        assert store.list() == ["Job.1", "Job.2", "Net.3"]
        assert job.net.id == "Job.2"
        job.net().net().name = "changed"
        assert [change.id for change in store.changed(job)] == ["Net.3"]
        store.save(job)
        store.invalidate_cache()
        assert store.load("Net.3").name == "changed"

    def test_what_was_not_asked_for_is_not_read(self, store: Store) -> None:
        """By a save of an object that has changed beside it."""
        saved(store)
        job = store.load("job")
        job.number = 1
        store.save(job)
        assert not job.net.is_loaded
        assert [change.id for change in store.changed(job)] == []
        store.invalidate_cache()
        job = store.load("job")
        assert (job.number, job.net().name) == (1, "net")

    def test_nothing_has_changed(self, store: Store) -> None:
        """Neither after a load, nor after a call."""
        saved(store)
        job = store.load("job")
        version = store.info("job").created
        assert store.changed(job) == []
        job.net()
        assert store.changed(job) == []
        store.save(job)
        assert store.info("job").created == version

    def test_changes_name_the_attribute(self, store: Store) -> None:
        """If it leads to another object."""
        saved(store)
        job = store.load("job")
        job.number = 1
        assert [change.attributes for change in store.changed(job)] == [("number",)]
        job.net = store.ref("other")
        assert [change.attributes for change in store.changed(job)] == [("net", "number")]

    def test_references_and_referrers(self, store: Store) -> None:
        """Both know it; fsck finds it dangling, and gc keeps its object."""
        saved(store)
        assert [*store.references("job")] == ["Net.1"]
        assert [*store.referrers("Net.1")] == ["job"]
        store.gc(["job"], dry_run=False, older_than=0)
        assert store.list() == ["Net.1", "job"]
        assert brinery.fsck(store).is_clean
        store.remove("Net.1")
        report = brinery.fsck(store)
        assert not report.is_clean
        assert "Net.1" in str(report)

    def test_copy_and_backup(self, store: Store) -> None:
        """They take its object along."""
        saved(store)
        target, backup = MemoryStore(), MemoryStore()
        brinery.copy(store, target, ["job"])
        assert target.list() == ["Net.1", "job"]
        assert target.load("job").net().name == "net"
        store.backup(backup)
        target = MemoryStore()
        brinery.restore(backup, target)
        assert target.load("job").net().name == "net"

    @pytest.mark.parametrize("codec", ["cloudpickle", "dill", "pickle"])
    @pytest.mark.parametrize("cls", [Job, Hooked])
    def test_recode(self, tmp_path: Path, codec: str, cls: type[Job]) -> None:
        """To another codec, and with a transform."""
        place = tmp_path / "directory"
        with make_store(str(place)) as store:
            saved(store, cls)
        with make_store(str(place), codec=codec, compress="gzip") as store:
            assert brinery.recode(store).left == ()
            job = store.load("job")
            assert not job.net.is_loaded
            assert job.net().name == "net"
            assert [*store.references("job")] == ["Net.1"]

    @pytest.mark.parametrize("compress", ["none", "gzip"])
    def test_sealed_and_compressed(self, tmp_path: Path, compress: str) -> None:
        """Records with a seal and a transform have them, too."""
        trust = brinery.Trust(key=b"secret" * 8)
        store = make_store(str(tmp_path / "sealed"), compress=compress, trust=trust)
        store.save(Job(Ref(Net()), text="text" * 100), "job")
        store.invalidate_cache()
        assert store.load("job").net().name == "net"

    def test_a_new_reference_to_nothing(self, store: Store) -> None:
        """It is an error, as for every other."""
        saved(store)
        with pytest.raises(DanglingReferenceError, match="missing"):
            store.save(Job(store.ref("missing")))
        other = store.load("job")
        store.remove("Net.1")
        other.number = 1
        store.save(other)  # the reference is not new
        with pytest.raises(DanglingReferenceError, match=r"Net\.1"):
            store.save(Job(other.net))

    def test_its_object_is_removed_and_in_memory(self, store: Store) -> None:
        """It is saved again, as for every other reference."""
        saved(store)
        job = store.load("job")
        job.net()
        store.remove("Net.1")
        store.save(job)
        store.invalidate_cache()
        assert store.load("job").net().name == "net"

    def test_another_store(self, store: Store) -> None:
        """Its object goes along."""
        saved(store)
        job = store.load("job")
        other = MemoryStore()
        other.save(job)
        other.invalidate_cache()
        assert other.load("Job.1").net().name == "net"
        assert job.net().name == "net"

    def test_in_transactions(self, store: Store) -> None:
        """What was saved in one is found by a call."""
        with store.transaction():
            store.save(Job(Ref(Net())), "job")
            store.invalidate_cache()
            assert store.load("job").net().name == "net"

    def test_update(self, store: Store) -> None:
        """The function may call it."""
        saved(store)

        def change(job: Any) -> None:
            job.net().name = "changed"

        store.update("job", change)
        store.invalidate_cache()
        assert store.load("Net.1").name == "changed"

    @pytest.mark.parametrize("lazy", [False, True])
    def test_update_of_what_was_read(self, tmp_path: Path, lazy: bool) -> None:
        """If another process changes the object of a reference meanwhile, the function runs again."""
        place = str(tmp_path / "directory")
        store, other = make_store(place, lazy=lazy), make_store(place)
        saved(store)
        seen: list[str] = []

        def note(job: Any) -> None:
            seen.append(job.net().name)
            if len(seen) == 1:
                other.update("Net.1", lambda net: setattr(net, "name", "changed"))
            job.name_of_net = seen[-1]

        store.update("job", note)
        assert seen == ["net", "changed"]
        assert other.load("job").name_of_net == "changed"

    def test_a_fresh_process(self, store: Store) -> None:
        """It finds the reference, and its object."""
        store.save(Job(Ref(Net())), "job", verify="fresh-process")
        assert store.list() == ["Net.1", "job"]

    def test_what_cannot_be_saved(self, store: Store) -> None:
        """An object without a record of its own, and a reference alone."""
        with pytest.raises(InvalidArgumentError, match="derive its class from Persistable"):
            Ref([1, 2])
        with pytest.raises(InvalidArgumentError, match="got a Ref"):
            Ref(Ref(Net()))
        with pytest.raises(InvalidArgumentError, match=r"save what ref\(\) returns"):
            store.save(Ref(Net()))
        assert store.list() == []


class TestTheObject:
    """Comparing, copying, pickling."""

    def test_equality(self, store: Store) -> None:
        """Of the ID in one store, or of one object that has none."""
        net, other = Net(), MemoryStore()
        assert Ref(net) == Ref(net)
        assert Ref(net) != Ref(Net())
        with pytest.raises(TypeError, match="save the object first"):
            hash(Ref(net))
        store.save(net)
        ref = store.ref("Net.1")
        assert ref == Ref(net) == store.ref("Net.1") != store.ref("Net.2")
        assert {ref: 1}[Ref(net)] == 1
        assert ref != other.ref("Net.1")
        assert ref != "Net.1"

    def test_in_sets_and_keys(self, store: Store) -> None:
        """Its hash is known as soon as it is loaded."""
        store.save(net := Net())
        store.save(Job({Ref(net)}, table={Ref(net): 1}), "job")
        store.invalidate_cache()
        job = store.load("job")
        assert job.table[store.ref("Net.1")] == 1
        assert store.ref("Net.1") in job.net

    def test_copies(self, store: Store) -> None:
        """A copy is the reference itself; a deep copy and a pickle have the object."""
        saved(store)
        ref = store.load("job").net
        assert copying.copy(ref) is ref
        assert not ref.is_loaded
        deep = copying.deepcopy(ref)
        assert (deep().name, deep.id) == ("net", None)
        assert deep() is not ref()
        assert pickle.loads(pickle.dumps(ref))().name == "net"

    def test_a_closed_store(self, store: Store) -> None:
        """A call names the ID; what was asked for before stays."""
        saved(store)
        first, second = store.load("job").net, store.ref("other")
        first()
        store.close()
        assert first().name == "net"
        with pytest.raises(brinery.ClosedError):
            second()

    def test_without_brinery(self, tmp_path: Path) -> None:
        """Plain pickle finds a reference with the ID."""
        store = brinery.FilesystemStore(tmp_path / "store")
        store.save(Job(Ref(Net())), "job")
        found = pickle.loads((tmp_path / "store" / "job").read_bytes())
        assert found.net.id == "Net.1"
