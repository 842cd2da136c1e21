"""ZODB: a FileStorage, a BTree from keys to persistent objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import transaction
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB import DB
from ZODB.FileStorage import FileStorage

from benchmarks.peers import jobs
from benchmarks.peers.peer import DISK, Peer


class Config(Persistent, jobs.Config):
    pass


class Job(Persistent, jobs.Job):
    pass


class ZODB(Peer):
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

    def save_all(self, objects: Mapping[str, Any]) -> None:
        self.objects.update(objects)
        transaction.commit()

    def save(self, key: str, obj: Any) -> None:
        self.objects[key] = obj
        transaction.commit()

    def load(self, key: str) -> Any:
        return self.objects[key]

    def update(self, key: str, obj: Any) -> None:
        transaction.commit()  # the object knows that it was changed

    def keys(self) -> Iterable[str]:
        return self.objects.keys()

    def delete(self, key: str) -> None:
        del self.objects[key]
        transaction.commit()

    def close(self) -> None:
        transaction.abort()
        self.database.close()
