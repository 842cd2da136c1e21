"""What the reductions of Python leave out comes back all the same: causes, attributes, folds."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from brinery import EncodeError, MemoryStore, Persistable, make_codec
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.testing.graphs import assert_isomorphic

each_codec = pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
each_protocol = pytest.mark.parametrize("protocol", range(6))


class When(datetime):
    """A time with attributes."""


class Hour(time):
    """A time with a slot and attributes."""

    __slots__ = ("label",)
    label: Any


class Groups(defaultdict[Any, Any]):
    """A dict with attributes."""


class Counts(Counter[Any]):
    """A dict whose reduction is in Python."""


class Own(Fraction):
    """A number whose reduction is in Python."""


class Address(IPv4Address):
    """An address with attributes."""


class Price(Decimal):
    """A number with attributes."""


class Reduced(datetime):
    """Says itself what it keeps."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Reduced, (self.year, self.month, self.day)


class Coded(ValueError):
    """An exception with a slot."""

    __slots__ = ("code",)
    code: Any


class Restored(ValueError):
    """An exception that takes its state itself."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state or {})


class Keeper(Persistable):
    """Holds an error."""

    def __init__(self, error: Any) -> None:
        self.error = error


def kept(obj: Any, codec: str = "pickle", protocol: int | None = None) -> Any:
    """Save and load an object, and check that it is the same."""
    with MemoryStore(codec=codec, protocol=protocol) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        found = store.load(id_)
    assert_isomorphic(obj, found)
    return found


def raised() -> ValueError:
    """Return an error that was raised while another was handled."""
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            error.__traceback__ = None
            raise ValueError("outer")  # noqa: B904 - the context is what is tried
    except ValueError as error:
        return error


@each_codec
@each_protocol
def test_causes_and_contexts_of_errors_come_back(codec: str, protocol: int) -> None:
    """In plain objects and in records, with what says that a context is not shown."""
    first, second, third = raised(), ValueError(1), OSError(2, "no", "name")
    second.__cause__ = third
    third.__suppress_context__ = True
    found = kept([first, second, Keeper(first)], codec, protocol)
    assert repr(found[0].__context__) == "KeyError('inner')"
    assert (found[0].__cause__, found[0].__suppress_context__) == (None, False)
    assert (found[1].__cause__.filename, found[1].__suppress_context__) == ("name", True)
    assert found[1].__cause__.__suppress_context__ is True
    assert found[2].error.__context__.args == ("inner",)


def test_a_cause_may_lead_back() -> None:
    """And a chain of causes may be long."""
    error = ValueError("a")
    error.__cause__ = KeyError(error)
    assert kept(error).__cause__.args[0] is not None
    errors = [ValueError(n) for n in range(5_000)]
    for one, other in pairwise(errors):
        one.__cause__ = other
    found = kept(errors[0])
    for number in range(5_000):
        assert found.args == (number,)
        found = found.__cause__


def test_slots_of_errors_come_back() -> None:
    """As far as they are set."""
    error = Coded("text")
    assert not hasattr(kept(error), "code")
    error.code = [1]
    assert kept(error).code == [1]


def test_an_error_that_would_lose_its_cause_is_refused() -> None:
    """Because its class takes the state itself; without a cause it is kept."""
    error = Restored("text")
    error.mark = 1  # type: ignore[attr-defined]
    kept(error)
    error.__cause__ = KeyError("inner")
    with pytest.raises(EncodeError, match="cause"):
        kept(error)


def test_pickle_alone_reads_errors_and_attributes() -> None:
    """Nothing of brinery is named."""
    when = When(2024, 1, 2)
    when.label = [1]  # type: ignore[attr-defined]
    with MemoryStore() as store:
        data, _ = store.backend.get(name_of(store.save([raised(), when])))
        error, found = pickle.loads(bytes(parse(data).payload))
        assert b"brinery_codecs" not in bytes(parse(data).payload)
    assert (error.__context__.args, found.label) == (("inner",), [1])


@each_codec
@each_protocol
@pytest.mark.parametrize(
    "make",
    [
        lambda: When(2024, 1, 2, 3, fold=1, tzinfo=UTC),
        lambda: Groups(list, {"a": [1]}),
        lambda: Counts("abca"),
        lambda: Own(1, 3),
        lambda: Address("10.0.0.1"),
        lambda: Price("1.50"),
    ],
    ids=lambda make: type(make()).__name__,
)
def test_attributes_of_subclasses_come_back(
    make: Callable[[], Any], codec: str, protocol: int
) -> None:
    """Whose base does not know of them; they may lead back to the object."""
    obj = make()
    obj.label, obj.me = "a", [obj]
    found = kept(obj, codec, protocol)
    assert (found, found.label) == (obj, "a")
    assert found.me[0] is found
    assert not hasattr(kept(make(), codec, protocol), "label")


@each_protocol
def test_slots_of_subclasses_come_back(protocol: int) -> None:
    """Beside attributes."""
    hour = Hour(1, 2)
    hour.label = [1]
    assert kept(hour, protocol=protocol).label == [1]


def test_a_class_may_say_what_it_keeps() -> None:
    """A reduction of its own decides, as everywhere."""
    obj = Reduced(2024, 1, 2)
    obj.label = "a"  # type: ignore[attr-defined]
    with MemoryStore() as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        assert vars(store.load(id_)) == {}


@each_codec
@each_protocol
def test_the_fold_of_times_comes_back(codec: str, protocol: int) -> None:
    """At the first protocols, too, whose own reductions leave it out."""
    times = [datetime(2024, 1, 2, 3, fold=1), time(5, fold=1), datetime(2024, 1, 2), date.max]
    found = kept([*times, timedelta(1)], codec, protocol)
    assert [getattr(each, "fold", None) for each in found] == [1, 1, 0, None, None]


def test_dill_by_reference_refuses_a_named_tuple_that_it_would_cut() -> None:
    """dill makes it from the names of its fields; the methods would be gone."""

    class Local(NamedTuple):
        one: int

        def double(self) -> int:
            return 2 * self.one

    with MemoryStore(codec=make_codec("dill", None, {"byref": True})) as store:
        with pytest.raises(EncodeError, match="cannot be imported"):
            store.save([Local(1)])
        with pytest.raises(EncodeError):
            store.save(Local)
    assert kept_by_dill(Local(4)) == 8


def kept_by_dill(obj: Any) -> Any:
    """Return what a method of the loaded object says."""
    with MemoryStore(codec="dill") as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        return store.load(id_).double()
