"""Why an object cannot be encoded, where the reason lies in it, and what to do.

An advice names only a codec that was tried on the object, and encoded it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from inspect import isasyncgen, iscoroutine, isgenerator
from types import FunctionType

from brinery.codec import Codec, PlainLinks, Sink
from brinery.errors import BrineryError, EncodeError, UnsupportedObjectError, is_too_deep
from brinery.graph.object_path import find_failure
from brinery.reference import is_ghost_class
from brinery.registry.codecs import codecs_that_keep_as_much, make_codec
from brinery.typing import Any, Final, NamedTuple

IsExternal = Callable[[type], bool]

_BY_NAME: Final = "PicklingError"
"""The class of errors about names; its module is for codecs alone."""


class EncodeFailure:
    """An object that `codec` does not encode; `not_advised` are the codecs that no advice may name."""

    def __init__(
        self, obj: Any, codec: Codec, is_external_type: IsExternal, not_advised: Collection[str]
    ) -> None:
        self._obj = obj
        self._codec = codec
        self._is_external_type = is_external_type
        self._not_advised = {codec.name, *not_advised}

    def explained(self, error: Exception) -> EncodeError:
        """Return the error for any exception of the codec, with the place inside the object."""
        if is_too_deep(error):
            return EncodeError(
                "it is nested or linked too deeply for one record",
                advice="Make the linked objects persistable (class …(Persistable), or "
                "Persistable.register): each then gets a record of its own, at any depth",
            )
        path, part = find_failure(
            self._obj,
            lambda parts: not self._encodes(parts, self._codec),
            by_value=self._codec.capabilities.classes_by_value,
        )
        reason, advice = _redefined(part, error) or (
            f"{type(error).__name__}: {error}",
            self._advice(part),
        )
        return UnsupportedObjectError(reason, object_path=path or None, advice=advice)

    def advised(self, error: EncodeError) -> EncodeError:
        """Return the error of a codec that knows the place, with a codec that keeps the object."""
        other = self._other_codec(self._obj)
        if other is None:
            return error
        advice = f"The codec {other!r} keeps it: codec={other!r}"
        if error.advice:
            advice = f"{error.advice}. {advice}"
        return type(error)(error.reason, object_path=error.object_path, advice=advice)

    def _advice(self, part: Any) -> str:
        other = self._other_codec(part)
        if other is not None:
            return f"The codec {other!r} keeps it: codec={other!r}"
        if isgenerator(part) or isasyncgen(part) or iscoroutine(part):
            return (
                f"No codec keeps a {type(part).__name__}, which is in the middle of its work: store the "
                "values that it gives, or what it is made of"
            )
        return (
            "No codec of brinery keeps it: leave it out of what the __getstate__ of its owner returns, and "
            "make it again in __setstate__"
        )

    def _other_codec(self, part: Any) -> str | None:
        for name in codecs_that_keep_as_much(self._codec):
            if name in self._not_advised:
                continue
            try:
                other = make_codec(name)
            except BrineryError:  # its library is not installed
                continue
            if self._encodes(part, other):
                return name
        return None

    def _encodes(self, part: Any, codec: Codec) -> bool:
        try:
            codec.dump(part, Sink(), _Probe(part, self._is_external_type))
        except Exception:  # noqa: BLE001 - the question is only whether it fails
            return False
        return True


class _Redefined(NamedTuple):
    reason: str
    advice: str


def _redefined(part: Any, error: Exception) -> _Redefined | None:
    """Return why an object cannot be written by name: another class or function has the name now.

    A module was reloaded, or a cell of a notebook ran again.  None if that is not the cause of `error`.
    """
    if isinstance(part, type) and is_ghost_class(part):
        return _Redefined(
            "it is the type of an object that was not read yet",
            "Keep obj.__class__ in place of type(obj)",
        )
    is_itself = isinstance(part, (type, FunctionType))
    named = part if is_itself else type(part)
    found: Any = sys.modules.get(named.__module__)
    for step in named.__qualname__.split("."):
        found = getattr(found, step, None)
    if type(error).__name__ != _BY_NAME or found is named or type(found) is not type(named):
        return None
    name = f"{named.__module__}.{named.__qualname__}"
    what = "function" if isinstance(named, FunctionType) else "class"
    return _Redefined(
        f"{'it' if is_itself else 'its class'} is not the {what} that {name} is now: the module was "
        f"reloaded, or the cell or statement that defines the {what} ran again",
        f"Use the present {name}"
        if is_itself
        else f"Make the object again, or give it the present class: obj.__class__ = {name}",
    )


class _Probe(PlainLinks):
    """Links for trying out a part of an object: references lead nowhere and are not recorded."""

    def __init__(self, root: Any, is_external_type: IsExternal) -> None:
        self.root = root
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}
        self.is_external_type = is_external_type

    def external(self, obj: Any) -> str | None:
        return None if obj is self.root or not self.is_external_type(type(obj)) else "probe"
