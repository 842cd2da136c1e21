"""Expressions on columns: which records a query is to find.

Their logic has two values, unlike that of SQL.  A comparison with a value that a record does not have is
false, and so ``~`` of it is true.
"""

from __future__ import annotations

from collections.abc import Iterator

from brinery.errors import InvalidArgumentError
from brinery.typing import Any


class Expression:
    """A condition on the columns of a record; `&`, `|` and `~` make new ones of it."""

    __slots__ = ()

    def __and__(self, other: Any) -> Expression:
        return _joined(All, self, other)

    def __or__(self, other: Any) -> Expression:
        return _joined(Some, self, other)

    def __invert__(self) -> Expression:
        return Not(self)

    def __bool__(self) -> bool:
        raise InvalidArgumentError(
            f"{self!r} has no truth value by itself: join expressions with & | ~ in place of and, or, not; "
            "write (1 < x) & (x < 2) in place of 1 < x < 2, and x.in_(values) in place of x in values"
        )

    def columns(self) -> Iterator[Any]:
        """Yield the columns that are used, again where they are used again."""
        raise NotImplementedError


class _Joined(Expression):
    __slots__ = ("parts",)
    sign = ""

    def __init__(self, parts: tuple[Expression, ...]) -> None:
        self.parts = parts

    def columns(self) -> Iterator[Any]:
        """Yield the columns of all parts."""
        for part in self.parts:
            yield from part.columns()

    def __repr__(self) -> str:
        return f" {self.sign} ".join(f"({part!r})" for part in self.parts)


class All(_Joined):
    """Holds where all its parts hold."""

    __slots__ = ()
    sign = "&"


class Some(_Joined):
    """Holds where one of its parts holds."""

    __slots__ = ()
    sign = "|"


class Not(Expression):
    """Holds where its part does not."""

    __slots__ = ("part",)

    def __init__(self, part: Expression) -> None:
        self.part = part

    def columns(self) -> Iterator[Any]:
        """Yield the columns of the part."""
        return self.part.columns()

    def __repr__(self) -> str:
        return f"~({self.part!r})"


class Comparison(Expression):
    """Compares one column with one value, or with several ones (`in`)."""

    __slots__ = ("column", "operator", "value")

    def __init__(self, column: Any, operator: str, value: Any) -> None:
        """`column` is a `Column`; `operator` is ==, <, <=, >, >=, in, startswith or contains."""
        self.column, self.operator, self.value = column, operator, value

    def columns(self) -> Iterator[Any]:
        """Yield the column."""
        yield self.column

    def __repr__(self) -> str:
        if self.operator.isalpha():
            return f"{self.column!r}.{self.operator}({self.value!r})"
        return f"{self.column!r} {self.operator} {self.value!r}"


def _joined(kind: type[_Joined], left: Expression, right: Any) -> Expression:
    if not isinstance(right, Expression):
        raise InvalidArgumentError(
            f"expected an expression on store.columns after {kind.sign}, got {right!r:.60}: put each "
            f"comparison in parentheses, (x == 1) {kind.sign} (y < 2)"
        )
    # One object for a chain: a long one is not a deep one.
    parts = (side.parts if type(side) is kind else (side,) for side in (left, right))
    return kind(tuple(part for side in parts for part in side))


def conjuncts(where: Expression | None) -> tuple[Expression, ...]:
    """Return expressions that all hold where `where` does, and that together are the same."""
    if where is None:
        return ()
    return where.parts if isinstance(where, All) else (where,)
