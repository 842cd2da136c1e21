"""brinery in databases, and its peers there, through the operations of `benchmarks.sections.peers`.

PostgreSQL is a server of its own, started for the run, which flushes every commit.  If it is not installed,
that part is not measured, and the results say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import PostgresCluster, binaries

from benchmarks.bench import Bench
from benchmarks.peers.contenders import DATABASES
from benchmarks.sections.peers import Entry, Singles
from benchmarks.sections.peers import entries as measured

_URL = "BRINERY_BENCH_POSTGRES"  # as in benchmarks.peers.psycopg, which needs it to be imported


def entries(bench: Bench) -> list[Entry]:
    """Prove and measure; return one entry for each contender."""
    with server():
        sizes = bench.sizes
        singles = Singles(max(sizes.jobs, sizes.rows), sizes.loads, sizes.saves, sizes.changes)
        return measured(bench, tuple(DATABASES), _place_of, singles)


def _place_of(name: str) -> str:
    return "-postgres" if "psycopg" in DATABASES[name] else "-sqlite"


@contextmanager
def server() -> Iterator[None]:
    """Start a server that flushes, for the adapters in `benchmarks.peers.psycopg`, if there is one."""
    if binaries() is None:
        yield
        return
    with PostgresCluster(durable=True) as cluster:
        os.environ[_URL] = cluster.new_database()
        try:
            yield
        finally:
            del os.environ[_URL]
