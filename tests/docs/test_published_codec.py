"""The codec of the how-to, as a distribution of its own: built, installed, found by its name, tested."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "literal_codec"
PAGE = ROOT / "docs" / "how-to" / "write-a-codec.md"
FILES = {
    "src/brinery_literal.py": ("python", 40),
    "tests/test_literal.py": ("python", 10),
    "pyproject.toml": ("toml", 15),
}


@pytest.mark.parametrize("name", FILES)
def test_the_how_to_shows_the_files_of_the_project(name: str) -> None:
    """Line by line, and there are few: blank ones aside."""
    language, most = FILES[name]
    text = (PROJECT / name).read_text(encoding="utf-8")
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    assert text in blocks
    assert len([line for line in text.splitlines() if line.strip()]) <= most


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the distribution, and nothing else, into a directory."""
    place = tmp_path_factory.mktemp("installed")
    copy = place / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    options = [
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "-q",
    ]
    target = place / "site"
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    """Run Python beside the installed distribution; return what it prints."""
    paths = [str(installed), str(ROOT / "src"), str(ROOT / "codecs")]
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


WRITER = """
from brinery import FilesystemStore, known_codecs, make_store
with FilesystemStore("store", codec="literal") as store:
    print(store.save({"at": (1, 2), 3: b"x"}, "data"), "literal" in known_codecs())
print(make_store("other?codec=literal").codec.name)
"""
READER = """
import sys
from brinery import FilesystemStore
store = FilesystemStore("store")
print("brinery_literal" in sys.modules, store.load("data"), store.info("data").codec)
"""


@pytest.mark.thorough
def test_stores_find_it_by_its_name(installed: Path, tmp_path: Path) -> None:
    """In an argument, a URL and a record; no code has imported it."""
    assert run(installed, tmp_path, "-c", WRITER).splitlines() == ["data True", "literal"]
    assert run(installed, tmp_path, "-c", READER).strip() == (
        "True {'at': (1, 2), 3: b'x'} literal"
    )
    assert (tmp_path / "store" / "data").read_bytes().startswith(b"{'at': (1, 2, ), 3: b'x', }")


@pytest.mark.thorough
def test_without_it_the_error_names_the_missing_codec(installed: Path, tmp_path: Path) -> None:
    """The record names an unknown codec."""
    run(installed, tmp_path, "-c", WRITER)
    code = (
        "from brinery import FilesystemStore, UnknownCodecError\n"
        "try:\n    FilesystemStore('store', codec='pickle').load('data')\n"
        "except UnknownCodecError as error:\n    print(error)"
    )
    said = run(tmp_path / "nowhere", tmp_path, "-c", code)
    assert "'literal'" in said
    assert "'data'" in said


@pytest.mark.thorough
def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    """Those of the contract, by pytest, against the installed distribution."""
    shutil.copy(PROJECT / "tests" / "test_literal.py", tmp_path)
    options = ("-q", "-p", "no:cacheprovider", "--timeout=100", "-W", "error")
    said = run(installed, tmp_path, "-m", "pytest", *options, "test_literal.py")
    assert re.search(r"^\d{2,} passed", said, re.MULTILINE)


@pytest.mark.thorough
def test_its_row_of_the_table_can_be_printed(installed: Path, tmp_path: Path) -> None:
    """By the command that the how-to gives."""
    command = ("-m", "brinery.testing.table", "brinery_literal:LiteralCodec")
    said = run(installed, tmp_path, *command)
    assert "literal" in said
    assert "CHANGED" not in said
