"""Links for codecs that tests use without a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brinery.codec import PlainLinks


class LoneLinks(PlainLinks):
    """The links of an object that refers to no other; for codecs that are used without a store."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}

    def is_external_type(self, cls: type) -> bool:
        """Return False."""
        return False

    def external(self, obj: Any) -> None:
        """Return None."""
        return None

    def resolve(self, id: str) -> Any:
        """Raise AssertionError."""
        raise AssertionError(f"there is no reference {id!r}")

    def construct(self, early: Mapping[str, Any] | None, constructor: Any, args: Any) -> Any:
        """Make the root."""
        return constructor(*args)
