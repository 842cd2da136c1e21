"""Finding damage in a whole store, and moving it out of the way.

The store may be in use: what looks wrong is looked at again at the end, and a record is moved only in the
version that was found damaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brinery.backend import Backend
from brinery.backends.opening import opened
from brinery.catalog.settings import read_settings
from brinery.errors import (
    SettingsError,
    StorageError,
)
from brinery.operations.examination import Examination
from brinery.operations.progress import Show
from brinery.operations.status import FsckReport
from brinery.record.seal import Seals
from brinery.trust.gate import check_identity
from brinery.trust.policy import Trust


def fsck(
    store: Any,
    repair: bool = False,
    progress: Show | None = None,
    *,
    roots: Iterable[str] | None = None,
    trust: Trust | None = None,
) -> FsckReport:
    """Examine every record of a store, which may be given as its URL or path, or as a backend.

    With `repair`, what is damaged, foreign or misnamed is moved to the `Quarantine`.  `progress` is called
    with the number of records done and of all.  `roots` are IDs: the report then has the orphans.
    With a key in `trust`, by default that of the store, seals are checked as well; a record that has none
    of that key is never moved.  Raise `StorageError` where the store cannot be listed or repaired,
    `NotFoundError` for a root that is not there, and `SealError` where `trust` names another store.
    """
    policy = getattr(store, "trust", None) if trust is None else trust
    with opened(store) as backend:
        seals = _seals(backend, Trust.of(policy))
        return Examination(backend, roots, progress, seals).report(repair=repair)


def _seals(backend: Backend, trust: Trust) -> Seals | None:
    try:
        settings = read_settings(backend)
    except (SettingsError, StorageError):
        return None  # that is told; whose seals they are is not known
    identity = settings.identity if settings else None
    check_identity(trust, identity, backend.location)
    if not trust.secrets:
        return None
    # Where the store says nothing of seals, none fits.
    return Seals(trust.secrets, bytes.fromhex(identity or ""))
