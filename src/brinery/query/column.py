"""The columns that a query can use, and what is made of them: expressions, orders and aggregates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from brinery.errors import InvalidArgumentError
from brinery.query.expression import All, Comparison, Expression, Not, Some
from brinery.typing import Any, Final

TEXT: Final = "a text"
NUMBER: Final = "a number"
TIME: Final = "seconds since 1970, or a datetime with a time zone"
ANY: Final = "a text, a number or a truth value"
EXTRA: Final = "a value"
SEVERAL: Final = "several values"
"""What a column has in each record: `ANY` is that of a tag, `EXTRA` that of a column of the user."""

_KINDS: Final = {
    "id": TEXT,
    "class_name": TEXT,
    "codec": TEXT,
    "size": NUMBER,
    "created": TIME,
    "note": TEXT,
    "user": TEXT,
    "host": TEXT,
    "program": TEXT,
}


class Field:
    """What a row of an answer may contain, and be sorted by."""

    __slots__ = ()

    kind: str
    label: str
    """Its name in a row."""

    @property
    def key(self) -> Any:
        """Return what only equal fields have: `==` of fields makes an expression."""
        raise NotImplementedError

    def desc(self) -> Order:
        """Return the descending order by this, for `order_by`."""
        return Order(self, is_descending=True)


class Order:
    """A field to sort by, and whether the largest comes first."""

    __slots__ = ("field", "is_descending")

    def __init__(self, field: Field, *, is_descending: bool = False) -> None:
        self.field, self.is_descending = field, is_descending

    def __repr__(self) -> str:
        return f"{self.field!r}.desc()" if self.is_descending else repr(self.field)


class Column(Field):
    """A fact about each record, by its name."""

    __slots__ = ("kind", "name", "tag")

    def __init__(self, name: str, kind: str, tag: str | None = None) -> None:
        self.name, self.kind, self.tag = name, kind, tag

    @property
    def key(self) -> Any:
        """Return the name, and those of the tag and the kind."""
        return self.name, self.tag, self.kind == EXTRA

    @property
    def label(self) -> str:  # type: ignore[override]
        """Return the name of the column, with that of the tag."""
        return self.name if self.tag is None else f"{self.name}_{self.tag}"

    def __repr__(self) -> str:
        return self.name if self.tag is None else f"{self.name}[{self.tag!r}]"

    # `==` makes an expression, so that equal columns need no equal hashes.
    __hash__ = object.__hash__

    def __eq__(self, value: object) -> Expression:  # type: ignore[override]
        return self._compared("==", value)

    def __ne__(self, value: object) -> Expression:  # type: ignore[override]
        return Not(self._compared("==", value))

    def __lt__(self, value: Any) -> Expression:
        return self._compared("<", value)

    def __le__(self, value: Any) -> Expression:
        return self._compared("<=", value)

    def __gt__(self, value: Any) -> Expression:
        return self._compared(">", value)

    def __ge__(self, value: Any) -> Expression:
        return self._compared(">=", value)

    def __bool__(self) -> bool:
        raise InvalidArgumentError(
            f"{self!r} has no truth value by itself: compare it, and join comparisons with & | ~"
        )

    def is_(self, value: None) -> Expression:
        """Return the condition that a record has no value here: only None can be asked for."""
        if value is not None:
            raise InvalidArgumentError(f"is_: expected None, got {value!r:.60}: use ==")
        return Comparison(self, "==", None)

    def is_not(self, value: None) -> Expression:
        """Return the condition that a record has a value here."""
        return Not(self.is_(value))

    def in_(self, values: Iterable[Any]) -> Expression:
        """Return the condition that the value is one of `values`."""
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise InvalidArgumentError(f"in_: expected a list of values, got {values!r:.60}")
        parts = [self._compared("==", value) for value in values]
        present = tuple(
            part.value for part in parts if isinstance(part, Comparison) and part.value is not None
        )
        is_simple = len(present) == len(parts)
        return Comparison(self, "in", present) if is_simple else Some(tuple(parts))

    def startswith(self, text: str) -> Expression:
        """Return the condition that the value is a text that begins with `text`, case included."""
        return Comparison(self, "startswith", self._text("startswith", text))

    def contains(self, text: str) -> Expression:
        """Return the condition that the value is a text with `text` in it, case included."""
        return Comparison(self, "contains", self._text("contains", text))

    def sum(self) -> Aggregate:
        """Return the sum of the numbers here, 0 for none."""
        if self.kind not in (NUMBER, ANY, EXTRA):
            raise InvalidArgumentError(f"sum: expected a column of numbers, got {self!r}")
        return Aggregate("sum", self)

    def min(self) -> Aggregate:
        """Return the least value, None if no record has one; numbers come before texts."""
        return self._extreme("min")

    def max(self) -> Aggregate:
        """Return the greatest value, None if no record has one."""
        return self._extreme("max")

    def _extreme(self, function: str) -> Aggregate:
        if self.name == "id" and self.kind == TEXT:
            raise InvalidArgumentError(f"{function}: use order_by=store.columns.id and limit=1")
        return Aggregate(function, self)

    def _compared(self, operator: str, value: Any) -> Expression:
        checked = self._checked(value)
        if checked is None and operator != "==":
            raise InvalidArgumentError(
                f"{self!r} {operator} None: expected {self.kind}; use is_(None) or is_not(None)"
            )
        if self.kind != TIME or checked is None or isinstance(value, (int, float)):
            return Comparison(self, operator, checked)
        # A datetime counts microseconds, a record less than these: it is all of its microsecond.
        after = Comparison(self, ">=", _first_second(value, 0))
        before = Comparison(self, "<", _first_second(value, 1))
        if operator == "==":
            return All((after, before))
        return {"<": Not(after), "<=": before, ">": Not(before), ">=": after}[operator]

    def _text(self, method: str, text: Any) -> str:
        if self.kind not in (TEXT, ANY, EXTRA) or not isinstance(text, str):
            raise InvalidArgumentError(
                f"{self!r}.{method}: expected a text, and a column of texts, got {text!r:.60}"
            )
        return str.__str__(text)

    def _checked(self, value: Any) -> Any:
        if isinstance(value, (Field, Expression, Order)):
            raise InvalidArgumentError(
                f"{self!r} can be compared with a value, not with {value!r:.60}"
            )
        if value is None or self.kind == EXTRA:
            return value
        if isinstance(value, str) and self.kind in (TEXT, ANY):
            return str.__str__(value)
        if self.kind == ANY and isinstance(value, bool):
            return value
        if self.kind == TIME and hasattr(value, "timestamp") and value.tzinfo is not None:
            return value.timestamp()
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and self.kind != TEXT and math.isfinite(value):
            return int(value) if isinstance(value, int) else float(value)
        raise InvalidArgumentError(
            f"{self!r}: expected {self.kind} to compare with, got {value!r:.60}"
        )


def _first_second(moment: Any, later: int) -> float:
    """Return the first number of seconds whose datetime is `moment` or so many microseconds later."""
    from datetime import UTC, datetime, timedelta

    low: float = moment.timestamp() - 2e-6
    high = low + 5e-6
    try:
        wanted = moment + timedelta(microseconds=later)
        while low < (middle := (low + high) / 2) < high:
            if datetime.fromtimestamp(middle, UTC) < wanted:
                low = middle
            else:
                high = middle
    except (OverflowError, ValueError, OSError):  # at the ends of the years that datetimes have
        return float(moment.timestamp())
    return high


class Aggregate(Field):
    """One value made of many rows: of all, or of each group."""

    __slots__ = ("column", "function")

    kind = EXTRA

    def __init__(self, function: str, column: Column | None = None) -> None:
        """`function` is count, which has no column, sum, min or max."""
        self.function, self.column = function, column

    @property
    def key(self) -> Any:
        """Return the function and the key of the column."""
        return self.function, None if self.column is None else self.column.key

    @property
    def label(self) -> str:  # type: ignore[override]
        """Return the function, and what it is of: `sum_size`."""
        return self.function if self.column is None else f"{self.function}_{self.column.label}"

    def __repr__(self) -> str:
        return "count()" if self.column is None else f"{self.column!r}.{self.function}()"


class References(Column):
    """The IDs of the objects that the object refers to."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("references", SEVERAL)

    def contains(self, id: str) -> Expression:
        """Return the condition that the object refers to the object `id`."""
        if not isinstance(id, str):
            raise InvalidArgumentError(f"references.contains: expected an ID, got {id!r:.60}")
        return Comparison(self, "contains", str.__str__(id))


class Tags(Column):
    """All tags; ``tags["run"]`` is the column of one of them."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("tags", SEVERAL)

    def __getitem__(self, name: str) -> Column:
        if not isinstance(name, str):
            raise InvalidArgumentError(f"tags: expected the name of a tag, got {name!r:.60}")
        return Column("tags", ANY, str.__str__(name))

    def contains(self, name: str) -> Expression:
        """Return the condition that the record has a tag of this name, with any value, None included."""
        return Comparison(self, "contains", self[name].tag)


class Columns:
    """The columns of a store: attributes, and items for names that no attribute has.

    A column of `extra_fields` hides one of the others that has the same name.
    """

    id: Column
    class_name: Column
    """`module:qualname`, as the record has it."""
    codec: Column
    size: Column
    """Bytes of the whole record."""
    created: Column
    """When the record was written: seconds since 1970, UTC."""
    references: References
    note: Column
    tags: Tags
    user: Column
    """Who wrote the record, if the store notes it: see `provenance`; `host` and `program` likewise."""
    host: Column
    program: Column

    def __init__(self, extra: Sequence[Any] = ()) -> None:
        """`extra` are the columns of `extra_fields`."""
        self._extra = extra
        found: dict[str, Column] = {name: Column(name, kind) for name, kind in _KINDS.items()}
        found |= {"references": References(), "tags": Tags()}
        found |= {each.name: Column(each.name, EXTRA) for each in extra}
        self._all = found

    def count(self) -> Aggregate:
        """Return the number of rows."""
        return Aggregate("count")

    def __getitem__(self, name: str) -> Column:
        found = self._all.get(name)
        if found is None:
            raise InvalidArgumentError(
                f"expected a column of store.columns ({', '.join(self._all)}), got {name!r:.60}"
            )
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copy and pickle look for these
            raise AttributeError(name)
        try:
            return self[name]
        except InvalidArgumentError as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> Iterator[Column]:
        return iter(self._all.values())

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._all]

    def __repr__(self) -> str:
        return f"Columns({', '.join(self._all)})"

    def field(self, given: Any) -> Field | None:
        """Return the field that a user means by a name, a field or a column of `extra_fields`, or None."""
        if isinstance(given, Field):
            return given
        if isinstance(given, str):
            return self[given]
        return next((self[each.name] for each in self._extra if each is given), None)
