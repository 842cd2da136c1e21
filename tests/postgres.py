"""A real PostgreSQL for tests: a cluster in a temporary directory that may be killed and started again.

The server listens on a unix socket, where everybody is trusted, and on 127.0.0.1, where the role
`brinery` needs its password.  Names sort as an English dictionary has it, so that code which takes
the order of the database for that of code points is found out.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit

import psycopg

MISSING: Final = "no PostgreSQL server: sudo apt-get install postgresql"
ROLE: Final = "brinery"
TIMEOUT: Final = 30.0
"""Seconds that the server may take to start or to stop."""

ATTEMPTS: Final = 10
"""Starts that are tried: a server that was killed may be in the way of the next for a moment."""

StopMode = Literal["fast", "immediate"]
SIGNALS: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "32MB",
}
NOT_DURABLE: Final = {"fsync": "off", "full_page_writes": "off"}
"""What a killed process does not notice; a power cut would."""

ACCESS: Final = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""

# Waits for the end of its input, which comes when the process that tests dies, however it dies; then
# the server has to go as well.  A number that is another process's by now is none of its business.
WATCH: Final = """
trap '' INT TERM HUP
read -r _
process=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$process" ] && { [ ! -d /proc/self ] || [ "/proc/$process/cwd" -ef "$1/data" ]; }; then
    kill -QUIT "$process" && sleep 1
fi
rm -rf "$1"
"""


def binaries() -> Path | None:
    """Return the directory of the newest server's programs; None if there is no server.

    Debian keeps them off the path.
    """
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    if config := shutil.which("pg_config"):
        asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        found = [Path(asked.stdout.strip())]
    found += [Path(on_path).parent] if (on_path := shutil.which("postgres")) else []
    return next((path for path in found if (path / "initdb").exists()), None)


class PostgresCluster:
    """A cluster of its own, made and started by `start`, and removed by `close`.

    `durable` syncs every commit to the disk.  `settings` are added to those of the server.  Where root
    runs the tests, the server runs as the user `postgres`, for it refuses to be root.
    The methods are for one thread.  Whoever made the cluster closes it; it goes with its process also
    where that is killed.
    """

    def __init__(
        self, *, durable: bool = False, settings: Mapping[str, str | int] | None = None
    ) -> None:
        found = binaries()
        if found is None:
            raise FileNotFoundError(MISSING)
        self._binaries = found
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._password = secrets.token_hex(12)
        self._numbers = itertools.count(1)
        self._port = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        # The path of a socket has room for about 100 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="brinery-pg-", dir=_short_directory()))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # also Ctrl-C: nobody else will close it
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- addresses

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, by the socket, as a user who may do everything."""
        return self._url("postgres", "postgres")

    def _url(self, user: str, database: str) -> str:
        host = quote(str(self.directory), safe="")
        return f"postgresql+psycopg://{user}@/{database}?host={host}&port={self._port}"

    def with_password(self, url: str, password: str | None = None) -> str:
        """Return the URL of the same database by TCP, as the role with its password.

        `password` stands in for the right one.
        """
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql+psycopg://{ROLE}:{secret}@127.0.0.1:{self._port}{urlsplit(url).path}"

    def new_database(self) -> str:
        """Make an empty database of the role `brinery`; return its URL by the socket, as that role."""
        name = f"test_{next(self._numbers)}"
        with connect(self.url, autocommit=True) as connection:
            connection.execute(f"create database {name} owner {ROLE}".encode())
        return self._url(ROLE, name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with connect(self.url, autocommit=True) as connection:
            connection.execute(f"drop database {urlsplit(url).path[1:]} with (force)".encode())

    # -- life

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers, after it has recovered if it was killed.

        Raise `RuntimeError` with the end of its log where it does not.
        """
        if self.running:
            return
        first = self._watch is None
        if first:
            self._make()
        for _ in range(ATTEMPTS):
            if first:
                self._port = free_port()  # which somebody else may take before the server does
            self._launch()
            if self._answers():
                break
            time.sleep(0.1)
        else:
            raise self._failure()
        if first:
            with connect(self.url, autocommit=True) as connection:
                connection.execute(f"create role {ROLE} login password '{self._password}'".encode())

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server: ``"fast"`` ends transactions and writes all, ``"immediate"`` just ends."""
        if self._server is not None:
            self._server.send_signal(SIGNALS[mode])
            self._server.wait(TIMEOUT)
            self._server = None

    def kill(self) -> None:
        """Kill the server and each of its processes (SIGKILL), as a lack of memory would."""
        server = self._server
        if server is None or server.poll() is not None:
            return
        server.send_signal(signal.SIGSTOP)  # no more children
        for process in [*children_of(server.pid), server.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        server.wait(TIMEOUT)
        self._server = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server if it runs, and start it again, at the same addresses."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and remove the cluster; a second call does nothing."""
        try:
            self.stop("immediate")
        finally:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            if self._watch is not None:
                self._watch.communicate()
                self._watch = None

    # -- making

    def _make(self) -> None:
        watch = ["sh", "-c", WATCH, "sh", str(self.directory)]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        user = _server_user()
        if "user" in user:
            shutil.chown(self.directory, user["user"], user["group"])
        self.directory.chmod(0o711)
        data = self.directory / "data"
        made = subprocess.run(
            [
                self._binaries / "initdb",
                f"--pgdata={data}",
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                *self._collation(),
            ],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **user,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.strip()}")
        (data / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")

    def _collation(self) -> list[str]:
        asked = subprocess.run(
            [self._binaries / "initdb", "--help"], capture_output=True, text=True, check=True
        )
        icu = ["--locale-provider=icu", "--icu-locale=en-US"]  # from PostgreSQL 15 on
        return ["--locale=C", *(icu if "--icu-locale" in asked.stdout else [])]

    def _launch(self) -> None:
        settings = {**self._settings, "unix_socket_directories": self.directory, "port": self._port}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self._log() as log:
            self._server = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.directory / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the tests alone
                **_server_user(),
            )

    def _log(self) -> IO[bytes]:
        return (self.directory / "log").open("ab")

    def _answers(self) -> bool:
        """Wait until the server answers; return False where it ends instead."""
        until = time.monotonic() + TIMEOUT
        while self.running:
            try:
                connect(self.url).close()
                return True
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise self._failure() from None
                time.sleep(0.02)
        return False

    def _failure(self) -> RuntimeError:
        log = (self.directory / "log").read_text(encoding="utf-8", errors="replace")
        return RuntimeError(f"PostgreSQL does not start: {log[-2000:]}")


def connect(url: str, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to the database of a URL of SQLAlchemy's form, with nothing but the driver."""
    return psycopg.connect(url.replace("+psycopg", "", 1), **options)


def children_of(process: int) -> Iterator[int]:
    """Yield the ids of the children of a process."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    if listed.exists():
        yield from map(int, listed.read_text().split())
    else:
        command = ["ps", "-A", "-o", "pid=", "-o", "ppid="]
        for line in subprocess.run(command, capture_output=True, check=True).stdout.splitlines():
            child, parent = map(int, line.split())
            if parent == process:
                yield child


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _short_directory() -> str:
    found = tempfile.gettempdir()
    return found if len(found) < 60 else "/tmp"


def _server_user() -> dict[str, Any]:
    """Return the arguments of `subprocess` that make somebody else of root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
