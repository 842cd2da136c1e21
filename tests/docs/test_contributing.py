"""The commands for contributors: guide, hooks and workflow agree with the Makefile."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def targets() -> list[str]:
    """Return the targets that `make help` lists, in its order."""
    return re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)


def variable(name: str) -> str:
    """Return the value that the Makefile assigns to a variable, in one line or several."""
    return " ".join(re.findall(rf"^{name} [:+]= (.*)$", MAKEFILE, re.MULTILINE))


def test_the_hooks_are_the_checks_of_make_lint() -> None:
    """The same commands with the same arguments, in the same order."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    # An entry is one line, or a folded one (`>-`) whose lines are indented more than its key.
    entries = re.findall(r"^( +)entry: (?:>-)?((?:.*\n)(?:\1 +.*\n)*)", text, re.MULTILINE)
    commands = [" ".join(entry.split()) for _, entry in entries]
    assert commands == [f".venv/bin/{check}" for check in shlex.split(variable("CHECKS"))]


def test_the_workflow_runs_nothing_but_make_on_the_project() -> None:
    """Each step is a target of the Makefile, or prepares the system for it."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    commands = re.findall(r"^ +(?:- )?run: (.+)$", text, re.MULTILINE)
    made = [command.removeprefix("make ") for command in commands if command.startswith("make ")]
    assert set(made) == {"lint", "actionlint", "test", "release-check"}
    assert set(made) <= {*targets()}
    assert all(command.startswith(("make ", "sudo ")) for command in commands)


def test_ci_calls_lint_and_test() -> None:
    """And nothing else."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make (.*)$", text, re.MULTILINE) == ["lint", "test"]


def test_the_table_of_commands_has_every_target() -> None:
    """In the order of `make help`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `make ([a-z-]+)", text, re.MULTILINE)
    assert listed == targets()


@pytest.mark.thorough
def test_make_quick_runs_tests_of_every_directory() -> None:
    """A contributor who changes one package has quick tests of it."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
    command += ["-p", "no:cacheprovider", "-m", variable("QUICK")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    tested = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    quick = {Path(line.partition("::")[0]).parent for line in done.stdout.splitlines()}
    assert tested <= quick
