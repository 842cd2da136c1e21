"""What a plain `pickle.load` makes of the marks that stand in a payload."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from brinery.reference import ExternalReference, external, hashable_root, root


class _Named:
    """Pickles as a call of one of the functions."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


class _Point:
    x: int
    y: int


def _loaded(*reduced: Any) -> Any:
    return pickle.loads(pickle.dumps(_Named(*reduced)))


def test_an_external_reference_becomes_a_visible_placeholder() -> None:
    """It tells the ID of the object that it stands for."""
    found = _loaded(external, ("Task.1",))
    assert found == ExternalReference("Task.1")
    assert repr(found) == "ExternalReference(id='Task.1')"


def test_a_root_is_constructed_and_gets_its_state() -> None:
    """As if the mark were not there."""
    found = _loaded(root, (_Point,), {"x": 1, "y": 2})
    assert type(found) is _Point
    assert (found.x, found.y) == (1, 2)


def test_the_arguments_of_a_root_go_to_its_constructor() -> None:
    """All of them, in order."""
    assert _loaded(root, (complex, 1, 2)) == 1 + 2j


def test_early_attributes_are_left_to_the_state() -> None:
    """They repeat what the state holds; only a store needs them sooner."""
    found = _loaded(hashable_root, ({"x": 7}, _Point), {"x": 1})
    assert type(found) is _Point
    assert vars(found) == {"x": 1}
    assert hashable_root({"x": 7}, complex, 1, 2) == 1 + 2j


def test_placeholders_are_values() -> None:
    """Equal by ID, hashable, and not to be changed."""
    first = external("a")
    assert first == external("a")
    assert first != external("b")
    assert {first} == {external("a")}
    with pytest.raises(AttributeError):
        first.id = "b"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_names_in_payloads_stay(protocol: int) -> None:
    """They are part of the record format: old records name them."""
    for function in (external, root, hashable_root):
        payload = pickle.dumps(function, protocol)
        assert b"brinery.reference" in payload
        assert function.__name__.encode() in payload
    assert pickle.loads(b"cbrinery.reference\nexternal\n(VTask.1\ntR.") == external("Task.1")
    assert pickle.loads(b"cbrinery.reference\nroot\n(cbuiltins\nlist\ntR.") == []
    assert pickle.loads(b"cbrinery.reference\nhashable_root\n((dcbuiltins\nlist\ntR.") == []
