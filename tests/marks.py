"""Which cases of a parametrised test are enough for `make quick`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def cases(values: Iterable[Any], *, quick: Collection[Any]) -> list[Any]:
    """Return all values as cases, those that are not in `quick` with the mark `thorough`."""
    return [
        value if value in quick else pytest.param(value, marks=pytest.mark.thorough)
        for value in values
    ]
