"""The writes of a commit, in the transaction of a connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from brinery.backend import ABSENT, ANY, PRESENT, Conflict, Delete, Expect, Version
from brinery.backends.sql.connection import AT_ONCE, Connection, as_asked
from brinery.backends.sql.pending import Pending


def write_alone(connection: Connection, pending: Pending, removed: Sequence[Delete]) -> bool | None:
    """Make the only write of a commit by one statement; return whether that was possible."""
    if removed:
        ((name, expect),) = removed
        return expect is ANY and connection.delete_alone(name)
    ((name, expect),) = pending.expected.items()
    if expect is not ABSENT:
        if expect is not ANY and type(expect) is not int:
            return None  # not a version of this backend, which are numbers: `write` raises the conflict
        if pending.keeps_fields(name):
            return None
    (row,) = pending.rows((name,))
    targets = [target for _, target in pending.references((name,))]
    return connection.put_alone(row, expect, targets)


def write(
    connection: Connection, pending: Pending, removed: Sequence[Delete], is_optimistic: bool
) -> None:
    """Make all writes in the open transaction.  Raise `Conflict`, `TakenError`.

    With `is_optimistic`, new names are not looked up first: the insertion finds those that are taken.
    """
    if is_optimistic and not removed and pending.is_new:
        connection.insert(pending.rows(sorted(pending.expected)))
        connection.link(pending.references(pending.expected), are_new=True)
        return
    found = _checked(connection, pending, removed, is_optimistic)
    _put(connection, pending, found, is_optimistic)
    if removed:
        gone = sorted({name for name, _ in removed})
        # Records first: a writer of these records holds their locks, and may be about to link them.
        connection.delete(gone)
        connection.unlink(gone)


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


def _put(
    connection: Connection, pending: Pending, found: Mapping[str, int], is_optimistic: bool
) -> None:
    """Insert and update the records, and set their references."""
    expected = pending.expected
    # In one order everywhere, so that no two writers wait for each other.
    present = sorted(name for name in expected if name in found)
    new = sorted(name for name in expected if name not in found)
    if new:
        connection.insert(pending.rows(new))
        if not is_optimistic:
            # References may be left of records that another program removed from the one table only.
            connection.unlink(new)
    if present:
        keeping = [name for name in present if pending.keeps_fields(name)]
        if keeping:
            connection.update(pending.rows(keeping), with_fields=False)
        if len(keeping) < len(present):
            rows = pending.rows(name for name in present if not pending.keeps_fields(name))
            connection.update(rows)
        connection.unlink(present)
    connection.link(pending.references(expected))


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
        rows = connection.versions(some).items()
        found.update(as_asked(some, rows))
    return found
