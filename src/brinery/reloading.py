"""Loading an object beside the living one, to see whether that has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brinery.codec import Codec
from brinery.identity import NOTHING, IdentityMap
from brinery.persistable import is_persistable_type
from brinery.record import Record


class Reloading:
    """The read links of an object that is loaded beside the living one, to compare the two."""

    is_external_type = staticmethod(is_persistable_type)

    def __init__(self, identity: IdentityMap, kept: dict[Any, Any]) -> None:
        self._identity = identity
        self.kept = kept
        self.shared: dict[Any, Any] = {}

    def load(self, codec: Codec, record: Record) -> Any:
        """Return the object of a record, which refers to the living objects of the store."""
        try:
            return codec.load(record.payload, self, record.buffers)
        finally:
            self.shared.clear()

    def resolve(self, id: str) -> Any:
        """Return the living object `id`."""
        obj = self._identity.get(id)
        if obj is NOTHING:
            raise LookupError(id)
        return obj

    def construct(
        self,
        early: Mapping[str, Any] | None,
        constructor: Callable[..., Any],
        args: Sequence[Any],
    ) -> Any:
        """Return the object, made by its constructor."""
        return constructor(*args)
