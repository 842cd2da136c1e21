"""How commands open stores: those that read change nothing, and make nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_commands import run
from tests.stores.test_mode import tree

from brinery import make_store


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["", "sqlite:///"])
def test_commands_that_read_change_nothing(tmp_path: Path, kind: str) -> None:
    """Not a byte, not a file, not a time."""
    (tmp_path / "source").mkdir()
    place = f"{kind}source/jobs.db"
    with make_store(f"{kind}{tmp_path}/source/jobs.db") as store:
        store.save_many([[1], {"a": 2}], ["a", "b"])
    before = tree(tmp_path / "source")
    for command in (
        ("list", place, "--long"),
        ("info", place, "a"),
        ("check", place),
        ("fsck", place),
        ("fsck", place, "--quarantine"),
        ("gc", place, "--root", "a"),
        ("recode", place, "--codec", "dill", "--dry-run"),
        ("copy", place, "target"),
    ):
        done = run(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert tree(tmp_path / "source") == before, command


@pytest.mark.parametrize("place", ["missing", "sqlite:///missing.db", "sqlite:///no/missing.db"])
def test_a_store_that_is_missing_is_wrong_usage_and_is_not_made(tmp_path: Path, place: str) -> None:
    """The message names the place, in words of the command line."""
    for command in (("list", place), ("fsck", place), ("recode", place), ("backup", place, "to")):
        done = run(*command, cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert "missing" in done.stderr
        assert "create" not in done.stderr
    assert not list(tmp_path.iterdir())
