"""Objects that hash by value and are keys in a cycle through themselves come back as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from brinery import DecodeError, MemoryStore, Persistable, Store, upgrades
from brinery.backends.memory import MemoryBackend
from brinery.evolution import upgrades as upgrades_module
from brinery.graph.loading.early import EarlyAttributes

FAMILY = ("pickle", "cloudpickle", "dill")


class Named(Persistable):
    """Hashes by its name."""

    __slots__ = ("__weakref__",)

    name: str
    distances: dict[Any, int]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class City(Named):
    """Has plain attributes before and after the dict that it may be a key of."""

    def __init__(self, name: str) -> None:
        self.name, self.pop, self.distances, self.people = name, 5, {}, 7


class Slotted(Named):
    """The same in slots."""

    __slots__ = ("distances", "name", "people", "pop")

    def __init__(self, name: str) -> None:
        self.name, self.pop, self.distances, self.people = name, 5, {}, 7


class Careful(City):
    """Sets its own state, of which some entries are not attributes."""

    def __getstate__(self) -> Any:
        return {"version": 1, "name": self.name, "pairs": self.distances}

    def __setstate__(self, state: Any) -> None:
        self.distances = state["pairs"]
        self.name = state["name"]


class Made(City):
    """Has an attribute of its state when it is made, and another one that no state has."""

    def __new__(cls, name: str = "") -> Made:
        made = super().__new__(cls)
        made.people = 0
        made.born = 1291  # type: ignore[attr-defined]
        return made


@dataclass(frozen=True)
class Frozen(Persistable):
    """Refuses to have its attributes set."""

    name: str
    distances: dict[Any, int] = field(default_factory=dict, hash=False, compare=False)
    people: int = 7


def ring(cls: type) -> Any:
    """Return an object with a key that has the object as a key, and itself as another."""
    one, two = cls("Bern"), cls("Thun")
    one.distances[two] = two.distances[one] = 27
    one.distances[one] = 0
    return one


def lone(cls: type) -> Any:
    """Return a list of an object that is a key of its own."""
    one = cls("Sion")
    one.distances[one] = 0
    return [one]


def first(found: Any) -> Any:
    """Return the object that one of these graphs is about."""
    return found[0] if type(found) is list else found


each_graph = pytest.mark.parametrize("make", [ring, lone])
each_class = pytest.mark.parametrize("cls", [City, Slotted, Careful, Made, Frozen])


@pytest.fixture
def upgradable() -> Iterator[None]:
    """Forget the upgrades of a test."""
    before = dict(upgrades_module._steps)
    yield
    upgrades_module._steps.clear()
    upgrades_module._steps.update(before)


@pytest.mark.parametrize("codec", FAMILY)
@each_class
@each_graph
def test_the_attributes_keep_their_order_and_nothing_is_written(
    make: Callable[[type], Any], cls: type, codec: str
) -> None:
    """Nor does an entry of the state that is not an attribute become one."""
    backend = MemoryBackend()
    graph = make(cls)
    Store(backend, codec=codec).save(graph, "graph")
    one, two = Store(backend), Store(backend)
    mine, theirs = one.load("graph"), two.load("graph")
    if cls is not Slotted:
        expected = ["distances", "name"] if cls is Careful else list(vars(first(graph)))
        assert list(vars(first(mine))) == expected
    assert first(mine).distances[first(mine)] == 0
    before = {name: backend.get(name)[1] for name in backend.list()}
    one.save(mine)
    two.save(theirs)
    assert {name: backend.get(name)[1] for name in backend.list()} == before


def without_pop(state: Any) -> Any:
    """Upgrade a state: an attribute goes, another one comes."""
    if type(state) is tuple:
        return state[0], without_pop(state[1])
    return {**{key: state[key] for key in state if key != "pop"}, "people": state["pop"]}


@pytest.mark.usefixtures("upgradable")
@pytest.mark.parametrize("codec", FAMILY)
@pytest.mark.parametrize("cls", [City, Slotted, Made])
@each_graph
def test_an_upgrade_takes_old_attributes_away(
    make: Callable[[type], Any], cls: type, codec: str
) -> None:
    """Whichever object of the cycle is loaded first."""
    store = MemoryStore(codec=codec)
    store.save(make(cls))
    upgrades(cls, to=2)(without_pop)
    for id in store.list():
        store.invalidate_cache()
        city = first(store.load(id))
        assert not hasattr(city, "pop")
        assert city.people == 5
        others = [city, *(other for other in city.distances if other is not city)]
        for other in others:
            assert all(key in other.distances for key in other.distances)
            assert not hasattr(other, "pop")


@pytest.mark.usefixtures("upgradable")
@each_graph
def test_an_upgrade_may_change_the_hash(make: Callable[[type], Any]) -> None:
    """The early attributes are upgraded as well, so that the keys are found."""
    store = MemoryStore()
    id = store.save(make(City))
    upgrades(City, to=2)(lambda state: {**state, "name": state["name"].lower()})
    store.invalidate_cache()
    city = first(store.load(id))
    assert city.name.islower()
    assert city.distances[city] == 0
    assert all(city.distances[other] == other.distances[city] for other in city.distances)


@pytest.mark.usefixtures("upgradable")
def test_a_hash_that_comes_too_late_is_an_error() -> None:
    """An upgrade that computes it from the rest of the state would lose the keys."""
    store = MemoryStore()
    id = store.save(lone(City))
    upgrades(City, to=2)(lambda state: {**state, "name": f"{len(state['distances'])} cities"})
    store.invalidate_cache()
    with pytest.raises(DecodeError, match="its upgrade changes its hash"):
        store.load(id)


@pytest.mark.parametrize("state", [{"a": 1, "name": "Thun"}, (None, {"name": "Thun", "a": 1})])
def test_early_attributes_last_until_the_state(state: Any) -> None:
    """They may be asked for several times."""
    city = City("Bern")
    before = dict(vars(city))
    early = EarlyAttributes(city, {"name": "Thun", "pop": 8, "old": 1}, None)
    early.set()
    early.set()
    assert (city.name, city.pop, vars(city)["old"]) == ("Thun", 8, 1)
    vars(city)["__setstate__"](state)
    early.end()
    assert vars(city) == {**before, "name": "Thun", "a": 1}


def set_slowly(city: Any, state: Any) -> None:
    """Set the state of an object, as a reducer may ask."""
    for name, value in state.items():
        setattr(city, name, value)


class Reduced(City):
    """Has a reducer that names the function which sets the state."""

    def __reduce__(self) -> Any:
        return object.__new__, (Reduced,), vars(self), None, None, set_slowly


@each_graph
def test_a_reducer_may_set_the_state_by_itself(make: Callable[[type], Any]) -> None:
    """Nobody calls the hook of the early attributes then, and it is taken back."""
    store = MemoryStore()
    id = store.save(make(Reduced))
    store.invalidate_cache()
    city = first(store.load(id))
    assert {*vars(city)} == {"name", "pop", "distances", "people"}
    assert city.distances[city] == 0


def test_a_payload_cannot_choose_what_sets_a_state() -> None:
    """An early attribute of that name is left out."""
    city = City("Bern")
    early = EarlyAttributes(city, {"__setstate__": print, "name": "Thun"}, None)
    early.set()
    assert city.name == "Thun"
    early.drop()
    assert "__setstate__" not in vars(city)
    assert city.name == "Bern"
