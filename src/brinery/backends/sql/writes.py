"""What a commit does in the transaction of a connection."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from brinery.backend import ABSENT, ANY, Conflict, Delete, Expect, Version
from brinery.backends.sql.connection import AT_ONCE, Connection
from brinery.backends.sql.pending import Pending


def write_alone(connection: Connection, pending: Pending, removed: Sequence[Delete]) -> bool | None:
    """Make the one write that there is by one statement; return whether that was possible."""
    if removed:
        ((name, expect),) = removed
        return expect is ANY and connection.delete_alone(name)
    ((name, expect),) = pending.expected.items()
    if expect is not ABSENT:
        if expect is not ANY and type(expect) is not int:
            return None  # a version of this backend is a number: `write` says what is wrong
        if pending.keeps_fields(name):
            return None
    (row,) = pending.rows((name,))
    targets = [target for _, target in pending.references((name,))]
    return connection.put_alone(row, expect, targets)


def write(
    connection: Connection, pending: Pending, removed: Sequence[Delete], is_optimistic: bool
) -> None:
    """Make all writes in the transaction that is open.  Raise `Conflict`, `TakenError`.

    `is_optimistic` says that new names need not be looked for before.
    """
    expected = pending.expected
    if is_optimistic and not removed and pending.is_new:
        # Whoever made one of them meanwhile is found out by the insertion.
        connection.insert(pending.rows(sorted(expected)))
        connection.link(pending.references(expected), are_new=True)
        return
    new = pending.named(ABSENT)
    watched = pending.named() + pending.named(ANY)
    if not is_optimistic:
        watched += new
    demanded = [delete for delete in removed if delete.expect is not ANY]
    found = versions_of(connection, {*watched, *(name for name, _ in demanded)})
    looked_at = found.keys() & expected.keys() | {*watched}
    wrong = {name for name in looked_at if not _fits(expected[name], found.get(name))}
    wrong.update(name for name, expect in demanded if not _fits(expect, found.get(name)))
    if wrong:
        # Those that are to be new may not have been looked at yet: the caller wants to know of all.
        wrong.update(versions_of(connection, set(new)))
        names = dict.fromkeys((*expected, *(name for name, _ in demanded)))
        raise Conflict([name for name in names if name in wrong])
    # In one order everywhere, so that no two writers wait for each other.
    standing = sorted(name for name in watched if name in found)
    new = sorted(name for name in expected if name not in found)
    if new:
        connection.insert(pending.rows(new))
        if not is_optimistic:
            # What somebody may have left over, who removed rows of the one table alone.
            connection.unlink(new)
    if standing:
        kept = [name for name in standing if pending.keeps_fields(name)]
        if kept:
            connection.update(pending.rows(kept), with_fields=False)
        if len(kept) < len(standing):
            connection.update(pending.rows(n for n in standing if not pending.keeps_fields(n)))
        connection.unlink(standing)
    connection.link(pending.references(expected))
    if removed:
        gone = sorted({name for name, _ in removed})
        # First the records: whoever is writing them has them locked, and may be about to link them.
        connection.delete(gone)
        connection.unlink(gone)


def _fits(expect: Version | Expect, found: int | None) -> bool:
    if expect is ANY:
        return True
    return found is None if expect is ABSENT else found == expect


def versions_of(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the versions of those that there are, by name."""
    # In one order everywhere: two writers that lock the same rows must not wait for each other.
    ordered, found = sorted(names), {}
    for start in range(0, len(ordered), AT_ONCE):
        found.update(connection.versions(ordered[start : start + AT_ONCE]))
    return found
