"""`make demo`: the example runs, and its output is right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "sweep.py"


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a process of its own."""
    command = [sys.executable, str(DEMO), *arguments]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.thorough
def test_the_demo_shows_its_checks(tmp_path: Path) -> None:
    """With few nodes: the sweep, its sharing, and a row for each codec, all equal."""
    done = run_demo("--nodes", "5000", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    shown = done.stdout
    assert "store.save(sweep) -> Sweep.1: 542 files" in shown
    assert "one Configuration, held by 721 others" in shown
    assert "is one object from three sides" in shown
    assert "two states from w = 1.27 to 1.63" in shown
    assert "1 file of 542 written again" in shown
    assert "msgpack says no: the codec 'msgpack' cannot encode" in shown
    rows = re.findall(r"^ +(.+?) {2,}.* equal$", shown, re.MULTILINE)
    codecs = ["pickle.dump", "pickle", "pickle", "pickle", "cloudpickle", "dill", "msgpack"]
    assert [re.split("[, ]", row)[0] for row in rows] == codecs
    assert [row for row in rows if row.startswith("pickle,")] == [
        f"pickle, protocol {number}" for number in (2, 4, 5)
    ]
    assert shown.rstrip().splitlines()[-1].startswith("All checks passed")
    assert len(shown.splitlines()) <= 60
    assert "\x1b" not in shown


def test_the_demo_leaves_existing_files_alone(tmp_path: Path) -> None:
    """A directory that is not empty is refused, in one line."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = run_demo(str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["notes.txt"]
