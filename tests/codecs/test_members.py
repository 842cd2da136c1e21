"""Members of enumerations, by each codec of the pickle family, in each form in which Pythons pickle them.

What one Python has written, all others read: under the same policy, after the same renames and upgrades, and
with the same placeholders.  `members` has enumerations in pairs, one by value, the other by name.
"""

from __future__ import annotations

import enum
import functools
import operator
import pickle
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import pytest
from tests.codecs import members
from tests.codecs.members import (
    IS_BY_NAME,
    Colour,
    Family,
    Grant,
    Mode,
    NamedColour,
    NamedFamily,
    NamedGrant,
    NamedMode,
    NamedRights,
    Outer,
    Rights,
    by_name,
    by_value,
    combined,
)
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, call, name, text, whole

from brinery import (
    DecodeError,
    MemoryStore,
    Persistable,
    Placeholder,
    Store,
    Trust,
    TrustError,
    renamed_from,
    upgrades,
)
from brinery.evolution import renames
from brinery.evolution.upgrades import _steps

HERE = members.__name__
GETATTR = name("builtins", "getattr")
VALUES = {
    "member": (Colour.BLUE, NamedColour.BLUE),
    "flag": (Rights.READ, NamedRights.READ),
    "no flags": (Rights(0), NamedRights(0)),
    "flags": (Rights.READ | Rights.RUN, NamedRights.READ | NamedRights.RUN),
    "all flags": (~Rights(0), ~NamedRights(0)),
    "bits without a name": (Mode.READ | Mode.WRITE | 64, NamedMode.READ | NamedMode.WRITE | 64),
    "a bit without a name": (Mode(64), NamedMode(64)),
    "persistable flag": (Grant.READ, NamedGrant.READ),
    "persistable flags": (Grant.READ | Grant.WRITE, NamedGrant.READ | NamedGrant.WRITE),
    "constant of a module": (Family.INET, NamedFamily.UNIX),
    "member in a class": (Outer.Colour.RED, Outer.NamedColour.RED),
}

each_codec = pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
each_protocol = pytest.mark.parametrize("protocol", [0, 2, 5])
each_value = pytest.mark.parametrize(
    "value",
    [value for pair in VALUES.values() for value in pair],
    ids=[f"{name} {form}" for name in VALUES for form in ("by value", "by name")],
)


def admitting(value: Any, protocol: int) -> list[str]:
    """Return the policy for a value: its class and, below protocol 4, the one around that."""
    name = type(value).__qualname__
    return [f"{HERE}:{name}", *([f"{HERE}:Outer"] if "." in name and protocol < 4 else [])]


def reader(store: Store, *classes: str) -> Store:
    """Return a store of the same records that admits `classes`, and knows no object."""
    return Store(store.backend, trust=Trust(classes=classes))


@pytest.mark.parametrize("protocol", range(6))
def test_the_forms_are_those_of_pythons(protocol: int) -> None:
    """Python 3.11.0 to 3.11.4 write members by name; all others do so by value."""
    plain, flags = enum.Enum.__reduce_ex__, enum.Flag.__reduce_ex__
    for member in (Colour.RED, NamedColour.RED):
        expected = by_name if IS_BY_NAME else by_value
        assert plain(member, protocol) == expected(member, protocol)
    for flag in (Rights.READ, NamedRights(0), NamedRights(3), NamedRights(7), NamedMode(64)):
        expected = combined if IS_BY_NAME else by_value
        assert flags(flag, protocol) == expected(flag, protocol)


@each_codec
@each_protocol
@each_value
def test_a_member_comes_back(codec: str, protocol: int, value: Any) -> None:
    """Alone, in a container, as a key."""
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save({"value": value, "list": [value, value], value: 1}, "value")
    found = Store(store.backend).load("value")
    assert found == {"value": value, "list": [value, value], value: 1}
    assert type(found["value"]) is type(value)
    assert found["list"][0] is found["list"][1]


# -- trust


@each_codec
@each_protocol
@each_value
def test_a_policy_that_admits_the_class_admits_its_members(
    codec: str, protocol: int, value: Any
) -> None:
    """By exact name, by package, or by what its records are said to need; alone and as a key."""
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save([value, {value: 1}], "value")
    needed = [str(need) for id_ in store.list() for need in store.needs(id_)]
    for classes in (admitting(value, protocol), [f"{HERE}.*"], needed):
        found = reader(store, *classes).load("value")
        assert found == [value, {value: 1}]
        assert type(found[0]) is type(value)


@each_codec
@each_protocol
@each_value
def test_a_policy_that_does_not_admit_the_class_refuses_its_members(
    codec: str, protocol: int, value: Any
) -> None:
    """The error says what to admit."""
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save([value], "value")
    for classes in (
        (),
        [f"{HERE}:Other"],
        ["tests.trust.*"],
        [f"{HERE}:Sub.{type(value).__name__}"],
    ):
        with pytest.raises(TrustError) as caught:
            reader(store, *classes).load("value")
        (name,) = caught.value.names
        assert name.partition(":")[0] == HERE


@each_codec
@pytest.mark.parametrize(
    "payload",
    [
        whole(call(name("signal", "Signals"), b"K\x02")),
        whole(name("signal", "SIGINT")),
        whole(call(GETATTR, name("signal", "Signals"), text("SIGINT"))),
        pickle.dumps(signal.SIGINT),
    ],
    ids=["by value", "as a constant", "by name", "as here"],
)
def test_constants_of_a_module_are_admitted_by_their_class(codec: str, payload: bytes) -> None:
    """Whatever the Python that wrote them; other constants of the module are not."""
    store = MemoryStore(codec=codec)
    store.backend.put("victim", forged(Case("SIGINT", payload), codec))
    assert reader(store, "signal:Signals").load("victim") is signal.SIGINT
    for classes in ((), ("signal:Handlers",), ("socket:AddressFamily",)):
        with pytest.raises(TrustError, match="signal:"):
            reader(store, *classes).load("victim")


def test_what_is_no_member_is_no_constant() -> None:
    """Functions, and classes that were not named, of the module of an admitted class."""
    store = MemoryStore()
    for each in ("signal:raise_signal", "signal:Sigmasks", "signal:SIG_BLOCK", "signal:nothing"):
        payload = whole(name(*each.split(":")))
        store.backend.put("victim", forged(Case(each, payload), "pickle"))
        with pytest.raises(TrustError, match=each):
            reader(store, "signal:Signals").load("victim")


@each_codec
def test_the_function_that_combines_flags_can_be_admitted_itself(codec: str) -> None:
    """With any argument, then; else it combines flags alone."""
    store = MemoryStore(codec=codec)
    payload = whole(call(name("_operator", "or_"), b"\x8f(K\x01\x90", b"\x8f(K\x02\x90"))
    store.backend.put("victim", forged(Case("sets", payload), codec))
    assert reader(store, "_operator:or_").load("victim") == {1, 2}
    with pytest.raises(TrustError, match="not flags"):
        reader(store, f"{HERE}.*").load("victim")
    assert Store(store.backend).load("victim") == {1, 2}


def test_the_function_that_combines_flags_is_a_value_like_others() -> None:
    """Where nothing is restricted."""
    store = MemoryStore()
    store.save([operator.or_, functools.partial(operator.or_, 1)], "value")
    found = Store(store.backend).load("value")
    assert found[0] is operator.or_
    assert found[1](2) == 3


def test_a_million_bits_are_not_combined() -> None:
    """Each value is kept by its class for as long as the process lives."""
    store = MemoryStore()
    for bits, is_read in ((4_000, True), (5_000, False)):
        store.save([NamedMode.READ | 1 << bits], "value")
        if is_read:
            assert reader(store, f"{HERE}.*").load("value") == [NamedMode.READ | 1 << bits]
        else:
            with pytest.raises(TrustError, match="4096 bits"):
                reader(store, f"{HERE}.*").load("value")
        store.remove("value")


# -- renames


@each_codec
@each_protocol
@each_value
@pytest.mark.parametrize("how", ["by the store", "by the class"])
def test_members_of_a_renamed_class_are_found(
    codec: str, protocol: int, value: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its new name, also by a reader who admits that alone."""
    if isinstance(value, NamedFamily):
        return  # its class is not named
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save([value, {value: 1}], "value")
    cls = type(value)
    old = f"{HERE}:{cls.__qualname__}"
    renamed = _renamed(cls, monkeypatch)
    table = {}
    if how == "by the store":
        table[old] = f"{HERE}:{renamed.__name__}"
    else:
        monkeypatch.setattr(renames, "_decorated", WeakValueDictionary())
        renamed_from(old)(renamed)
    classes = [f"{HERE}:{renamed.__name__}", *admitting(value, protocol)[1:]]
    for trust in (None, Trust(classes=classes)):
        found = Store(store.backend, renames=table, trust=trust).load("value")[0]
        assert type(found) is renamed
        assert (found._value_, found._name_) == (value._value_, value._name_)


def _renamed(cls: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    # The class under another name; nothing stands under the old one.
    *outer, name = cls.__qualname__.split(".")
    monkeypatch.delattr(functools.reduce(getattr, outer, members), name)
    values = {name: member._value_ for name, member in cls.__members__.items()}
    kind: Any = next(base for base in cls.__mro__ if base.__module__ == "enum")
    bases = (Persistable,) if issubclass(cls, Persistable) else ()
    body = kind.__prepare__("New", (*bases, kind))
    body["__module__"] = HERE
    for key, value in values.items():
        body[key] = value
    renamed = type(kind)("New", (*bases, kind), body, boundary=getattr(cls, "_boundary_", None))
    monkeypatch.setattr(members, "New", renamed, raising=False)
    return renamed


# -- upgrades


@pytest.fixture
def upgraded() -> Iterator[list[Any]]:
    """Register an upgrade for each enumeration, on request, that puts what it gets into a list."""
    states: list[Any] = []
    yield states
    unregister()


ENUMERATIONS = {type(value) for pair in VALUES.values() for value in pair}


def register(states: list[Any]) -> None:
    for cls in ENUMERATIONS:
        upgrades(cls, to=2)(states.append)


def unregister() -> None:
    for cls in ENUMERATIONS:
        _steps.pop(cls, None)


@each_codec
@each_protocol
@each_value
def test_members_have_no_state_to_upgrade(
    codec: str, protocol: int, value: Any, upgraded: list[Any]
) -> None:
    """Beside an object that has, and as the root."""
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save([value, {value: 1}], "value")
    register(upgraded)
    assert Store(store.backend).load("value") == [value, {value: 1}]
    for id_ in store.list():
        Store(store.backend).load(id_)
    assert upgraded == []


@each_codec
@each_protocol
@each_value
def test_members_of_a_newer_class_are_refused(
    codec: str, protocol: int, value: Any, upgraded: list[Any]
) -> None:
    """The record says which version the class had."""
    if isinstance(value, NamedFamily):
        return  # its class is not named
    register(upgraded)
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save([value], "value")
    unregister()
    with pytest.raises(DecodeError, match="update the program"):
        Store(store.backend).load("value")


# -- placeholders


@each_codec
@each_protocol
@each_value
def test_members_of_a_missing_class_are_written_back(
    codec: str, protocol: int, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unchanged records byte for byte; a changed one loads when the class is back."""
    store = MemoryStore(codec=codec, protocol=protocol)
    store.save({"value": value, "list": [value]}, "value")
    before = {name: store.backend.get(name)[0] for name in store.backend.list()}
    with without(type(value), monkeypatch):
        for missing in (Store(store.backend), reader(store, f"{HERE}.*")):
            for id_ in missing.list():
                obj = missing.load(id_, missing="placeholder")
                assert missing.save(obj) == id_
                assert isinstance(obj, Placeholder) or id_ == "value"
            assert {name: store.backend.get(name)[0] for name in store.backend.list()} == before
        obj = missing.load("value", missing="placeholder")
        obj["more"] = [obj["value"]]
        missing.save(obj)
        other = MemoryStore(codec=codec)
        other.save(obj, "value")
    for each in (store, other):
        found = reader(each, f"{HERE}.*").load("value")
        assert found == {"value": value, "list": [value], "more": [value]}
        assert type(found["more"][0]) is type(value)


@contextmanager
def without(cls: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take a class away, and what its module has of it, for a while."""
    *outer, name = cls.__qualname__.split(".")
    with monkeypatch.context() as gone:
        gone.delattr(functools.reduce(getattr, outer, members), name)
        if cls is NamedFamily:
            gone.delattr(members, "UNIX")
        yield


@each_codec
@each_protocol
def test_flags_in_records_of_their_own_have_placeholders_of_their_class(
    codec: str, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That can be removed and saved again."""
    for flags in (Grant.READ | Grant.WRITE, NamedGrant.READ | NamedGrant.WRITE):
        store = MemoryStore(codec=codec, protocol=protocol)
        id_ = store.save(flags)
        with without(type(flags), monkeypatch):
            missing = Store(store.backend)
            obj = missing.load(id_, missing="placeholder")
            assert obj.class_name == f"{HERE}:{type(flags).__name__}"
            missing.remove(id_)
            missing.save(obj, id_)
            other = MemoryStore(codec=codec)
            other.save([obj], "value")
        assert Store(store.backend).load(id_) == flags
        assert Store(other.backend).load("value") == [flags]


def test_a_placeholder_is_combined_with_types_as_ever() -> None:
    """The class itself, in annotations."""
    assert isinstance(None, Placeholder | None)
