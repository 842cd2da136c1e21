"""All contenders by name, and how to open one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

from benchmarks.peers.jobs import ALONE
from benchmarks.peers.peer import DISK, Peer

CONTENDERS: Mapping[str, str] = {
    "brinery": "brinery:Alone",
    "brinery-graph": "brinery:Graph",
    "brinery-full": "brinery:AloneOnDisk",
    "brinery-graph-full": "brinery:GraphOnDisk",
    "pickle": "pickle:Renamed",
    "pickle-fsync": "pickle:Flushed",
    "pyfory": "pyfory:Pyfory",
    "gc3pie": "gc3pie:GC3Pie",
    "zodb": "zodb:ZODB",
    "shelve": "shelve:Shelve",
    "diskcache": "diskcache:DiskCache",
    "diskcache-full": "diskcache:Flushing",
    "sqlitedict": "sqlitedict:Sqlitedict",
    "klepto": "klepto:Klepto",
    "joblib": "joblib:Joblib",
}

DATABASES: Mapping[str, str] = {
    "brinery-sqlite": "brinery:InTable",
    "brinery-graph-sqlite": "brinery:GraphInTable",
    "brinery-sqlite-full": "brinery:InTableOnDisk",
    "brinery-graph-sqlite-full": "brinery:GraphInTableOnDisk",
    "sqlite3": "sqlite3:Sqlite3",
    "zodb": CONTENDERS["zodb"],
    "diskcache": CONTENDERS["diskcache"],
    "diskcache-full": CONTENDERS["diskcache-full"],
    "sqlitedict": CONTENDERS["sqlitedict"],
    "brinery-postgres-full": "psycopg:AloneInPostgres",
    "brinery-graph-postgres-full": "psycopg:InPostgres",
    "psycopg": "psycopg:Psycopg",
}
"""The contenders among databases, and ZODB, because it keeps graphs."""


def class_of(name: str) -> type[Peer]:
    """Return the adapter of a contender; raise `ImportError` if its library is not installed.

    One that is not in the list can be named by its module and class, as `package.module:Class`.
    """
    known = {**CONTENDERS, **DATABASES}
    place = f"benchmarks.peers.{known[name]}" if name in known else name
    module, _, cls = place.partition(":")
    found: type[Peer] = getattr(importlib.import_module(module), cls)
    return found


@contextmanager
def opened(name: str, directory: str) -> Iterator[Peer]:
    """Open a contender in a directory, and close it in the end."""
    peer = class_of(name)(directory)
    try:
        yield peer
    finally:
        peer.close()


def versions(name: str) -> dict[str, str]:
    """Return the versions of the distributions that a contender needs."""
    return {package: version(package) for package in class_of(name).packages}


def baseline(links: str, durability: str, place: str = "") -> str:
    """Return the name of the way of using brinery that makes the same promises.

    `place` is where that way keeps records: ``"-sqlite"``, ``"-postgres"``, or empty for files.
    """
    name = ("brinery" if links == ALONE else "brinery-graph") + place
    return f"{name}-full" if durability == DISK else name
