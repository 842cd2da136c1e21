"""Commands that decode records import nothing unless they are told what; and they say what it would be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, call, name, text, whole

from brinery import FilesystemStore

pytestmark = pytest.mark.thorough

MODULE = """
print("the module was imported")
class Task: pass
class Other: pass
"""
DECODING = [
    ["check", "jobs"],
    ["recode", "jobs", "--codec", "dill"],
    ["recode", "jobs", "--codec", "dill", "--dry-run"],
    ["bench", "--store", "jobs", "--codecs", "pickle", "--seconds", "0"],
]
decoding = pytest.mark.parametrize("arguments", DECODING, ids=" ".join)


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with variables that say nothing of trust but these."""
    kept = {name: value for name, value in os.environ.items() if "BRINERY" not in name}
    return subprocess.run(
        [sys.executable, "-m", "brinery.cli", *arguments],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a store of objects of two classes of a module beside it."""
    (tmp_path / "tasks.py").write_text(MODULE)
    code = (
        "import brinery, tasks; store = brinery.FilesystemStore('jobs'); "
        "store.save_many([tasks.Task(), [tasks.Task(), tasks.Other()], {'a': 1}], ['a', 'b', 'c'])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@decoding
def test_nothing_is_imported_without_the_option(place: Path, arguments: list[str]) -> None:
    """The names are listed with the number of records, and so is the way on."""
    before = {path.name: path.read_bytes() for path in (place / "jobs").iterdir() if path.is_file()}
    done = run(*arguments, cwd=place)
    assert done.returncode == 2
    assert "imported" not in done.stdout
    assert "3 records are of the codec pickle" in done.stderr
    assert "  tasks:Other  (1)" in done.stderr
    assert "  tasks:Task  (2)" in done.stderr
    assert "--trust 'tasks.*'" in done.stderr
    assert "--trust anyone" in done.stderr
    after = {path.name: path.read_bytes() for path in (place / "jobs").iterdir() if path.is_file()}
    assert after == before


@decoding
@pytest.mark.parametrize("trusted", ["tasks.*", "anyone", "tasks:Task tasks:Other"])
def test_what_may_be_imported_is_imported(place: Path, arguments: list[str], trusted: str) -> None:
    """By a package, by single classes, or all of it."""
    options = [word for each in trusted.split() for word in ("--trust", each)]
    done = run(*arguments, *options, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "imported" in done.stdout


def test_the_environment_may_say_it(place: Path) -> None:
    """As it says it to all commands; the option adds to that."""
    for environment in ({"BRINERY_TRUST": "anyone"}, {"BRINERY_TRUST_CLASSES": "tasks.*"}):
        for arguments in (DECODING[0], DECODING[3]):
            assert run(*arguments, cwd=place, **environment).returncode == 0
    done = run("check", "jobs", cwd=place, BRINERY_TRUST_CLASSES="tasks:Task")
    assert done.returncode == 1
    assert "b: refused" in done.stdout
    done = run(
        "check", "jobs", "--trust", "tasks:Other", cwd=place, BRINERY_TRUST_CLASSES="tasks:Task"
    )
    assert done.returncode == 0


def test_bench_goes_by_the_environment(place: Path) -> None:
    """Also in the processes that it starts."""
    done = run(*DECODING[3], cwd=place, BRINERY_TRUST_CLASSES="tasks:Task")
    assert done.returncode == 2
    assert "the trust policy does not admit" in done.stderr


def test_a_wrong_name_is_wrong_usage(place: Path) -> None:
    """Neither a class nor a package."""
    done = run("check", "jobs", "--trust", "tasks", cwd=place)
    assert done.returncode == 2
    assert "--trust" in done.stderr
    assert "expected a class" in done.stderr


@decoding
@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_codecs_that_run_no_code_need_no_word(
    tmp_path: Path, arguments: list[str], codec: str
) -> None:
    """Their records import nothing."""
    with FilesystemStore(tmp_path / "jobs", codec=codec) as store:
        store.save({"a": [1, 2]}, "a")
    assert run(*arguments, cwd=tmp_path).returncode == 0


@decoding
def test_pickles_that_import_nothing_need_no_word(tmp_path: Path, arguments: list[str]) -> None:
    """They are decoded by a policy that admits no more than that."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save({"a": [1, {2}, ValueError("x")]}, "a")
    assert run(*arguments, cwd=tmp_path).returncode == 0


def test_dangerous_names_are_marked_and_come_first(tmp_path: Path) -> None:
    """Nothing advises to admit them, with or without a policy."""
    store = FilesystemStore(tmp_path / "jobs")
    store.save([1], "victim")
    payload = whole(b"](", call(name("os", "system"), text("touch ran")), name("aaa", "Fine"), b"e")
    store.backend.put("victim", forged(Case("harm", payload), "pickle"))
    done = run("check", "jobs", cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    first = next(line for line in lines if line.startswith("  "))
    assert first == "  os:system  (1)  DANGEROUS: with it a record can start any program"
    assert "--trust 'aaa.*'" in done.stderr
    assert "os.*" not in done.stderr
    done = run("check", "jobs", "--trust", "aaa.*", cwd=tmp_path)
    assert done.returncode == 1
    assert "os:system, which is dangerous" in done.stdout
    assert "Do not admit it" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_records_that_cannot_be_looked_through_are_named(tmp_path: Path) -> None:
    """What cannot be found out is not admitted in silence."""
    store = FilesystemStore(tmp_path / "jobs")
    store.save([1], "victim")
    store.backend.put("victim", forged(Case("broken", b"\x80\x04\xff."), "pickle"))
    done = run("check", "jobs", cwd=tmp_path)
    assert done.returncode == 2
    assert "victim: what it would import cannot be found" in done.stderr


def test_for_functions_by_value_only_anyone_is_advised(place: Path) -> None:
    """A policy about names refuses them whatever it admits."""
    code = (
        "import brinery; brinery.FilesystemStore('codes', codec='cloudpickle').save(lambda: 1, 'f')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=place, check=True, capture_output=True)
    said = run("check", "codes", cwd=place).stderr
    assert "only --trust anyone decodes them" in said
    assert "--trust 'b" not in said
    assert run("check", "codes", "--trust", "anyone", cwd=place).returncode == 0
