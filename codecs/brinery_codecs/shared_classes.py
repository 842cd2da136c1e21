"""Classes written by value: one class, however many records hold its objects.

cloudpickle and dill write a class that cannot be imported (one of ``__main__``, say) again into each
record, and so make several classes of it on load.  Here such a class is encoded once for each save, as a
piece of bytes of its own, and a payload holds ``shared_class(key, index, name, blob)`` in its place.
`key` is a digest of these bytes.  A reader takes the class that it knows by the key: one that it has
loaded before, or one that this process has under the same name and that encodes to the same bytes; only
then does it decode `blob`.

Classes that refer to each other in a circle share one blob, and `index` is the place of each in it.  A
class that holds persistable objects is left to the library, which writes it into the record.
"""

from __future__ import annotations

import copyreg
import marshal
import pickle
import sys
from collections.abc import Callable
from hashlib import blake2b
from types import CodeType
from typing import Any

from brinery.codec import ReadLinks, WriteLinks

_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: of C, from Python 3.10 on
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement or call

Description = tuple[str, int, str, bytes]
"""Key, index in the group, ``module:qualname``, and the encoded group."""


def shared_class(key: str, index: int, name: str, blob: bytes) -> type:
    """Return a class that was written by value; stores go by `ClassReader` instead."""
    found: type = pickle.loads(blob)[index]
    return found


def is_importable(cls: type) -> bool:
    """Return whether another process should find `cls` under its name."""
    if is_made_in_c(cls):
        return True  # or at least, there is nothing to write by value
    return cls.__module__ != "__main__" and has_its_name(cls)


def is_made_in_c(cls: type) -> bool:
    """Return whether a class was made by C code, not by Python code."""
    return not cls.__flags__ & _HEAP_TYPE or bool(cls.__flags__ & _IMMUTABLE_TYPE)


def has_its_name(cls: type) -> bool:
    """Return whether the module of a class has it under its name now."""
    return _find(f"{cls.__module__}:{cls.__qualname__}") is cls


def _find(name: str) -> Any:
    module, _, qualname = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


class NotShareableError(Exception):
    """A class holds a persistable object, and so belongs into the record that refers to it."""


class NoExternals:
    """The write links of a class that is encoded on its own: it may hold no persistable object."""

    root: Any = None

    def __init__(self, links: WriteLinks | ReadLinks) -> None:
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}
        self.is_external_type = links.is_external_type
        self._note_version = links.note_version

    def external(self, obj: Any) -> str:
        """Refuse: the record would not list this reference."""
        raise NotShareableError

    def note_version(self, cls: type) -> Callable[[], None] | None:
        """Refuse objects of classes that have versions: the record would not list these."""
        return None if self._note_version(cls) is None else self._refuse

    def note_library(self, module: str) -> None:
        """Return None: a class that is encoded once goes into several records."""

    def _refuse(self) -> None:
        raise NotShareableError


class _CircleError(Exception):
    def __init__(self, depth: int, members: tuple[type, ...]) -> None:
        super().__init__()
        self.depth = depth
        self.members = members


Encode = Callable[["ClassWriter", tuple[type, ...], bool], bytes]
"""Encodes a group of classes as one list; it asks the writer about every other class that it meets.

The last argument asks for bytes that are the same in every process, and need not be decodable.
"""


def canonical_class(reduction: Any) -> Any:
    """Return cloudpickle's reduction of a class with its sets in an order of their own."""
    make, arguments, (attributes, slots), *rest = reduction
    ordered = {name: _in_order(value) for name, value in attributes.items()}
    return (make, arguments, (ordered, slots), *rest)


def canonical_code(code: CodeType) -> tuple[Any, ...]:
    """Return a reduction of code: marshal sorts sets, and from version 3 on counts references."""
    return bytes, (marshal.dumps(code, 2),)


def _in_order(value: Any) -> Any:
    if type(value) in (set, frozenset) and {*map(type, value)} <= _ATOMS:
        return sorted(map(repr, value))
    return value


_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})


class ClassWriter:
    """Describes classes for the records of one save."""

    def __init__(self, encode: Encode, known: dict[tuple[str, int], type] | None = None) -> None:
        """Enter each class that is described into `known` (see `classes_of`)."""
        self._encode = encode
        self._living = {} if known is None else known
        self._known: dict[type, Description | None] = {}
        self._stack: list[tuple[type, ...]] = []
        self._met: list[type] = []

    def describe(self, cls: type) -> Description | None:
        """Return the arguments of `shared_class` for `cls`, None to leave it to the library."""
        if cls in self._known:
            return self._known[cls]
        if self._stack and cls in self._stack[-1]:
            return None
        for depth, group in enumerate(self._stack):
            if cls in group:
                raise _CircleError(depth, ())
        group = (cls,)
        while cls not in self._known:
            group = self._try(group)
        return self._known[cls]

    def _try(self, group: tuple[type, ...]) -> tuple[type, ...]:
        level = len(self._stack)
        for cls in group:
            # The first pickle of an instance caches this on its class: have it there from the start,
            # so that a class used and one unused give the same bytes.
            copyreg._slotnames(cls)  # type: ignore[attr-defined]
        self._stack.append(group)
        self._met += group
        try:
            blob = self._encode(self, group, False)
            canonical = _without_trackers(self._encode(self, group, True), self._met)
        except _CircleError as circle:
            if circle.depth < level:
                circle.members += group
                raise
            merged = {*group, *circle.members}
            return tuple(sorted(merged, key=lambda c: (c.__module__, c.__qualname__)))
        except NotShareableError:
            self._known.update(dict.fromkeys(group))
            if level:
                raise
            return group
        finally:
            del self._stack[level:]
        key = blake2b(canonical, digest_size=16).hexdigest()
        for index, cls in enumerate(group):
            self._known[cls] = (key, index, f"{cls.__module__}:{cls.__qualname__}", blob)
            self._living.setdefault((key, index), cls)
        return group


def _without_trackers(blob: bytes, classes: list[type]) -> bytes:
    # cloudpickle, which reduces the classes, gives each a random name of its own in each process.
    library = sys.modules.get("cloudpickle.cloudpickle")
    trackers = getattr(library, "_DYNAMIC_CLASS_TRACKER_BY_CLASS", {})
    for cls in classes:
        if tracker := trackers.get(cls):
            blob = blob.replace(tracker.encode(), b"")
    return blob


class ClassReader:
    """Finds or makes the classes of one load."""

    def __init__(
        self,
        links: ReadLinks,
        writer: Callable[[], ClassWriter],
        decode: Callable[[bytes], list[type]],
    ) -> None:
        self._known = classes_of(links)
        self._writer = writer
        self._decode = decode

    def __call__(self, key: str, index: int, name: str, blob: bytes) -> type:
        """Return the class for the arguments of `shared_class`."""
        found = self._known.get((key, index))
        if found is None:
            found = self._living(key, index, name)
            if found is None:
                for place, cls in enumerate(self._decode(blob)):
                    self._known.setdefault((key, place), cls)
                return self._known[key, index]
            self._known[key, index] = found
        return found

    def _living(self, key: str, index: int, name: str) -> type | None:
        cls = _find(name)
        if not isinstance(cls, type) or is_importable(cls):
            return None
        try:
            described = self._writer().describe(cls)
        except Exception:  # noqa: BLE001 - if it cannot be encoded, it is not the class we look for
            return None
        return cls if described is not None and described[:2] == (key, index) else None


def classes_of(links: Any) -> dict[tuple[str, int], type]:
    """Return the classes that a store knows by key, from the `cache` of its links."""
    known: dict[tuple[str, int], type] = links.cache.setdefault("shared classes", {})
    return known
