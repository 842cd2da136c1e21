"""A record of the pickle codec opens with nothing but `pickle.load`: no lock-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import brinery
from brinery import FilesystemStore
from brinery.testing.samples import Key, ListNode, Node, SlottedNode

LOAD = "import pickle, sys\nwith open(sys.argv[1], 'rb') as file:\n    obj = pickle.load(file)\n"
WITHOUT_BRINERY = """
for name in ("brinery", "brinery_codecs"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported here")
"""
PROTOCOLS = range(6)


def _run(code: str, path: Path, *, isolated: bool) -> str:
    options = ["-I", "-S"] if isolated else []
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if not isolated:
        environment["PYTHONPATH"] = str(Path(brinery.__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, *options, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(params=PROTOCOLS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FilesystemStore:
    """Give a store of each protocol."""
    return FilesystemStore(tmp_path / "store", codec="pickle", protocol=request.param)


def test_data_open_without_brinery(store: FilesystemStore) -> None:
    """A record of plain data is a pickle file, for a Python that has no package at all."""
    shared = [1, 2.5, "text", None, b"bytes"]
    data = {"list": shared, "again": shared, "tuple": (1, {2}), "long": ["x" * 100] * 1000}
    id_ = store.save(data)
    check = (
        "assert obj['list'] == [1, 2.5, 'text', None, b'bytes'] and obj['again'] is obj['list']\n"
        "assert obj['tuple'] == (1, {2}) and obj['long'][999] == 'x' * 100\n"
        "print(type(obj).__name__, len(obj))"
    )
    path = Path(store.directory, id_)
    assert _run(WITHOUT_BRINERY + LOAD + check, path, isolated=True) == "dict 4"


def test_objects_of_the_standard_library_open_without_brinery(store: FilesystemStore) -> None:
    """And so do those of any class that the reader can import."""
    import datetime
    import fractions

    id_ = store.save([datetime.date(2024, 1, 2), fractions.Fraction(1, 3), Path("/a")])
    check = "print(*obj)"
    found = _run(WITHOUT_BRINERY + LOAD + check, Path(store.directory, id_), isolated=True)
    assert found == "2024-01-02 1/3 /a"


def test_a_persistable_object_opens_where_brinery_is(store: FilesystemStore) -> None:
    """It is constructed and gets its state; what it refers to is visible as a placeholder."""
    child = Node("child")
    obj = Node("parent", child=child, children=[child, Node("other")], data={"x": [1]})
    id_ = store.save(obj)
    check = (
        "from brinery import ExternalReference\n"
        "assert type(obj).__name__ == 'Node' and obj.label == 'parent' and obj.data == {'x': [1]}\n"
        "assert type(obj.child) is ExternalReference and obj.child is obj.children[0]\n"
        "assert obj.persistent_id is None\n"
        "print(obj.child.id, obj.children[1].id)"
    )
    found = _run(LOAD + check, Path(store.directory, id_), isolated=False)
    assert found.split() == [str(ref) for ref in store.references(id_)]


def test_a_container_of_persistable_objects_opens_where_brinery_is(store: FilesystemStore) -> None:
    """References are visible in its place, in keys and members too."""
    node, key = Node("node"), Key("key")
    id_ = store.save({"list": [node], key: 1, "set": {node, key}})
    check = (
        "from brinery import ExternalReference\n"
        "ids = sorted(ref.id for ref in obj['set'])\n"
        "assert obj[ExternalReference(ids[0])] == 1 and obj['list'] == [ExternalReference(ids[1])]\n"
        "print(*ids)"
    )
    found = _run(LOAD + check, Path(store.directory, id_), isolated=False)
    assert found.split() == sorted(store.references(id_))


def test_a_payload_names_nothing_of_brinery_but_its_marks(store: FilesystemStore) -> None:
    """An ID is a plain string there, also where the object has one before and is saved again."""
    obj = Node("one", child=Node("two"), children=[ListNode()])
    for _ in range(2):
        data = Path(store.directory, store.save(obj)).read_bytes()
        payload = data[: data.index(b"codec_version")]
        assert b"brinery.reference" in payload
        assert b"brinery.ids" not in payload
        obj.label = "changed"


def test_an_object_in_a_cycle_opens_alone(store: FilesystemStore) -> None:
    """The other objects of the cycle are placeholders, itself it is once."""
    obj = Node("one")
    obj.me, obj.peers = obj, ListNode([Node("peer", back=obj)])  # type: ignore[attr-defined]
    id_ = store.save(obj)
    check = "assert obj.me is obj\nprint(obj.peers.id)"
    found = _run(LOAD + check, Path(store.directory, id_), isolated=False)
    assert [found] == store.list("ListNode")


def test_slots_open_too(tmp_path: Path) -> None:
    """At the default protocol."""
    with FilesystemStore(tmp_path) as store:
        id_ = store.save(SlottedNode("a", [1]))
    assert _run(LOAD + "print(obj.label, obj.peer)", Path(tmp_path, id_), isolated=False) == "a [1]"
