"""`python -m benchmarks.integrity` runs, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_small_run_writes_every_round(tmp_path: Path) -> None:
    """Each action checks that it did its work; the file system is left as it was."""
    output, scratch = tmp_path / "found.json", tmp_path / "scratch"
    scratch.mkdir()
    places = ["--scratch", str(scratch), "--output", str(output)]
    command = [sys.executable, "-m", "benchmarks.integrity", "--records", "50", "--rounds", "2"]
    done = subprocess.run(
        [*command, *places], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["records"] == 52
    assert {len(rounds) for rounds in found["seconds"].values()} == {2}
    assert set(found["records a minute"]) == {"read", "read and digest", "fsck", "gc, dry run"}
    assert str(tmp_path) not in output.read_text(encoding="utf-8")
    assert list(scratch.iterdir()) == []
