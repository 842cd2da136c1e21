"""PostgreSQL: bare psycopg and pickle, and brinery; the server is started by `benchmarks.sections`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.peers import jobs
from benchmarks.peers.brinery import AloneOnDisk, Config, Graph, Job
from benchmarks.peers.peer import DISK, Peer
from brinery import SqlStore

URL: Final = "BRINERY_BENCH_POSTGRES"
"""The environment variable with the URL of a database; without it there is nothing to measure."""

if URL not in os.environ:
    raise ImportError("no PostgreSQL server was started")


def table_of(directory: str) -> str:
    """Return the table that replaces a directory; it is forgotten with the directory."""
    path = Path(directory, "table")
    if not path.exists():
        path.write_text(f"t{os.urandom(8).hex()}", encoding="utf-8")
    return path.read_text(encoding="utf-8")


class Psycopg(Peer):
    title, packages, durability = "bare psycopg + pickle", ("psycopg",), DISK
    source = (
        "https://www.postgresql.org/docs/current/runtime-config-wal.html: synchronous_commit is on"
    )
    # https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html: executemany uses the pipeline mode.
    advice = "executemany in one transaction for many rows; binary parameters; autocommit for single ones"

    def __init__(self, directory: str) -> None:
        self.name = table_of(directory)
        self.server = psycopg.connect(os.environ[URL].replace("+psycopg", "", 1), autocommit=True)
        self.table = self.server.cursor(binary=True)
        self._ask(f"CREATE TABLE IF NOT EXISTS {self.name} (key text PRIMARY KEY, data bytea)")

    def _ask(self, text: str, *values: Any) -> Any:
        return self.table.execute(text.encode(), values or None)

    def save_all(self, objects: Mapping[str, Any]) -> None:
        rows = [(key, pickle.dumps(obj, 5)) for key, obj in objects.items()]
        with self.server.transaction():
            self.table.executemany(f"INSERT INTO {self.name} VALUES (%s, %b)".encode(), rows)

    def save(self, key: str, obj: Any) -> None:
        self._ask(f"INSERT INTO {self.name} VALUES (%s, %b)", key, pickle.dumps(obj, 5))

    def update(self, key: str, obj: Any) -> None:
        data = pickle.dumps(obj, 5)
        self._ask(f"UPDATE {self.name} SET data = %b WHERE key = %s", data, key)

    def load(self, key: str) -> Any:
        (data,) = self._ask(f"SELECT data FROM {self.name} WHERE key = %s", key).fetchone()
        return pickle.loads(data)

    def keys(self) -> Iterable[str]:
        return [key for (key,) in self._ask(f"SELECT key FROM {self.name}").fetchall()]

    def delete(self, key: str) -> None:
        self._ask(f"DELETE FROM {self.name} WHERE key = %s", key)

    def close(self) -> None:
        self.server.close()


class Copied(Psycopg):
    title = "bare psycopg COPY and SELECT + pickle"
    # https://www.psycopg.org/psycopg3/docs/basic/copy.html: COPY is "one of the most efficient ways to load
    # data into the database"; in binary format write_row() needs set_types().
    advice = "COPY in binary format for many rows; one SELECT for many keys"

    def save_all(self, objects: Mapping[str, Any]) -> None:
        text = f"COPY {self.name} (key, data) FROM STDIN (FORMAT BINARY)".encode()
        with self.server.transaction(), self.table.copy(text) as copy:
            copy.set_types(["text", "bytea"])
            for key, obj in objects.items():
                copy.write_row((key, pickle.dumps(obj, 5)))

    def load_all(self, keys: Iterable[str]) -> list[Any]:
        wanted = list(keys)
        rows = self._ask(
            f"SELECT key, data FROM {self.name} WHERE key = ANY(%s)", wanted
        ).fetchall()
        found = {key: pickle.loads(data) for key, data in rows}
        return [found[key] for key in wanted]


class AloneInPostgres(AloneOnDisk):
    title = "brinery on PostgreSQL, alone, full"
    source = 'SqlStore, durability="full": synchronous_commit stays on'
    packages = ("brinery", "sqlalchemy", "psycopg")

    def __init__(self, directory: str) -> None:
        self.store = SqlStore(os.environ[URL], table_of(directory))


class InPostgres(AloneInPostgres):
    title, links, job, config = "brinery on PostgreSQL, graph, full", jobs.CYCLES, Job, Config
    notes = Graph.notes
