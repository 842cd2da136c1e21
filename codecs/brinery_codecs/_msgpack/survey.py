"""The walk over an object before a byte of it is written.

Neither msgpack nor this codec has anything like pickle's memo: an object that is reached twice would be
written twice, and a cycle for ever.  So the walk meets each value first, and refuses values that would
come back different: unknown types, and mutable values that are reached twice.

It goes depth first, but in batches of up to `_BATCH` containers, because the work per batch is done
by loops in C (`chain`, `map`, `set`).  250,000 nodes of JSON-like data: 28 ms; one container at a time
48 ms; whole levels at a time, which the processor's cache does not hold, 40 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from operator import rshift

from brinery.codec import WriteLinks
from brinery.errors import EncodeError, UnsupportedObjectError
from brinery.typing import Any, Final
from brinery_codecs._arrays.memory import Memory
from brinery_codecs._msgpack.kinds import ARRAY, ATOMS, KINDS, Kind, kind_of

MAX_DEPTH: Final = 500
"""How deep containers may nest: every msgpack since 1.0 writes and reads 511 levels, and a time zone
in the innermost needs three more."""

LARGE: Final = 1 << 20
"""Bytes of a value beyond which it is not copied into the payload."""
_BATCH: Final = 512
_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset})
_SETS: Final = frozenset({set, frozenset})
# None of these classes can be made persistable, so no lookup is needed.
_BUILTIN: Final = _CONTAINERS | {bytearray}
# A tuple of a tuple of … twice each doubles at every level, and so would the payload.
_MAX_REPEATS: Final = 10_000_000
_MAX_GROWTH: Final = 100

_PLAIN: Final = "Turn the object into plain data"
_OR_PERSISTABLE: Final = f"{_PLAIN}, or make it persistable and save it with a codec that keeps it"
_COPY: Final = "Put a copy in one of the two places"
_FLATTER: Final = "Make the object flatter, or parts of it persistable"

Types = dict[type, tuple[Kind | None, bool, Callable[[], None] | None]]
"""The facts about a type: its kind, and whether its objects may be external."""


class Refusal(Exception):
    """A value inside the object cannot be written."""

    def __init__(self, value: Any, reason: str, advice: str = _PLAIN) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.advice = advice

    def located(self, root: Any) -> EncodeError:
        """Return the error to raise, with the path of the value inside `root`."""
        found = (_path(place) for place in _places(root) if place[0] is self.value)
        return _error(self.reason, next(found, ""), self.advice)


class _Repetition(Refusal):
    """A mutable value, other than those with an ID, is reached a second time."""

    def __init__(self, external: dict[int, str]) -> None:
        super().__init__(None, "a mutable value is reached twice", _COPY)
        self.external = external

    def located(self, root: Any) -> EncodeError:
        first: dict[int, _Place] = {}
        for place in _places(root):
            value = place[0]
            if id(value) not in self.external and _is_mutable(type(value)):
                if id(value) in first:
                    return self._twice(first[id(value)], place)
                first[id(value)] = place
        return super().located(root)

    def _twice(self, first: _Place, second: _Place) -> EncodeError:
        path = _path(first)
        name, where = type(second[0]).__name__, f"at {path}" if path else "the root"
        then = "contains itself" if _is_inside(second) else "would come back as two"
        return _error(f"this {name} is also {where}, and {then}", _path(second), self.advice)


def _error(reason: str, path: str, advice: str) -> EncodeError:
    return UnsupportedObjectError(reason, codec="msgpack", object_path=path or None, advice=advice)


class Survey:
    """The result of the walk over `root`: the IDs of external objects, all sets, whether to write in parts.

    Raise `Refusal` for a value that cannot be written.
    """

    def __init__(self, root: Any, links: WriteLinks, types: Types) -> None:
        self.external: dict[int, str] = {}
        """The IDs by the `id()` of the object."""
        self.sets: list[Any] = []
        """Sets and frozensets, each after those that it is in."""
        self.is_in_parts = False
        """Whether it holds a bytearray, or a large array or bytes, which need not be copied."""
        self._links = links
        self._types = types
        self._seen: set[int] = set()
        self._memory = Memory()
        self._reaching: Any = None
        self._repeats = 0
        self._most_repeats = _MAX_REPEATS
        self._walk(root)
        if self._reaching is not None and self._memory.settle():
            reason = (
                "this array shares its memory with another one, and would come back with its own"
            )
            raise Refusal(self._reaching, reason, _COPY)

    def _walk(self, root: Any) -> None:
        stack = [(1, self._compounds((root,)))]
        while stack:
            depth, found = stack.pop()
            batch = found[-_BATCH:]
            del found[-_BATCH:]
            if found:
                stack.append((depth, found))
            if held := self._held_by(batch, depth):
                stack.append((depth + 1, held))
            if self._repeats > self._most_repeats:
                self._check_growth(root, batch[0])

    def _held_by(self, batch: list[Any], depth: int) -> list[Any]:
        held: list[Any] = []
        types = dict.fromkeys(map(type, batch))
        for cls in types:
            group = batch if len(types) == 1 else [v for v in batch if type(v) is cls]
            kind = self._kind(cls, group)
            if kind is None:
                continue
            if kind.mutable:
                self._check_new(group)
            else:
                self._repeats += len(group)
            if cls in _CONTAINERS and depth > MAX_DEPTH:
                reason = f"containers nest deeper than {MAX_DEPTH} levels"
                raise Refusal(group[0], reason, _FLATTER)
            if cls in _SETS:
                self.sets += group
            if kind.code == ARRAY:
                for array in group:
                    if self._memory.add(array):
                        self._reaching = array
            if cls is bytearray or (kind.code == ARRAY and _is_any_large(group)):
                self.is_in_parts = True
            if kind.children is not None:
                held += self._compounds(kind.children(group))
        return held

    def _compounds(self, values: Iterable[Any]) -> list[Any]:
        held = list(values)
        types = {*map(type, held)}
        # Of many values one would have to be very large to matter, and looking at each takes time.
        if bytes in types and len(held) <= _BATCH:
            self.is_in_parts |= any(type(each) is bytes and len(each) > LARGE for each in held)
        return [] if types <= ATOMS else [each for each in held if type(each) not in ATOMS]

    def _kind(self, cls: type, group: list[Any]) -> Kind | None:
        """Return the kind of the values; leave out of `group` those that are external."""
        known = self._types.get(cls)
        if known is None:
            asked = cls not in _BUILTIN and self._links.is_external_type(cls)
            note = self._links.note_library(cls.__module__)
            known = self._types[cls] = (kind_of(cls), asked, note)
        kind, may_be_external, note = known
        if may_be_external:
            group[:] = [value for value in group if not self._is_external(value)]
        if kind is None and group:
            # What is persistable is the root: all others are references.
            raise Refusal(group[0], _unknown(cls), _PLAIN if may_be_external else _OR_PERSISTABLE)
        if note is not None and kind is not None:
            note()
        return kind

    def _is_external(self, value: Any) -> bool:
        name = self._links.external(value)
        if name is not None:
            self.external[id(value)] = name
        return name is not None

    def _check_new(self, group: list[Any]) -> None:
        expected = len(self._seen) + len(group)
        # Objects are aligned to 8 bytes at least; without those zeros a set of ids is 1.6x as fast.
        self._seen.update(map(rshift, map(id, group), repeat(3)))
        if len(self._seen) != expected:
            raise _Repetition(self.external)

    def _check_growth(self, root: Any, value: Any) -> None:
        self._most_repeats = 2 * self._repeats
        if self._repeats > _MAX_REPEATS + _MAX_GROWTH * _count_references(root):
            reason = "tuples shared by shared tuples would be written out over and over"
            raise Refusal(value, reason, _FLATTER)


def _is_any_large(arrays: Iterable[Any]) -> bool:
    return any(each.nbytes > LARGE for each in arrays)


def _unknown(cls: type) -> str:
    name = f"an object of type {cls.__module__}.{cls.__qualname__}"
    base = next((base.__name__ for base in cls.__mro__[1:] if base in KINDS or base in ATOMS), None)
    return f"{name}, a subclass of {base}" if base else name


def children_of(values: Iterable[Any]) -> list[Any]:
    """Return all that containers among the values hold."""
    held: list[Any] = []
    for value in values:
        kind = KINDS.get(type(value))
        if kind is not None and kind.children is not None:
            held.extend(kind.children([value]))
    return held


def _count_references(root: Any) -> int:
    count, seen, batch = 0, set[int](), [root]
    while batch:
        new = {id(value): value for value in batch if id(value) not in seen}
        seen |= new.keys()
        held = children_of(new.values())
        count += len(held)
        batch = [each for each in held if type(each) not in ATOMS]
    return count


# -- the place of a value: only worked out when it is refused

_Place = tuple[Any, "_Place | None", str]
"""A value, the place of its holder, and its label in that."""


def _places(root: Any) -> Iterator[_Place]:
    """Yield every place in `root` that holds more than an atom, the shallowest first.

    A container is opened at most twice: enough to find two places of whatever has two, and to end
    where there are cycles or tuples shared by tuples.
    """
    opened: dict[int, int] = {}
    queue: deque[_Place] = deque([(root, None, "")])
    while queue:
        place = queue.popleft()
        yield place
        value = place[0]
        opened[id(value)] = opened.get(id(value), 0) + 1
        if opened[id(value)] <= 2:
            queue.extend(
                (held, place, label) for label, held in _labelled(value) if type(held) not in ATOMS
            )


def _is_mutable(cls: type) -> bool:
    kind = kind_of(cls)
    return kind is not None and kind.mutable


def _labelled(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for index, (key, held) in enumerate(value.items()):
            yield f"<key {index}>", key
            yield f"[{_key(key, index)}]", held
    elif type(value) in _CONTAINERS:
        label = "<element {}>" if type(value) in _SETS else "[{}]"
        yield from ((label.format(index), held) for index, held in enumerate(value))
    else:
        yield from ((".tzinfo", held) for held in children_of([value]))


def _key(key: Any, index: int) -> str:
    if type(key) not in ATOMS or (type(key) is int and key.bit_length() > 64):
        return f"<key {index}>"
    text = repr(key)
    return text if len(text) <= 60 else text[:40] + "…" + text[-10:]


def _path(place: _Place) -> str:
    labels = []
    step: _Place | None = place
    while step is not None:
        labels.append(step[2])
        step = step[1]
    path = "".join(reversed(labels))
    return path if len(path) <= 400 else path[:200] + "…" + path[-200:]


def _is_inside(place: _Place) -> bool:
    step = place[1]
    while step is not None:
        if step[0] is place[0]:
            return True
        step = step[1]
    return False
