"""shelve, over the best dbm that this Python has."""

from __future__ import annotations

import dbm
import shelve
import tempfile
from collections.abc import Mapping

from benchmarks.peers.peer import KILL, MappingPeer


class Shelve(MappingPeer):
    title, durability = "shelve", KILL
    # dbm.dumb (Lib/dbm/dumb.py, _commit) and dbm.sqlite3 (Lib/dbm/sqlite3.py, synchronous=OFF) never
    # call fsync; dbm.gnu does in sync(), and so does more than is asked here.
    source = "Lib/shelve.py, sync: dict.sync(); without fsync, but for dbm.gnu"
    # https://docs.python.org/3/library/shelve.html: do not rely on the shelf being closed
    # automatically; writeback=False unless entries are changed in place; sync() as soon as an entry
    # is to be on the disk.
    advice = "writeback=False; sync() after each change, or once after many; close()"
    # Of dbm.dumb, which is what there is where Python was built without gdbm and before 3.13.
    notes = {
        "save_some": "it writes its whole index at each sync()",
        "update_some": "it writes its whole index at each sync()",
        "delete_some": "it writes its whole index at each deletion",
        "load_some": "opening, which reads the whole index, is not in the figure",
    }

    @classmethod
    def described(cls) -> tuple[str, Mapping[str, str]]:
        with tempfile.TemporaryDirectory() as directory:
            shelve.open(f"{directory}/shelf").close()
            backend = dbm.whichdb(f"{directory}/shelf")
        return f"{cls.title} ({backend})", cls.notes if backend == "dbm.dumb" else {}

    def __init__(self, directory: str) -> None:
        self.objects = self.shelf = shelve.open(f"{directory}/shelf")

    def commit(self) -> None:
        self.shelf.sync()

    def close(self) -> None:
        self.shelf.close()
