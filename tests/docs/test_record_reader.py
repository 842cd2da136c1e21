"""The reader on the page of the record format: it is short, and reads real records without brinery."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.page import blocks

from brinery import FilesystemStore, Persistable, Trust

PAGE = Path(__file__).parents[2] / "docs" / "design" / "record-format.md"
READER = next(block for _, block in blocks(PAGE) if "TAIL = " in block)


class Item(Persistable):
    """An object with a record of its own."""

    def __init__(self, name: str, *others: Any) -> None:
        self.name = name
        self.others = list(others)


class Key(Item):
    """Hashes by value."""

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.name == other.name


class Made(Item):
    """Is made by a call."""

    def __reduce__(self) -> Any:
        return Made, ("made",), vars(self)


USE = """
import json, sys
from pathlib import Path

for name in ("brinery", "brinery_codecs", "tests"):
    sys.modules[name] = None
from reader import read

SHOW = {expression}
found = {{}}
for path in sorted(Path(sys.argv[1]).iterdir()):
    if path.is_file():
        id, references, obj = read(path.read_bytes())
        found[id] = [references, SHOW(obj)]
print(json.dumps(found))
"""
ATTRIBUTES = "lambda obj: [type(obj).__name__, obj.name, obj.others]"


@pytest.fixture
def show(tmp_path: Path) -> Any:
    """Return a function that reads all records of a store in a process without brinery."""

    def read(store: FilesystemStore, expression: str = ATTRIBUTES) -> Any:
        (tmp_path / "reader.py").write_text(READER, encoding="utf-8")
        (tmp_path / "use.py").write_text(USE.format(expression=expression), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", str(tmp_path / "use.py"), str(store.directory)],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def store_in(tmp_path: Path, **options: Any) -> FilesystemStore:
    """Return a store in a directory of its own."""
    return FilesystemStore(tmp_path / "store", durability="process", **options)


def test_it_is_short_and_imports_nothing_of_brinery() -> None:
    """Two libraries, and modules of the standard library."""
    imported: set[str | None] = set()
    for node in ast.walk(ast.parse(READER)):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert imported == {"gzip", "io", "pickle", "struct", "msgpack", "xxhash"}
    assert len(re.findall(r"^.*\S.*$", READER, re.MULTILINE)) <= 65


@pytest.mark.thorough
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "options",
    [{}, {"compress": "gzip"}, {"trust": Trust(key=b"0123456789abcdef")}],
    ids=["plain", "compressed", "sealed"],
)
def test_it_reads_objects_that_refer_to_each_other(
    tmp_path: Path, show: Any, protocol: int, options: Any
) -> None:
    """References by the class of their targets, each ID in its place in the object."""
    store = store_in(tmp_path, protocol=protocol, **options)
    shared = Item("shared" * 100)
    key, made = Key("key"), Made("call", shared)
    root = Item("root", shared, shared, key, made)
    shared.others.append(root)
    store.save(root, "root")
    ids = {obj.name: store.id_of(obj) for obj in (root, shared, key, made)}
    here = f"{Item.__module__}:"
    found = show(store)
    others = [ids[name] for name in (shared.name, shared.name, "key", "call")]
    groups = {f"{here}Item": others[:1], f"{here}Key": [ids["key"]], f"{here}Made": [ids["call"]]}
    assert found["root"] == [groups, ["Item", "root", others]]
    assert found[ids[shared.name]] == [{f"{here}Item": ["root"]}, ["Item", shared.name, ["root"]]]
    assert found[ids["key"]] == [{}, ["Key", "key", []]]
    assert found[ids["call"]][1] == ["Made", "call", others[:1]]


@pytest.mark.thorough
@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_it_reads_arrays(tmp_path: Path, show: Any, protocol: int, compress: str) -> None:
    """Small ones, large ones of several chunks, and one that is there twice."""
    numpy = pytest.importorskip("numpy")
    store = store_in(tmp_path, protocol=protocol, compress=compress)
    large = numpy.arange(300_000.0)
    frozen = numpy.arange(100_000)
    frozen.flags.writeable = False
    item = Item("arrays", numpy.arange(3), large, frozen, large, b"x" * 100_000, "text")
    store.save(item, "item")
    expression = """lambda obj: [
        [float(each.sum()), each.flags.writeable] if hasattr(each, "sum") else len(each)
        for each in obj.others
    ] + [obj.others[1] is obj.others[3]]"""
    sums = [[3.0, True], [float(large.sum()), True], [float(frozen.sum()), False]]
    assert show(store, expression)["item"] == [{}, [*sums, sums[1], 100_000, 4, True]]
    is_aligned = protocol == 5
    data = (tmp_path / "store" / "item").read_bytes()
    if compress == "none":
        assert (data.index(large.tobytes()) % 64 == 0) >= is_aligned


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    """Wherever it is, and whether the record is small, compressed or sealed, or has large buffers."""
    names: dict[str, Any] = {}
    exec(READER, names)
    store = store_in(tmp_path, trust=Trust(key=b"0123456789abcdef"))
    store.save(Item("one"), "one")
    store.save(Item("two" * 200), "two", compress="gzip")
    records = [(tmp_path / "store" / id).read_bytes() for id in ("one", "two")]
    for data in records:
        names["read"](data)
        for at in range(len(data)):
            # The proof is covered by the digest of the end, although the reader has no key.
            with pytest.raises(ValueError, match="the record is damaged"):
                names["read"](data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
