"""Records that were written once can be read for ever."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.golden.graphs import Make, check
from tests.golden.regenerate import (
    ANNOTATED,
    BESIDE,
    REFS,
    ROOT,
    VERSION,
    WRITER,
    compressed,
    directories,
)

from brinery import FilesystemStore
from brinery.record.reader import parse
from brinery.registry.codecs import make_codec
from brinery.registry.transforms import make_transform

PLACES = {path: (codec, protocol, makes) for path, codec, protocol, makes in directories()}
FILES = [(path, name) for path, (_, _, makes) in PLACES.items() for name in makes]


@pytest.mark.parametrize(("path", "name"), FILES)
def test_a_golden_file_loads_to_the_graph_that_was_saved(
    path: str, name: str, tmp_path: Path
) -> None:
    """A missing file is a failure; this test never makes one."""
    assert (ROOT / path / name).is_file(), f"{path}/{name} is missing: bring it back from git"
    # A copy: a store might touch its directory.
    shutil.copytree(ROOT / path, tmp_path / "copy")
    codec, protocol, _ = PLACES[path]
    with FilesystemStore(tmp_path / "copy") as store:
        check(name, store.load(name))
        info = store.info(name)
        assert (info.codec, info.protocol) == (codec, protocol)


@pytest.mark.parametrize("path", PLACES)
def test_a_golden_directory_is_a_store_with_its_settings(path: str, tmp_path: Path) -> None:
    """Opened without arguments, it writes as it was made to."""
    shutil.copytree(ROOT / path, tmp_path / "copy")
    codec, protocol, makes = PLACES[path]
    with FilesystemStore(tmp_path / "copy") as store:
        assert store.codec == make_codec(codec, protocol)
        before = store.list()
        assert {*makes} <= {*before}
        new = store.save({"new": 1})
        assert new not in before
        assert store.info(new).codec == codec
        for id_ in before:
            assert {*store.references(id_)} <= {*before}


@pytest.mark.parametrize(("path", "compress", "makes"), [*compressed()])
def test_compressed_golden_files_load_to_the_graphs_that_were_saved(
    path: str, compress: str, makes: Mapping[str, Make], tmp_path: Path
) -> None:
    """As by the store that wrote them: it finds its transform again."""
    shutil.copytree(ROOT / path, tmp_path / "copy")
    with FilesystemStore(tmp_path / "copy") as store:
        assert store.transform == make_transform(compress)
        for name in makes:
            check(name, store.load(name))
        assert store.info("lines").transform == compress.partition(":")[0]


def test_a_golden_file_with_a_note_says_what_is_beside_the_object(tmp_path: Path) -> None:
    """And who wrote it; a store that opens it notes that, too."""
    shutil.copytree(ROOT / ANNOTATED, tmp_path / "copy")
    with FilesystemStore(tmp_path / "copy") as store:
        info = store.info("model")
        assert {"note": info.note, "tags": info.tags} == BESIDE
        assert {"user": info.user, "host": info.host, "program": info.program} == WRITER
        model = store.load("model")
        assert model == {"weights": [1, 2]}
        model["new"] = 1
        store.save(model)
        assert store.info("model")[-5:-3] == (info.note, info.tags)
        assert store.info("model").program not in (None, info.program)


def test_a_golden_file_with_refs_is_loaded_without_their_objects(tmp_path: Path) -> None:
    """Its references have them, each once."""
    shutil.copytree(ROOT / REFS, tmp_path / "copy")
    with FilesystemStore(tmp_path / "copy") as store:
        assert [*store.references("refs")] == ["near", "far"]
        far, near, same = store.load("refs")
        assert (far.id, far.is_loaded, same.id, same()) == ("far", False, "near", near)
        assert far().label == "far"


def test_there_is_a_golden_file_with_large_buffers() -> None:
    """Their data are in the payload at multiples of 64 bytes."""
    data = (ROOT / "pickle" / VERSION / "protocol-5" / "signals").read_bytes()
    buffers = parse(data).metadata.buffers
    held = [data[buffer.offset : buffer.offset + buffer.size] for buffer in buffers]
    assert held == [bytes(range(250)) * 300, b"second" * 12_000]
    assert all(buffer.offset % 64 == 0 for buffer in buffers)


def test_there_are_golden_files_of_each_codec() -> None:
    """And of each protocol, where a codec has several."""
    names = {path.split("/")[0] for path in PLACES}
    assert names == {"pickle", "cloudpickle", "dill", "msgpack", "json"}
    protocols = {protocol for codec, protocol, _ in PLACES.values() if codec == "pickle"}
    assert protocols == {*range(6)}


def test_only_the_makefile_regenerates_golden_files() -> None:
    """By a target that says so."""
    makefile = (ROOT.parent.parent / "Makefile").read_text()
    target = makefile[makefile.index("\nregen-golden:") :].split("\n\n")[0]
    assert "tests/golden/regenerate.py" in target
    assert makefile.count("regenerate.py") == 1
