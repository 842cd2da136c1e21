"""The table of a store.

    store    name      primary key: the name that `brinery.ids.name_of` makes of the ID
             version   a number that no other put has
             size      bytes of the record
             class_name, codec, created    of the object; NULL for the store's own data
             refs      the names of the records that this one refers to, as a JSON array of strings; NULL for
                       none.  Names have no quotes and no backslashes, so that the array is its names between
                       quotes: databases without functions for JSON can search it, and split it, as text.
             filled    the names of the extra columns that the writer of the row knew, in JSON;
                       NULL for none: whatever is in the extra columns is then not of this record
             …         extra columns that the user asked for
             data      the record, as a file of a directory holds it

Names compare byte by byte, whatever the language of the database.  The index of `refs`, from targets to the
records that refer to them, is made when it is first asked for; see the dialects.
"""

from __future__ import annotations

from brinery.errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from sqlalchemy import Column, Dialect, Table

DEFAULT_TABLE: Final = "store"
STANDARD: Final = ("name", "version", "size", "class_name", "codec", "created", "refs", "data")
"""The columns that every row has values for, in the order of statements."""
DATA: Final = STANDARD.index("data")
REFS: Final = STANDARD.index("refs")
FILLED: Final = "filled"
INDEXED: Final = ("sqlite", "postgresql")
"""The dialects with an index over the column `filled`."""

_LONGEST_NAME: Final = 255
_LONGBLOB: Final = 2**32 - 1  # bytes: without a length MySQL makes a BLOB or a TEXT of 64 KB


class Schema:
    """The table of one store, and its extra columns."""

    __slots__ = ("_records", "extra", "fields", "table_name")

    def __init__(self, table_name: str, extra: Sequence[Column[Any]] = ()) -> None:
        self.table_name = table_name
        self.extra = extra
        self.fields = tuple(column.name for column in extra)
        """The names of the extra columns."""
        self._records: Table | None = None
        for name in self.fields:
            if name in (*STANDARD, FILLED):
                raise InvalidArgumentError(
                    f"the store uses a column {name!r} itself: give the extra field another name"
                )
        if len(set(self.fields)) != len(self.fields):
            raise InvalidArgumentError(
                f"expected extra fields of different names, got {', '.join(self.fields)}"
            )

    @property
    def records(self) -> Table:
        """The table, as SQLAlchemy sees it."""
        if self._records is None:
            self._records = _records_of(self)
        return self._records


def _records_of(schema: Schema) -> Table:
    # New columns are made like those given: one column may serve several stores.
    import sqlalchemy as sa

    name_type = (
        sa.String(_LONGEST_NAME)
        .with_variant(sa.Text(collation="C"), "postgresql")
        .with_variant(sa.String(_LONGEST_NAME, collation="utf8mb4_bin"), "mysql", "mariadb")
        .with_variant(sa.String(_LONGEST_NAME, collation="Latin1_General_100_BIN2_UTF8"), "mssql")
    )
    refs_type = (
        sa.Text()
        .with_variant(sa.Text(collation="C"), "postgresql")
        .with_variant(sa.Text(_LONGBLOB, collation="utf8mb4_bin"), "mysql", "mariadb")
    )
    records = sa.Table(
        schema.table_name,
        sa.MetaData(),
        sa.Column("name", name_type, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("class_name", sa.Text),
        sa.Column("codec", sa.Text),
        sa.Column("created", sa.Float(53)),
        sa.Column("refs", refs_type),
        sa.Column(FILLED, sa.Text),
        *(sa.Column(c.name, c.type, index=c.index, comment=c.comment) for c in schema.extra),
        sa.Column("data", sa.LargeBinary(_LONGBLOB), nullable=False),
    )
    if schema.fields:
        _add_index_of_filled(records)
    return records


def _add_index_of_filled(records: Table) -> None:
    # Tells a query in microseconds whether there are rows with unfilled columns.  Other databases have no
    # index over a text of any length; there the query looks at all rows.
    import sqlalchemy as sa

    is_object = records.c.class_name.is_not(None)
    sa.Index(
        f"ix_{records.name}_{FILLED}",
        records.c[FILLED],
        sqlite_where=is_object,
        postgresql_where=is_object,
    ).ddl_if(callable_=_is_indexed)


def _is_indexed(*_: Any, dialect: Dialect, **options: Any) -> bool:
    return dialect.name in INDEXED
