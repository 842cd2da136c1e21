"""dill's own tests, with brinery's codec in place of dill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dill
import pytest

SCRIPT = Path(__file__).with_name("dill_suite.py")
MODULES = sorted(file.stem for file in Path(dill.__file__).parent.glob("tests/test_*.py"))

# These two save and load whole interpreter sessions, and the others need arguments of pytest.
NO_TESTS = frozenset({"test_logger", "test_module", "test_session", "test_sources"})

# dill makes a second class of a class by value that lives already, and its tests look for that.  A store
# gives the living one, so that one class stays one.
SAME_CLASS = frozenset({"test_abc_local", "test_namedtuple", "test_inherit", "test_dataclasses"})


def run(which: str, module: str, directory: Path) -> dict[str, Any]:
    """Return what each test of a module came to."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), which, module],
        capture_output=True,
        text=True,
        cwd=directory,  # some tests write files
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert type(found) is dict
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("module", [name for name in MODULES if name not in NO_TESTS])
def test_what_dill_passes_brinery_passes(module: str, tmp_path: Path) -> None:
    """Each test of the module; what fails with dill itself proves nothing."""
    ours = run("brinery", module, tmp_path)
    failed = {name for name, result in ours.items() if name and result != "passed"}
    if failed:
        theirs = run("dill", module, tmp_path)
        failed = {name for name in failed if theirs[name] == "passed"}
    assert {name: ours[name] for name in failed - SAME_CLASS} == {}


@pytest.mark.thorough
def test_the_exceptions_are_still_needed(tmp_path: Path) -> None:
    """A class by value that lives is given back."""
    results = dict.fromkeys(SAME_CLASS, "")
    for module in ("test_abc", "test_classdef", "test_dataclasses"):
        results |= {k: v for k, v in run("brinery", module, tmp_path).items() if k in SAME_CLASS}
    assert all(result.startswith("AssertionError") for result in results.values())


@pytest.mark.thorough
def test_dill_itself_writes_few_of_them(tmp_path: Path) -> None:
    """Its tests of functions, objects and classes go by the pickler in C."""
    for module in ("test_functions", "test_objects", "test_classdef", "test_nested"):
        counts = run("brinery", module, tmp_path)[""]
        assert counts["records"] > 0
        assert counts["by dill"] <= counts["records"] / 10
