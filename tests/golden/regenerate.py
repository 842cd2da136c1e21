"""Write the golden files again: only `make regen-golden` calls this.

A golden file proves that the files of an older brinery can still be read.  Writing them again is right for a
new format, with a directory of its own beside the old one; never to make a test pass.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT.parent.parent))

from tests.golden.graphs import BY_VALUE, COMPRESSED, EVERYWHERE, JSON, LARGE, OLD, PICKLED, Make  # noqa: E402

from brinery import FilesystemStore, Ref  # noqa: E402
from brinery.registry.codecs import make_codec  # noqa: E402
from brinery.testing.samples import Node  # noqa: E402

VERSION = "v2"


def directories() -> Iterator[tuple[str, str, int | None, Mapping[str, Make]]]:
    """Yield the path below this directory, the codec, its protocol and the graph."""
    for protocol in range(6):
        makes = PICKLED if protocol >= 2 else OLD
        if protocol == 5:
            makes = {**makes, **LARGE}
        yield f"pickle/{VERSION}/protocol-{protocol}", "pickle", protocol, makes
    for codec in ("cloudpickle", "dill"):
        yield f"{codec}/{VERSION}", codec, 5, BY_VALUE
    yield f"msgpack/{VERSION}", "msgpack", None, EVERYWHERE
    yield f"json/{VERSION}", "json", None, JSON


TRANSFORMS = ("gzip:6", "lz4:0", "zstd:3")


def compressed() -> Iterator[tuple[str, str, Mapping[str, Make]]]:
    """Yield the path below this directory, the transform and the graph, for the codec pickle."""
    for compress in TRANSFORMS:
        yield f"transforms/{VERSION}/{compress.partition(':')[0]}", compress, COMPRESSED


def write(root: Path = ROOT) -> None:
    """Write the records of all codecs and transforms below `root`."""
    write_compressed(root)
    write_plain(root)
    write_annotated(root)
    write_refs(root)


def write_plain(root: Path) -> None:
    """Write the records of all codecs below `root`."""
    for path, codec, protocol, makes in directories():
        directory = root / path
        shutil.rmtree(directory, ignore_errors=True)
        with FilesystemStore(directory, codec=make_codec(codec, protocol)) as store:
            for name, make in makes.items():
                store.save(make(), name)
            print(f"{path}: {len(store)} records")
        # Empty: a store that needs it makes it again.
        (directory / ".brinery" / "lock").unlink(missing_ok=True)


def write_compressed(root: Path = ROOT) -> None:
    """Write the records of all transforms below `root`."""
    for path, compress, makes in compressed():
        directory = root / path
        shutil.rmtree(directory, ignore_errors=True)
        with FilesystemStore(directory, compress=compress) as store:
            for name, make in makes.items():
                store.save(make(), name)
            print(f"{path}: {len(store)} records")
        (directory / ".brinery" / "lock").unlink(missing_ok=True)


ANNOTATED = f"annotated/{VERSION}"
BESIDE: dict[str, Any] = {
    "note": "the first \u2013 and\nthe best",
    "tags": {"run": 7, "loss": 0.25, "best": True, "host": "node-3", "parent": None},
}
WRITER = {"user": "ada", "host": "node-3", "program": "/srv/train.py"}


def write_annotated(root: Path = ROOT) -> None:
    """Write a record with a note and tags, which says who has written it."""
    shutil.rmtree(root / ANNOTATED, ignore_errors=True)
    with FilesystemStore(root / ANNOTATED, provenance=True) as store:
        store.session.writer = WRITER
        store.save({"weights": [1, 2]}, "model", **BESIDE)
        print(f"{ANNOTATED}: {len(store)} records")
    (root / ANNOTATED / ".brinery" / "lock").unlink(missing_ok=True)


REFS = f"refs/{VERSION}"


def write_refs(root: Path = ROOT) -> None:
    """Write a record that refers to one object by a `Ref`, and to another in both ways."""
    shutil.rmtree(root / REFS, ignore_errors=True)
    with FilesystemStore(root / REFS) as store:
        far, near = Node("far"), Node("near")
        store.save_many({"far": far, "near": near})
        store.save([Ref(far), near, Ref(near)], "refs")
        print(f"{REFS}: {len(store)} records")
    (root / REFS / ".brinery" / "lock").unlink(missing_ok=True)


if __name__ == "__main__":
    write()
