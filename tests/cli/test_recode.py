"""The command `brinery recode`, as a shell calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.test_commands import run

from brinery import FilesystemStore


def test_a_store_gets_the_codec_that_is_named(tmp_path: Path) -> None:
    """A dry run first, which writes nothing; what is not said stays as it was."""
    with FilesystemStore(tmp_path / "jobs", compress="gzip") as store:
        store.save_many([["x" * 900], [2]], ["long", "short"])
    trial = run("recode", "jobs", "--codec", "dill", "--protocol", "4", "--dry-run", cwd=tmp_path)
    assert trial.returncode == 0, trial.stderr
    assert trial.stdout.startswith("2 records would be recoded (")
    assert FilesystemStore(tmp_path / "jobs").info("long").codec == "pickle"
    done = run("recode", "jobs", "--codec", "dill", "--protocol", "4", cwd=tmp_path)
    assert done.stdout.startswith("2 records recoded (")
    assert done.stderr == ""
    store = FilesystemStore(tmp_path / "jobs")
    info = store.info("long")
    assert (info.codec, info.protocol, info.transform) == ("dill", 4, "gzip")
    assert (store.codec.name, store.codec.protocol) == ("dill", 4)
    done = run("recode", "jobs", cwd=tmp_path)
    assert done.stdout == "0 records recoded (0 bytes before, 0 after), 2 unchanged\n"


@pytest.mark.thorough
def test_what_is_left_is_told_and_the_status_is_1(tmp_path: Path) -> None:
    """--rename gives the new place of a class."""
    (tmp_path / "old.py").write_text("class Task: pass\n")
    code = "import brinery, old; brinery.FilesystemStore('jobs').save(old.Task(), id='t')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    os.rename(tmp_path / "old.py", tmp_path / "new.py")
    done = run("recode", "jobs", "--trust", "anyone", "--protocol", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "t: left as it is: " in done.stdout
    done = run(
        "recode",
        "jobs",
        "--trust",
        "anyone",
        "--protocol",
        "2",
        "--rename",
        "old=new",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert FilesystemStore(tmp_path / "jobs").info("t").class_name == "new:Task"


def test_a_codec_that_is_not_known_is_wrong_usage(tmp_path: Path) -> None:
    """Before anything is read."""
    FilesystemStore(tmp_path).save([1])
    done = run("recode", str(tmp_path), "--codec", "nonesuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nonesuch" in done.stderr
