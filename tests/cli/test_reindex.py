"""The command `brinery reindex`, as a shell calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.test_commands import run

MODULE = """\
from sqlalchemy import Column, String
from brinery import GET, Persistable
class Job(Persistable):
    def __init__(self, state): self.state = state
STATE = Column("state", String)
FIELDS = {STATE: GET.state}
"""
SAVE = """\
import brinery, jobs
brinery.SqlStore("sqlite:///jobs.db", extra_fields=jobs.FIELDS).save(jobs.Job("done"))
brinery.SqlStore("sqlite:///jobs.db").save(jobs.Job("done"))
"""
ASK = """\
import brinery, jobs
print(*brinery.SqlStore("sqlite:///jobs.db", extra_fields=jobs.FIELDS).query(jobs.STATE == "done"))
"""


def test_the_columns_are_filled_by_the_functions_that_are_named(tmp_path: Path) -> None:
    """After that, queries answer; the store that left them unfilled has said so."""

    def python(code: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    (tmp_path / "jobs.py").write_text(MODULE)
    assert "without values for its columns 'state'" in python(SAVE).stderr
    assert "UnfilledColumnsError" in python(ASK).stderr
    done = run(
        "reindex", "sqlite:///jobs.db", "--fields", "jobs:FIELDS", "--trust", "jobs.*", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "columns of 1 record filled, 1 unchanged\n"
    assert python(ASK).stdout == "Job.1 Job.2\n"
    done = run(
        "reindex",
        "sqlite:///jobs.db",
        "--fields",
        "jobs:FIELDS",
        "--trust",
        "jobs.*",
        "--all",
        cwd=tmp_path,
    )
    assert done.stdout == "columns of 2 records filled, 0 unchanged\n"


def test_fields_that_are_not_there_are_wrong_usage(tmp_path: Path) -> None:
    """The message names what is missing."""
    for fields, text in (
        ("jobs", "MODULE:NAME"),
        ("json:FIELDS", "FIELDS"),
        ("no_such:F", "no_such"),
    ):
        done = run("reindex", "sqlite:///jobs.db", "--fields", fields, cwd=tmp_path)
        assert done.returncode == 2
        assert text in done.stderr
    assert not list(tmp_path.iterdir())
