"""Probes of instances: objects of classes that both processes import."""

from __future__ import annotations

from typing import Any, Final

from brinery.testing.league.objects import (
    Box,
    Doubling,
    Failed,
    Forwarding,
    FrozenRecord,
    Key,
    NewArguments,
    Outer,
    Plain,
    Private,
    Record,
    Reduced,
    Slots,
    SlotsAndMore,
    SlottedRecord,
    Stateful,
    Strict,
    Two,
    with_attributes,
)
from brinery.testing.league.probe import Probe


def _without_a_field() -> Record:
    record = Record(1, 2)
    del record.other
    return record


def _caused() -> BaseException:
    error = ValueError("outer", 1)
    error.__cause__ = KeyError("inner")
    return error


def _in_a_handler() -> BaseException:
    try:
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer")  # noqa: B904 - the context is what is tried
    except ValueError as error:
        return error.with_traceback(None)


def _noted() -> Any:
    error = with_attributes(ValueError("text"), detail=[1])
    error.add_note("a note")
    return error


def _count_calls(obj: Any) -> Any:
    # In the process that reads, nothing else makes one.
    return obj.held, obj.other


PROBES: Final = {
    "attributes": Probe(lambda: Plain(a=1, b=[2], c=Plain())),
    "attributes in their order": Probe(
        lambda: Plain(**{f"a{n * 7 % 20}": n for n in range(20)}), lambda obj: list(vars(obj))
    ),
    "slots, one of them unset": Probe(lambda: Slots([1])),
    "slots and attributes": Probe(lambda: with_attributes(SlotsAndMore([1]), extra=2)),
    "a private attribute": Probe(lambda: Private([1])),
    "a dataclass": Probe(lambda: Record(1, [2])),
    "a dataclass with slots": Probe(lambda: SlottedRecord(1, [2])),
    "a frozen dataclass": Probe(lambda: FrozenRecord(1, (2,))),
    "a dataclass with another attribute": Probe(lambda: with_attributes(Record(1), extra=[2])),
    "a dataclass without one of its fields": Probe(_without_a_field),
    "a dataclass that __post_init__ changes": Probe(lambda: Doubling(2)),
    "a tuple in a field of a dataclass": Probe(lambda: Record((1, 2), {3})),
    "a named tuple": Probe(lambda: Two(1, [2])),
    "a constructor with arguments": Probe(lambda: Strict(1, other=[2]), _count_calls),
    "keys that hash by their attributes": Probe(
        lambda: {Key("a", [1]): 1, Key("b"): 2}, lambda obj: (obj[Key("a")], obj[Key("b")])
    ),
    "sets of instances": Probe(lambda: {Key("a", [1]), Key("b")}, lambda obj: Key("b") in obj),
    "__reduce__": Probe(lambda: Reduced([1])),
    "__getstate__ and __setstate__": Probe(lambda: Stateful([1])),
    "__getnewargs_ex__": Probe(lambda: NewArguments(held=[1])),
    "__getattr__ that looks into an attribute": Probe(
        lambda: Forwarding([1]), lambda obj: obj.count(1)
    ),
    "a class inside of a class": Probe(lambda: Outer.Inner(a=1)),
    "a generic class": Probe(lambda: Box[int](1)),
    "an error with attributes and notes": Probe(_noted),
    "an error with a cause": Probe(_caused),
    "an error raised while another was handled": Probe(_in_a_handler),
    "a group of errors": Probe(lambda: ExceptionGroup("group", [ValueError(1), KeyError("k")])),
    "an error with a constructor of its own": Probe(lambda: Failed(3, "text")),
}
"""Objects of classes that both processes import."""
