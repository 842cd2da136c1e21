"""Reductions of the classes that a save writes by value."""

from __future__ import annotations

import abc
import enum
import sys
import typing
from pickle import PicklingError

from brinery.typing import Any
from brinery_codecs._pickle.by_value.attributes import own_attributes
from brinery_codecs._pickle.by_value.content import (
    UNSURE,
    digest_of_class,
)
from brinery_codecs._pickle.by_value.importable import (
    alias_of,
    found_as,
    is_importable,
    is_made_in_c,
)
from brinery_codecs._pickle.by_value.living import LIVING, Content
from brinery_codecs.classes import MAIN, Key, fill_class, make_class

_OF_MEMBERS = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})


class ClassReducer:
    """Reduces the classes of one save."""

    def __init__(self) -> None:
        self._known: dict[type, tuple[Any, ...] | str] = {}
        self._digests: dict[type, str] = {}
        self._numbers: dict[Content, dict[int, type]] = {}

    def __call__(self, cls: type) -> tuple[Any, ...] | str:
        """Return the reduction of a class."""
        found = self._known.get(cls)
        if found is None:
            found = self._known[cls] = alias_of(cls) or _reduced(cls, self._key(cls))
        return found

    def _key(self, cls: type) -> Key:
        content = self._content(cls)
        numbers = self._numbers.setdefault(content, {})
        number = LIVING.number_of(content, cls)
        if number is None:
            # A class statement that was run again has made the same class again.
            named = found_as(cls.__module__, cls.__qualname__)
            is_named = named is cls or (
                isinstance(named, type)
                and not is_importable(named)
                and self._content(named) == content
            )
            number = 0 if is_named else LIVING.free_number(content, numbers)
        if number in numbers:
            number = LIVING.free_number(content, numbers)
        numbers[number] = cls
        LIVING.enter(content, number, cls)
        return (*content, number)

    def _content(self, cls: type) -> Content:
        digest = self._digests.get(cls)
        if digest is None:
            digest = self._digests[cls] = digest_of_class(cls)
        return content_of(cls, digest)


def content_of(cls: type, digest: str) -> Content:
    """Return the content of a class as keys have it."""
    if digest.endswith(UNSURE):
        digest = LIVING.digest_of_its_own(cls, digest)
    module = "" if cls.__module__ == MAIN else sys.intern(cls.__module__)
    return module, sys.intern(cls.__qualname__), digest


def _reduced(cls: type, key: Key) -> tuple[Any, ...]:
    if type(cls) is not type and is_made_in_c(type(cls)):
        metaclass = f"{type(cls).__module__}.{type(cls).__qualname__}"
        raise PicklingError(
            f"{cls.__qualname__} cannot be written by value: only the statement that defines it can make a "
            f"class of {metaclass}; move it to a module"
        )
    # In one order, whatever the order in which making the class again has set them.
    attributes = {sys.intern(name): value for name, value in sorted(own_attributes(cls).items())}
    # Generic classes need their bases as they were written.  A named tuple would be made from its fields.
    bases = attributes.get("__orig_bases__", cls.__bases__)
    bases = tuple(tuple if base is typing.NamedTuple else base for base in bases)
    of_members: dict[str, Any] = {}
    if isinstance(cls, enum.EnumType):
        namespace = {"boundary": vars(cls)["_boundary_"]} if issubclass(cls, enum.Flag) else {}
        found: dict[str, enum.Enum] = dict(cls.__members__)
        members = {sys.intern(name): member._value_ for name, member in found.items()}
        arguments: tuple[Any, ...] = (key, type(cls), bases, namespace, members)
        for name, member in found.items():
            if state := {k: v for k, v in vars(member).items() if k not in _OF_MEMBERS}:
                of_members[name] = state
    else:
        namespace = {name: attributes.pop(name) for name in ("__slots__",) if name in attributes}
        arguments = (key, type(cls), bases, namespace)
    state_of_class = (attributes, _registered(cls), of_members)
    return make_class, arguments, state_of_class, None, None, fill_class


def _registered(cls: type) -> list[type]:
    # The classes that were registered as subclasses of an ABC and are still there.
    if not isinstance(cls, abc.ABCMeta):
        return []
    registry, *_ = abc._get_dump(cls)  # type: ignore[attr-defined]
    return [subclass for reference in registry if (subclass := reference()) is not None]
