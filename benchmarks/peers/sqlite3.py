"""Bare sqlite3 and pickle: a table of keys and pickles, in WAL mode, flushed at each commit."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.peers.peer import DISK, Peer


class Sqlite3(Peer):
    title, durability = "bare sqlite3 + pickle", DISK
    source = (
        "https://sqlite.org/pragma.html#pragma_synchronous: FULL flushes the log at each commit"
    )
    # https://docs.python.org/3/library/sqlite3.html: executemany for many rows.
    advice = "executemany in one transaction for many rows; WAL"

    def __init__(self, directory: str) -> None:
        self.table = sqlite3.connect(f"{directory}/objects.db", isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            self.table.execute(f"PRAGMA {setting}")
        self.table.execute("CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, data BLOB)")

    def save_all(self, objects: Mapping[str, Any]) -> None:
        rows = ((key, pickle.dumps(obj, 5)) for key, obj in objects.items())
        self.table.execute("BEGIN IMMEDIATE")
        self.table.executemany("INSERT INTO objects VALUES (?, ?)", rows)
        self.table.execute("COMMIT")

    def save(self, key: str, obj: Any) -> None:
        self.table.execute("INSERT INTO objects VALUES (?, ?)", (key, pickle.dumps(obj, 5)))

    def update(self, key: str, obj: Any) -> None:
        data = pickle.dumps(obj, 5)
        self.table.execute("UPDATE objects SET data = ? WHERE key = ?", (data, key))

    def load(self, key: str) -> Any:
        question = "SELECT data FROM objects WHERE key = ?"
        (data,) = self.table.execute(question, (key,)).fetchone()
        return pickle.loads(data)

    def keys(self) -> Iterable[str]:
        return [key for (key,) in self.table.execute("SELECT key FROM objects")]

    def delete(self, key: str) -> None:
        self.table.execute("DELETE FROM objects WHERE key = ?", (key,))

    def close(self) -> None:
        self.table.close()
