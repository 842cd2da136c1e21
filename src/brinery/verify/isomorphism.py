"""Comparing object graphs: the same types and values, and the same identities.

Two graphs are isomorphic if they can be walked side by side: wherever one has an object that was met
before, the other has the counterpart of that object.  So both graphs must share the same objects and close
the same cycles.  A copy in place of one object is found, and so is one object in place of two.

A plain object that several persistable objects share is stored in the record of each, and is loaded once for
each, by design.  So the identity of plain objects is compared only within the parts of one persistable
object, their *owner*.  The identity of persistable objects is compared in the whole graph.

The walk keeps its own stack: graphs may be of any depth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from types import (
    CodeType,
)
from typing import Any, Final, NoReturn

from brinery.persistable import is_persistable_type
from brinery.verify.equality import differ_as_copies, says_equal
from brinery.verify.parts import (
    ATOMS,
    SETS,
    argument_number,
    elements_of,
    goes_by_name,
    has_reduction,
    is_value,
    parts_of,
    shown,
    text_of,
)

_LOOK_AHEAD: Final = 4
"""How many levels of the elements of a set are compared to find their counterparts."""


class SharingError(AssertionError):
    """Two graphs differ in their sharing: in which references lead to the same object."""


def assert_isomorphic(
    first: Any, second: Any, *, records: bool = True, sharing: bool = True, values: bool = True
) -> None:
    """Raise AssertionError, with the path to the place, unless two object graphs are isomorphic.

    Types, values, attributes (in `__dict__` and slots), captured cells, the order of all containers but sets,
    sharing and cycles must agree, and each dict and set must find its members.  Classes, modules and
    importable functions must be the same objects.

    Unless `records` is true, plain objects that persistable ones share must be shared in both.  If `sharing`
    is true, a difference in sharing is a `SharingError`; if not, only types and values are compared.  Unless
    `values` is true, dates, decimals and tuples of such values are compared by type and value alone, as
    numbers and strings always are: nothing can be changed in them.
    """
    _Comparison(records, sharing, values).run(first, second)


class _Pair:
    """Two objects to compare, their owner, and how they were reached."""

    __slots__ = ("back", "first", "owner", "second", "step")

    def __init__(self, first: Any, second: Any, owner: int, back: _Pair | None, step: str) -> None:
        self.first = first
        self.second = second
        self.owner = owner
        self.back = back
        self.step = step

    def fail(self, what: str, error: type[AssertionError] = AssertionError) -> NoReturn:
        steps: list[str] = []
        pair: _Pair | None = self
        while pair is not None:
            steps.append(pair.step)
            pair = pair.back
        path = "".join(reversed(steps)) or "the root"
        if len(path) > 1000:
            path = f"{path[:500]} … {path[-500:]}"
        raise error(f"at {path}: {what}")


class _Comparison:
    def __init__(self, records: bool, sharing: bool, values: bool) -> None:
        self._records = records
        self._values = values
        self._sharing = sharing
        self._met: set[tuple[int, int]] = set()
        self._stack: list[_Pair] = []
        self._sets: list[_Pair] = []
        self._lookups: list[_Pair] = []
        self._counterparts: dict[tuple[int, int], Any] = {}
        self._originals: dict[int, Any] = {}
        self._says_equal: dict[tuple[int, int], bool] = {}
        # Some parts are made on access: they must stay alive, or their ids would be used again.
        self._alive: list[_Pair] = []

    def run(self, first: Any, second: Any) -> None:
        self._stack.append(_Pair(first, second, 0, None, ""))
        while self._stack or self._sets:
            if self._stack:
                self._compare_or_ask(self._stack.pop())
            else:
                # Sets come last, when most elements have been met elsewhere and have counterparts.
                self._compare_elements(self._sets.pop())
        for pair in self._lookups:
            _check_lookups(pair)

    def _compare_or_ask(self, pair: _Pair) -> None:
        try:
            self._compare(pair)
        except SharingError:
            raise
        except AssertionError:
            if not self._is_excused(pair):
                raise

    def _is_excused(self, pair: _Pair) -> bool:
        """Return whether an object around two parts that differ is equal to its counterpart all the same."""
        one, other = pair.first, pair.second
        holder = pair.back
        if holder is not None and type(one) is type(other) is bytes and has_reduction(holder.first):
            number = argument_number(pair.step)
            if number is not None and differ_as_copies(
                holder.first, holder.second, one, other, number
            ):
                return True
        while holder is not None:
            key = id(holder.first), id(holder.second)
            if key not in self._says_equal:
                is_one_class = type(holder.first) is type(holder.second)
                self._says_equal[key] = is_one_class and says_equal(holder.first, holder.second)
            if self._says_equal[key]:
                return True
            holder = holder.back
        return False

    def _compare(self, pair: _Pair) -> None:
        first, second = pair.first, pair.second
        cls = type(first)
        if cls is not type(second):
            pair.fail(f"{shown(first)} became {shown(second)}")
        if cls in ATOMS:
            if text_of(first) != text_of(second):
                pair.fail(f"{shown(first)} became {shown(second)}")
        elif cls is CodeType:
            if first != second:
                pair.fail("the code of a function changed")
        elif _is_dtype(cls):
            if first != second:
                pair.fail(f"the dtype {first} became {second}")
        elif goes_by_name(first):
            if first is not second:
                pair.fail(f"{shown(first)} is no longer the same object")
        elif self._is_new(pair):
            self._open(pair)

    def _is_new(self, pair: _Pair) -> bool:
        first, second = pair.first, pair.second
        if type(first) in (tuple, frozenset) and not first:
            return False  # there is one such object in a process
        if not self._sharing or (not self._values and is_value(first)):
            return self._is_new_beside(pair)
        if self._originals.setdefault(id(second), first) is not first:
            pair.fail(f"one {shown(second)} replaces two objects", SharingError)
        key = self._key(pair.owner, first)
        known = self._counterparts.get(key, pair)
        if known is pair:
            self._counterparts[key] = second
            self._alive.append(pair)
            return True
        if known is not second:
            pair.fail(f"a {shown(first)} that was met before is another object here", SharingError)
        return False

    def _is_new_beside(self, pair: _Pair) -> bool:
        # Each pair of objects is compared only once, so that cycles end.
        both = id(pair.first), id(pair.second)
        if both in self._met:
            return False
        self._met.add(both)
        self._counterparts.setdefault(self._key(pair.owner, pair.first), pair.second)
        self._alive.append(pair)
        return True

    def _key(self, owner: int, obj: Any) -> tuple[int, int]:
        return (0 if is_persistable_type(type(obj)) else owner), id(obj)

    def _owner_of_parts(self, pair: _Pair) -> int:
        is_owner = self._records and is_persistable_type(type(pair.first))
        return id(pair.first) if is_owner else pair.owner

    def _open(self, pair: _Pair) -> None:
        first, second = pair.first, pair.second
        if isinstance(first, (dict, *SETS)):
            self._lookups.append(pair)
        if isinstance(first, SETS):
            self._sets.append(pair)
        parts, others = list(parts_of(first)), list(parts_of(second))
        steps, other_steps = [step for step, _ in parts], [step for step, _ in others]
        if steps != other_steps:
            missing = [step for step in steps if step not in other_steps]
            added = [step for step in other_steps if step not in steps]
            changes = [f"lost {', '.join(missing[:5])}"] if missing else []
            changes += [f"gained {', '.join(added[:5])}"] if added else []
            pair.fail(f"{shown(first)} {' and '.join(changes) or 'changed the order of its parts'}")
        self._push(
            pair, ((s, one, other) for (s, one), (_, other) in zip(parts, others, strict=True))
        )

    def _push(self, pair: _Pair, parts: Iterable[tuple[str, Any, Any]]) -> None:
        owner = self._owner_of_parts(pair)
        self._stack += [_Pair(one, other, owner, pair, step) for step, one, other in parts]

    def _compare_elements(self, pair: _Pair) -> None:
        first, second = elements_of(pair.first), elements_of(pair.second)
        if len(first) != len(second):
            pair.fail(f"{len(first)} elements became {len(second)}")
        # Match elements with known counterparts first.  Match the others by their contents, deeper and
        # deeper, if these are unique.
        owner = self._owner_of_parts(pair)
        present = {id(element): element for element in second}
        matched: list[tuple[Any, Any]] = []
        for element in first:
            known = self._counterparts.get(self._key(owner, element), pair)
            if known is not pair and present.pop(id(known), pair) is not pair:
                matched.append((element, known))
        done = {id(element) for element, _ in matched}
        rest, others = [e for e in first if id(e) not in done], list(present.values())
        for depth in range(1, _LOOK_AHEAD + 1):
            rest, others = _match(rest, others, depth, matched, depth == _LOOK_AHEAD)
        if rest:
            pair.fail(f"the element {shown(rest[0])} has no counterpart")
        self._push(pair, [("{…}", one, other) for one, other in matched])


def _match(
    first: Sequence[Any],
    second: Sequence[Any],
    depth: int,
    matched: list[tuple[Any, Any]],
    all_: bool,
) -> tuple[list[Any], list[Any]]:
    groups: defaultdict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, elements in enumerate((first, second)):
        for element in elements:
            groups[_fingerprint(element, depth)][side].append(element)
    rest: list[Any] = []
    others: list[Any] = []
    for ones, twos in groups.values():
        if len(ones) == len(twos) and (all_ or len(ones) == 1):
            matched += zip(ones, twos, strict=True)
        else:
            rest += ones
            others += twos
    return rest, others


def _fingerprint(obj: Any, depth: int) -> Any:
    """Return a hashable value that is equal for isomorphic objects."""
    cls = type(obj)
    if cls in ATOMS:
        return cls, text_of(obj)
    if cls is CodeType:
        return obj
    if goes_by_name(obj):
        return id(obj)
    if depth == 0:
        return cls
    parts = [(step, _fingerprint(part, depth - 1)) for step, part in islice(parts_of(obj), 30)]
    elements = Counter(_fingerprint(e, depth - 1) for e in islice(elements_of(obj), 30))
    return cls, tuple(parts), frozenset(elements.items()) if len(elements) < 30 else None


def _check_lookups(pair: _Pair) -> None:
    if not _misplaced(pair.first) and (lost := _misplaced(pair.second)):
        pair.fail(f"the {type(pair.second).__name__} does not find its member {shown(lost[0])}")


def _misplaced(members: Any) -> list[Any]:
    """Return the members that were entered under another hash than they have now.

    Copies of dicts and sets keep the hashes of their members, and a set compares whole hashes.  A lookup in
    the dict itself might find a misplaced member by chance.
    """
    held = set(dict.copy(members) if isinstance(members, dict) else members)
    return [*held.difference(set(iter(held)))]  # an iterator makes set() hash them again


def _is_dtype(cls: type) -> bool:
    """Return whether a class is a dtype of numpy: equal dtypes may be one object or several."""
    return any(base.__name__ == "dtype" and base.__module__ == "numpy" for base in cls.__mro__)
