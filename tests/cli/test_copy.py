"""The command `brinery copy`, as a shell calls it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.test_commands import run

from brinery import FilesystemStore, Persistable


class Part(Persistable):
    def __init__(self, *after: object) -> None:
        self.after = after


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A directory with Part.1, which refers to Part.3, and Part.2."""
    with FilesystemStore(tmp_path / "parts") as store:
        store.save_many([Part(Part()), Part()])
    return tmp_path / "parts"


def test_a_store_is_copied_to_a_url(parts: Path, tmp_path: Path) -> None:
    """The target is made, with the layout that its URL says; a second run finds all there."""
    done = run("copy", "parts", f"file://{tmp_path}/new?layout=sharded", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 records copied (")
    assert done.stderr == ""
    assert FilesystemStore(tmp_path / "new").layout == "sharded"
    done = run("copy", "parts", "new", cwd=tmp_path)
    assert done.stdout == "0 records copied (0 bytes), 3 were there already\n"


def test_id_takes_along_what_it_reaches(parts: Path, tmp_path: Path) -> None:
    """And --id may be repeated."""
    assert run("copy", str(parts), str(tmp_path / "one"), "--id", "Part.1").returncode == 0
    assert len(FilesystemStore(tmp_path / "one")) == 2
    options = ("--id", "Part.1", "--id", "Part.2")
    assert run("copy", str(parts), str(tmp_path / "two"), *options).returncode == 0
    assert len(FilesystemStore(tmp_path / "two")) == 3


@pytest.mark.thorough
def test_other_records_are_told_of_with_the_options_that_settle_it(
    parts: Path, tmp_path: Path
) -> None:
    """--overwrite or --skip-existing, and not both."""
    with FilesystemStore(tmp_path / "new") as new:
        new.save(["mine"], id="Part.2")
    done = run("copy", str(parts), str(tmp_path / "new"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "'Part.2'" in done.stderr
    assert "--overwrite" in done.stderr
    done = run("copy", str(parts), str(tmp_path / "new"), "--skip-existing")
    assert done.returncode == 0
    assert done.stdout.endswith("Part.2: kept, the target has another record\n")
    done = run("copy", str(parts), str(tmp_path / "new"), "--overwrite")
    assert ", 1 of them over others, 2 were there already" in done.stdout
    done = run("copy", str(parts), str(tmp_path / "new"), "--overwrite", "--skip-existing")
    assert done.returncode == 2


def test_damage_is_an_error_that_says_how_to_go_on(parts: Path, tmp_path: Path) -> None:
    """With --keep-going the rest is copied, and the status is 1 all the same."""
    (parts / "Part.2").write_bytes(b"")
    done = run("copy", str(parts), str(tmp_path / "new"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "'Part.2'" in done.stderr
    assert done.stderr.rstrip().endswith("To copy all other records, use --keep-going")
    assert not (tmp_path / "new").exists()
    done = run("copy", str(parts), str(tmp_path / "new"), "--keep-going")
    assert done.returncode == 1
    assert done.stdout.startswith("2 records copied (")
    assert "Part.2: left out: " in done.stdout


def test_the_codec_of_the_store_need_not_be_installed(tmp_path: Path) -> None:
    """Nothing is decoded."""
    with FilesystemStore(tmp_path / "old", codec="dill", compress="gzip") as old:
        old.save([1])
    code = (
        "import sys; sys.modules['dill'] = None; from brinery.cli import main;"
        "sys.exit(main(['copy', 'old', 'new']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert FilesystemStore(tmp_path / "new").codec.name == "dill"


def test_a_source_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """And no directory is made."""
    assert run("copy", "nowhere", "new", cwd=tmp_path).returncode == 2
    assert os.listdir(tmp_path) == []


@pytest.mark.thorough
def test_a_terminal_sees_how_far_it_is(parts: Path, tmp_path: Path) -> None:
    """The bar is on standard error, and the summary on standard output."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "brinery.cli", "copy", str(parts), str(tmp_path / "new")]
    done = subprocess.run(command, stderr=follower, stdout=subprocess.PIPE, check=True)
    os.close(follower)
    shown = os.read(leader, 100_000)
    os.close(leader)
    assert b"copying" in shown
    assert done.stdout.startswith(b"3 records copied")
