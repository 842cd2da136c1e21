"""No payload chooses the methods by which an unpickler fills objects; honest ones are not taken for such."""

from __future__ import annotations

import types
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
from tests.torture.hostile import forged, store_of
from tests.torture.payloads.hooks import hooks
from tests.trust import things
from tests.trust.things import Called, Colour, Numbers, Plain, Task

from brinery import MemoryStore, Trust, TrustError

CASES = {case.name: case for case in hooks()}
CLASSES = ["tests.trust.things.*"]


@pytest.fixture(autouse=True)
def nothing_was_called() -> Iterator[None]:
    things.calls.clear()
    yield
    things.calls.clear()


@pytest.mark.parametrize("name", CASES)
def test_a_method_that_a_payload_hangs_on_an_object_is_not_called(name: str) -> None:
    """Whatever the name of the method, the object, the form of the state and the value."""
    for codec in ("pickle", "cloudpickle", "dill"):
        store = store_of(forged(CASES[name], codec), Trust(classes=CLASSES))
        with pytest.raises(TrustError):
            store.load("victim")
        assert things.calls == []


def _does_no_harm(name: str) -> bool:
    # Objects without attributes, strings that are not keys of them, an object of another record, a method
    # that is not the one that is called.
    return any(
        text in name
        for text in (
            *("namespace of a dict", "as an ID", "reconstructor", "another record", "Counter"),
            *("of an ordered dict", "early", "of an exception, as", "append of a list of its own"),
        )
    )


@pytest.mark.parametrize("name", [name for name in CASES if not _does_no_harm(name)])
def test_it_is_called_where_nothing_is_restricted(name: str) -> None:
    """So it is the restriction that stops the payload, and not a mistake in it."""
    store = store_of(forged(CASES[name], "pickle"), "anyone")
    try:
        store.load("victim")
    except Exception:  # noqa: BLE001 - what is called may return anything
        pass
    assert things.calls != []


def values() -> dict[str, Any]:
    """Return honest values that look like hostile ones."""
    plain = Plain([1])
    plain.append = Colour.RED  # type: ignore[attr-defined]
    namespace = types.SimpleNamespace(add=Plain, append=len([]), extend=[Plain()])
    numbers = Numbers([1, 2])
    numbers.add = Plain  # type: ignore[attr-defined]
    task = Task("a")
    task.add = task  # type: ignore[attr-defined]
    failure = ValueError("a")
    failure.extend = Plain  # type: ignore[attr-defined]
    table = {"add": Plain, "append": Called(), "extend": Colour.RED, "__setstate__": [Plain]}
    return {
        "attributes": [plain, numbers, plain],
        "a namespace": [namespace, namespace],
        "a persistable object": [task, {"add": task}],
        "an exception": [failure, Plain(failure)],
        "words": [Counter(["add", "append", "add"]), OrderedDict(add=Plain), Plain(table)],
        "a table": [table, Plain(1), Numbers([table]), Plain(table)],
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", values())
def test_honest_objects_with_such_names_are_loaded(name: str, protocol: int) -> None:
    """As attributes, as keys of data, and beside objects with states."""
    value = values()[name]
    with MemoryStore(protocol=protocol, trust=Trust(classes=CLASSES)) as store:
        id_ = store.save(value)
        store.invalidate_cache()
        found = store.load(id_)
    assert [type(each) for each in found] == [type(each) for each in value]
    if name == "a table":
        assert found[0].keys() == value[0].keys()
        assert found[0]["add"] is Plain
        assert found[1].value == 1
        assert found[3].value is found[2][0] is found[0]
