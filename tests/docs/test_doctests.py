"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import brinery
import brinery_codecs

NEWER = "brinery.transforms.standard_zstd"
"""It wraps a module of the standard library that Python has from 3.14 on."""


def modules() -> Iterator[str]:
    """Yield the names of all modules of both packages."""
    for package in (brinery, brinery_codecs):
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name != NEWER or sys.version_info >= (3, 14):
                yield found.name


@pytest.mark.parametrize("name", [*modules()])
def test_the_examples_of_a_module_are_true(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each runs, in an empty directory, and has the output that it shows."""
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_examples_are_found() -> None:
    """The test above does not pass because there are no examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for name in modules()
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert len(found) >= 5
