"""One database, and the tables of one store in it."""

from __future__ import annotations

from brinery.backends.sql.schema import DEFAULT_TABLE
from brinery.errors import InvalidArgumentError
from brinery.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from sqlalchemy import URL

    from brinery.backends.sql.schema import Schema


class FileUrl:
    """The URL of a file, without options for the driver: as `sqlalchemy.URL`, without importing it."""

    __slots__ = ("database",)

    password: Final = None
    query: Final[Mapping[str, Any]] = {}

    def __init__(self, path: str) -> None:
        self.database = path

    def render_as_string(self, hide_password: bool = True) -> str:
        """Return the text of the URL, which has no password."""
        return f"sqlite:///{self.database}"


class Database:
    """Where the records of a store are, and how durable they must be.

    `url`
        As a `Dialect` has read it.
    `durability`
        ``"full"`` or ``"process"``; see `SqlBackend`.
    `timeout`
        Seconds to wait for another writer, and for a server to answer.
    `mode`
        ``"rw"`` or ``"r"``; see `SqlBackend`.
    """

    __slots__ = ("durability", "location", "mode", "schema", "timeout", "url")

    def __init__(
        self, url: URL | FileUrl, schema: Schema, durability: str, timeout: float, mode: str = "rw"
    ) -> None:
        if durability not in ("full", "process"):
            raise InvalidArgumentError(
                f"durability: expected 'full' or 'process', got {durability!r:.60}"
            )
        if mode not in ("rw", "r"):
            raise InvalidArgumentError(f"mode: expected 'rw' or 'r', got {mode!r:.60}")
        self.url = url
        self.schema = schema
        self.durability = durability
        self.timeout = timeout
        self.mode = mode
        table = "" if schema.table_name == DEFAULT_TABLE else f"#table={schema.table_name}"
        shown = Url(url.render_as_string(hide_password=True)).without_secrets()
        self.location: str = shown + table
        """The URL without secrets, and the table, as messages show them."""
