"""Functions that may do more than payloads need, and the narrower ones that payloads get in their place."""

from __future__ import annotations

import operator
from collections.abc import Callable

from brinery.codec import Restriction
from brinery.reference import named
from brinery.typing import Any, Protocol
from brinery_codecs._pickle.analysis.values import refused_attribute
from brinery_codecs._pickle.finders import FindClass
from brinery_codecs._pickle.members import combining


class Globals(Protocol):
    """The globals that payloads name."""

    restriction: Restriction | None

    def attributes(self) -> AttributesByName:
        """Return the function that payloads get in place of `getattr`."""

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`."""

    def may_combine(self, cls: type) -> bool:
        """Return whether flags of a class may be combined."""


def narrowed(names: Globals, module: str, name: str, found: Any) -> Callable[..., Any] | None:
    """Return the function that payloads get in place of a global; None to give them the global itself."""
    if found is named:
        # This function looks globals up, and has to go by the same names.
        return lambda module, name: names.find(named, module, name)
    if found is getattr:
        return names.attributes()
    if (
        found is operator.or_
        and names.restriction is not None
        and not names.restriction.admits_object(module, name, found)
    ):
        return combining(names.may_combine)
    return None


class AttributesByName:
    """Replaces `getattr` in payloads: attributes of classes go by the names that they have now.

    Below protocol 4, this is how nested classes are named; members of enumerations: see `members`.
    """

    def __init__(self, names: Globals) -> None:
        self._names = names

    def __call__(self, obj: Any, name: str, *default: Any) -> Any:
        """Return an attribute."""
        if default or not isinstance(obj, type):
            if self._names.restriction is not None:
                raise refused_attribute(name)
            return getattr(obj, name, *default)
        module, qualname = obj.__module__, f"{obj.__qualname__}.{name}"

        def look_up(present: str, path: str) -> Any:
            # The class may be one that cannot be imported under its name, but we have it.
            is_same = (present, path) == (module, qualname)
            return getattr(obj, name) if is_same else named(present, path)

        return self._names.find(look_up, module, qualname)

    def __reduce__(self) -> Any:
        """Return the reduction to `getattr`: a record may hold the function itself."""
        return named, ("builtins", "getattr")
