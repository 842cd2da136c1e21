"""What `import brinery` loads and costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import brinery

OURS = ("brinery", "brinery_codecs")
HEAVY = (
    "click",
    "rich",
    "cloudpickle",
    "dill",
    "msgpack",
    "msgspec",
    "numpy",
    "sqlalchemy",
    "psycopg",
    "filelock",
    "platformdirs",
    "pickle",
    "zstandard",
    "lz4",
    "xxhash",
)


def loaded_after(code: str) -> set[str]:
    """Return the modules that a fresh process has loaded after running `code`."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stdout.split())


def test_import_brinery_loads_no_codec_library() -> None:
    """Nor numpy, nor an engine, nor the standard pickle."""
    assert loaded_after("import brinery").isdisjoint(HEAVY)


def test_the_store_class_loads_no_codec_library() -> None:
    """Importing names is not using a codec."""
    found = loaded_after(
        "from brinery import FilesystemStore, MemoryStore, Persistable, make_store"
    )
    assert found.isdisjoint(set(HEAVY) - {"pickle"})


@pytest.mark.parametrize(
    ("codec", "others"),
    [("pickle", {"cloudpickle", "dill"}), ("cloudpickle", {"dill"}), ("dill", {"cloudpickle"})],
)
def test_a_codec_loads_only_its_own_library(codec: str, others: set[str]) -> None:
    """Saving and loading with one codec leaves the others alone."""
    code = f"import brinery; s = brinery.MemoryStore(codec={codec!r}); s.load(s.save([1]))"
    assert loaded_after(code).isdisjoint(others)


@pytest.mark.parametrize(
    ("compress", "others"),
    [("gzip", {"zstandard", "lz4"}), ("zstd", {"lz4"}), ("lz4", {"zstandard"})],
)
def test_a_transform_loads_only_its_own_library(compress: str, others: set[str]) -> None:
    """Compressing and expanding with one leaves the others alone."""
    code = (
        f"import brinery; s = brinery.MemoryStore(compress={compress!r}); s.load(s.save([1] * 999))"
    )
    assert loaded_after(code).isdisjoint(others)


def test_import_does_less_than_three_modules_of_the_standard_library() -> None:
    """`import brinery` loads fewer modules than `import pickle, json, logging`.

    The time is measured by `make bench`; a test counts, because time on a shared machine does not
    repeat.
    """
    bare = loaded_after("")
    ours = loaded_after("import brinery") - bare
    theirs = loaded_after("import pickle, json, logging") - bare
    assert len(ours) < 2 * len(theirs)


def test_every_public_name_can_be_imported() -> None:
    """And comes from the module that the stub names."""
    assert {name for name in brinery.__all__ if getattr(brinery, name) is None} == {
        "DEFAULT_PROTOCOL"
    }
    with pytest.raises(AttributeError):
        getattr(brinery, "nothing")  # noqa: B009 - a name that type checkers refuse


SLOW = {
    *("dataclasses", "hashlib", "inspect", "platform", "random", "shutil", "tempfile", "threading"),
    "typing",
}
"""Modules of the standard library that take as long to import as many loads."""


@pytest.mark.parametrize("store", ["FilesystemStore('jobs')", "SqlStore('sqlite:///jobs.db')"])
def test_the_first_load_is_not_late_for_slow_modules(tmp_path: Path, store: str) -> None:
    """A script that opens a store and loads one object waits for none of them."""
    opened = f"import os; os.chdir({str(tmp_path)!r}); import brinery; store = brinery.{store}"
    loaded_after(f"{opened}; store.save([1], 'one')")
    found = loaded_after(f"{opened}; store.load('one')")
    started = loaded_after("import os")
    slow = SLOW - {"threading"} if "sqlite" in store else SLOW  # of the pool of connections
    assert (found - started) & slow == set()


def test_opening_and_loading_bring_in_few_modules(tmp_path: Path) -> None:
    """A ceiling: whoever passes it says why.  Opening is on the path of every script."""
    opened = f"import os; os.chdir({str(tmp_path)!r}); from brinery import FilesystemStore"
    opened += "; store = FilesystemStore('jobs')"
    loaded_after(f"{opened}; store.save([1], 'one')")
    loaded = f"{opened}; store.load('one')"
    for code, most in ((opened, 113), (loaded, 113)):
        ours = [name for name in loaded_after(code) if name.partition(".")[0] in OURS]
        assert len(ours) <= most, (len(ours), sorted(ours))
