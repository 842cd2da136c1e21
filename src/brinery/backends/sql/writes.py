"""The writes of a commit, in the transaction of a connection."""

from __future__ import annotations

from brinery.backend import ABSENT, ANY, PRESENT, Conflict, Unchanged
from brinery.backends.sql.connection import AT_ONCE, as_asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from brinery.backend import Delete, Expect, Version
    from brinery.backends.sql.connection import Connection
    from brinery.backends.sql.pending import Pending


def write_alone(connection: Connection, pending: Pending, removed: Sequence[Delete]) -> bool | None:
    """Make the only write of a commit by one statement; return whether that was possible."""
    if removed:
        ((name, expect),) = removed
        if expect is ABSENT or not _is_known(expect) or type(removed[0]) is Unchanged:
            return None  # `write` looks, and raises the conflict
        return connection.delete_alone(name, expect)
    row = pending.only
    if row is None:
        return None
    expect = pending.expected[row[0]]
    return connection.put_alone(row, expect) if _is_known(expect) else None


def _is_known(expect: Version | Expect) -> bool:
    # A version of this backend is a number.
    return expect is ABSENT or expect is ANY or expect is PRESENT or type(expect) is int


def write(
    connection: Connection, pending: Pending, removed: Sequence[Delete], is_optimistic: bool
) -> None:
    """Make all writes in the open transaction.  Raise `Conflict`, `TakenError`.

    With `is_optimistic`, new names are not looked up first: the insertion finds those that are taken.
    """
    found: Mapping[str, int] = {}
    if removed or not (is_optimistic and pending.is_new):
        found = _checked(connection, pending, removed, is_optimistic)
    for rows in pending.batches():
        if not found:
            connection.insert(rows)
            continue
        # The rows of `found` are locked, and in one order everywhere: no two writers wait for each other.
        if new := [row for row in rows if row[0] not in found]:
            connection.insert(new)
        if present := [row for row in rows if row[0] in found]:
            connection.update(present)
    for row in pending.large:
        connection.put_large(row, is_new=row[0] not in found)
    if deleted := {each.name for each in removed if type(each) is not Unchanged}:
        connection.delete(sorted(deleted))


def _checked(
    connection: Connection, pending: Pending, removed: Sequence[Delete], is_optimistic: bool
) -> dict[str, int]:
    """Return the versions of the names that exist, of those looked up.  Raise `Conflict`."""
    expected = pending.expected
    new = pending.named(ABSENT)
    watched = {*pending.named(), *pending.named(ANY), *(() if is_optimistic else new)}
    demanded = [delete for delete in removed if delete.expect is not ANY]
    found = versions_of(connection, watched.union(name for name, _ in demanded))
    known = watched | (found.keys() & expected.keys())
    wrong = {name for name in known if not _fits(expected[name], found.get(name))}
    wrong.update(name for name, expect in demanded if not _fits(expect, found.get(name)))
    if wrong:
        # The caller wants all conflicts: look up the new names, too.
        wrong.update(versions_of(connection, set(new)))
        names = dict.fromkeys((*expected, *(name for name, _ in demanded)))
        raise Conflict([name for name in names if name in wrong])
    return found


def _fits(expect: Version | Expect, found: int | None) -> bool:
    if expect is ANY:
        return True
    if found is None or expect is PRESENT:
        return (found is None) is (expect is ABSENT)
    return found == expect


def versions_of(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the versions of those records that exist, by name."""
    # In one order everywhere: two writers that lock the same rows must not wait for each other.
    ordered = sorted(names)
    found: dict[str, int] = {}
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        found.update(as_asked(some, connection.versions(some)))
    return found
