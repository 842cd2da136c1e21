"""Errors of calls: a wrong argument, a closed store, an object that is not there or has changed."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.errors.root import BrineryError, derived
from brinery.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


class InvalidArgumentError(BrineryError, ValueError):
    """An argument, option or setting has a value that brinery does not know."""

    message: str


class NotMappableError(InvalidArgumentError):
    """Large arrays were to be mapped, where that cannot be done."""

    message: str = derived("mmap: cannot map[ {id!r}][ in {path}]: {reason}[. {advice}]")
    reason: str
    advice: str | None = None
    id: str | None = None
    path: str | None = None


class UrlError(InvalidArgumentError):
    """A string is not a URL that brinery can read."""

    message: str = derived("cannot read the URL {url!r}: {reason}")
    url: str
    reason: str


class UnknownSchemeError(UrlError):
    """No store is registered for the scheme of a URL."""

    reason: str = derived(
        "no store is registered for the scheme {scheme!r}; known are {known:20}. "
        "Add one with brinery.register(scheme, constructor)"
    )
    scheme: str
    known: Sequence[str]


class ClosedError(BrineryError, ValueError):
    """A store was used after close()."""

    message: str = derived(
        "the store[ in {path}] is closed[, and {id!r} was not read yet]: open it again"
    )
    path: str | None = None
    id: str | None = None


class CallTooDeepError(BrineryError, RecursionError):
    """A store was called where the calls of the program had nearly reached Python's limit."""

    message: str = derived(
        "the store[ in {path}] was called too close to Python's limit of recursion: nothing was "
        "changed. Call it from a function that is not as deep"
    )
    path: str | None = None


class SettingsError(BrineryError):
    """The settings that a store remembers are damaged or, if `is_newer`, of a newer brinery."""

    message: str = derived(
        "cannot read the settings of the store[ in {path}]: {reason}. {advice}; "
        "the records stay readable without them"
    )
    advice: str = derived(
        lambda error: "Upgrade brinery" if error.is_newer else "Repair them (brinery fsck --repair)"
    )
    reason: str
    path: str | None = None
    _: KW_ONLY
    is_newer: bool = False


class NotFoundError(BrineryError, KeyError):
    """The store has no record under an ID."""

    message: str = derived(
        "there is no object {id!r}[ in {path}]: list the IDs to see which there are"
    )
    id: str
    path: str | None = None


class DanglingReferenceError(BrineryError):
    """A record refers to an object that is not in the store.

    `referrer` is the ID of that record, and `object_path` the place inside its object, if known.
    """

    message: str = derived(
        "{referrer!r} refers[ at {object_path}] to {id!r}, which is not in [{path}|the store]: "
        "it was removed, or was not copied along. Bring {id!r} back from a backup, or "
        "save {referrer!r} again without it"
    )
    id: str
    referrer: str
    path: str | None = None
    object_path: str | None = None


class StaleReferenceError(BrineryError):
    """An object that was loaded lazily cannot get its state any more.

    `id` is its ID, and `referrer` that of the object through which it was reached.
    """

    message: str = derived(
        "{id!r}, to which {referrer!r} refers, was not read yet, and {reason}: load {referrer!r} again, "
        "after invalidate_cache()"
    )
    id: str
    referrer: str
    reason: str


class ConflictError(BrineryError):
    """Somebody else changed an object in the store after it was loaded or saved here."""

    message: str = derived(
        "{ids} changed[ in {path}] since it was loaded here, and saving would undo "
        "that change. Call invalidate_cache(), load it again and repeat the change, or overwrite "
        "it with replace(id, obj)"
    )
    id: str | None = derived(lambda error: error.ids[0] if error.ids else None)
    ids: Sequence[str]
    path: str | None = None


class TransactionError(BrineryError):
    """A transaction cannot be committed where its block ends; nothing of it was written."""

    message: str = derived("the transaction[ in {path}] {reason}")
    reason: str
    path: str | None = None


class IdTakenError(ConflictError):
    """A new object was to be saved under an ID that another object has."""

    message: str = derived(
        "{id!r} is the ID of another object[ in {path}]. Overwrite that with "
        "replace(id, obj), or save under another ID"
    )
    id: str
    ids: Sequence[str] = derived(lambda error: (error.id,))


class RolledBackError(ConflictError):
    """A save reached objects that may have changes which a rollback has undone; `ids` are these."""

    message: str = derived(
        "{ids}[ in {path}] differ from what is stored, and a transaction that could change them was rolled "
        "back since they were loaded: the difference may be a change that was undone. Load the object that "
        "you save again, and repeat the change; or, to keep the state of these objects, save each of them by "
        "itself"
    )


class CopyConflictError(ConflictError):
    """Records were to be copied to a store that has others under their IDs; `ids` are these."""

    message: str = derived(
        "{ids}: the target[ in {path}] has another record under the same ID, or that record "
        "is damaged. Copy with overwrite=True (--overwrite) to replace what the target has, or with "
        "skip_existing=True (--skip-existing) to leave it"
    )


class BackupError(BrineryError):
    """A place cannot be backed up, backed up to, restored or restored to; `action` says which."""

    message: str = derived("cannot {action} [{path}|this place]: {reason}")
    action: str
    reason: str
    path: str | None = None


class AlreadySavedError(BrineryError):
    """A persistable object that has an ID in a store was to be saved there under a second one."""

    message: str = derived(
        "this object is {id!r} in [{path}|this store] and cannot also be "
        "{wanted!r}: a persistable object has one ID in a store. Save it without an ID, "
        "or save a copy of it"
    )
    id: str
    wanted: str
    path: str | None = None
