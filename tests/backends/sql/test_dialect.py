"""The kinds of database: a name in a URL chooses one, and nothing of the others is loaded."""

from __future__ import annotations

import ast
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, String, create_mock_engine, make_url

from brinery import UrlError
from brinery.backends.sql import SqlBackend, backend
from brinery.backends.sql.dialects import dialect_of
from brinery.backends.sql.schema import Schema
from brinery.stores import sql


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        ("sqlite", "SqliteDialect"),
        ("sqlite+pysqlite", "SqliteDialect"),
        ("postgresql", "PostgresDialect"),
        ("postgresql+pg8000", "PostgresDialect"),
        ("postgres", "PostgresDialect"),
        ("mariadb+mysqldb", "GenericDialect"),
        ("made-up", "GenericDialect"),
    ],
)
def test_a_scheme_chooses_the_dialect(scheme: str, name: str) -> None:
    """With or without a driver; what has no dialect of its own goes through SQLAlchemy."""
    assert dialect_of(scheme).__name__ == name


def test_an_sqlite_store_does_not_load_other_databases(tmp_path: Path) -> None:
    """Neither their drivers nor their dialects: not everybody has installed them."""
    program = (
        "import sys; from brinery import SqlStore\n"
        f"with SqlStore('sqlite:///{tmp_path}/a.db') as store: store.load(store.save([1]))\n"
        "print(*sorted(name for name in sys.modules if 'psycopg' in name or '.dialects.' in name\n"
        "              and 'brinery' in name))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    dialects = "brinery.backends.sql.dialects."
    assert {name.removeprefix(dialects) for name in found.stdout.split()} == {
        "network_drives",
        "sqlite",
        "sqlite_connection",
        "sqlite_file",
        "sqlite_pool",
        "sqlite_settings",
        "sqlite_statements",
        "sqlite_tables",
    }


@pytest.mark.parametrize("url", ["sqlite3:///a.db", "sqlite+nosuch:///a.db"])
def test_a_url_that_is_nearly_one_of_sqlite_is_answered_with_its_form(url: str) -> None:
    """The message shows how the URL of a file looks."""
    with pytest.raises(UrlError, match=r"an SQLite file is sqlite:///relative\.db"):
        dialect_of(url.partition(":")[0]).read(url)


@pytest.mark.parametrize(("url", "is_indexed"), [("mysql://", False), ("sqlite://", True)])
def test_only_databases_that_index_any_text_do_it(url: str, is_indexed: bool) -> None:
    """MySQL refuses such an index, and with it would refuse the table."""
    made: list[str] = []
    dialect = make_url(url).get_dialect()()
    engine = create_mock_engine(url, lambda ddl, *_: made.append(str(ddl.compile(dialect=dialect))))
    schema = Schema("jobs", [Column("state", String(20), index=True)])
    schema.records.metadata.create_all(engine, checkfirst=False)
    assert any("ix_jobs_state" in ddl for ddl in made)
    assert any("ix_jobs_filled" in ddl for ddl in made) is is_indexed


def test_the_table_is_the_same_with_and_without_sqlalchemy(tmp_path: Path) -> None:
    """It is described twice, because a store without extra columns makes it without importing SQLAlchemy."""
    made = []
    for native in (True, False):
        path = tmp_path / f"{native}.db"
        SqlBackend(f"sqlite:///{path}", "a b", native=native).close()
        with closing(sqlite3.connect(path)) as connection:
            (text,) = connection.execute("SELECT sql FROM sqlite_master").fetchone()
        made.append(" ".join(text.replace("(", "( ").replace(")", " )").split()))
    assert made[0] == made[1]


SLOW = {
    *("dataclasses", "inspect", "json", "logging", "pathlib", "random", "tempfile", "typing"),
    *("urllib.parse", "sqlalchemy", "psycopg"),
}
"""Modules that take a large part of the time of opening a store; the standard library has most of them."""


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports when it is imported itself."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


@pytest.mark.parametrize(
    "path",
    [*Path(backend.__file__).parent.rglob("*.py"), Path(sql.__file__)],
    ids=lambda path: path.stem,
)
def test_no_module_imports_what_is_slow(path: Path) -> None:
    """They are imported in the functions that need them."""
    assert imports_of(path).isdisjoint(SLOW)


def test_an_sqlite_store_of_its_own_columns_needs_no_sqlalchemy(tmp_path: Path) -> None:
    """Nor what it takes long to import; a query imports it."""
    program = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import brinery\n"
        f"url = 'sqlite:///{tmp_path}/a.db'\n"
        "with brinery.make_store(url) as store: store['a'] = [1]\n"
        "with brinery.make_store(url) as store:\n"
        "    assert store['a'] == [1] and store.list() == ['a'] and not store.referrers('a')\n"
        "    store['a'] = [2]; store.backup(url.replace('a.db', 'b.db'))\n"
        "    assert brinery.fsck(store).is_clean\n"
        "    del store['a']\n"
        "    try: store.query()\n"
        "    except brinery.DriverNotInstalledError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "brinery[sql]" in done.stdout
