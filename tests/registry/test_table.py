"""A registry: import strings, then entry points, then an error that says what to install."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from brinery import InvalidArgumentError
from brinery.registry.table import BuiltIn, Registry


class _NotThereError(Exception):
    def __init__(self, name: str, hint: str, reason: str) -> None:
        super().__init__(name, hint)


def _checked(name: str, found: Any) -> Callable[..., Any]:
    if not callable(found):
        raise InvalidArgumentError(f"expected a function under {name!r}, got {found!r}")
    function: Callable[..., Any] = found
    return function


@pytest.fixture
def registry() -> Registry[Callable[..., Any]]:
    builtin = {
        "fraction": BuiltIn("fractions:Fraction"),
        "gone": BuiltIn("no_such_module:Thing", "pip install thing"),
        "text": BuiltIn("brinery:__version__"),
    }
    return Registry("proof", builtin, _checked, _NotThereError)


def test_a_built_in_name_is_imported(registry: Registry[Any]) -> None:
    """From its import string; an unknown name is None."""
    assert registry.find("fraction") is Fraction
    assert registry.find("nothing") is None
    assert registry.names() == ["fraction", "gone", "text"]


def test_the_first_known_name_counts(registry: Registry[Any]) -> None:
    """As of a URL: the whole scheme, then its part before the plus."""
    registry.add("fraction+half", str)
    assert registry.find("fraction+half", "fraction") is str
    assert registry.find("fraction+third", "fraction") is Fraction


def test_an_added_name_comes_first(registry: Registry[Any]) -> None:
    """It replaces a built-in one, in this registry alone, and is checked at once."""
    registry.add("fraction", str)
    assert registry.find("fraction") is str
    with pytest.raises(InvalidArgumentError, match="expected a function"):
        registry.add("other", 1)
    assert "other" not in registry.names()


def test_a_missing_library_says_what_to_install(registry: Registry[Any]) -> None:
    """With the command of the table; without such an error, the import fails as it does."""
    with pytest.raises(_NotThereError) as caught:
        registry.find("gone")
    assert caught.value.args == ("gone", "pip install thing")
    assert isinstance(caught.value.__cause__, ImportError)
    plain = Registry("proof", registry.builtin, _checked)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        plain.find("gone")


def test_what_is_imported_is_checked(registry: Registry[Any]) -> None:
    """A table may name the wrong thing."""
    with pytest.raises(InvalidArgumentError, match="expected a function under 'text'"):
        registry.find("text")


def test_refused_options_are_shown(registry: Registry[Any]) -> None:
    """By the kind and the name of what refused them."""
    assert registry.make("fraction", Fraction, {"numerator": 3}) == 3
    with pytest.raises(InvalidArgumentError, match="the proof 'fraction' does not take"):
        registry.make("fraction", Fraction, {"colour": "red"})
