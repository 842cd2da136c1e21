"""The columns and references of records, compared with what the records say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brinery.backend import Derived
from brinery.backends.sql.dialect import Dialect
from brinery.backends.sql.pending import encodable
from brinery.ids import name_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Comparison:
    """Compares one store."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._records, self._references, _ = dialect.database.schema

    def differences(self, derived: Sequence[Derived]) -> Iterator[tuple[str, str]]:
        """Yield the names of the records whose columns or references differ, and which of them do.

        Records that have another version by now are left out.
        """
        names = [each.name for each in derived]
        with self._dialect.reading() as connection:
            rows = self._rows(connection, names)
            targets = self._targets(connection, names)
        for each in derived:
            row = rows.get(each.name)
            # Without a row, it was removed since; or its name is another one than in the index of names.
            found = ["name"] if row is None else [*_differing(each, row, targets[each.name])]
            if found:
                yield each.name, ", ".join(found)

    def unowned(self) -> list[str]:
        """Return the names that references start from, and that have no record."""
        from sqlalchemy import exists, select

        source = self._references.c.source
        has_record = exists().where(self._records.c.name == source)
        wanted = select(source).where(~has_record).distinct().order_by(source)
        with self._dialect.reading() as connection:
            return [name for (name,) in connection.execute(wanted)]

    def _rows(self, connection: Connection, names: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:
        from sqlalchemy import select, type_coerce
        from sqlalchemy.types import NullType

        table = self._records.c
        # As they are: a value of a wrong type is a difference.
        derived = (table.version, table.size, table.class_name, table.codec, table.created)
        columns = [type_coerce(column, NullType()) for column in derived]
        found = connection.execute(select(table.name, *columns).where(table.name.in_(names)))
        return {name: tuple(values) for name, *values in found}

    def _targets(self, connection: Connection, names: Sequence[str]) -> defaultdict[str, set[str]]:
        from sqlalchemy import select

        table = self._references.c
        found: defaultdict[str, set[str]] = defaultdict(set)
        pairs = select(table.source, table.target).where(table.source.in_(names))
        for source, target in connection.execute(pairs):
            found[source].add(target)
        return found


def _differing(derived: Derived, row: tuple[Any, ...], targets: set[str]) -> Iterator[str]:
    version, *values = row
    if type(version) is not int:
        yield "version"
    elif version != derived.version:
        return  # it was written since
    about = derived.about
    expected = (derived.size, encodable(about.class_name), about.codec, about.created)
    for name, value, right in zip(
        ("size", "class_name", "codec", "created"), values, expected, strict=True
    ):
        if value != right or isinstance(value, str) is not isinstance(right, str):
            yield name
    if targets != set(map(name_of, about.references)):
        yield "references"
