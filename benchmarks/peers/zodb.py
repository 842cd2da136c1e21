"""ZODB: a FileStorage, a BTree from keys to persistent objects."""

from __future__ import annotations

from typing import Any

import transaction
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB import DB
from ZODB.FileStorage import FileStorage

from benchmarks.peers import jobs
from benchmarks.peers.peer import DISK, MappingPeer


class Config(Persistent, jobs.Config):
    pass


class Job(Persistent, jobs.Job):
    pass


class ZODB(MappingPeer):
    title, packages = "ZODB", ("ZODB", "BTrees", "persistent")
    durability, links, job, config = DISK, jobs.CYCLES, Job, Config
    source = "ZODB/FileStorage/FileStorage.py, _finish_finish: fsync of the file at each commit"
    # https://zodb.org/en/latest/guide/writing-persistent-objects.html: BTrees for large collections;
    # https://zodb.org/en/latest/reference/zodb.html: cache_size is the number of objects kept, 400 by
    # default, too few here; large_record_size only warns.  Blobs, advised for big objects, are files
    # that ZODB does not flush (no fsync in ZODB/blob.py), and would be of the other class.
    advice = "one BTree, one transaction for many objects, cache_size above their number"
    notes = {"delete_some": "the space is given back by pack(), which is not in the figure"}

    def __init__(self, directory: str) -> None:
        storage = FileStorage(f"{directory}/Data.fs")
        self.database = DB(storage, cache_size=200_000, large_record_size=1 << 30)
        root = self.database.open().root()
        if "objects" not in root:
            root["objects"] = OOBTree()
        self.objects = root["objects"]

    def commit(self) -> None:
        transaction.commit()

    def update(self, key: str, obj: Any) -> None:
        self.commit()  # the object knows that it was changed

    def close(self) -> None:
        transaction.abort()
        self.database.close()
