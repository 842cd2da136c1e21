"""Which objects get a record of their own is a matter of their type alone."""

from __future__ import annotations

import gc
import pickle
import typing
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple

import pytest

from brinery.errors import InvalidArgumentError
from brinery.persistable import Persistable, is_persistable_type, living


@pytest.fixture(autouse=True)
def _no_registration_outlives_its_test() -> Iterator[None]:
    before = set(Persistable._registered)
    yield
    for cls in set(Persistable._registered) - before:
        Persistable._registered.discard(cls)


class _Task(Persistable):
    def __init__(self, name: str) -> None:
        self.name = name


class TestMixIn:
    """Classes that inherit from `Persistable`."""

    def test_subclasses_are_persistable(self) -> None:
        """At any depth, and the mix-in itself."""

        class Sub(_Task):
            pass

        assert is_persistable_type(Persistable)
        assert is_persistable_type(_Task)
        assert is_persistable_type(Sub)
        assert not is_persistable_type(object)

    def test_the_mix_in_goes_with_any_base(self) -> None:
        """Containers, exceptions, abstract classes, slots, named tuples, enumerations."""

        class Jobs(Persistable, list):
            pass

        class Table(dict, Persistable):
            pass

        class Failure(Persistable, ValueError):
            pass

        class Abstract(Persistable, ABC):
            @abstractmethod
            def run(self) -> None: ...

        class Point(NamedTuple):
            x: int

        class PersistablePoint(Persistable, Point):
            pass

        class Colour(Persistable, Enum):
            RED = 1

        for cls in (Jobs, Table, Failure, Abstract, PersistablePoint, Colour):
            assert is_persistable_type(cls)
        assert Jobs([1, 2]) == [1, 2]
        assert PersistablePoint(3).x == 3

    def test_the_mix_in_has_no_state(self) -> None:
        """A class with slots stays without a dictionary."""

        @dataclass(frozen=True, slots=True)
        class Frozen(Persistable):
            x: int

        one = Frozen(1)
        assert not hasattr(one, "__dict__")
        assert one.persistent_id is None
        assert one == Frozen(1)
        assert hash(one) == hash(Frozen(1))

    def test_other_libraries_make_no_field_of_it(self) -> None:
        """Some collect the annotations of all bases."""
        assert all(
            typing.get_origin(hint) is ClassVar
            for hint in typing.get_type_hints(Persistable).values()
        )

    def test_a_field_of_that_name_has_no_default(self) -> None:
        """A dataclass asks the class for it."""

        @dataclass
        class Named(Persistable):
            persistent_id: str
            number: int

        assert Named("mine", 1).persistent_id == "mine"
        with pytest.raises(TypeError):
            Named()  # type: ignore[call-arg]

    def test_instances_pickle_as_without_the_mix_in(self) -> None:
        """Nothing of brinery is in their state."""
        task = pickle.loads(pickle.dumps(_Task("a")))
        assert vars(task) == {"name": "a"}
        assert task.persistent_id is None


class TestRegister:
    """Classes made persistable without touching them."""

    def test_a_registered_class_and_its_subclasses_are_persistable(self) -> None:
        """Its bases are not."""

        class Base:
            pass

        class Plain(Base):
            pass

        class Sub(Plain):
            pass

        assert not is_persistable_type(Plain)
        Persistable.register(Plain)
        assert is_persistable_type(Plain)
        assert is_persistable_type(Sub)
        assert not is_persistable_type(Base)

    def test_register_is_a_decorator(self) -> None:
        """It returns the class, and may be used twice."""

        @Persistable.register
        @Persistable.register
        class Plain:
            pass

        assert isinstance(Plain, type)
        assert is_persistable_type(Plain)

    def test_register_on_a_subclass_means_the_same(self) -> None:
        """There is one register, whoever inherits it."""

        class Plain:
            pass

        _Task.register(Plain)
        assert is_persistable_type(Plain)
        assert not issubclass(Plain, _Task)

    def test_a_registered_class_can_go(self) -> None:
        """The registration does not keep it alive."""

        class Plain:
            pass

        Persistable.register(Plain)
        gone = weakref.ref(Plain)
        del Plain
        gc.collect()
        assert gone() is None

    @pytest.mark.parametrize(
        "cls",
        [
            *(object, type, type(None), bool, int, float, complex, str, bytes, bytearray),
            *(tuple, list, dict, set, frozenset, type(lambda: None), type(len), type(ABC)),
        ],
    )
    def test_native_types_are_refused(self, cls: type) -> None:
        """Codecs write them without asking; the error names the way out."""
        with pytest.raises(InvalidArgumentError, match="a subclass where Python"):
            Persistable.register(cls)
        assert not is_persistable_type(cls)

    def test_a_subclass_of_a_native_type_is_welcome(self) -> None:
        """It is what the error recommends."""

        class Jobs(list):
            pass

        assert is_persistable_type(Persistable.register(Jobs))
        assert not is_persistable_type(list)

    def test_an_object_is_refused(self) -> None:
        """Classes are registered, not instances."""
        with pytest.raises(InvalidArgumentError, match="expected a class"):
            Persistable.register(_Task("a"))  # type: ignore[arg-type]


class TestLiving:
    """The members of a set that other threads change."""

    def test_the_set_may_grow_while_it_is_read(self) -> None:
        """All members are returned, the new one too."""
        first, late = _Task("first"), _Task("late")
        to_come = [late]

        class Growing(weakref.WeakSet[_Task]):
            def __iter__(self) -> Iterator[_Task]:
                for member in super().__iter__():
                    if to_come:
                        self.add(to_come.pop())
                    yield member

        assert {*living(Growing([first]))} == {first, late}


class TestIsPersistableType:
    """The question that is asked for every type that a codec meets."""

    def test_no_code_of_the_class_runs(self) -> None:
        """Neither `__instancecheck__` nor `__subclasscheck__`, and no `__mro__` of a metaclass."""

        class Liar(type):
            def __instancecheck__(cls, instance: object) -> bool:
                raise AssertionError

            def __subclasscheck__(cls, subclass: type) -> bool:
                raise AssertionError

            @property
            def __mro__(cls) -> Any:
                raise AssertionError

        class Plain(metaclass=Liar):
            pass

        class Kept(Persistable, metaclass=Liar):
            pass

        Persistable.register(_Unrelated)
        assert not is_persistable_type(Plain)
        assert is_persistable_type(Kept)

    def test_a_borrowed_class_attribute_means_nothing(self) -> None:
        """A proxy that claims to be a task is a proxy."""

        class Proxy:
            @property  # type: ignore[misc]
            def __class__(self) -> Any:
                return _Task

        assert isinstance(Proxy(), _Task)
        assert not is_persistable_type(type(Proxy()))


class _Unrelated:
    pass
