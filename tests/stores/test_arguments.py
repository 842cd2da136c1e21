"""What is said of an argument that has no sense, also as a text in a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brinery import InvalidArgumentError, make_store


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lock_timeout", "x", "a number of seconds"),
        ("lock_timeout", -1, "a number of seconds"),
        ("timeout", "x", "a number of seconds"),
        ("max_expanded", "x", "a number of bytes"),
        ("create", "maybe", "true or false"),
        ("recurse", "maybe", "true or false"),
        ("fmode", "x", "a whole number"),
    ],
)
def test_what_was_expected_is_said_in_words(
    tmp_path: Path, name: str, value: Any, expected: str
) -> None:
    """Not as a type of Python."""
    kind = f"sqlite:///{tmp_path}/a.db" if name in ("timeout", "create") else str(tmp_path)
    options = {"codec": "dill"} if name in ("recurse", "fmode") else {}
    with pytest.raises(InvalidArgumentError, match=f"{name}: expected {expected}, got {value!r}"):
        make_store(kind, **{name: value}, **options)
