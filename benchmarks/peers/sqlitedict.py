"""sqlitedict: pickles in a table of SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlitedict import SqliteDict

from benchmarks.peers.peer import KILL, Peer


class Sqlitedict(Peer):
    title, packages, durability = "sqlitedict", ("sqlitedict",), KILL
    source = "sqlitedict.py, _connect: PRAGMA synchronous=OFF, and there is no option for it"
    # README: "For better performance, write objects in batch and commit() once"; "if you favor
    # efficiency, then initialize the DB with outer_stack=False".
    advice = "write many, commit() once; outer_stack=False; commit() after a single change"

    def __init__(self, directory: str) -> None:
        self.table = SqliteDict(f"{directory}/objects.sqlite", outer_stack=False)

    def save_all(self, objects: Mapping[str, Any]) -> None:
        self.table.update(objects)
        self.table.commit()

    def save(self, key: str, obj: Any) -> None:
        self.table[key] = obj
        self.table.commit()

    def load(self, key: str) -> Any:
        return self.table[key]

    def keys(self) -> Iterable[str]:
        return self.table.keys()

    def delete(self, key: str) -> None:
        del self.table[key]
        self.table.commit()

    def close(self) -> None:
        self.table.close()
