"""The whole harness at sizes that mean nothing: it runs, checks, writes, and draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks.document import ORDER
from benchmarks.report.contenders import TITLES
from benchmarks.run import CONTESTS

ROOT = Path(__file__).resolve().parents[2]
GROUPS = [group for group in ORDER if group != "depth"]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks."""
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


# Three hundred processes are started: seconds on an idle machine, minutes on a busy one.
@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_smoke_run_measures_checks_writes_and_draws(tmp_path: Path) -> None:
    """One run for all that follows: nothing is left in the scratch directory."""
    output, scratch = tmp_path / "output", tmp_path / "scratch"
    scratch.mkdir()
    options = ["--smoke", "--output", str(output), "--scratch", str(scratch)]
    done = python("benchmarks.run", *options)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert list(scratch.iterdir()) == []
    everything_is_there(output, done.stdout)
    contenders_are_measured_or_said_to_be_missing(output)
    the_page_is_made_from_the_documents_alone(output, tmp_path)
    dashes_have_their_proof_in_a_note(output)


def documents(output: Path) -> dict[str, Any]:
    """Return what was written, by group."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in output.glob("*.json")}


def everything_is_there(output: Path, shown: str) -> None:
    """All groups, figures with a value for each round, no paths of the machine."""
    found = documents(output)
    assert sorted(found) == sorted(GROUPS)
    for group, document in found.items():
        assert f"== {group}" in shown
        assert document["command"] == "python -m benchmarks.run --smoke"
        for key in ("date", "machine", "versions", "sizes", "seconds"):
            assert document[key]
        for figure in document["figures"]:
            assert figure["error"] == ""
            assert len(figure["value"]["rounds"]) == figure["value"]["count"] >= 1
        text = json.dumps(document)
        assert str(output) not in text
        assert str(ROOT) not in text


def contenders_are_measured_or_said_to_be_missing(output: Path) -> None:
    """Every operation, a proof of what is kept, the source of what is claimed."""
    found = documents(output)
    contenders = [entry for group in CONTESTS for entry in found[group]["contenders"]]
    measured = [entry for entry in contenders if not entry["missing"]]
    names = {entry["name"] for entry in measured}
    assert {"brinery", "brinery-graph", "pickle", "shelve"} <= names
    assert {"brinery-sqlite", "sqlite3", "brinery-postgres-full", "psycopg"} <= names
    for entry in measured:
        assert entry["error"] == ""
        assert sorted(entry["operations"]) == sorted(TITLES)
        assert all(min(rounds) > 0 for rounds in entry["operations"].values())
        assert entry["proofs"]["kill"] == "kept"
        assert entry["source"]
        assert entry["advice"]
        assert entry["size"]["allocated"] > 0


def the_page_is_made_from_the_documents_alone(output: Path, tmp_path: Path) -> None:
    """Rendering again gives the same page and pictures, which are well-formed."""
    done = python("benchmarks.report", "--results", str(output), "--page", f"{tmp_path}/page.md")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text("utf-8")
    assert page == (output / "benchmarks.md").read_text("utf-8")
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    contests = [f"{group}-{kind}.svg" for group in CONTESTS for kind in ("disk", "kill")]
    assert pictures == sorted(["growth.svg", *contests])
    for name in pictures:
        drawn = (tmp_path / "images" / name).read_bytes()
        assert drawn == (output / "images" / name).read_bytes()
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert f"(images/{name})" in page


def dashes_have_their_proof_in_a_note(output: Path) -> None:
    """What pickle does not keep was tried, and the page says what came out."""
    page = (output / "benchmarks.md").read_text("utf-8")
    row = next(
        line for line in page.splitlines() if line.startswith("| pickle + rename | survives")
    )
    shared, cycles = row.split(" | ")[2:4]
    for cell, note in (
        (shared, "the shared object became two"),
        (cycles, "each of the two got a copy"),
    ):
        mark = cell.removeprefix("– (").removesuffix(")")
        assert f"\n{mark}. Tried in this run, two records" in page
        assert note in page.split(f"\n{mark}. ")[1].splitlines()[0]
