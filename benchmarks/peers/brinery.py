"""brinery: each job alone, and each job with its links; flushed by the system, and at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from benchmarks.peers import jobs
from benchmarks.peers.peer import DISK, KILL, Peer
from brinery import FilesystemStore, Persistable, SqlStore, Store


class Alone(Peer):
    title, durability = "brinery, alone", KILL
    packages: ClassVar[tuple[str, ...]] = ("brinery",)
    source = 'FilesystemStore, durability="process": atomic, the system flushes when it likes'
    # docs/reference.md: save_many saves several in one commit, load_many reads together.
    advice = "save_many and load_many for many objects; save, load and remove for one"
    how = "process"
    store: Store

    def __init__(self, directory: str) -> None:
        self.store = FilesystemStore(f"{directory}/store", durability=self.how)

    def save_all(self, objects: Mapping[str, Any]) -> None:
        self.store.save_many(objects.values(), objects)

    def save(self, key: str, obj: Any) -> None:
        self.store.save(obj, key)

    def load(self, key: str) -> Any:
        return self.store.load(key)

    def load_all(self, keys: Iterable[str]) -> list[Any]:
        return self.store.load_many(keys)

    def update(self, key: str, obj: Any) -> None:
        self.store.save(obj)

    def keys(self) -> Iterable[str]:
        return self.store.list()

    def delete(self, key: str) -> None:
        self.store.remove(key)

    def close(self) -> None:
        self.store.close()


class AloneOnDisk(Alone):
    title, durability, how = "brinery, alone, full", DISK, "full"
    source = 'FilesystemStore, durability="full": what save has returned for is on the disk'


class Config(Persistable, jobs.Config):
    pass


class Job(Persistable, jobs.Job):
    pass


class Single(AloneOnDisk):
    """Persistable jobs that hold the keys of others."""

    title, job, config = "brinery, persistable, full", Job, Config


class Compressed(Alone):
    title = "brinery, alone, zstd"

    def __init__(self, directory: str) -> None:
        self.store = FilesystemStore(f"{directory}/store", durability=self.how, compress="zstd")


class Graph(Alone):
    title, links, job, config = "brinery, graph", jobs.CYCLES, Job, Config
    notes = {"load_some": "with a job its whole workflow is loaded, ten jobs and the configuration"}


class GraphOnDisk(Graph):
    title, durability, how = "brinery, graph, full", DISK, "full"
    source = AloneOnDisk.source


class InTable(Alone):
    title = "brinery on SQLite, alone"
    packages = ("brinery", "sqlalchemy")
    source = 'SqlStore, durability="process": WAL, synchronous=NORMAL; sqlite.org/pragma.html'

    def __init__(self, directory: str) -> None:
        self.store = SqlStore(f"sqlite:///{directory}/objects.db", durability=self.how)


class InTableOnDisk(InTable):
    title, durability, how = "brinery on SQLite, alone, full", DISK, "full"
    source = 'SqlStore, durability="full": WAL, synchronous=FULL flushes the log at each commit'


class SingleInTable(InTableOnDisk):
    """Persistable jobs that hold the keys of others."""

    title, job, config = "brinery on SQLite, persistable, full", Job, Config


class GraphInTable(InTable):
    title, links, job, config = "brinery on SQLite, graph", jobs.CYCLES, Job, Config
    notes = Graph.notes


class GraphInTableOnDisk(GraphInTable):
    title, durability, how = "brinery on SQLite, graph, full", DISK, "full"
    source = InTableOnDisk.source
