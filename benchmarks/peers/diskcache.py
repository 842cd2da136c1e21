"""diskcache: an Index, which evicts nothing; as it comes, and with SQLite flushing at each commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diskcache import Cache, Index

from benchmarks.peers.peer import DISK, KILL, MappingPeer


class DiskCache(MappingPeer):
    title, packages, durability = "diskcache", ("diskcache",), KILL
    # https://www.sqlite.org/pragma.html#pragma_synchronous: in WAL mode NORMAL keeps the database
    # consistent; a commit might roll back after a loss of power, but not after a crash of the program.
    source = "diskcache.DEFAULT_SETTINGS: WAL, synchronous=NORMAL; sqlite.org/pragma.html"
    # https://grantjenks.com/docs/diskcache/tutorial.html, "Index": never evicts items, and is for
    # contents that should remain persistent; transact() makes many writes one transaction.
    advice = "Index rather than Cache; transact() around many writes"
    settings: Mapping[str, Any] = {}

    def __init__(self, directory: str) -> None:
        self.cache = Cache(directory, eviction_policy="none", **self.settings)
        self.objects = self.index = Index.fromcache(self.cache)

    def save_all(self, objects: Mapping[str, Any]) -> None:
        with self.index.transact():
            super().save_all(objects)

    def close(self) -> None:
        self.cache.close()


class Flushing(DiskCache):
    title, durability = "diskcache, synchronous=FULL", DISK
    source = "sqlite.org/pragma.html: FULL in WAL mode flushes the log at each commit"
    # Values above disk_min_file_size go to a file that diskcache does not flush (diskcache/core.py).
    advice = DiskCache.advice + "; disk_min_file_size above all objects, for files are not flushed"
    settings = {"sqlite_synchronous": 2, "disk_min_file_size": 1 << 29}
