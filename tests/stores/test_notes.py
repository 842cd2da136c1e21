"""Notes and tags: what is stored beside an object, and stays there until a save says otherwise."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest
from tests.record.forms import taken_apart

import brinery
from brinery import (
    ConflictError,
    FilesystemStore,
    InvalidArgumentError,
    Persistable,
    SealError,
    Store,
    Trust,
    make_store,
)
from brinery.ids import name_of
from brinery.operations.recode import recode
from brinery.record.digest import digests
from brinery.record.reader import metadata_as_written

KEY = b"a key of sixteen bytes"
TAGS: dict[str, Any] = {"run": 7, "loss": 0.5, "best": True, "host": "node-3", "parent": None}


class Model(Persistable):
    """Holds a number and another model."""

    def __init__(self, n: int = 0, base: Model | None = None) -> None:
        self.n = n
        self.base = base


class Strict(Persistable):
    """Runs code of its own when it is loaded."""

    def __init__(self, n: int = 0) -> None:
        self.n = n

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class Level(enum.IntEnum):
    """A kind of integer."""

    HIGH = 3


@pytest.fixture(params=["directory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens one place as often as it is called; each store is a user of its own."""
    url = str(tmp_path / "store")
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db"
    stores: list[Store] = []

    def open_(**options: Any) -> Store:
        stores.append(make_store(url, **options))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def beside(store: Store, id_: str) -> tuple[str | None, dict[str, Any]]:
    """Return note and tags of a record."""
    info = store.info(id_)
    (same,) = store.infos([id_])
    assert same == info
    return info.note, info.tags


def state_of(store: Store, id_: str) -> bytes:
    """Return the bytes of a record."""
    return store.backend.get(name_of(id_))[0]


def fields_of(store: Store, id_: str) -> list[Any]:
    """Return what the text of a record has beside ID and references."""
    return msgpack.unpackb(taken_apart(state_of(store, id_)).text)[2:]  # type: ignore[no-any-return]


# -- what a save does


def test_info_returns_what_was_given(opened: Callable[..., Store]) -> None:
    """The types of the tags, too; only the root has them."""
    model = Model(1, Model(2))
    id_ = opened().save(model, note="the first\none", tags=TAGS)
    store = opened()
    assert beside(store, id_) == ("the first\none", TAGS)
    assert [*map(type, store.info(id_).tags.values())] == [*map(type, TAGS.values())]
    assert beside(store, store.references(id_)[0]) == (None, {})
    assert store.load(id_).n == 1


def test_a_record_without_them_is_as_before(opened: Callable[..., Store]) -> None:
    """No byte is added."""
    store = opened()
    givens: list[dict[str, Any]] = [{}, {"note": ""}, {"tags": {}}, {"note": "", "tags": {}}]
    for given in givens:
        id_ = store.save(Model(), **given)
        assert not fields_of(store, id_)
        assert beside(store, id_) == (None, {})


@pytest.mark.parametrize("made", [Model, Strict, partial(list, [1])])
@pytest.mark.parametrize("how", ["same store", "loaded", "lazily"])
def test_a_save_of_a_changed_object_keeps_them(
    opened: Callable[..., Store], made: Callable[[], Any], how: str
) -> None:
    """Whether it was saved or loaded, and whatever reads its record."""
    store, obj = opened(), made()
    store.save(obj, "m", note="kept", tags=TAGS)
    if how != "same store":
        store = opened(lazy=how == "lazily")
        obj = store.load("m")
    for n in range(3):
        if isinstance(obj, list):
            obj.append(n)
        else:
            obj.n = n + 10
        former = state_of(store, "m")
        store.save(obj)
        assert state_of(store, "m") != former
        assert beside(opened(), "m") == ("kept", TAGS)


def test_a_save_that_reaches_the_object_keeps_them(opened: Callable[..., Store]) -> None:
    """Also of a ghost that was woken, and of many at once."""
    first = opened()
    first.save(Model(1), "base", note="kept")
    first.save(Model(2, first.load("base")), "m")
    for lazy in (False, True):
        store = opened(lazy=lazy)
        model = store.load("m")
        model.base.n += 1
        store.save(model)
        assert beside(store, "base") == ("kept", {})
        model.base.n += 1
        store.save_many([model, model.base])
        assert beside(store, "base") == ("kept", {})
        assert opened().load("base").n == model.base.n


def test_update_keeps_them_in_a_sealed_store(opened: Callable[..., Store]) -> None:
    """Of a number, too, whose record is read once more."""
    store = opened(trust=Trust(key=KEY))
    store.save(5, "number", note="five")
    store.save(Model(), "m", note="n", tags=TAGS)
    store.update("number", lambda n: n + 1)
    opened(trust=Trust(key=KEY)).update("m", lambda model: Model(model.n + 1))
    assert beside(store, "number") == ("five", {})
    assert beside(store, "m") == ("n", TAGS)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("cls", [Model, Strict])
def test_many_that_are_loaded_together_keep_them(
    opened: Callable[..., Store], cls: type, *, lazy: bool
) -> None:
    """Each its own."""
    first, ids = opened(), [f"m{n}" for n in range(9)]
    for n, id_ in enumerate(ids):
        first.save(cls(n), id_, note=f"note {n}" if n % 3 else None, tags={"n": n})
    store = opened(lazy=lazy)
    models = store.load_many(ids)
    for model in models:
        model.n += 1
    store.save_many(models)
    for n, id_ in enumerate(ids):
        assert beside(store, id_) == (f"note {n}" if n % 3 else None, {"n": n})
        assert opened().load(id_).n == n + 1


def test_each_is_changed_alone(opened: Callable[..., Store]) -> None:
    """None keeps what is there, and empty ones remove it."""
    store, model = opened(), Model()
    store.save(model, "m", note="n", tags={"a": 1})
    store.save(model, note="other")
    assert beside(store, "m") == ("other", {"a": 1})
    store.save(model, tags={"b": 2})
    assert beside(store, "m") == ("other", {"b": 2})
    store.save(model, note="")
    assert beside(store, "m") == (None, {"b": 2})
    store.save(model, tags={})
    assert beside(store, "m") == (None, {})
    assert not fields_of(store, "m")


@pytest.mark.parametrize("made", [Model, Strict, partial(list, [1])])
def test_a_new_note_alone_is_a_write_of_the_record(
    opened: Callable[..., Store], made: Callable[[], Any]
) -> None:
    """And of no other; the same note is none."""
    obj = made()
    opened().save(obj, "m")
    store = opened()
    obj = store.load("m")
    states = [state_of(store, "m")]
    for note, tags in (("a", None), (None, {"a": 1}), (None, {"a": True}), ("", None)):
        store.save(obj, note=note, tags=tags)
        states.append(state_of(store, "m"))
        store.save(obj, note=note, tags=tags)
        assert state_of(store, "m") == states[-1]
    assert len({*states}) == 5
    assert beside(opened(), "m") == (None, {"a": True})
    assert type(opened().load("m")) is type(obj)


def test_a_ghost_gets_a_note(opened: Callable[..., Store]) -> None:
    """Its record is written, so it is read first."""
    opened().save(Model(1, Model(2)), "m")
    store = opened(lazy=True)
    base = store.load("m").base
    assert not store.is_loaded(base)
    store.save(base, note="n")
    assert beside(store, store.id_of(base)) == ("n", {})
    assert opened().load("m").base.n == 2


def test_update_keeps_them(opened: Callable[..., Store]) -> None:
    """Of an object that was changed, of one that takes its place, and of a number."""
    store = opened()
    store.save(Model(), "m", note="n", tags=TAGS)
    store.save(5, "number", note="five")
    store.save([1], "list", note="list")
    for user in (store, opened()):
        user.update("m", lambda model: setattr(model, "n", model.n + 1))
        user.update("m", lambda model: Model(model.n + 1))
        user.update("number", lambda n: n + 1)
        user.update("list", lambda found: [*found, 1])
        user.update("list", lambda found: found.append(1))
    fresh = opened()
    assert (fresh.load("m").n, fresh.load("number"), len(fresh.load("list"))) == (4, 7, 5)
    assert beside(fresh, "m") == ("n", TAGS)
    assert beside(fresh, "number") == ("five", {})
    assert beside(fresh, "list") == ("list", {})


def test_a_note_of_update_itself_stays(opened: Callable[..., Store]) -> None:
    """A save inside says what is beside the object."""
    store = opened()
    store.save(Model(), "m", note="old")
    store.update("m", lambda model: store.save(model, note=f"new {model.n}") and None)
    assert beside(opened(), "m") == ("new 0", {})


def test_one_plain_object_under_two_ids(opened: Callable[..., Store]) -> None:
    """Each record keeps what it has."""
    store, plain = opened(), [1]
    store.save(plain, "a", note="of a")
    plain.append(2)
    store.save_many([plain, plain], ["b", "a"])
    assert beside(store, "a") == ("of a", {})
    assert beside(store, "b") == (None, {})
    assert opened().load("a") == [1, 2]


def test_replace_puts_another_object_in_its_place(opened: Callable[..., Store]) -> None:
    """With a record that begins without; the object itself keeps them."""
    store, model = opened(), Model()
    store.save(model, "m", note="n")
    store.replace("m", model)
    assert beside(store, "m") == ("n", {})
    store["m"] = Model(2)
    assert beside(store, "m") == (None, {})


# -- several at once


def test_a_note_over_a_changed_record_is_a_conflict(opened: Callable[..., Store]) -> None:
    """Nobody's note is lost without a word, nor an object that somebody else has changed."""
    opened().save(Model(), "m", note="old")
    one, other = opened(), opened()
    mine, theirs = one.load("m"), other.load("m")
    other.save(theirs, note="theirs")
    with pytest.raises(ConflictError):
        one.save(mine, note="mine")
    mine.n = 5
    with pytest.raises(ConflictError):
        one.save(mine)
    assert beside(opened(), "m") == ("theirs", {})
    one.update("m", lambda model: setattr(model, "n", 6))
    assert beside(opened(), "m") == ("theirs", {})
    assert opened().load("m").n == 6


def test_a_transaction_that_fails_leaves_them(opened: Callable[..., Store]) -> None:
    """A later save keeps what the record has, not what was rolled back."""
    store, model = opened(), Model()
    store.save(model, "m", note="n", tags={"a": 1})

    def fail() -> None:
        with store.transaction():
            store.save(model, note="undone")
            assert beside(store, "m") == ("undone", {"a": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert beside(store, "m") == ("n", {"a": 1})
    model.n = 1
    store.save(model)
    assert beside(opened(), "m") == ("n", {"a": 1})
    with store.transaction():
        store.save(model, note="done")
        model.n = 2
        store.save(model)
    model.n = 3
    store.save(model)
    assert beside(opened(), "m") == ("done", {"a": 1})


def test_a_record_that_a_collection_removed_comes_back_with_them(
    opened: Callable[..., Store],
) -> None:
    """The object is written again, because another one refers to it."""
    store, base = opened(), Model()
    store.save(base, "base", note="kept")
    store.save([1], "root")
    assert [*opened().gc(["root"], dry_run=False, older_than=0).garbage] == ["base"]
    store.save(Model(1, base), "m")
    assert beside(opened(), "base") == ("kept", {})


class Rolled(Exception):
    """Ends a transaction."""


class Users:
    """Two users of one place who do things at random, and what the records have to have then."""

    def __init__(self, opened: Callable[..., Store], seed: int) -> None:
        self.random = random.Random(seed)
        self.opened = opened
        self.users = [opened(), opened(lazy=True)]
        self.models = [{n: Model() for n in "abc"}, dict[str, Model]()]
        self.has: dict[str, tuple[str | None, dict[str, Any]]] = {}
        for n, model in self.models[0].items():
            self.users[0].save(model, n)
            self.has[n] = None, {}
        self.conflicts = 0

    def step(self) -> None:
        """Let one of them do something; a conflict changes nothing."""
        who, id_ = self.random.randrange(2), self.random.choice("abc")
        store, models = self.users[who], self.models[who]
        if self.random.random() < 0.3:
            models.pop(id_, None)
            store.invalidate_cache()
        model = models[id_] = store.load(id_)
        step = self.random.choice(
            [self.save, self.save, self.note, self.note, self.undone, self.update]
        )
        try:
            step(store, id_, model)
        except ConflictError:
            self.conflicts += 1
            models.pop(id_)
            store.invalidate_cache()
        for each, has in self.has.items():
            info = store.info(each)
            assert (info.note, info.tags) == has

    def save(self, store: Store, id_: str, model: Model) -> None:
        """Change an object, or what it reaches."""
        model.n = self.random.randrange(1000)
        model.base = store.load(self.random.choice("abc"))
        store.save(self.random.choice([model, [model]]), deep=True)

    def note(self, store: Store, id_: str, model: Model) -> None:
        """Write another note, other tags, or both, with a change of the object or without."""
        if self.random.random() < 0.5:
            model.n += 1
        note = self.random.choice([None, "", "x", "y"])
        tags = self.random.choice([None, {}, {"a": self.random.choice([1, True, 1.5])}])
        store.save(model, note=note, tags=tags, deep=self.random.random() < 0.5)
        former = self.has[id_]
        self.has[id_] = (
            former[0] if note is None else note or None,
            former[1] if tags is None else tags,
        )

    def undone(self, store: Store, id_: str, model: Model) -> None:
        """Write a note in a transaction that fails; the objects are loaded again."""
        try:
            with store.transaction():
                store.save(model, note="undone", tags={"undone": 1})
                raise Rolled
        except Rolled:
            pass
        self.models[self.users.index(store)].clear()

    def update(self, store: Store, id_: str, model: Model) -> None:
        """Let an update change the object or return another one."""
        is_other = self.random.random() < 0.3
        store.update(id_, lambda obj: Model(5, obj.base) if is_other else setattr(obj, "n", -1))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_two_users_do(opened: Callable[..., Store], seed: int) -> None:
    """No note is lost, none comes back, and none gets to another object."""
    users = Users(opened, seed)
    for _ in range(120):
        users.step()
    assert users.conflicts


# -- what else writes records


def test_recode_keeps_them(opened: Callable[..., Store]) -> None:
    """With another codec and another transform, while the object is alive here."""
    store = opened()
    kept = Model(1, Model(2))
    store.save(kept, "m", note="n", tags=TAGS)
    store.save({"a": "x" * 9000}, "large", note="large")
    for options in ({"codec": "cloudpickle"}, {"compress": "gzip"}, {"compress": "none"}):
        other = opened(**options)
        living = other.load("m")
        report = recode(other)
        assert report.is_whole
        assert report.recoded
        assert beside(other, "m") == ("n", TAGS)
        assert beside(other, "large") == ("large", {})
        living.n += 1
        other.save(living)
        assert beside(other, "m") == ("n", TAGS)


def test_copies_and_backups_have_them(opened: Callable[..., Store], tmp_path: Path) -> None:
    """Restored, copied, sealed again, with keys and without."""
    store = opened(trust=Trust(key=KEY))
    store.save(Model(1), "m", note="n", tags=TAGS)
    store.backup(str(tmp_path / "backup"))
    brinery.restore(str(tmp_path / "backup"), str(tmp_path / "restored"))
    with FilesystemStore(tmp_path / "restored", trust=Trust(key=KEY)) as restored:
        assert beside(restored, "m") == ("n", TAGS)
    with FilesystemStore(tmp_path / "copy", trust=Trust(key=b"another key, as long")) as copy:
        copy.save([1])  # so that it has an identity of its own
        brinery.copy(store, copy)
        assert beside(copy, "m") == ("n", TAGS)
        copy.load("m")
    both = opened(trust=Trust(key=[b"a third key of 16 bytes", KEY]))
    living = both.load("m")
    assert both.reseal() == 1
    living.n = 9
    both.save(living)
    assert beside(both, "m") == ("n", TAGS)


def test_a_placeholder_keeps_them(opened: Callable[..., Store]) -> None:
    """It is written back as its record, with another note if one is given."""
    module = type(brinery)("not_there")
    cls = type("Gone", (Persistable,), {"__module__": "not_there"})
    module.Gone = cls  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "not_there", module)
        obj = cls()
        obj.n = 1
        opened().save(obj, "gone", note="n", tags={"a": 1})
    store = opened()
    placeholder = store.load("gone", missing="placeholder")
    payload = state_of(store, "gone")[: store.info("gone").raw_size]
    store.save(placeholder)
    assert beside(store, "gone") == ("n", {"a": 1})
    store.save(placeholder, note="other")
    assert beside(store, "gone") == ("other", {"a": 1})
    assert state_of(store, "gone")[: store.info("gone").raw_size] == payload
    store.save(placeholder, tags={})
    assert beside(store, "gone") == ("other", {})


def test_a_seal_covers_them(opened: Callable[..., Store]) -> None:
    """Nobody without the key changes a note."""
    store = opened(trust=Trust(key=KEY))
    store.save(Model(1), "m", note="honest", tags={"a": 1})
    assert store.info("m").sealed
    for note in ("honest", "forged"):
        data = state_of(store, "m")
        at = data.index(b"honest")
        changed = data[:at] + note.encode() + data[at + 6 :]
        text_at = store.info("m").raw_size
        changed = changed[:-18] + digests()[0](changed[text_at:-18]) + changed[-10:]
        store.backend.put(name_of("m"), changed)
        fresh = opened(trust=Trust(key=KEY))
        if note == "honest":
            assert beside(fresh, "m") == ("honest", {"a": 1})
            continue
        with pytest.raises(SealError):
            fresh.info("m")
        with pytest.raises(SealError):
            fresh.load("m")


# -- what is refused


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"note": 5}, "note: expected a string, got 5"),
        ({"note": b"x"}, "note: expected a string, got b'x'"),
        ({"tags": ["a"]}, r"tags: expected a mapping of names to values, got \['a'\]"),
        ({"tags": "a"}, "tags: expected a mapping of names to values, got 'a'"),
        ({"tags": {1: 2}}, "tags: expected names that are strings, got 1"),
        ({"tags": {"a": [1]}}, r"tags: expected a string, a number, .* for 'a', got \[1\]"),
        ({"tags": {"a": b"1"}}, "tags: expected a string, a number, .* for 'a', got b'1'"),
        ({"tags": {"a": float("nan")}}, "tags: expected a finite number for 'a', got nan"),
        ({"tags": {"a": 1 << 63}}, "tags: expected a number of 64 bits for 'a', got 92233"),
        ({"note": "x" * 70_000}, "expected a note and tags of at most 65,536 bytes, got 70,"),
        ({"tags": {"x" * 70_000: 1}}, "expected a note and tags of at most 65,536 bytes"),
    ],
)
def test_what_is_refused(given: dict[str, Any], match: str) -> None:
    """Nothing is saved then."""
    store = brinery.MemoryStore()
    with pytest.raises(InvalidArgumentError, match=match):
        store.save(Model(), **given)
    assert not store.list()


def test_kinds_of_strings_and_numbers_are_plain_ones(opened: Callable[..., Store]) -> None:
    """Members of enumerations, numbers of numpy; the limits of integers, any character."""
    numpy = pytest.importorskip("numpy")
    Name = enum.StrEnum("Name", {"A": "a"})
    tags: dict[str, Any] = {
        Name.A: Name.A,
        "level": Level.HIGH,
        "loss": numpy.float64(0.5),
        "\ud800": "\ud800\0",
    }
    tags |= {"low": -(1 << 63), "high": (1 << 63) - 1}
    store = opened()
    store.save(Model(), "m", tags=tags)
    found = opened().info("m").tags
    assert found == tags
    assert {*map(type, found)} == {str}
    assert [*map(type, found.values())] == [str, int, float, str, int, int]


def test_the_caller_may_change_the_tags_afterwards(opened: Callable[..., Store]) -> None:
    """They are copied, in both directions."""
    store, model, tags = opened(), Model(), {"a": 1}
    store.save(model, "m", tags=tags)
    tags["a"] = 2
    store.info("m").tags["a"] = 3
    model.n = 1
    store.save(model)
    assert beside(store, "m") == (None, {"a": 1})


# -- who wrote a record


def test_a_store_notes_who_writes(opened: Callable[..., Store]) -> None:
    """If it is asked; it remembers that, and info returns it."""
    plain = opened()
    plain.save(Model(), "before")
    assert plain.info("before")[-3:] == (None, None, None)
    plain.close()
    noting = opened(provenance=True)
    noting.remember()
    noting.save(Model(1, Model(2)), "m")
    noting.close()
    store = opened()
    for id_ in ("m", store.references("m")[0]):
        info = store.info(id_)
        assert all((info.user, info.host, info.program))
        assert metadata_as_written(state_of(store, id_), id_) is not None
    store.save(Model(), "after")
    assert store.info("after")[-3:] == store.info("m")[-3:]
    assert store.info("before").user is None
    opened(provenance=False).save(Model(), "without")
    assert store.info("without")[-3:] == (None, None, None)
    report = recode(opened(codec="cloudpickle"))
    assert report.is_whole
    assert opened().info("m").user == info.user
    assert opened().load("m").base.n == 2


def test_provenance_in_a_url(tmp_path: Path) -> None:
    """A new store remembers it from its first record on."""
    for kind in ("sqlite:///{}/x.db", "file://{}/x"):
        url = kind.format(tmp_path)
        with make_store(f"{url}?provenance=1") as store:
            store.save([1], "m")
        with make_store(url) as store:
            assert store.info("m").host
            store.save([2], "n")
            assert store.info("n").host == store.info("m").host
    with pytest.raises(InvalidArgumentError, match="provenance: expected true or false"):
        make_store(f"{tmp_path}/y?provenance=perhaps")
