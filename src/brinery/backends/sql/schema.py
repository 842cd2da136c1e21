"""The two tables of a store: records, and the references between them.

    store              name      primary key: the name that `brinery.ids.name_of` makes of the ID
                       version   a number that no other put has
                       size      bytes of the record
                       class_name, codec, created    of the object; NULL for the store's own data
                       filled    the names of the extra columns that the writer of the row knew, in JSON;
                                 NULL for none: whatever is in the extra columns is then not of this record
                       …         extra columns that the user asked for
                       data      the record, as a file of a directory holds it
    store_references   source, target    names; one row for each reference, indexed both ways

Names compare byte by byte, whatever the language of the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from brinery.errors import InvalidArgumentError

if TYPE_CHECKING:
    from sqlalchemy import Column, Dialect, Table

DEFAULT_TABLE: Final = "store"
STANDARD: Final = ("name", "version", "size", "class_name", "codec", "created", "data")
"""The columns that every row has values for, in the order of statements."""
FILLED: Final = "filled"
INDEXED: Final = ("sqlite", "postgresql")
"""The dialects with an index over the column `filled`."""

_LONGEST_NAME: Final = 255
_LONGBLOB: Final = 2**32 - 1  # bytes: without a length MySQL makes a BLOB of 64 KB


class Schema(NamedTuple):
    """The tables of one store."""

    records: Table
    references: Table
    fields: tuple[str, ...]
    """The names of the extra columns."""


def make_schema(table_name: str, extra: Sequence[Column[Any]] = ()) -> Schema:
    """Return the tables of the store `table_name`, with the columns `extra` added.

    New columns are made like those given: one column may serve several stores.
    """
    import sqlalchemy as sa

    name_type = (
        sa.String(_LONGEST_NAME)
        .with_variant(sa.Text(collation="C"), "postgresql")
        .with_variant(sa.String(_LONGEST_NAME, collation="utf8mb4_bin"), "mysql", "mariadb")
        .with_variant(sa.String(_LONGEST_NAME, collation="Latin1_General_100_BIN2_UTF8"), "mssql")
    )
    for column in extra:
        if column.name in (*STANDARD, FILLED):
            raise InvalidArgumentError(
                f"the store uses a column {column.name!r} itself: give the extra field another name"
            )
    names = [column.name for column in extra]
    if len(set(names)) != len(names):
        raise InvalidArgumentError(
            f"expected extra fields of different names, got {', '.join(names)}"
        )
    metadata = sa.MetaData()
    records = sa.Table(
        table_name,
        metadata,
        sa.Column("name", name_type, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("class_name", sa.Text),
        sa.Column("codec", sa.Text),
        sa.Column("created", sa.Float(53)),
        sa.Column(FILLED, sa.Text),
        *(sa.Column(c.name, c.type, index=c.index, comment=c.comment) for c in extra),
        sa.Column("data", sa.LargeBinary(_LONGBLOB), nullable=False),
    )
    if names:
        _add_index_of_filled(records)
    references = sa.Table(
        f"{table_name}_references",
        metadata,
        sa.Column("source", name_type, primary_key=True),
        sa.Column("target", name_type, primary_key=True, index=True),
        sqlite_with_rowid=False,
    )
    return Schema(records, references, tuple(names))


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
