"""sqlitedict: pickles in a table of SQLite."""

from __future__ import annotations

from sqlitedict import SqliteDict

from benchmarks.peers.peer import KILL, MappingPeer


class Sqlitedict(MappingPeer):
    title, packages, durability = "sqlitedict", ("sqlitedict",), KILL
    source = "sqlitedict.py, _connect: PRAGMA synchronous=OFF, and there is no option for it"
    # README: "For better performance, write objects in batch and commit() once"; "if you favor
    # efficiency, then initialize the DB with outer_stack=False".
    advice = "write many, commit() once; outer_stack=False; commit() after a single change"

    def __init__(self, directory: str) -> None:
        self.objects = self.table = SqliteDict(f"{directory}/objects.sqlite", outer_stack=False)

    def commit(self) -> None:
        self.table.commit()

    def close(self) -> None:
        self.table.close()
