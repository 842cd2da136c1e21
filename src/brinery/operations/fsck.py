"""Finding damage in a whole store, and moving it out of the way.

The store may be in use.  Records that look wrong are therefore examined again at the end, and a record is
moved only in the version that was found damaged.
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
from brinery.operations.status import FsckReport
from brinery.record.seal import Seals
from brinery.session.progress import Show
from brinery.session.session import session_of
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

    With `repair`, records that are damaged, foreign or misnamed are moved to the `Quarantine`.  `progress`
    is called with the number of records done and the number of all.  With `roots`, which are IDs, the
    report lists the orphans.  With a key in `trust`, by default that of the store, seals are checked as
    well; a record that is only unsealed is never moved.  Raise `StorageError` if the store cannot be listed
    or repaired, `NotFoundError` if a root is missing, and `SealError` if `trust` names another store.
    """
    session_of(store)  # raises for a closed store
    policy = getattr(store, "trust", None) if trust is None else trust
    with opened(store, "rw" if repair else "r") as backend:
        seals = _seals(backend, Trust.of(policy))
        return Examination(backend, roots, progress, seals).report(repair=repair)


def _seals(backend: Backend, trust: Trust) -> Seals | None:
    try:
        settings = read_settings(backend)
    except (SettingsError, StorageError):
        return None  # the report has this error; without settings, seals cannot be checked
    identity = settings.identity if settings else None
    check_identity(trust, identity, backend.location)
    if not trust.secrets:
        return None
    # If the store has no identity, no seal is accepted.
    return Seals(trust.secrets, bytes.fromhex(identity or ""))
