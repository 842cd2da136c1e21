"""GC3Pie's FilesystemStore, from which brinery descends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gc3libs.persistence import Persistable
from gc3libs.persistence.filesystem import FilesystemStore

from benchmarks.peers import jobs
from benchmarks.peers.peer import KILL, Peer


class Config(Persistable, jobs.Config):
    pass


class Job(Persistable, jobs.Job):
    pass


class GC3Pie(Peer):
    title, packages, durability, links = "GC3Pie", ("gc3pie",), KILL, jobs.SHARED
    source = "gc3libs/persistence/filesystem.py: open, dump, close; no fsync"
    # gc3libs/persistence/filesystem.py, save: an object that has a `persistent_id` is saved under it, and
    # there is no call for many; serialization.py: `changed` keeps a shared object, once saved, from
    # being written again with each object that refers to it.
    advice = "save for each object; `changed` says what is written again"
    remark = (
        "installed without dependencies, for pycrypto 2.6.1 cannot be built from Python 3.11 on "
        "(src/_fastmath.c: longintrepr.h: No such file or directory); the store does not need it"
    )
    job, config = Job, Config

    def __init__(self, directory: str) -> None:
        self.directory = f"{directory}/store"
        self.store = FilesystemStore(self.directory)

    def save_all(self, objects: Mapping[str, Any]) -> None:
        for key, obj in objects.items():
            obj.persistent_id = key
        for key, obj in objects.items():
            self.save(key, obj)

    def save(self, key: str, obj: Any) -> None:
        obj.persistent_id = key
        obj.changed = True
        self.store.save(obj)

    def load(self, key: str) -> Any:
        return self.store.load(key)

    def keys(self) -> Iterable[str]:
        return self.store.list()

    def delete(self, key: str) -> None:
        self.store.remove(key)
