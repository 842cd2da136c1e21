"""IDs that differ in case alone, where the file system takes their names for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends.directory.ignored_case import build, run_where_case_is_ignored

from brinery import FilesystemStore
from brinery.backends.directory import files
from brinery.backends.directory.alias import other_name_at
from brinery.backends.directory.layout import Layout

START = """
import sys
import brinery
from brinery import FilesystemStore, copy, fsck, restore
from brinery.errors import *

root = sys.argv[1]

def open_store(name="jobs"):
    return FilesystemStore(f"{root}/{name}", durability="process")

store = open_store()
store["Key"] = {"of": "Key"}

def refused(call, *kinds):
    try:
        call()
    except kinds or (StorageError, RecordError) as error:
        assert "'Key'" in str(error), error
    else:
        raise AssertionError("it was done")
    store.invalidate_cache()
    assert store["Key"] == {"of": "Key"}
    assert fsck(store).is_clean
    assert store.list() == ["Key"]
"""

OPERATIONS = {
    "in": 'assert "key" not in store and "Key" in store; assert "KEY" not in open_store()',
    "replace": 'refused(lambda: store.replace("key", [1]))',
    "setitem": 'refused(lambda: store.__setitem__("key", [1]))',
    "save": 'refused(lambda: store.save([1], "key"))',
    "remove": 'refused(lambda: store.remove("key"))',
    "load": 'refused(lambda: store.load("key"))',
    "info": 'refused(lambda: store.info("key"))',
    "references": 'refused(lambda: store.references("key"))',
    "update": 'refused(lambda: store.update("key", lambda value: [1]))',
    "update of several": 'refused(lambda: store.update({"other": 1, "key": 2}))',
    "save_many": 'refused(lambda: store.save_many([[1], [2]], ["other", "key"]))',
    "setdefault": 'refused(lambda: store.setdefault("key", [1]))',
    "pop": 'refused(lambda: store.pop("key", None))',
    "transaction": """
def run():
    with store.transaction():
        store["other"] = 1
        store.backend.delete("key")
refused(run)
def run():
    with store.transaction():
        store["other"] = 1
        store["key"] = 1
refused(run)
""",
    "copy": """
source = open_store("source")
source["key"] = 1
refused(lambda: copy(source, store, overwrite=True))
try:
    copy(source, store)
except CopyConflictError:
    pass
assert copy(source, store, skip_existing=True).left_in_target == ("key",)
assert store["Key"] == {"of": "Key"}
""",
    "restore": """
source = open_store("source")
source["key"] = 1
source.backup(f"{root}/backup")
refused(lambda: restore(f"{root}/backup", store, overwrite=True))
""",
    "two of one commit": """
for call in (
    lambda: store.update({"one": 1, "ONE": 2}),
    lambda: store.save_many([[1], [2]], ["one", "ONE"]),
):
    try:
        call()
    except BrineryError as error:
        pass
    else:
        raise AssertionError("it was done")
    assert store.list() == ["Key"]
    assert fsck(store).is_clean
""",
    "a damaged record": """
path = store.backend.where("Key")
with open(path, "r+b") as file:
    file.seek(-50, 2)
    file.write(b"!")
store = open_store()
for call in (lambda: store.replace("key", 1), lambda: store.remove("key")):
    try:
        call()
    except StorageError as error:
        assert "'Key'" in str(error), error
    else:
        raise AssertionError("it was done")
store.replace("Key", 1)
""",
    "its own": """
store["Key"] = 5
store.replace("Key", 6)
store.update("Key", lambda value: 7)
with store.transaction():
    store["Key"] = 8
    store["other.1"] = 9
store.update({"Key": 10, "other.1": 11})
store.remove("other.1")
assert store["Key"] == 10
store.clear()
store["key"] = 1
assert store.list() == ["key"] and "Key" not in store
""",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The library that imitates such a file system."""
    try:
        yield build(tmp_path_factory.mktemp("library"))
    except OSError:
        pytest.skip("there is no C compiler to imitate such a file system")


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_by_name_leaves_the_other_record(
    tmp_path: Path, library: Path, operation: str
) -> None:
    """It refuses, and names the other; the other one can be used as ever."""
    run_where_case_is_ignored(tmp_path, library, START + OPERATIONS[operation])


def test_the_imitation_ignores_case(tmp_path: Path, library: Path) -> None:
    """Else the tests above would show nothing."""
    code = "import os, sys; open(sys.argv[1] + '/Case', 'w'); print(os.path.exists(sys.argv[1] + '/cASE'))"
    assert run_where_case_is_ignored(tmp_path, library, code) == "True\n"


def test_a_file_system_that_distinguishes_case_keeps_both(tmp_path: Path) -> None:
    """The names of files stay as they are."""
    store = FilesystemStore(tmp_path)
    store.update({"Key": 1, "key": 2})
    assert store.load_many(["Key", "key"]) == [1, 2]
    assert other_name_at(f"{tmp_path}/Key", "Key") is None
    assert store.backend.where("Key") == f"{tmp_path}/Key"
    layout = Layout(str(tmp_path), sharded=False, create=True, durable=True, access=files.PRIVATE)
    assert not layout.ignores_case
