"""Some of the cases of which `make torture` tries all: commits killed, refused, cut off from power."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.torture import run, traced
from tests.torture.disk import Disk, State
from tests.torture.scenario import Scenario, Stage
from tests.torture.scenarios import SCENARIOS, nothing, see_records

from brinery.backends.directory.backend import DirectoryBackend
from brinery.testing.backend import body

MOST = 30
"""Cases of each torture; the same ones each time."""


@pytest.fixture(autouse=True)
def needs_strace() -> None:
    """Skip where calls cannot be traced; where CI runs the tests, that is a failure."""
    reason = traced.why_not()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("name", run.TORTURES)
def test_a_store_survives_some_cases(name: str) -> None:
    """Whichever call fails: the old or the new graph, complete, and a clear error."""
    options: Any = run._options(["--most", str(MOST)])
    found = run.run(name, options)
    assert [line for tally in found.values() for line in tally.violations] == []
    assert sum(tally.cases for tally in found.values()) >= MOST


def write_two(root: str) -> None:
    """Write two files one after the other, as no store does."""
    for name in ("one", "two"):
        Path(root, name).write_text("new")


def two_old(root: str) -> None:
    """Make the two files."""
    os.mkdir(root)
    for name in ("one", "two"):
        Path(root, name).write_text("old")


def see_two(root: str) -> list[str]:
    """Read them."""
    return [Path(root, name).read_text() for name in ("one", "two")]


def test_a_broken_commit_is_found_out(tmp_path: Path) -> None:
    """The tortures can fail: files without a journal are a mixture after a kill and a power cut."""
    broken = Scenario("two files without a journal", two_old, write_two, see_two)
    for name in ("kill", "power"):
        scratch = tmp_path / name
        stage = Stage.of(broken, scratch / "stage")
        (tally,) = run.TORTURES[name]([stage], scratch, None)
        assert tally.violations


def leave_an_error_bare(root: str) -> None:
    """Put a record, and read it with no store."""
    DirectoryBackend(root).put("Task.1", body(1))
    Path(root, "Task.1").read_bytes()


def test_an_error_of_another_kind_is_found_out(tmp_path: Path) -> None:
    """An OSError that leaves an operation bare is a violation."""
    bare = Scenario("an error left bare", nothing, leave_an_error_bare, see_records)
    stage = Stage.of(bare, tmp_path / "stage")
    (tally,) = run.TORTURES["fault"]([stage], tmp_path, 100)
    assert any("OSError" in violation for violation in tally.violations)


def test_a_disk_forgets_data_that_was_not_flushed(tmp_path: Path) -> None:
    """Content, size and name of a file reach it apart, a flush makes durable its own only."""
    before = State()
    disk = Disk(before, before.load(tmp_path), str(tmp_path))
    disk.open(str(tmp_path), ["O_RDONLY"], 3)
    disk.open(f"{tmp_path}/a", ["O_WRONLY", "O_CREAT"], 4)
    disk.write(4, b"abc")
    disk.rename(f"{tmp_path}/a", f"{tmp_path}/b")
    assert [step.what for step in disk.steps] == [
        "create a",
        "resize to 3",
        "write 3 bytes",
        "rename a to b",
    ]

    def files(*chosen: int) -> dict[str, bytes | None]:
        return dict(disk.after(chosen).fingerprint(disk.root))

    assert files() == {"": None}
    assert files(0, 1) == {"": None, "/a": bytes(3)}
    assert files(3) == {"": None, "/b": b""}
    disk.sync(4)
    assert files() == {"": None}
    assert files(3) == {"": None, "/b": b"abc"}
    disk.sync(3)
    assert files() == {"": None, "/b": b"abc"}


def test_every_operation_changes_something(tmp_path: Path) -> None:
    """A scenario whose two sides are the same proves nothing, unless it finishes another one."""
    for number, scenario in enumerate(SCENARIOS):
        stage = Stage.of(scenario, tmp_path / str(number))
        same = not scenario.writes or scenario.name.startswith(("finish", "take back"))
        assert (stage.old == stage.new) == same, scenario.name
