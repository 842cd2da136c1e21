"""A store in a table of a database: SQLite, PostgreSQL, or another one that SQLAlchemy knows."""

from __future__ import annotations

from brinery.backends.sql import SqlBackend
from brinery.backends.sql.schema import DEFAULT_TABLE
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError, UrlError
from brinery.record.payload import MAX_EXPANDED
from brinery.registry.codecs import codec_options
from brinery.stores.arguments import one_of, seconds, truth_of
from brinery.stores.options import SQL_URL_OPTIONS, SqlOptions, StoreOptions
from brinery.stores.store import Store
from brinery.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from sqlalchemy import Column

    from brinery.ids import IdFactory
    from brinery.query.column import Columns
    from brinery.query.question import Question
    from brinery.registry.codecs import CodecArgument
    from brinery.transform import Transform
    from brinery.trust.policy import Trust

    ExtraFields = Mapping[Column[Any], Callable[[Any], Any]]


class SqlStore(Store):
    """Keeps objects as rows of a table; modelled on GC3Pie's `SqlStore`.

    `url`
        A URL of SQLAlchemy: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` (the directory is
        made), ``postgresql+psycopg://user:password@host/database``, …  ``#table=name`` at its end
        names the table.
    `table_name`
        The name of the table, which overrides that of the URL.  By default ``store``.
    `idfactory`
        Makes the IDs; by default the class name and a number.
    `extra_fields`
        Further columns: a mapping of `sqlalchemy.Column` to a function.  The store calls the function with
        every object that it saves; the column gets the value returned.  See `brinery.stores.columns.GET`.
        If the function raises, the error is logged, and the value is NULL.  `query` can use the columns.
        The database remembers their names.  Rows that are written without the function (by a store without
        it, or as bytes by a copy) count as unfilled, until `brinery.reindex` fills them.
    `create`
        Make missing tables; without it, a missing table raises `MissingTableError`.
    `protocol`, `codec`, `compress`, `max_expanded`, `trust`, `lazy`, `provenance`
        As for `FilesystemStore`.
    `durability`
        "full": when `save` returns, the records survive a power cut.  "process": they survive the
        process, however it ends; a power cut may lose the last commits.
    `migrate`
        Add columns of `extra_fields` that the table does not have yet, unfilled for the objects in it.
        Without it, a missing column raises `MissingColumnsError`, which shows the statements.
    `timeout`
        Seconds to wait for another writer of an SQLite file, and for a server to answer.
    `mode`
        "rw": for reading and writing.  "r": for reading only: nothing in the database or on the disk changes,
        the table must exist, and every write is a `ReadOnlyError`.
    `shared`
        For SQLite.  "private": a new file is for the user alone.  "group": the group of its directory may
        read and write it, and is trusted not to plant pickles.

    Options of the codec may be given, too; any other argument is refused.  A pickle of a store contains its
    URL with the password.
    """

    def __init__(
        self,
        url: str | Url,
        table_name: str | None = None,
        idfactory: IdFactory | None = None,
        extra_fields: ExtraFields | None = None,
        create: bool = True,
        protocol: int | None = DEFAULT_PROTOCOL,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        max_expanded: int = MAX_EXPANDED,
        trust: Trust | str | None = None,
        lazy: bool | None = None,
        provenance: bool | None = None,
        durability: str = "full",
        migrate: bool = False,
        timeout: float = 60.0,
        mode: str = "rw",
        shared: str = "private",
        **extra: Any,
    ) -> None:
        fields = _checked(extra_fields)
        database, table = _split(Url(url))
        place = SqlOptions(
            database,
            _table(table_name) or table or DEFAULT_TABLE,
            fields,
            truth_of("create", create),
            truth_of("migrate", migrate),
            durability,
            seconds("timeout", timeout),
            one_of("mode", mode, ("rw", "r")),
            one_of("shared", shared, ("private", "group")),
        )
        renames = extra.pop("renames", None)
        self._open(
            place,
            StoreOptions(
                idfactory,
                protocol,
                codec,
                compress,
                max_expanded,
                renames,
                trust,
                lazy,
                provenance,
                extra,
            ),
        )

    def _open(self, place: SqlOptions, options: StoreOptions) -> None:
        self._place = place
        self._sql = backend = SqlBackend(
            place.url,
            place.table_name,
            extra=list(place.extra_fields),
            create=place.create,
            migrate=place.migrate,
            durability=place.durability,
            timeout=place.timeout,
            mode=place.mode,
            shared=place.shared,
        )
        try:
            self._begin(backend, options)
        except BaseException:
            backend.close()
            raise
        if place.extra_fields:
            self.session.fields = _values_of(place.extra_fields)

    @property
    def table_name(self) -> str:
        """Return the name of the table."""
        return self._place.table_name

    @property
    def durability(self) -> str:
        """Return "full" or "process"."""
        return self._place.durability

    @property
    def mode(self) -> str:
        """Return "rw" or "r"."""
        return self._place.mode

    @property
    def url(self) -> Url:
        """Return the URL that opens this store again, with its password."""
        table = "" if self.table_name == DEFAULT_TABLE else f"#table={self.table_name}"
        return Url(self._url_of_database() + table)

    def _url_of_database(self) -> str:
        return self._sql.database.url.render_as_string(hide_password=False)

    @property
    def columns(self) -> Columns:
        """Return the columns for queries; those of `extra_fields` are among them."""
        from brinery.query.column import Columns

        return Columns([*self._place.extra_fields])

    def _answer(self, question: Question) -> Iterable[Sequence[Any]]:
        from brinery.stores.sql_query import answer

        return answer(self._session, self._sql, question)

    def _place_elsewhere(self) -> SqlOptions:
        if not self._sql.capabilities.snapshot_reads:
            raise InvalidArgumentError(
                "a database in memory belongs to its process, and cannot be pickled: copy it to a file with "
                "brinery.copy"
            )
        # The other process need not make the table, nor add its columns: that is done.
        return self._place._replace(url=self._url_of_database(), create=False, migrate=False)


def _checked(fields: Any) -> dict[Any, Callable[[Any], Any]]:
    if not fields:
        return {}
    from brinery.backends.sql.drivers import installed

    with installed():
        from sqlalchemy import Column
    try:
        found = dict(fields)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            "extra_fields: expected a mapping of sqlalchemy.Column to functions of the object, got "
            f"{fields!r:.60}"
        ) from error
    for column, function in found.items():
        if not isinstance(column, Column) or not callable(function):
            raise InvalidArgumentError(
                f"extra_fields: expected a mapping of sqlalchemy.Column to functions of the object, got "
                f"{column!r:.60}: {function!r:.60} in it"
            )
        if refusal := _refusal_of(column):
            raise InvalidArgumentError(f"extra_fields: the column {column.name!r} {refusal}")
    return found


def _refusal_of(column: Column[Any]) -> str | None:
    # Refuses columns that would be ignored silently, or that could make a correct save fail.
    if not column.name:
        return "has no name: Column(name, type)"
    if column.table is not None:
        return "belongs to another table: give the store a column of its own, Column(name, type)"
    demands = {
        "primary_key": column.primary_key,
        "unique": column.unique,
        "nullable=False": not column.nullable,
        "a default": column.default is not None or column.server_default is not None,
        "a foreign key": bool(column.foreign_keys),
    }
    asked = [name for name, is_asked in demands.items() if is_asked]
    if asked:
        return (
            f"has {', '.join(asked)}: values come from its function, and may be missing or repeat"
        )
    return None


def _values_of(fields: Mapping[Any, Callable[[Any], Any]]) -> Callable[[Any], Mapping[str, Any]]:
    functions = [(column.name, function) for column, function in fields.items()]

    def values(obj: Any) -> Mapping[str, Any]:
        found = {}
        for name, function in functions:
            try:
                found[name] = function(obj)
            except Exception:
                import logging

                logging.getLogger(__name__).warning(
                    "no value for the column %r of an object of class %s: NULL is stored",
                    name,
                    type(obj).__qualname__,
                    exc_info=True,
                )
                found[name] = None
        return found

    return values


def _split(url: Url) -> tuple[str, str | None]:
    """Return the URL without its fragment, and the name of the table that the fragment gives."""
    options = {name for name, _ in _pairs(url)}
    if "uri" in options:
        options -= {"mode"}  # SQLite's own
    if not url.scheme.startswith("sqlite"):
        options -= {"timeout"}  # some drivers have one
    misplaced = sorted(SQL_URL_OPTIONS & options)
    if misplaced:
        raise UrlError(
            url.without_secrets(),
            f"expected a URL without options of the store, got {', '.join(misplaced)}: use "
            "make_store(url), or pass them to SqlStore as arguments",
        )
    key, equals, table = url.fragment.partition("=")
    if url.fragment and (key != "table" or not equals or not table):
        raise UrlError(url.without_secrets(), "expected table=name after #")
    return str(url).partition("#")[0], table or None


def _table(name: Any) -> str | None:
    """Return `name` if a table can have it and a URL can contain it; raise `InvalidArgumentError` if not."""
    if name is None:
        return None
    if not isinstance(name, str) or not (name.isprintable() and name.strip()):
        raise InvalidArgumentError(f"table_name: expected a printable name, got {name!r:.60}")
    return name


def _pairs(url: Url) -> list[tuple[str, str]]:
    if not url.query:
        return []
    from urllib.parse import parse_qsl

    return parse_qsl(url.query, keep_blank_values=True)


def _query_of(pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    from urllib.parse import urlencode

    return urlencode(pairs)


def make_sqlstore(url: Any, *args: Any, **options: Any) -> SqlStore:
    """Return the store in the database at a URL.

    The query of the URL may contain options of the store (``sqlite:///jobs.db?codec=dill``); all others in it
    go to the driver (``?sslmode=require``).  Keyword arguments override the URL.
    """
    parsed = Url(url)
    pairs = _pairs(parsed)
    asked = options.get("codec") or dict(pairs).get("codec") or "pickle"
    known = SQL_URL_OPTIONS | set(codec_options(asked) if isinstance(asked, str) else ())
    if "uri" in dict(pairs):
        known -= {"mode"}  # SQLite's own
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in known:
            if not value:
                raise UrlError(parsed.without_secrets(), f"the option {name!r} needs a value")
            if name in found:
                raise UrlError(parsed.without_secrets(), f"the option {name!r} is given twice")
            found[name] = value
    rest = _query_of([pair for pair in pairs if pair[0] not in known])
    place = Url(
        scheme=parsed.scheme,
        netloc=parsed.netloc,
        path=parsed.path,
        query=rest,
        fragment=parsed.fragment,
    )
    return SqlStore(place, *args, **{**found, **options})
