"""The cost of the parts of saving and loading a graph on SQLite, without a store around them.

The parts are a loop over the same jobs that makes the same kind of rows: a pickle with references in place of
the other objects, its digest, metadata with their digest; the same table, the same statements, one
transaction.  It leaves out the work of a store: finding new and changed objects, giving IDs, keeping the
identity of objects, checking versions, trust and transforms, and naming the place of a failure.
"""

from __future__ import annotations

import gc
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, ratio, values
from benchmarks.measure import Sample, timed
from benchmarks.peers.brinery import Config, GraphInTableOnDisk, Job
from benchmarks.peers.jobs import CONFIG, check_job, key_of, workflows
from brinery.session.gc_pause import GcPause

SIDES = ("the parts", "brinery", "ZODB")
GOALS = {"save": 0.6, "load": 0.5}
"""Of brinery against ZODB."""


class Parts:
    """Jobs in the tables of a store, by a loop."""

    links, job, config = GraphInTableOnDisk.links, Job, Config

    def __init__(self, directory: str) -> None:
        from brinery.backends.sql import SqlBackend

        self._backend = SqlBackend(f"sqlite:///{directory}/objects.db")

    def save_all(self, objects: Mapping[str, Any]) -> None:
        """Write all objects in one transaction; the collector is paused, as by the store."""
        with GcPause():
            self._save_all(objects)

    def _save_all(self, objects: Mapping[str, Any]) -> None:
        import msgpack
        from xxhash import xxh3_128_digest

        from brinery.ids import joined_names

        keys = {id(obj): key for key, obj in objects.items()}
        references: list[str] = []

        def reduced(obj: Any) -> Any:
            reference = keys[id(obj)]
            references.append(reference)
            return _external, (reference,)

        rows = []
        for version, (key, obj) in enumerate(objects.items()):
            references.clear()
            file = io.BytesIO()
            pickler = pickle.Pickler(file, 5)
            pickler.dispatch_table = {Job: reduced, Config: reduced}
            pickler.dump(vars(obj))
            payload = file.getvalue()
            described: dict[str, Any] = {
                "id": key,
                "class": type(obj).__name__,
                "references": references,
            }
            described["digest"] = xxh3_128_digest(payload)
            metadata = msgpack.packb(described)
            tail = len(metadata).to_bytes(4, "little")
            data = payload + metadata + xxh3_128_digest(metadata) + tail
            refs = joined_names(references) if references else None
            columns = (type(obj).__name__, "pickle", 0.0, refs)
            rows.append((key, version, len(data), *columns, data, None))
        with self._backend._pool.use() as connection:
            connection.begin()
            connection.insert(rows)
            connection.commit()

    def load_all(self, keys: Sequence[str]) -> list[Any]:
        """Read all objects; the collector is paused, as by the store."""
        with GcPause():
            return self._load_all(keys)

    def _load_all(self, keys: Sequence[str]) -> list[Any]:
        import msgpack
        from xxhash import xxh3_128_digest

        made: dict[str, Any] = {}
        payloads = {}
        with self._backend._pool.use() as connection:
            connection.begin_reading()
            for key, data, _ in connection.get_some([*keys, CONFIG]):
                start = len(data) - int.from_bytes(data[-4:], "little") - 20
                metadata = data[start:-20]
                assert xxh3_128_digest(metadata) == data[-20:-4]
                described = msgpack.unpackb(metadata)
                payload = data[:start]
                assert xxh3_128_digest(payload) == described["digest"]
                payloads[key] = payload
                made[key] = object.__new__(Job if described["class"] == "Job" else Config)
            connection.commit()
        resolve = made.__getitem__
        for key, payload in payloads.items():
            unpickler = _Unpickler(io.BytesIO(payload))
            unpickler.resolve = resolve
            made[key].__dict__ = unpickler.load()
        return [made[key] for key in keys]

    def close(self) -> None:
        """Close the database."""
        self._backend.close()


def _external(key: str) -> str:
    return key


class _Unpickler(pickle.Unpickler):
    resolve: Callable[[str], Any]

    def find_class(self, module: str, name: str) -> Any:
        return self.resolve


def _opened(side: str, directory: str) -> Any:
    if side == "the parts":
        return Parts(directory)
    if side == "brinery":
        return GraphInTableOnDisk(directory)
    from benchmarks.peers.zodb import ZODB

    return ZODB(directory)


def both(directory: str, side: str, count: int) -> dict[str, Sample]:
    """Save all jobs by one call, and load them by one call of another opening; compare."""
    peer = _opened(side, directory)
    config = peer.config()
    objects = {**workflows(peer, count, config=config), CONFIG: config}
    gc.collect()
    _, saved = timed(peer.save_all, objects)
    peer.close()
    del peer, config, objects
    gc.collect()
    peer = _opened(side, directory)
    keys = [key_of(number) for number in range(count)]
    jobs, loaded = timed(_touched, peer.load_all, keys)
    for number, job in enumerate(jobs):
        check_job(peer, job, number)
    peer.close()
    return {"save": saved, "load": loaded}


def _touched(load_all: Callable[[Sequence[str]], list[Any]], keys: Sequence[str]) -> list[Any]:
    jobs = load_all(keys)
    for job in jobs:
        job.number  # ZODB reads an object when its first attribute is asked for
    return jobs


def figures(bench: Bench) -> list[Figure]:
    """Compare the parts and the store with ZODB."""
    count = bench.sizes.jobs
    sides = {side: Phase(both, side=side, count=count) for side in SIDES}
    samples = bench.rounds(sides, fresh=True)
    found = []
    for action in ("save", "load"):
        taken = {
            side: values([sample[action] for sample in samples[side]], "wall", 1e6 / count)
            for side in SIDES
        }
        for ours, bare in (("the parts", "ZODB"), ("brinery", "ZODB"), ("brinery", "the parts")):
            name = f"{action} {count:,} jobs: {ours} / {bare}"
            goal = GOALS[action] if (ours, bare) == ("brinery", "ZODB") else None
            pair = taken[ours], taken[bare]
            found.append(ratio("parts", name, *pair, goal=goal, base_unit="µs"))
    return found
