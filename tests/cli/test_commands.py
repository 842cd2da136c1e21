"""The command `brinery`, as a shell calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.record.forms import with_kind

from brinery import FilesystemStore, Persistable
from brinery.cli import _COMMANDS, brinery
from brinery.ids import name_of

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Job(Persistable):
    def __init__(self, *after: Job) -> None:
        self.after = after


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "brinery.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A directory with Job.1, which refers to Job.2."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save(Job(Job()))
    return tmp_path / "jobs"


@pytest.mark.parametrize("name", _COMMANDS)
def test_each_command_has_help_and_a_place_in_the_reference(name: str) -> None:
    """The line in the list of commands is the sense of the command's own help."""
    command = brinery.get_command(click.Context(brinery), name)
    assert command is not None
    assert command.help
    assert f"`brinery {name}" in (DOCS / "reference.md").read_text(encoding="utf-8")
    assert _COMMANDS[name] in run("--help").stdout


def test_the_list_of_commands_imports_none_of_them() -> None:
    """Nor a codec library, nor rich."""
    code = (
        "import sys; from brinery.cli import main; assert main(['--help']) == 0;"
        "print(*[m for m in sys.modules if m.startswith(('brinery.cli.', 'rich', 'dill', 'pickle'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_list_prints_one_id_a_line(jobs: Path) -> None:
    """Sorted by number; --prefix leaves out the others."""
    assert run("list", str(jobs)).stdout == "Job.1\nJob.2\n"
    assert run("list", f"file://{jobs}", "--prefix", "Job.2").stdout == "Job.2\n"
    assert run("list", str(jobs), "--class", "Job").stdout == "Job.1\nJob.2\n"
    assert run("list", str(jobs), "--class", "Jo").stdout == ""
    refused = run("list", str(jobs), "--class", "Job.")
    assert "prefix='Job.' lists the IDs" in refused.stderr


def test_list_long_shows_also_what_cannot_be_read(jobs: Path) -> None:
    """A damaged record is a row, not the end of the list."""
    (jobs / "Job.2").write_bytes(b"")
    done = run("list", "--long", str(jobs))
    head, first, second = done.stdout.splitlines()
    assert head.split()[:4] == ["id", "class", "codec", "bytes"]
    assert first.split()[:3] == ["Job.1", f"{__name__}:Job", "pickle:5"]
    assert second.split()[1:] == ["unreadable:", "TruncatedRecordError"]
    assert done.returncode == 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "jobs"],
        ["list", "--long", "jobs"],
        ["info", "jobs", "\x1b[2J"],
        ["fsck", "jobs", "--strays", "--root", "root"],
        ["gc", "jobs", "--root", "root", "--older-than", "0"],
        ["check", "jobs"],
        ["copy", "jobs", "copy", "--keep-going"],
        ["backup", "jobs", "backup"],
        ["recode", "jobs", "--codec", "dill"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_output_holds_no_control_characters(tmp_path: Path, arguments: list[str]) -> None:
    """An ID may hold any, and so may the name of a file; a terminal would obey them."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save_many([[], []], ["\x1b[2J", "root"])
        store.save([], id="\x1b[3J")
    (tmp_path / "jobs" / "\x1b[4J").touch()
    with open(tmp_path / "jobs" / name_of("\x1b[3J"), "r+b") as file:
        file.write(b"xxxx")
    done = run(*arguments, cwd=tmp_path)
    assert done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_info_is_for_people_and_for_programs(jobs: Path) -> None:
    """The same fields in both."""
    shown = run("info", str(jobs), "Job.1").stdout
    found = json.loads(run("info", str(jobs), "Job.1", "--json").stdout)
    assert found["references"] == ["Job.2"]
    assert found["class_name"] == f"{__name__}:Job"
    assert [line.split()[0] for line in shown.splitlines()[1:]] == list(found)


def test_notes_and_tags_are_shown(jobs: Path) -> None:
    """By info, and at the end of a long list, each on one line."""
    with FilesystemStore(jobs) as store:
        store.save(store.load("Job.1"), note="two\nlines", tags={"run": 7, "best": True})
    found = json.loads(run("info", str(jobs), "Job.1", "--json").stdout)
    assert (found["note"], found["tags"]) == ("two\nlines", {"run": 7, "best": True})
    lines = run("info", str(jobs), "Job.1").stdout.splitlines()
    assert "note two\\nlines" in [" ".join(line.split()) for line in lines]
    head, first, second = run("list", "--long", str(jobs)).stdout.splitlines()
    assert head.split()[-2:] == ["tags", "note"]
    assert first.endswith(r"  run=7, best=True  two\nlines")
    assert second.split()[-1].count(":") == 2  # the time is the last that it has


def test_info_shows_whatever_a_record_says(tmp_path: Path) -> None:
    """A configuration that no codec has, too."""
    with FilesystemStore(tmp_path) as store:
        store.save([], "odd")
        config = {"protocol": {b"key": [1, {b"inner": b"\xff"}]}}
        store.backend.put("odd", with_kind(store.backend.get("odd")[0], config=config))
    done = run("info", str(tmp_path), "odd", "--json")
    [key] = json.loads(done.stdout)["codec_config"]["protocol"].items()
    assert key == ("b'key'", [1, {"b'inner'": "b'\\xff'"}])
    assert "key" in run("info", str(tmp_path), "odd").stdout


@pytest.mark.thorough
def test_check_fails_where_a_record_would_not_load(tmp_path: Path) -> None:
    """A class that is not found is named; --rename gives its new place."""
    (tmp_path / "old.py").write_text("class Task: pass\n")
    code = "import brinery, old; brinery.FilesystemStore('jobs').save(old.Task(), id='t')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    check = ("check", "jobs", "--trust", "old.*")
    assert run(*check, cwd=tmp_path).stdout == "1 record: 1 loads\n"
    os.rename(tmp_path / "old.py", tmp_path / "new.py")
    done = run(*check, cwd=tmp_path)
    assert done.returncode == 1
    assert "t: missing class" in done.stdout
    done = run("check", "jobs", "--trust", "new.*", "--rename", "old=new", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 record: 1 renamed\n")
    assert run("check", "jobs", "--rename", "old", cwd=tmp_path).returncode == 2


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["list", "nowhere"], 2, "no directory"),
        (["list", "gopher://x"], 2, "gopher"),
        (["lists", "."], 2, "No such command 'lists'"),
        (["info", ".", "Job.7"], 1, "no object 'Job.7' in"),
        (["list", "sqlite:///no.db"], 2, "cannot open sqlite:///"),
        (["recode", ".", "--codec", "nix"], 2, "'auto'"),
    ],
)
def test_errors_are_sentences_on_standard_error(
    arguments: list[str], status: int, words: str, tmp_path: Path
) -> None:
    """No traceback; status 2 for wrong usage, 1 for what is not there."""
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == status
    assert words in done.stderr
    for python in ("Traceback", "()", "=False", "=True"):
        assert python not in done.stderr
    assert done.stdout == ""


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    """As with `brinery list jobs | head -1`."""
    with FilesystemStore(tmp_path) as store:
        store.save_many([[i] for i in range(20)], ids=[f"{i:04}" + "x" * 200 for i in range(20)])
    command = f"'{sys.executable}' -m brinery.cli list '{tmp_path}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
