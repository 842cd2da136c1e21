"""Commits whose answer never comes: made or not, they count once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from tests.postgres import PostgresCluster

from brinery import Persistable, SqlStore, StorageError


class Count(Persistable):
    """Counts, and refers to others."""

    def __init__(self, *links: Persistable) -> None:
        self.number, self.links = 0, list(links)


class Cutter:
    """Stands between client and server, and keeps one answer to itself.

    `cut` is set to what a message to the server has to hold: the answer to it is waited for, and then the
    connection is closed instead of passing it on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, suppress(OSError):
            back = threading.Thread(target=self._answer, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(1 << 16):
                if self.cut is not None and self.cut in data:
                    self.cut = b""  # the next answer
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if self.cut == b"":
                    self.cut = None
                    break
                client.sendall(data)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no further connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits there
        self._listener.close()


@pytest.fixture
def cutter(postgres: PostgresCluster) -> Iterator[Cutter]:
    parts = urlsplit(postgres.with_password(postgres.url))
    assert parts.hostname is not None
    assert parts.port is not None
    cutter = Cutter(parts.hostname, parts.port)
    yield cutter
    cutter.close()


@pytest.fixture
def store(cutter: Cutter, postgres: PostgresCluster, postgres_url: str) -> Iterator[SqlStore]:
    direct = postgres.with_password(postgres_url)
    with SqlStore(direct.replace(f":{urlsplit(direct).port}/", f":{cutter.port}/")) as store:
        yield store


STEPS: dict[str, Callable[[SqlStore, Count], object]] = {
    "one": lambda store, count: store.save(count),
    "several": lambda store, count: store.save_many([count, *count.links]),
    "new": lambda store, count: store.save(Count(), "new"),
}


@pytest.mark.parametrize(
    ("step", "sign"), [("one", b"UPDATE"), ("several", b"COMMIT"), ("new", b"INSERT")]
)
def test_a_commit_that_was_made_is_not_made_twice(
    store: SqlStore, cutter: Cutter, postgres_url: str, step: str, sign: bytes
) -> None:
    """The call returns as if the answer had come, and a counter counts once."""
    count = Count(Count())
    id_ = store.save(count)
    count.number += 1
    for other in count.links if step == "several" else ():
        assert isinstance(other, Count)
        other.number += 1
    cutter.cut = sign
    STEPS[step](store, count)
    assert cutter.cut is None
    with SqlStore(postgres_url) as direct:
        assert direct.load(id_).number == (step != "new")
        assert ("new" in direct) == (step == "new")


def test_an_update_counts_once(store: SqlStore, cutter: Cutter, postgres_url: str) -> None:
    """It reads, changes and writes, and must not do so again where the writing was done."""
    id_ = store.save(Count())

    def increase(count: Count) -> None:
        count.number += 1

    for _ in range(5):
        cutter.cut = b"UPDATE"
        store.update(id_, increase)
    with SqlStore(postgres_url) as direct:
        assert direct.load(id_).number == 5


def test_an_unconditional_write_is_left_open(store: SqlStore, cutter: Cutter) -> None:
    """It could undo what others have written since: the error says that it may be there."""
    count = Count()
    id_ = store.save(count)
    cutter.cut = b"INSERT"
    with pytest.raises(StorageError, match="find out whether a commit was made"):
        store.replace(id_, count)
    store.replace(id_, count)


def test_a_server_that_stays_away_leaves_it_open(store: SqlStore, cutter: Cutter) -> None:
    """Nobody can be asked: the error says that it may be there."""
    count = Count()
    store.save(count)
    count.number = 1
    cutter.close()
    cutter.cut = b"UPDATE"
    with pytest.raises(StorageError, match="find out whether a commit was made"):
        store.save(count)
