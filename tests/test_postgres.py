"""The server of the tests is a real one, dies when told, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from tests.postgres import PostgresCluster, children_of, connect

pytestmark = pytest.mark.server


def ask(url: str, query: str) -> Any:
    """Return the one value that a query gives."""
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def tell(url: str, command: str) -> None:
    """Make a change, and commit it."""
    with connect(url) as connection:
        connection.execute(command.encode())


def lives(process: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def server_of(cluster: PostgresCluster) -> int:
    """Return the process of the server."""
    return int((cluster.directory / "data" / "postmaster.pid").read_text().split()[0])


def test_databases_are_empty_and_apart(postgres: PostgresCluster, postgres_url: str) -> None:
    """Each is new; what is made in one is not in the other."""
    other = postgres.new_database()
    tell(postgres_url, "create table one (number integer)")
    count = "select count(*) from information_schema.tables where table_schema = 'public'"
    assert [ask(url, count) for url in (postgres_url, other)] == [1, 0]
    postgres.drop_database(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(other)


def test_the_url_is_one_that_sqlalchemy_takes(postgres: PostgresCluster, postgres_url: str) -> None:
    """By the socket, and by TCP with a password; both reach the same database."""
    for url in (postgres_url, postgres.with_password(postgres_url)):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("create table if not exists one (number integer)"))
            connection.execute(text("insert into one values (1)"))
        engine.dispose()
    assert ask(postgres_url, "select count(*) from one") == 2


def test_a_wrong_password_is_refused(postgres: PostgresCluster, postgres_url: str) -> None:
    """The server itself says so, to who comes by TCP."""
    assert ask(postgres.with_password(postgres_url), "select current_user") == "brinery"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres.with_password(postgres_url, "wrong"))


def test_the_database_does_not_sort_by_code_points(postgres: PostgresCluster) -> None:
    """Its own order is that of a dictionary, so that who relies on it is found out."""
    if ask(postgres.url, "show server_version_num") < "150000":
        pytest.skip("this PostgreSQL has no collations of ICU for whole clusters")
    assert ask(postgres.url, "select 'a' < 'B'")
    assert not ask(postgres.url, """select 'a' < 'B' collate "C" """)


@pytest.mark.parametrize("end", ["fast", "immediate", "kill"])
def test_what_was_committed_outlives_the_server(mortal_postgres: PostgresCluster, end: Any) -> None:
    """However it ends: connections break, then none can be made, and the next start has all."""
    url = mortal_postgres.new_database()
    by_tcp = mortal_postgres.with_password(url)
    tell(url, "create table one (number integer)")
    with connect(url) as connection:
        connection.execute("insert into one values (1)")
        connection.commit()
        connection.execute("insert into one values (2)")
        processes = [server_of(mortal_postgres), connection.info.backend_pid]
        processes += children_of(processes[0])
        if end == "kill":
            mortal_postgres.kill()
        else:
            mortal_postgres.stop(end)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    until = time.monotonic() + 5
    while any(map(lives, processes)):
        assert time.monotonic() < until
    assert not mortal_postgres.running
    with pytest.raises(psycopg.OperationalError):
        connect(url)
    mortal_postgres.start()
    assert [ask(place, "select count(*) from one") for place in (url, url)] == [1, 1]
    assert ask(by_tcp, "select current_user") == "brinery"


def test_a_restart_keeps_the_addresses(mortal_postgres: PostgresCluster) -> None:
    """A running server is stopped first."""
    before, url = server_of(mortal_postgres), mortal_postgres.url
    mortal_postgres.restart()
    assert server_of(mortal_postgres) != before
    assert mortal_postgres.url == url
    assert ask(url, "select 1") == 1


def test_a_server_that_cannot_start_says_why() -> None:
    """The error holds the end of the server's log, and nothing is left."""
    cluster = PostgresCluster(settings={"no_such_setting": 1})
    with pytest.raises(RuntimeError, match="no_such_setting"), cluster:
        pass
    assert not cluster.directory.exists()


def test_a_closed_cluster_leaves_nothing() -> None:
    """Directory and processes are gone; closing again is no error."""
    with PostgresCluster() as cluster:
        process = server_of(cluster)
        cluster.close()
        assert not cluster.directory.exists()
        assert not lives(process)


ORPHAN = """
import time
from tests.postgres import PostgresCluster
cluster = PostgresCluster()
cluster.start()
print(cluster.directory, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_goes_with_its_process(number: signal.Signals) -> None:
    """Also where that is killed, and closes nothing."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [".", *sys.path]))}
    owner = subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    process = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    assert lives(process)
    owner.send_signal(number)
    owner.communicate()
    until = time.monotonic() + 20
    while directory.exists() or lives(process):
        assert time.monotonic() < until
        time.sleep(0.05)
