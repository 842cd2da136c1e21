"""Commits to places that were opened to read only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from brinery.backend import Delete, Put, Version
from brinery.errors import ReadOnlyError


def refuse(
    location: str, puts: Iterable[Put], deletes: Iterable[str | Delete]
) -> Mapping[str, Version]:
    """Raise `ReadOnlyError` for the first put or delete; a commit of nothing is made."""
    for _ in chain(puts, deletes):
        raise ReadOnlyError(location)
    return {}
