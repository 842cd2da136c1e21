"""The names of files are in UTF-8, whatever the locale of a process is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from brinery import FilesystemStore, fsck

ASCII: Final = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
IDS: Final = ("Größe.1", "日本語", "é/ü", "\U0001f600", "plain.2", "ö" * 200)

USE = r"""
import sys
from brinery import FilesystemStore, fsck, make_store
from brinery.ids import name_of
assert sys.getfilesystemencoding() == ENCODING, sys.getfilesystemencoding()
place, layout, ids = sys.argv[1], sys.argv[2], eval(IDS)
for make in (make_store, FilesystemStore):
    with make(PLACE, layout=layout, durability="process") as store:
        assert set(store.list()) == set(ids), store.list()
        store.invalidate_cache()
        for id in ids:
            assert id in store
            assert store[id] == {"of": id}
            assert store.info(id).id == id
            store.update(id, lambda value: {"of": value["of"]})
            store[id] = {"of": id}
            assert store.backend.where(name_of(id))
        extra = [id + "x" for id in ids]
        store.update({id: 1 for id in extra})
        with store.transaction():
            for id in extra:
                store.remove(id)
        assert set(store.list(prefix="Gr\xf6")) == {"Gr\xf6\xdfe.1"}
        assert fsck(store).is_clean and not fsck(store).strays
        assert len(store) == len(ids)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("layout", ["flat", "sharded"])
@pytest.mark.parametrize("name", ["jobs", "Aufträge"])
def test_an_ascii_locale_changes_nothing(tmp_path: Path, layout: str, name: str) -> None:
    """Two processes of different locales share a store, in a directory with any name."""
    place = tmp_path / name
    with FilesystemStore(place, layout=layout, durability="process") as store:
        store.update({id: {"of": id} for id in IDS})
        before = {os.fsencode(path) for path in place.rglob("*") if path.is_file()}
    program = USE.replace("IDS", repr(ascii(IDS))).replace("ENCODING", "'ascii'")
    for given in ("place", ascii(str(place))):
        code = program.replace("PLACE", given)
        command = [sys.executable, "-c", code, str(place), layout]
        environment = {**os.environ, **ASCII}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {os.fsencode(path) for path in place.rglob("*") if path.is_file()} == before
    with FilesystemStore(place) as store:
        assert set(store.list()) == {*IDS}
        assert [store[id]["of"] for id in IDS] == [*IDS]
        assert fsck(store).is_clean
    assert [path.name for path in tmp_path.iterdir()] == [name]
