"""Sealed stores: what a key is good for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from tests.record.forms import SEALED, SIMPLE, kind_in, packed, taken_apart
from tests.trust.things import Task

from brinery import (
    BrineryError,
    ConflictError,
    CorruptRecordError,
    FilesystemStore,
    Id,
    MemoryStore,
    MisplacedRecordError,
    Persistable,
    Placeholder,
    SealError,
    Store,
    Trust,
    TrustError,
    copy,
    fsck,
)
from brinery.record.reader import parse
from brinery.record.writer import build

Change = Callable[[list[Any], dict[str, Any]], "dict[str, Any] | None"]


def _as_two(text: list[Any], kind: dict[str, Any]) -> None:
    text[0] = "two"


CHANGES: dict[str, Change] = {
    "codec": lambda text, kind: kind.update(codec="dill"),
    "class": lambda text, kind: kind.update({"class": "os:system"}),
    "versions": lambda text, kind: kind.update(versions={"a:B": 2}),
    "opening": lambda text, kind: kind.update(opening=3),
    "references": lambda text, kind: text[1].extend(["a:B", ["two"]]),
    "more": lambda text, kind: text.append({"later": 1}),
    "created": lambda text, kind: {"created": 1.0},
    "nonce": lambda text, kind: {"nonce": bytes(16)},
    "flags": lambda text, kind: {"flags": SEALED | SIMPLE},
    "digest": lambda text, kind: {"digest": bytes(16)},
}
"""What an attacker may change in text, kind and tail of a record."""

KEY = b"0123456789abcdef"
OTHER = b"another key of mine"

each_codec = pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack", "json"])


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    """Return a sealed store."""
    return FilesystemStore(tmp_path / "store", trust=Trust(key=KEY))


def reopened(store: FilesystemStore, trust: Any = None) -> FilesystemStore:
    """Return the same store, opened anew."""
    return FilesystemStore(store.directory, trust=trust or Trust(key=KEY))


def file_of(store: FilesystemStore, id: str) -> Path:
    """Return the file of a record."""
    return Path(store.directory, id)


class TestUse:
    """What works as ever."""

    @each_codec
    @pytest.mark.parametrize("compress", ["none", "gzip"])
    def test_a_graph_comes_back(self, store: FilesystemStore, codec: str, compress: str) -> None:
        """With each codec, compressed or not."""
        value = [1, "two", ["three"] * 100]
        store.save(value, "value", codec=codec, compress=compress)
        assert reopened(store).load("value") == value
        assert store.info("value").sealed

    def test_objects_that_refer_to_each_other(self, store: FilesystemStore) -> None:
        """Each record has a seal of its own."""
        first = Task("first")
        first.after.append(Task("second", first))
        id_ = store.save(first)
        again = reopened(store).load(id_)
        assert again.after[0].after[0] is again

    def test_changes_are_saved(self, store: FilesystemStore) -> None:
        """And what is unchanged is not written again."""
        task = Task("first")
        id_ = store.save(task)
        before = file_of(store, id_).read_bytes()
        again = reopened(store)
        found = again.load(id_)
        again.save(found)
        assert file_of(store, id_).read_bytes() == before
        found.name = "changed"
        again.save(found)
        assert reopened(store).load(id_).name == "changed"

    def test_a_record_of_the_pickle_codec_is_still_a_pickle(self, store: FilesystemStore) -> None:
        """The seal stands behind it."""
        import pickle

        store.save({"a": 1}, "value")
        with file_of(store, "value").open("rb") as file:
            assert pickle.load(file) == {"a": 1}

    def test_saving_can_be_verified(self, store: FilesystemStore) -> None:
        """The fresh process gets no key: what it loads was checked before."""
        child = Task("child")
        store.save(child)
        store.save(Task("root", child), "root", verify="fresh-process")
        file = file_of(store, child.persistent_id)
        file.write_bytes(_unsealed(file.read_bytes()))
        with pytest.raises(SealError):
            store.save(Task("second", child), verify="fresh-process")

    def test_a_store_in_memory_can_be_sealed(self) -> None:
        """It has an identity, too."""
        store = MemoryStore(trust=Trust(key=KEY))
        assert store.store_id is None
        store.save([1], "one")
        assert store.store_id is not None
        store.invalidate_cache()
        assert store.load("one") == [1]

    def test_a_placeholder_is_written_back_sealed(self, store: FilesystemStore) -> None:
        """Under the nonce and the time of the new write."""
        namespace: dict[str, Any] = {"Persistable": Persistable, "__name__": "gone"}
        exec("class Gone(Persistable): pass", namespace)
        store.save(namespace["Gone"](), "gone", codec="cloudpickle")
        data = file_of(store, "gone").read_bytes()
        store.save(1, "number")
        again = reopened(store)
        found = again.load("gone", missing="placeholder")
        again.save(found, "gone")
        assert isinstance(found, (Placeholder, Persistable))
        assert parse(data).metadata.content is not None
        assert reopened(store).info("gone").sealed

    def test_remembering_settings_keeps_the_identity(self, store: FilesystemStore) -> None:
        """Also where the store was opened before it had one."""
        early = FilesystemStore(store.directory)
        store.save([1], "one")
        early.remember()
        assert reopened(store).load("one") == [1]
        assert early.store_id == store.store_id


class TestKeys:
    """Rotation, and what the key is not."""

    def test_the_first_key_seals_and_all_verify(self, store: FilesystemStore) -> None:
        """So keys can be changed while the store is in use."""
        store.save([1], "old")
        both = reopened(store, Trust(key=[OTHER, KEY]))
        assert both.load("old") == [1]
        both.save([2], "new")
        new = reopened(store, Trust(key=OTHER))
        assert new.load("new") == [2]
        with pytest.raises(SealError, match="none of the keys"):
            new.load("old")

    def test_resealing_takes_an_old_key_out_of_use(self, store: FilesystemStore) -> None:
        """No object is decoded."""
        store.save(Task("first", Task("second")), "old", compress="gzip")
        count = reopened(store, Trust(key=[OTHER, KEY])).reseal()
        assert count == 2
        assert reopened(store, Trust(key=OTHER)).load("old").after[0].name == "second"

    def test_living_objects_stay_those_of_their_records(self, store: FilesystemStore) -> None:
        """They are changed and saved as before, and what somebody else changed is found out."""
        store.save(Task("first", Task("second")), "one")
        store.save(Task("third"), "two")
        both = reopened(store, Trust(key=[OTHER, KEY]))
        first, third = both.load("one"), both.load("two")
        reopened(store, Trust(key=KEY)).replace("two", Task("somebody else's"))
        assert both.reseal() == 3
        assert both.load("one") is first
        first.name = "changed"
        assert both.save(first) == "one"
        assert len(both.list()) == 3
        third.name = "changed"
        with pytest.raises(ConflictError):
            both.save(third)

    def test_resealing_seals_a_store_that_was_not(self, tmp_path: Path) -> None:
        """On demand only: whoever asks vouches for what is there."""
        plain = FilesystemStore(tmp_path)
        plain.save([1], "one")
        sealed = FilesystemStore(tmp_path, trust=Trust(key=KEY))
        with pytest.raises(SealError, match="nothing in it is sealed"):
            sealed.load("one")
        with pytest.raises(SealError):
            sealed.reseal()
        assert sealed.reseal(unsealed=True) == 1
        assert sealed.load("one") == [1]

    @pytest.mark.parametrize("id", ["one", "x" * 300])
    def test_resealing_names_the_record_that_it_refuses(
        self, store: FilesystemStore, id: str
    ) -> None:
        """The record, and not the store, is what no key has sealed; so for copies and fsck."""
        store.save([1], id)
        (name,) = store.backend.list()
        other = reopened(store, Trust(key=OTHER))
        with pytest.raises(SealError, match=f"^the record '{name}' in ") as caught:
            other.reseal()
        assert caught.value.id == name
        assert caught.value.path == store.backend.where(name)
        (problem,) = fsck(other).problems
        assert problem.status == "unsealed"
        with pytest.raises(SealError, match=r"^the record "):
            copy(other, MemoryStore())

    def test_resealing_leaves_a_misplaced_record(self, store: FilesystemStore) -> None:
        """A copy of a file is not sealed as another record."""
        store.save([1], "one")
        file_of(store, "two").write_bytes(file_of(store, "one").read_bytes())
        with pytest.raises(MisplacedRecordError, match="two"):
            reopened(store, Trust(key=[OTHER, KEY])).reseal()

    def test_resealing_needs_a_key(self, store: FilesystemStore) -> None:
        """And takes no seal away."""
        store.save([1], "one")
        with pytest.raises(TrustError, match="key"):
            reopened(store, Trust(anyone=True)).reseal()

    @each_codec
    def test_the_key_is_not_in_the_store(self, store: FilesystemStore, codec: str) -> None:
        """In no file, in no form."""
        store.save([1], "one", codec=codec)
        for path in Path(store.directory).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert KEY not in data
                assert KEY.hex().encode() not in data

    def test_the_key_is_in_no_error(self, store: FilesystemStore) -> None:
        """Whatever is wrong."""
        store.save([1], "one")
        with pytest.raises(SealError) as caught:
            reopened(store, Trust(key=OTHER)).load("one")
        shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        assert OTHER.decode() not in shown
        assert OTHER.hex() not in shown

    @pytest.mark.parametrize("size", [16, 64, 65, 1000])
    def test_a_key_may_be_long(self, tmp_path: Path, size: int) -> None:
        """Each of its bytes counts."""
        key = bytes(range(256)) * 4
        FilesystemStore(tmp_path, trust=Trust(key=key[:size])).save([1], "one")
        assert FilesystemStore(tmp_path, trust=Trust(key=key[:size])).load("one") == [1]
        with pytest.raises(SealError):
            FilesystemStore(tmp_path, trust=Trust(key=key[: size - 1] + b"\xff")).load("one")


class TestForgery:
    """What others can do who can write to the store, and are found out."""

    @each_codec
    def test_an_unsealed_record_is_refused(self, store: FilesystemStore, codec: str) -> None:
        """Policy comes from the opener, not from the file."""
        store.save([1], "one", codec=codec)
        file = file_of(store, "one")
        file.write_bytes(_unsealed(file.read_bytes()))
        with pytest.raises(SealError, match="no seal"):
            reopened(store).load("one")
        with pytest.raises(SealError, match="no seal"):
            reopened(store).info("one")

    def test_a_record_under_another_id_is_refused(self, store: FilesystemStore) -> None:
        """With its ID as it is, and with a forged one."""
        store.save([1], "one")
        store.save([2], "two")
        data = file_of(store, "one").read_bytes()
        file_of(store, "two").write_bytes(data)
        with pytest.raises(BrineryError, match="'one'"):
            reopened(store).load("two")
        file_of(store, "two").write_bytes(_forged(data, _as_two))
        with pytest.raises(SealError):
            reopened(store).load("two")

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_forged_end_is_refused(self, store: FilesystemStore, change: str) -> None:
        """Each field is under the seal; digests without a key are made to fit."""
        store.save([1], "one")
        file = file_of(store, "one")
        file.write_bytes(_forged(file.read_bytes(), CHANGES[change]))
        with pytest.raises(SealError, match="none of the keys"):
            reopened(store).load("one")

    def test_a_change_of_nothing_is_accepted(self, store: FilesystemStore) -> None:
        """So the forgeries above fail for what they change."""
        store.save([1], "one")
        file = file_of(store, "one")
        file.write_bytes(_forged(file.read_bytes(), lambda text, kind: None))
        assert reopened(store).load("one") == [1]

    def test_a_proof_of_another_record_is_refused(self, store: FilesystemStore) -> None:
        """Content and seal belong together, and to their record."""
        store.save([1], "one")
        store.save([2], "two")
        one, two = (taken_apart(file_of(store, id).read_bytes()) for id in ("one", "two"))
        for proof in (two.proof, one.proof[:32] + two.proof[32:], two.proof[:32] + one.proof[32:]):
            file_of(store, "one").write_bytes(one._replace(proof=proof).joined())
            with pytest.raises(SealError, match="none of the keys"):
                reopened(store).load("one")

    def test_a_forged_payload_is_refused(self, store: FilesystemStore) -> None:
        """Also where the digest without a key was made to fit it."""
        store.save([1], "one")
        store.save([2], "two")
        file = file_of(store, "one")
        one, two = (taken_apart(file_of(store, id).read_bytes()) for id in ("one", "two"))
        file.write_bytes(one._replace(payload=two.payload).joined())
        with pytest.raises(CorruptRecordError, match="has changed since it was sealed"):
            reopened(store).load("one")
        file.write_bytes(one._replace(payload=two.payload, digest=two.digest).joined())
        with pytest.raises(SealError, match="none of the keys"):
            reopened(store).load("one")

    def test_a_record_of_another_store_is_refused(
        self, store: FilesystemStore, tmp_path: Path
    ) -> None:
        """Under the same key and the same ID."""
        other = FilesystemStore(tmp_path / "other", trust=Trust(key=KEY))
        other.save([666], "one")
        store.save([1], "one")
        file_of(store, "one").write_bytes(file_of(other, "one").read_bytes())
        with pytest.raises(SealError, match="another store"):
            reopened(store).load("one")

    def test_another_store_in_its_place_is_refused_where_the_opener_says_which(
        self, store: FilesystemStore, tmp_path: Path
    ) -> None:
        """Records and settings were exchanged together."""
        other = FilesystemStore(tmp_path / "other", trust=Trust(key=KEY))
        other.save([666], "one")
        store.save([1], "one")
        pinned = Trust(key=KEY, store=store.store_id)
        assert reopened(store, pinned).load("one") == [1]
        with pytest.raises(SealError, match="another store"):
            reopened(other, pinned)

    def test_changed_settings_make_all_seals_fail(self, store: FilesystemStore) -> None:
        """The identity is not secret, and nothing is won by changing it."""
        store.save([1], "one")
        settings = Path(store.directory, ".brinery", "settings.json")
        value = json.loads(settings.read_text())
        settings.write_text(json.dumps(value | {"identity": "00" * 16}))
        with pytest.raises(SealError, match="none of the keys"):
            reopened(store).load("one")
        settings.unlink()
        with pytest.raises(SealError, match="nothing in it is sealed"):
            reopened(store).load("one")

    def test_an_older_record_of_the_same_id_is_accepted(self, store: FilesystemStore) -> None:
        """As docs/security.md says: a seal does not tell the newest from the one before."""
        store.save([1], "one")
        old = file_of(store, "one").read_bytes()
        store.replace("one", [2])
        file_of(store, "one").write_bytes(old)
        assert reopened(store).load("one") == [1]


class TestWithoutKey:
    """A sealed store that is opened without its key."""

    def test_loading_is_refused_with_what_to_do(self, store: FilesystemStore) -> None:
        """Whoever forgot the key must not go on unprotected."""
        store.save([1], "one")
        with pytest.raises(SealError, match=r"trust=Trust\(key=…\)"):
            FilesystemStore(store.directory).load("one")

    def test_saving_is_refused_with_what_to_do(self, store: FilesystemStore) -> None:
        """Nobody with the key would accept it."""
        store.save([1], "one")
        with pytest.raises(SealError, match=r"trust=Trust\(key=…\)"):
            FilesystemStore(store.directory).save([2], "two")

    def test_anyone_may_load_without_checking_seals(self, store: FilesystemStore) -> None:
        """Damage is still found."""
        store.save([1], "one")
        trusting = FilesystemStore(store.directory, trust="anyone")
        assert trusting.load("one") == [1]
        data = file_of(store, "one").read_bytes()
        file_of(store, "one").write_bytes(b"?" + data[1:])
        trusting.invalidate_cache()
        with pytest.raises(CorruptRecordError):
            trusting.load("one")

    def test_what_decodes_nothing_needs_no_key(self, store: FilesystemStore) -> None:
        """Looking at a store, and copying its files."""
        child = Task("child")
        store.save(Task("root", child), "root")
        plain = FilesystemStore(store.directory)
        assert plain.list() == [child.persistent_id, "root"]
        assert plain.references("root") == (child.persistent_id,)
        assert plain.info("root").sealed
        assert [str(need) for need in plain.needs("root")] == ["tests.trust.things:Task"]


def _unsealed(data: bytes) -> bytes:
    record = parse(data)
    return b"".join(build(record.metadata._replace(content=None), [record.stored]))


def _forged(data: bytes, change: Change) -> bytes:
    # As an attacker can make it: all digests right, the proof the old one.
    parts = taken_apart(data)
    text, kind = msgpack.unpackb(parts.text), kind_in(data)
    fields = change(text, kind)
    return parts._replace(text=packed(text), kind=packed(kind), **(fields or {})).joined()


class TestFsck:
    """`fsck` looks at seals where it has a key."""

    @pytest.fixture
    def graph(self, store: FilesystemStore) -> FilesystemStore:
        """Return a sealed store with two records, the first of which refers to the second."""
        store.save_many([Task("one", Task("two"))], ["one"])
        return store

    def test_a_store_is_checked_by_its_own_key(self, graph: FilesystemStore) -> None:
        """As a path it is checked by the key of `trust`, and without one by its digests alone."""
        for report in (
            fsck(graph),
            fsck(graph.directory),
            fsck(graph.directory, trust=Trust(key=[OTHER, KEY])),
        ):
            assert report.is_clean
            assert report.counts == {"ok": 2}
        report = fsck(graph.directory, trust=Trust(key=OTHER))
        assert report.counts == {"unsealed": 2}
        assert "none of the keys given" in report.problems[0].reason

    def test_a_forged_record_is_found_and_never_moved(self, graph: FilesystemStore) -> None:
        """With a wrong key, a repair would take all away; what is damaged is moved all the same."""
        file_of(graph, "one").write_bytes(_unsealed(file_of(graph, "one").read_bytes()))
        damaged = _unsealed(file_of(graph, "Task.1").read_bytes())
        file_of(graph, "Task.1").write_bytes(b"x" + damaged[1:])
        report = fsck(graph, repair=True)
        assert report.counts == {"corrupt": 1, "unsealed": 1}
        found = {problem.id: problem for problem in report.problems}
        assert "has no seal" in found[Id("one")].reason
        assert "reseal(unsealed=True)" in str(found[Id("one")])
        assert found[Id("one")].quarantined is None
        assert found[Id("Task.1")].quarantined is not None
        assert file_of(graph, "one").exists()
        assert fsck(graph.directory).counts == {"dangling": 1}
        assert fsck(graph).counts == {"unsealed": 1}

    def test_a_store_that_says_nothing_of_seals_has_none(self, tmp_path: Path) -> None:
        """Whoever removes the identity gains nothing by it."""
        FilesystemStore(tmp_path / "store").save([1], "one")
        report = fsck(tmp_path / "store", trust=Trust(key=KEY))
        assert report.counts == {"unsealed": 1}

    def test_another_store_in_its_place_is_told(self, graph: FilesystemStore) -> None:
        """Where the opener says which it is to be."""
        assert fsck(graph.directory, trust=Trust(key=KEY, store=graph.store_id)).is_clean
        with pytest.raises(SealError, match="another store"):
            fsck(graph.directory, trust=Trust(key=KEY, store="00" * 16))

    def test_damaged_settings_are_the_problem(self, graph: FilesystemStore) -> None:
        """Seals without an identity cannot be told from forged ones."""
        Path(graph.directory, ".brinery", "settings.json").write_text("{")
        assert fsck(graph).counts == {"ok": 2, "corrupt": 1}


def test_the_seals_of_a_store_show_no_key() -> None:
    """Neither the object nor what it hangs on."""
    store = Store(MemoryStore().backend, trust=Trust(key=KEY))
    store.save([1], "one")
    assert KEY.decode() not in f"{store!r} {store.session.gate.seals!r} {store.trust!r}"
