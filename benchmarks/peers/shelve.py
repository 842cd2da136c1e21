"""shelve, over the best dbm that this Python has."""

from __future__ import annotations

import dbm
import shelve
import tempfile
from typing import Any

from benchmarks.peers.peer import DISK, KILL, MappingPeer

PROMISES = {
    "dbm.dumb": (KILL, "Lib/dbm/dumb.py, _commit: written and closed, no fsync"),
    "dbm.gnu": (DISK, "gdbm manual, gdbm_sync: returns when the disk file is synchronized"),
    "dbm.sqlite3": (DISK, "Lib/dbm/sqlite3.py: WAL, autocommit; sqlite.org: synchronous is FULL"),
}
"""Durability after sync(), by the dbm; whether others flush is not known."""


class Shelve(MappingPeer):
    title, durability, source = "shelve", KILL, "Lib/shelve.py, sync: that of the dbm"
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
    def described(cls) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as directory:
            shelve.open(f"{directory}/shelf").close()
            backend = dbm.whichdb(f"{directory}/shelf") or "unknown"
        found = {**super().described(), "title": f"{cls.title} ({backend})"}
        found["durability"], found["source"] = PROMISES.get(backend, (cls.durability, cls.source))
        found["notes"] = cls.notes if backend == "dbm.dumb" else {}
        return found

    def __init__(self, directory: str) -> None:
        self.objects = self.shelf = shelve.open(f"{directory}/shelf")

    def commit(self) -> None:
        self.shelf.sync()

    def close(self) -> None:
        self.shelf.close()
