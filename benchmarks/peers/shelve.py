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
    "dbm.ndbm": (KILL, "Python manual, dbm.ndbm: written when it is closed, here at each change"),
    "dbm.sqlite3": (DISK, "Lib/dbm/sqlite3.py: WAL, autocommit; sqlite.org: synchronous is FULL"),
}
"""Durability after sync(), or its replacement, by the dbm; whether others flush is not known."""
_WHOLE_INDEX = "it writes its whole index at each"
_CLOSED = "it has no sync(): the shelf is closed, and opened again, each time"
NOTES = {
    # The only dbm of a Python before 3.13 that was built without gdbm.
    "dbm.dumb": {
        "save_some": f"{_WHOLE_INDEX} sync()",
        "update_some": f"{_WHOLE_INDEX} sync()",
        "delete_some": f"{_WHOLE_INDEX} deletion",
        "load_some": "opening, which reads the whole index, is not in the figure",
    },
    # The dbm of Debian 12's Python, unless its package of gdbm is installed.
    "dbm.ndbm": dict.fromkeys(("save_some", "update_some", "delete_some"), _CLOSED),
}
"""Remarks on the figures, by the dbm."""


class Shelve(MappingPeer):
    title, durability, source = "shelve", KILL, "Lib/shelve.py, sync: that of the dbm"
    # https://docs.python.org/3/library/shelve.html: do not rely on the shelf being closed
    # automatically; writeback=False unless entries are changed in place; sync() as soon as an entry
    # is to be on the disk.
    advice = "writeback=False; sync() after each change, or once after many; close()"

    @classmethod
    def described(cls) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as directory:
            shelve.open(f"{directory}/shelf").close()
            backend = dbm.whichdb(f"{directory}/shelf") or "unknown"
        found = {**super().described(), "title": f"{cls.title} ({backend})"}
        found["durability"], found["source"] = PROMISES.get(backend, (cls.durability, cls.source))
        found["notes"] = NOTES.get(backend, {})
        return found

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/shelf"
        self.objects = self.shelf = shelve.open(self.path)
        self.has_sync = dbm.whichdb(self.path) != "dbm.ndbm"

    def commit(self) -> None:
        if self.has_sync:
            self.shelf.sync()
            return
        # Without it, nothing is written before the shelf is closed.
        self.shelf.close()
        self.objects = self.shelf = shelve.open(self.path)

    def close(self) -> None:
        self.shelf.close()
