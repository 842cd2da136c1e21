"""A part whose class refuses it: upgrades of its arguments, and placeholders in its place."""

from __future__ import annotations

import enum
import pickle
import sys
from collections import namedtuple
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from brinery import DecodeError, MemoryStore, Persistable, Placeholder, upgrades
from brinery.codec import Codec
from brinery.registry.codecs import make_codec
from brinery.testing.proofs.promises import forge

CODECS = [make_codec("pickle", protocol=n) for n in range(6)]
CODECS += [make_codec("cloudpickle"), make_codec("dill")]
each_codec = pytest.mark.parametrize(
    "codec",
    CODECS,
    ids=lambda codec: f"{codec.name}:{codec.protocol}",
)


class Refuses:
    """Takes no state any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __setstate__(self, state: Any) -> None:
        raise ValueError("an old state")


class Task(Persistable):
    """Has a record of its own."""

    def __init__(self, part: Any) -> None:
        self.part = part


class Refused(Persistable, Refuses):
    """Has a record of its own, too."""


class City:
    """Hashes by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.near: set[Any] = set()
        self.people: dict[Any, Any] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, City) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


@pytest.fixture
def shapes() -> Iterator[Any]:
    """Give a module whose classes can be put in place of each other."""
    module: Any = ModuleType("shapes_of_parts")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def defined(module: Any, cls: Any) -> Any:
    cls.__module__ = module.__name__
    cls.__qualname__ = cls.__name__
    setattr(module, cls.__name__, cls)
    return cls


def point(module: Any, fields: str) -> Any:
    return defined(module, namedtuple("Point", fields))


def colours(module: Any, *names: str) -> Any:
    return defined(module, enum.Enum("Colour", {name: name.lower() for name in names}))


@each_codec
def test_a_named_tuple_gets_a_field_by_an_upgrade(codec: Codec, shapes: Any) -> None:
    """The function gets its items; what is shared stays one object, and what is written is new."""
    at = point(shapes, "x y")(1, 2)
    with MemoryStore(codec=codec) as store:
        id_ = store.save({"at": at, "again": [at], "name": "start"})
        del at
        store.invalidate_cache()
        Point = point(shapes, "x y z")
        if codec.protocol == 5:
            with pytest.raises(DecodeError, match=r"@upgrades\(Point, to=…\)") as caught:
                store.load(id_)
            assert caught.value.object_path == "['at']"
        upgrades(Point, to=2)(lambda items: (*items, 0))
        found = store.load(id_)
        assert found == {"at": Point(1, 2, 0), "again": [Point(1, 2, 0)], "name": "start"}
        assert found["at"] is found["again"][0]
        found["name"] = "other"
        store.save(found)
        store.invalidate_cache()
        assert store.load(id_)["at"] == Point(1, 2, 0)


@each_codec
def test_a_member_that_is_lost_becomes_another_by_an_upgrade(codec: Codec, shapes: Any) -> None:
    """The function gets the value of the member."""
    with MemoryStore(codec=codec) as store:
        id_ = store.save([colours(shapes, "RED", "GREEN").RED])
        store.invalidate_cache()
        Colour = colours(shapes, "GREEN", "CRIMSON")
        if codec.protocol == 5:
            with pytest.raises(DecodeError, match=r"lost this member: @upgrades\(Colour"):
                store.load(id_)
        upgrades(Colour, to=2)(lambda value: ("crimson",) if value == ("red",) else value)
        assert store.load(id_) == [Colour.CRIMSON]


@each_codec
def test_a_constructor_gets_other_arguments_by_an_upgrade(codec: Codec, shapes: Any) -> None:
    """Of an object that is reduced to a call, also if it has a state as well, and as a root."""

    def define(bases: tuple[type, ...], init: Any) -> Any:
        names = {"__init__": init, "__reduce__": lambda self: (type(self), (self.a,), vars(self))}
        return defined(shapes, type("Part", bases, names))

    for bases in ((), (Persistable,)):

        def old(self: Any, a: int) -> None:
            self.a = a

        def new(self: Any, a: int, b: int) -> None:
            self.a, self.b = a, b

        with MemoryStore(codec=codec) as store:
            part = define(bases, old)(1)
            ids = store.save_many([part, [part]])
            del part
            store.invalidate_cache()
            Part = define(bases, new)
            upgrades(Part, to=2)(lambda given: (*given, 7) if isinstance(given, tuple) else given)
            found = [store.load(ids[0]), store.load(ids[1])[0]]
            assert [(type(each), each.a, each.b) for each in found] == [(Part, 1, 7)] * 2


def test_an_upgrade_of_arguments_that_fails_says_so(shapes: Any) -> None:
    """With the class."""
    with MemoryStore() as store:
        id_ = store.save([point(shapes, "x y")(1, 2)])
        store.invalidate_cache()
        upgrades(point(shapes, "x y z"), to=2)(lambda items: 1 // 0)
        with pytest.raises(
            DecodeError, match=r"the upgrade of the arguments of .*:Point failed: Zero"
        ):
            store.load(id_)


@each_codec
def test_parts_that_are_refused_get_placeholders(codec: Codec, shapes: Any) -> None:
    """By their constructor or by their state, several of them; the rest is as it was."""
    with MemoryStore(codec=codec) as store:
        at = (Refuses(1), Refuses(2))
        colour = colours(shapes, "RED").RED
        id_ = store.save(
            {"name": "x", "a": at[0], "b": [at[0], at[1]], "c": colour, "t": Task([3])}
        )
        store.invalidate_cache()
        colours(shapes, "GREEN")
        with pytest.raises(DecodeError):
            store.load(id_)
        found = store.load(id_, missing="placeholder")
        assert found["name"] == "x"
        assert found["t"].part == [3]
        assert [type(each) for each in found["b"]] == [type(found["a"])] * 2
        assert isinstance(found["a"], Placeholder)
        assert found["a"] is found["b"][0]
        assert (found["a"].state, found["b"][1].state) == ({"number": 1}, {"number": 2})
        assert found["c"].args[-1] in ("red", "RED")
        assert found["c"].class_name == "shapes_of_parts:Colour"


@each_codec
def test_what_has_placeholders_of_parts_is_written_back(codec: Codec, shapes: Any) -> None:
    """And is whole again once the class takes it; unchanged, it is not written."""
    with MemoryStore(codec=codec) as store:
        Colour = colours(shapes, "RED")
        id_ = store.save({"name": "x", "c": Colour.RED})
        store.invalidate_cache()
        colours(shapes, "GREEN")
        found = store.load(id_, missing="placeholder")
        before = store.info(id_)
        store.save(found)
        assert store.info(id_) == before
        found["name"] = "y"
        store.save(found)
        assert store.info(id_) != before
        del found
        store.invalidate_cache()
        defined(shapes, Colour)
        assert store.load(id_) == {"name": "y", "c": Colour.RED}


def test_a_root_that_is_refused_gets_a_placeholder_as_a_whole() -> None:
    """It shows why; what refers to it can be had."""

    with MemoryStore() as store:
        holder = store.save({"name": "x", "task": Task(Refused(1))})
        store.invalidate_cache()
        found = store.load(holder, missing="placeholder")
        assert found["name"] == "x"
        assert isinstance(found["task"].part, Placeholder)
        assert "an old state" in repr(found["task"].part)


@each_codec
def test_plain_objects_in_each_others_sets_are_loaded(codec: Codec) -> None:
    """And in each other's dicts, as keys: members wait until they have their attributes, in their order."""
    a, b = City("a"), City("b")
    a.near.add(b)
    b.near.update((a, b))
    a.people.update({"x": 1, b: 2, "y": 3, a: 4})
    b.people.update({a: 1, "z": 2})
    with MemoryStore(codec=codec) as store:
        id_ = store.save({"cities": [a, b]})
        store.invalidate_cache()
        one, two = store.load(id_)["cities"]
    assert (one.name, two.name) == ("a", "b")
    assert one.near == {two}
    assert {*map(id, two.near)} == {id(one), id(two)}
    assert one in two.near
    assert [*one.people.items()] == [("x", 1), (two, 2), ("y", 3), (one, 4)]
    assert [*two.people] == [one, "z"]
    assert two.people[one] == 1


def test_members_that_never_have_a_hash_are_an_error_with_advice() -> None:
    """A frozenset needs its elements at once."""
    city = City("a")
    city.near = frozenset({city})  # type: ignore[assignment]
    with MemoryStore() as store:
        id_ = store.save([city])
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="its hash needs attributes") as caught:
            store.load(id_)
        assert "make its class persistable" in (caught.value.advice or "")


class StepFailed(Exception):
    """Takes other arguments than it passes on."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(f"{step} ended with {code}")
        self.step = step


def test_an_exception_of_a_plain_pickle_can_be_had() -> None:
    """Its reduction calls the class with `args`: an error with advice, a placeholder, or an upgrade."""
    with MemoryStore() as store:
        id_ = store.save({"name": "night run"})
        forge(store, id_, pickle.dumps({"name": "night run", "error": StepFailed("plot", 3)}))
        with pytest.raises(DecodeError, match=r"@upgrades\(StepFailed, to=…\)") as caught:
            store.load(id_)
        assert caught.value.object_path == "['error']"
        assert 'missing="placeholder"' in (caught.value.advice or "")
        found = store.load(id_, missing="placeholder")
        assert found["name"] == "night run"
        assert found["error"].args == ("plot ended with 3",)
        assert found["error"].state == {"step": "plot"}
        upgrades(StepFailed, to=2)(lambda given: (*given[0].split(" ended with "),))
        store.invalidate_cache()
        error = store.load(id_)["error"]
        assert (type(error), error.args, error.step) == (StepFailed, ("plot ended with 3",), "plot")


class Proxy:
    """Gets a `__getattr__` after it was saved."""

    def __init__(self, target: Any) -> None:
        self.target = target


def test_a_proxy_that_asks_for_ever_is_told_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """And gets a placeholder, which shows its state."""
    with MemoryStore() as store:
        id_ = store.save({"name": "x", "proxies": [Proxy([1]), Proxy([2])]})
        store.invalidate_cache()
        asks: Any = lambda self, name: getattr(self.target, name)  # noqa: E731
        monkeypatch.setattr(Proxy, "__getattr__", asks, raising=False)
        asks.__code__ = asks.__code__.replace(co_name="__getattr__")
        with pytest.raises(DecodeError, match="RecursionError") as caught:
            store.load(id_)
        assert "A __getattr__ calls itself" in (caught.value.advice or "")
        found = store.load(id_, missing="placeholder")
        assert found["name"] == "x"
        assert [each.state for each in found["proxies"]] == [{"target": [1]}, {"target": [2]}]


def test_an_error_of_another_kind_has_no_advice() -> None:
    """Nothing is known to help."""
    with MemoryStore() as store:
        id_ = store.save([Refuses(1)])
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="an old state") as caught:
            store.load(id_)
        assert caught.value.advice is None
