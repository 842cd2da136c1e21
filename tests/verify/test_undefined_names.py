"""Functions are found anywhere in a graph, and their undefined names are reported."""

from __future__ import annotations

import collections
import functools
import types
import xml
from typing import Any

import numpy as np
import pytest

from brinery.verify.undefined_names import undefined_names


def moved(function: Any, **names: Any) -> Any:
    """Return the function with other globals, as if it were loaded elsewhere."""
    return types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


def uses_missing() -> Any:
    return missing  # type: ignore[name-defined]  # noqa: F821


def calls_submodule() -> Any:
    return xml.nothing_of_that_name.parse()  # type: ignore[attr-defined]


def deep(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


class Node:
    """An object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        pass


BAD = moved(uses_missing)


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (BAD, ""),
        (Node(a=[1, BAD]), ".a[1]"),
        ({BAD: 1}, ""),
        ({"k": BAD}, "['k']"),
        ({BAD}, "{…}"),
        (collections.deque([1, BAD]), "<…>"),
        (functools.partial(print, 1, x=BAD), ".keywords['x']"),
        (functools.partial(BAD), ".func"),
        (types.MethodType(BAD, 1), ".__func__"),
        (Node(x=BAD).method, ".__self__.x"),
        ([BAD].append, ".__self__[0]"),
        (map(BAD, ()), "<…>"),
        (np.array([None, BAD]), "[…]"),
        (functools.lru_cache(BAD), ".__wrapped__"),
        (moved(lambda: helper, helper=BAD), "<global helper>"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_a_function_is_found(obj: Any, path: str) -> None:
    """With a shortest path."""
    assert undefined_names(obj) == [(path, "the global name 'missing' is not defined there")]


@pytest.mark.thorough
def test_a_function_is_found_at_any_depth() -> None:
    """In time that grows with the depth, not with its square."""
    ((path, _),) = undefined_names(deep(BAD, 100_000))
    assert path == "[0]" * 100_000


def test_a_module_without_the_attribute_is_reported() -> None:
    """If the code loads an attribute directly from the module."""
    ((path, what),) = undefined_names([moved(calls_submodule, xml=xml)])
    assert path == "[0]"
    assert "the module 'xml' has no attribute 'nothing_of_that_name' there" in what


def test_functions_of_modules_are_taken_as_they_are() -> None:
    """They are imported, and a name that is undefined there is undefined everywhere."""
    assert undefined_names([uses_missing, Node, collections.OrderedDict, np.mean, print]) == []


def test_each_undefined_name_is_reported_once() -> None:
    """Also if a function is in several places or uses a name twice."""
    assert len(undefined_names([BAD, BAD, {"x": BAD}])) == 1


def test_builtins_are_there() -> None:
    """Those of the function's own dictionary, and by default those of Python."""
    assert undefined_names(moved(lambda: len([print]))) == []
    own = moved(lambda: len([missing]), __builtins__={"len": len})  # type: ignore[name-defined]  # noqa: F821
    assert undefined_names(own) == [("", "the global name 'missing' is not defined there")]
