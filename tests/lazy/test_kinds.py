"""Ghosts of classes of all kinds: nobody can tell them from their objects, or there are none."""

from __future__ import annotations

import abc
import array
import collections
import copy
import dataclasses
import enum
import functools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pytest

from brinery import FilesystemStore, Persistable

T = TypeVar("T")
made: list[str] = []
"""What code of classes has run."""


class Root(Persistable):
    """Refers to the object that is to become a ghost."""

    def __init__(self, part: Any) -> None:
        self.part = part


class Plain(Persistable):
    """A class as most are."""

    def __init__(self, n: int = 3) -> None:
        self.n = n


class Slots(Persistable):
    """Has slots, and takes weak references."""

    __slots__ = ("__weakref__", "n")

    def __init__(self) -> None:
        self.n = 3


class SlotsAndDict(Slots):
    """Has slots, and attributes beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.m = 4


class NoWeakReference(Persistable):
    """Cannot be found by its entry once it is made."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 3


@dataclasses.dataclass
class Data(Persistable):
    """Compares by value, and so has no hash."""

    n: int = 3


@dataclasses.dataclass(frozen=True)
class Frozen(Persistable):
    """Hashes by value."""

    n: int = 3


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenIdentity(Persistable):
    """Cannot be changed, and hashes by identity."""

    n: int = 3


@dataclasses.dataclass(slots=True, weakref_slot=True, eq=False)
class DataSlots(Persistable):
    """A dataclass with slots."""

    n: int = 3


@dataclasses.dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class FrozenSlots(Persistable):
    """A dataclass with slots that has its own way to set its state."""

    n: int = 3


class WithMeta(abc.ABCMeta):
    """Notes the classes that it makes."""

    def __new__(meta, name: str, bases: Any, body: Any, **options: Any) -> Any:
        made.append(f"metaclass of {name}")
        return super().__new__(meta, name, bases, body, **options)

    def __init__(cls, *args: Any, **options: Any) -> None:
        made.append("init of metaclass")
        super().__init__(*args)


class Abstract(Persistable, metaclass=WithMeta):
    """Runs code when somebody makes a subclass of it."""

    def __init_subclass__(cls, **options: Any) -> None:
        made.append("init_subclass")
        super().__init_subclass__(**options)

    @abc.abstractmethod
    def run(self) -> int:
        """Return something."""


class Concrete(Abstract):
    """Can be made."""

    def __init__(self) -> None:
        self.n = 3

    def run(self) -> int:
        """Return its attribute."""
        return self.n


class Special(Persistable):
    """Has methods that operators call."""

    def __init__(self) -> None:
        self.n = 3

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))

    def __getitem__(self, item: int) -> int:
        return self.n + item

    def __contains__(self, item: object) -> bool:
        return item == self.n

    def __call__(self) -> int:
        return self.n

    def __bool__(self) -> bool:
        return self.n == 3

    def __int__(self) -> int:
        return self.n

    def __add__(self, other: int) -> int:
        return self.n + other

    def __radd__(self, other: int) -> int:
        return self.n + other

    def __enter__(self) -> int:
        return self.n

    def __exit__(self, *_: object) -> None:
        self.n += 0

    def __repr__(self) -> str:
        return f"Special({self.n})"

    def __format__(self, form: str) -> str:
        return format(self.n, form)


class OwnGetattr(Persistable):
    """Makes attributes up."""

    def __init__(self) -> None:
        self.n = 3

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{name} of {self.n}"


class OwnGetattribute(Persistable):
    """Looks at each use of an attribute."""

    def __init__(self) -> None:
        self.n = 3

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


class WithProperty(Persistable):
    """Has a property, and a result that it computes once."""

    def __init__(self) -> None:
        self._n = 3

    @property
    def n(self) -> int:
        """Return a number."""
        return self._n

    @functools.cached_property
    def twice(self) -> int:
        """Return twice the number."""
        return 2 * self._n


class SetsState(Persistable):
    """Runs code when it gets its state."""

    def __init__(self) -> None:
        self.n = 3

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.n *= 1


class GetsState(Persistable):
    """Chooses its state."""

    def __init__(self) -> None:
        self.n = 3
        self.lock = object

    def __getstate__(self) -> dict[str, Any]:
        return {"n": self.n}


class Reduces(Persistable):
    """Is made by its constructor."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __reduce__(self) -> Any:
        return Reduces, (self.n,)


class NewArguments(Persistable):
    """Is made by its own ``__new__``."""

    def __new__(cls, n: int) -> NewArguments:
        self = super().__new__(cls)
        self.n = n
        return self

    def __getnewargs__(self) -> tuple[int]:
        return (self.n,)

    n: int


class Finalized(Persistable):
    """Has something to clean up."""

    def __init__(self) -> None:
        self.n = 3

    def __del__(self) -> None:
        made.append(f"finalized {self.n}")


class OfType(Persistable, Generic[T]):
    """A generic class."""

    def __init__(self, n: T) -> None:
        self.n = n


class MyList(Persistable, list[int]):
    """C code reads it past any hook."""

    n = 3


class MyDict(Persistable, dict[str, int]):
    """Likewise."""

    n = 3


class MyInt(Persistable, int):
    """Takes no weak reference."""

    n = 3


class MyStr(Persistable, str):
    """Likewise."""

    n = 3


class MySet(Persistable, set[int]):
    """Likewise."""

    n = 3


class MyDeque(Persistable, collections.deque[int]):
    """Likewise."""

    n = 3


class MyError(Persistable, ValueError):
    """An exception."""

    n = 3


class MyOrdered(Persistable, collections.OrderedDict[str, int]):
    """A dict in C with a part in Python."""

    n = 3


class MyUserList(Persistable, collections.UserList[int]):
    """A list in Python."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__(items)
        self.n = 3


class Point(NamedTuple):
    """A tuple."""

    n: int = 3


class MyPoint(Persistable, Point):
    """A tuple with a record of its own."""


class Color(Persistable, enum.Enum):
    """Its members are made once."""

    n = 3


class Outer:
    """Has a class inside."""

    class Inner(Persistable):
        """Is found inside another class."""

        def __init__(self) -> None:
            self.n = 3


class Registered:
    """Is made persistable from outside."""

    def __init__(self) -> None:
        self.n = 3


Persistable.register(Registered)


class OwnEquality(Persistable):
    """Compares by value and hashes by identity."""

    def __init__(self) -> None:
        self.n = 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnEquality) and other.n == self.n

    __hash__ = object.__hash__


class OwnClass(Persistable):
    """Says that it has another class."""

    def __init__(self) -> None:
        self.n = 3

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Plain


class Buffers(Persistable):
    """Has an array of the standard library."""

    def __init__(self) -> None:
        self.n = 3
        self.array = array.array("d", [1.0])


GHOSTS: list[Callable[[], Any]] = [
    *(Plain, Slots, SlotsAndDict, Data, FrozenIdentity, DataSlots, FrozenSlots, Concrete, Special),
    *(OwnGetattr, OwnGetattribute, WithProperty, SetsState, GetsState, Finalized),
    *(lambda: OfType(3), MyUserList, Outer.Inner, Registered, OwnEquality, Buffers),
]
WHOLE: list[Callable[[], Any]] = [
    *(NoWeakReference, Frozen, lambda: Reduces(3), lambda: NewArguments(3), MyList, MyDict),
    *(lambda: MyInt(3), lambda: MyStr("a"), MySet, MyDeque, MyError, MyOrdered, MyPoint, OwnClass),
    lambda: Color.n,
]
N = 3


def loaded(tmp_path: Path, make: Callable[[], Any]) -> tuple[FilesystemStore, Any]:
    """Return a store, and an object of it that was loaded lazily and refers to another one."""
    with FilesystemStore(tmp_path / "store") as store:
        store.save(Root(make()), "root")
    store = FilesystemStore(tmp_path / "store", lazy=True)
    made.clear()
    return store, store.load("root")


@pytest.mark.parametrize("make", GHOSTS, ids=lambda make: type(make()).__name__)
def test_a_ghost_is_what_it_stands_for(tmp_path: Path, make: Callable[[], Any]) -> None:
    """Its class and ID are known without its record; the first use gives it its state."""
    cls = type(make())
    store, root = loaded(tmp_path, make)
    ghost = root.part
    assert not store.is_loaded(ghost)
    assert isinstance(ghost, cls)
    assert ghost.__class__ is cls
    assert isinstance(ghost, Persistable) == issubclass(cls, Persistable)
    assert store.id_of(ghost)
    assert type(ghost).__name__ == cls.__name__
    assert not store.is_loaded(ghost)
    assert not made
    assert ghost.n == N
    assert type(ghost) is cls
    assert store.is_loaded(ghost)
    assert vars_of(ghost) == vars_of(make())


@pytest.mark.parametrize("make", WHOLE, ids=lambda make: type(make()).__name__)
def test_other_objects_are_loaded_at_once(tmp_path: Path, make: Callable[[], Any]) -> None:
    """They are whole when the object that refers to them is."""
    store, root = loaded(tmp_path, make)
    assert store.is_loaded(root.part)
    assert type(root.part) is type(make())


def vars_of(obj: Any) -> dict[str, Any]:
    """Return the attributes and slots of an object."""
    names = [name for cls in type(obj).__mro__ for name in vars(cls).get("__slots__", ())]
    found = {
        name: getattr(obj, name) for name in names if name != "__weakref__" and hasattr(obj, name)
    }
    return {**found, **{k: v for k, v in getattr(obj, "__dict__", {}).items() if k != "lock"}}


USES: dict[str, Callable[[Any], Any]] = {
    "len": lambda obj: len(obj) == N,
    "iter": lambda obj: [*obj] == [0, 1, 2],
    "item": lambda obj: obj[1] == N + 1,
    "in": lambda obj: N in obj,
    "call": lambda obj: obj() == N,
    "bool": lambda obj: bool(obj),
    "int": lambda obj: int(obj) == N,
    "add": lambda obj: obj + 1 == N + 1,
    "radd": lambda obj: 1 + obj == N + 1,
    "with": lambda obj: _entered(obj) == N,
    "repr": lambda obj: repr(obj) == f"Special({N})",
    "str": lambda obj: str(obj) == f"Special({N})",
    "format": lambda obj: f"{obj:03}" == "003",
    "vars": lambda obj: vars(obj) == {"n": N},
    "dir": lambda obj: "n" in dir(obj),
    "hasattr": lambda obj: hasattr(obj, "n") and not hasattr(obj, "m"),
    "getattr": lambda obj: getattr(obj, "m", 5) == 5,
    "copy": lambda obj: vars(copy.copy(obj)) == {"n": N} and type(copy.copy(obj)) is Special,
    "deepcopy": lambda obj: (
        vars(copy.deepcopy(obj)) == {"n": N} and type(copy.deepcopy(obj)) is Special
    ),
    "pickle": lambda obj: vars(pickle.loads(pickle.dumps(obj))) == {"n": N},
    "pickle in a list": lambda obj: type(pickle.loads(pickle.dumps([obj]))[0]) is Special,
    "python pickle": lambda obj: type(pickle._loads(pickle._dumps(obj))) is Special,  # type: ignore[attr-defined]
    "delete": lambda obj: _without(obj, "n") == {},
    "match": lambda obj: _matched(obj),
    "dispatch": lambda obj: _dispatch(obj) == "special",
    "method of the class": lambda obj: Special.__len__(obj) == N,
}


@pytest.mark.parametrize("use", USES)
def test_any_use_wakes_it(tmp_path: Path, use: str) -> None:
    """By operators, functions of the standard library, and statements."""
    _, root = loaded(tmp_path, Special)
    assert USES[use](root.part)
    assert type(root.part) is Special


def _without(obj: Any, name: str) -> Any:
    delattr(obj, name)
    return vars(obj)


def _entered(obj: Any) -> Any:
    with obj as found:
        return found


def _matched(obj: Any) -> bool:
    match obj:
        case Plain():
            return False
        case Special(n=n):
            return bool(n == N)
    return False


@functools.singledispatch
def _dispatched(obj: Any) -> str:
    return "other"


@_dispatched.register
def _(obj: Special) -> str:
    return "special" if obj.n == N else "other"


def _dispatch(obj: Any) -> str:
    return _dispatched(obj)


def test_what_is_set_before_the_first_read_stays(tmp_path: Path) -> None:
    """Over what the record has."""
    _, root = loaded(tmp_path, Plain)
    root.part.n = 9
    assert root.part.n == 9
    assert type(root.part) is Plain


def test_dataclasses_compare_as_if_they_were_there(tmp_path: Path) -> None:
    """Their methods ask for the class of the other one, from either side."""
    _, root = loaded(tmp_path, Data)
    assert root.part == Data(3)
    _, root = loaded(tmp_path / "b", Data)
    assert Data(3) == root.part


def test_making_the_class_of_a_ghost_runs_no_code(tmp_path: Path) -> None:
    """Of a metaclass, or of the class; nor does an object that nobody used run its finalizer."""
    store, root = loaded(tmp_path, Concrete)
    assert not store.is_loaded(root.part)
    assert made == []
    store, root = loaded(tmp_path / "b", Finalized)
    made.clear()
    assert not store.is_loaded(root.part)
    root.part = None
    assert made == []


def test_its_class_makes_ordinary_objects(tmp_path: Path) -> None:
    """For code that makes an object by the class of another one."""
    _, root = loaded(tmp_path, Plain)
    made_by: Any = type(root.part)
    new = made_by(7)
    assert type(new) is Plain
    assert new.n == 7
    bare = made_by.__new__(made_by)
    assert not hasattr(bare, "n")
    assert type(bare) is Plain


def test_an_object_waits_for_its_class_alone(tmp_path: Path) -> None:
    """A default repr and the hash do not need its record."""
    store, root = loaded(tmp_path, Plain)
    assert hash(root.part) == hash(root.part)
    assert {root.part: 1}[root.part] == 1
    assert root.part == root.part
    assert "Plain object at" in repr(root.part)
    assert not store.is_loaded(root.part)
