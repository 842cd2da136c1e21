"""Records whose classes were renamed, upgraded or missing in a load."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from brinery.evolution.original import OriginalRecord
from brinery.evolution.placeholder import set_record
from brinery.graph.loading.fetch import FetchedRecord
from brinery.typing import Any, Final

RENAMED: Final = "renamed"
UPGRADED: Final = "upgraded"
MISSING: Final = "missing"


def keep_record(obj: Any, read: FetchedRecord, reason: str = "") -> None:
    """Store in a placeholder the record that it was loaded from."""
    set_record(obj, OriginalRecord(read.record, read.codec, reason))


def partial_ids(
    evolved: Mapping[str, Collection[str]],
    read: Mapping[str, FetchedRecord],
    known: Collection[str],
) -> set[str]:
    """Return the IDs, among those `read`, of objects that contain a placeholder or reach one.

    `evolved` maps IDs to the kinds of change met in their records; the living objects `known` reach
    placeholders.
    """
    found = {id_ for id_, met in evolved.items() if MISSING in met and id_ in read}
    return found | reaching({*found, *known}, read)


def reaching(ids: Collection[str], read: Mapping[str, FetchedRecord]) -> set[str]:
    """Return the IDs of all records that refer to one of `ids`, directly or not."""
    found: set[str] = set()
    if not ids:
        return found
    referrers: dict[str, list[str]] = {}
    for id_, fetched in read.items():
        for reference in fetched.record.metadata.followed:
            referrers.setdefault(reference, []).append(id_)
    pending = list(ids)
    while pending:
        for id_ in referrers.get(pending.pop(), ()):
            if id_ not in found:
                found.add(id_)
                pending.append(id_)
    return found
