"""The errors of brinery: one root, typed attributes, a text that says what to do next."""

from __future__ import annotations

import errno as _errno
import time
from collections.abc import Sequence
from typing import Any, NamedTuple


class BrineryError(Exception):
    """Root of every error that brinery raises.

    Attributes: `id`, the ID of the object at hand; `codec`, the name of the codec at hand;
    `path`, the file or URL at hand.  Each is None where it does not apply.
    """

    def __init__(
        self,
        message: str,
        *,
        id: str | None = None,
        codec: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message)
        self.id = id
        self.codec = codec
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        # ImportError keeps `path` outside __dict__, and sets `msg` in its __init__.
        return _restore, (type(self), self.args, {**self.__dict__, "path": self.path})


def _restore(cls: type[BrineryError], args: tuple[Any, ...], state: dict[str, Any]) -> BrineryError:
    error = cls.__new__(cls)
    super(BrineryError, error).__init__(*args)
    for name, value in state.items():
        setattr(error, name, value)
    return error


def _in(path: str | None) -> str:
    return f" in {path}" if path else ""


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(str(name)) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


# -- what the caller asked for


class InvalidArgumentError(BrineryError, ValueError):
    """An argument, option or setting has a value that brinery does not know."""


class UrlError(InvalidArgumentError):
    """A string is not a URL that brinery can read."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"cannot read the URL {url!r}: {reason}")
        self.url = url


class UnknownSchemeError(UrlError):
    """No store is registered for the scheme of a URL."""

    def __init__(self, url: str, scheme: str, known: Sequence[str]) -> None:
        super().__init__(
            url,
            f"no store is registered for the scheme {scheme!r}; known are {_listed(known, 20)}. "
            "Add one with brinery.register(scheme, constructor)",
        )
        self.scheme = scheme
        self.known = tuple(known)


class ClosedError(BrineryError, ValueError):
    """A store was used after close()."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__(f"the store{_in(path)} is closed: open it again", path=path)


class CallTooDeepError(BrineryError, RecursionError):
    """A store was called where the calls of the program had all but reached Python's limit."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__(
            f"the store{_in(path)} was called too close to Python's limit of recursion: nothing was "
            "changed. Call it from a function that is not as deep",
            path=path,
        )


class SettingsError(BrineryError):
    """The settings that a store remembers are damaged or, if `is_newer`, of a newer brinery."""

    def __init__(self, reason: str, path: str | None = None, *, is_newer: bool = False) -> None:
        advice = "Upgrade brinery" if is_newer else "Repair or remove them (brinery fsck --repair)"
        super().__init__(
            f"cannot read the settings of the store{_in(path)}: {reason}. "
            f"{advice}; the records stay readable without them",
            path=path,
        )
        self.is_newer = is_newer


# -- which object


class NotFoundError(BrineryError, KeyError):
    """There is no record under an ID."""

    def __init__(self, id: str, path: str | None = None) -> None:
        super().__init__(
            f"there is no object {str(id)!r}{_in(path)}; list() shows the IDs",
            id=id,
            path=path,
        )


class DanglingReferenceError(BrineryError):
    """A record refers to an object that is not in the store.

    `referrer` is the ID of that record, and `object_path` the place inside its object, if known.
    """

    def __init__(
        self, id: str, referrer: str, path: str | None = None, object_path: str | None = None
    ) -> None:
        place = f" at {object_path}" if object_path else ""
        super().__init__(
            f"{str(referrer)!r} refers{place} to {str(id)!r}, which is not{_in(path) or ' in the store'}: "
            f"it was removed, or was not copied along. Bring {str(id)!r} back from a backup, or "
            f"save {str(referrer)!r} anew without it",
            id=id,
            path=path,
        )
        self.referrer = referrer
        self.object_path = object_path


class ConflictError(BrineryError):
    """An object was changed in the store by someone else since it was loaded or saved here."""

    def __init__(self, ids: Sequence[str], path: str | None = None) -> None:
        super().__init__(
            f"{_listed(ids)} changed{_in(path)} since it was loaded here, and saving would undo "
            "that change. Call invalidate_cache(), load it anew and repeat the change, or overwrite "
            "it with replace(id, obj)",
            id=ids[0] if ids else None,
            path=path,
        )
        self.ids = tuple(ids)


class TransactionError(BrineryError):
    """A transaction cannot be committed where its block ends; nothing of it was written."""

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(f"the transaction{_in(path)} {reason}", path=path)
        self.reason = reason


class IdTakenError(ConflictError):
    """A new object was to be saved under an ID that another object has."""

    def __init__(self, id: str, path: str | None = None) -> None:
        BrineryError.__init__(
            self,
            f"{str(id)!r} is the ID of another object{_in(path)}. Overwrite that with "
            "replace(id, obj), or save under another ID",
            id=id,
            path=path,
        )
        self.ids = (id,)


class CopyConflictError(ConflictError):
    """Records were to be copied to a store that has others under their IDs; `ids` are these."""

    def __init__(self, ids: Sequence[str], path: str | None = None) -> None:
        BrineryError.__init__(
            self,
            f"{_listed(ids)}: the target{_in(path)} has another record under the same ID, or that record "
            "is damaged. Copy with overwrite=True (--overwrite) to replace what the target has, or with "
            "skip_existing=True (--skip-existing) to leave it",
            id=ids[0] if ids else None,
            path=path,
        )
        self.ids = tuple(ids)


class BackupError(BrineryError):
    """A place cannot be backed up, backed up to, restored or restored to; `action` says which."""

    def __init__(self, action: str, reason: str, path: str | None = None) -> None:
        super().__init__(f"cannot {action} {path or 'this place'}: {reason}", path=path)
        self.action = action
        self.reason = reason


class AlreadySavedError(BrineryError):
    """A persistable object that has an ID in a store was to be saved there under a second one."""

    def __init__(self, id: str, wanted: str, path: str | None = None) -> None:
        super().__init__(
            f"this object is {str(id)!r}{_in(path) or ' in this store'} and cannot also be "
            f"{str(wanted)!r}: a persistable object has one ID in a store. Save it without an ID, "
            "or save a copy of it",
            id=id,
            path=path,
        )
        self.wanted = wanted


# -- codecs


class UnknownCodecError(InvalidArgumentError):
    """No codec goes by a name."""

    def __init__(
        self, codec: str, known: Sequence[str], id: str | None = None, path: str | None = None
    ) -> None:
        where = f" that wrote {str(id)!r}{_in(path)}" if id is not None else ""
        super().__init__(
            f"unknown codec {codec!r}{where}: known are {_listed(known, 20)}. A codec of another "
            "package is found once that package is installed (entry point group 'brinery.codecs')",
            id=id,
            codec=codec,
            path=path,
        )
        self.known = tuple(known)


class CodecNotInstalledError(BrineryError, ImportError):
    """The library that a codec wraps cannot be imported."""

    def __init__(self, codec: str, hint: str, reason: str, id: str | None = None) -> None:
        what = f" (it wrote {str(id)!r})" if id is not None else ""
        BrineryError.__init__(
            self,
            f"the codec {codec!r}{what} cannot be used: {reason}. Install it with: {hint}",
            id=id,
            codec=codec,
        )
        self.hint = hint


class UnknownTransformError(InvalidArgumentError):
    """No transform goes by a name."""

    def __init__(self, transform: str, known: Sequence[str]) -> None:
        super().__init__(
            f"unknown transform {transform!r:.80}: known are {_listed(known, 20)}. A transform of another "
            "package is found once that package is installed (entry point group "
            "'brinery.transforms')"
        )
        self.transform = transform
        self.known = tuple(known)


class TransformNotInstalledError(BrineryError, ImportError):
    """The library that a transform wraps cannot be imported."""

    def __init__(self, transform: str, hint: str, reason: str) -> None:
        BrineryError.__init__(
            self, f"the transform {transform!r} cannot be used: {reason}. Install it with: {hint}"
        )
        self.transform = transform
        self.hint = hint


class DriverNotInstalledError(BrineryError, ImportError):
    """The library that speaks to a database cannot be imported."""

    def __init__(self, library: str, hint: str) -> None:
        BrineryError.__init__(
            self, f"a store in this database needs {library}. Install it with: {hint}"
        )
        self.library = library
        self.hint = hint


class ProtocolError(InvalidArgumentError):
    """A codec does not have the protocol that was asked for."""

    def __init__(self, protocol: object, codec: str, known: Sequence[int]) -> None:
        has = f"{min(known)} to {max(known)}" if known else "none: leave the protocol out"
        super().__init__(f"protocol {protocol!r}: the codec {codec!r} has {has}", codec=codec)
        self.protocol = protocol
        self.known = tuple(known)


class EncodeError(BrineryError):
    """A codec could not turn an object into bytes.

    `object_path` is where in the object the trouble lies (`.tasks[3].callback`), if known;
    `reason` is the bare cause.
    """

    def __init__(
        self,
        reason: str,
        *,
        id: str | None = None,
        codec: str | None = None,
        object_path: str | None = None,
        advice: str | None = None,
    ) -> None:
        self.reason = reason
        self.object_path = object_path
        self.advice = advice
        what = f" {str(id)!r}" if id is not None else " the object"
        place = f" at {object_path}" if object_path else ""
        then = f". {advice}" if advice else ""
        super().__init__(
            f"the codec {codec!r} cannot encode{what}{place}: {reason}{then}", id=id, codec=codec
        )


class UnsupportedObjectError(EncodeError):
    """An object is of a kind that a codec says it does not keep."""


class Finding(NamedTuple):
    """Something that would break in another process."""

    id: str | None
    """The ID of the object that was saved; None where the finding is about none in particular."""
    path: str
    """The place inside that object, as in ``.tasks[3].callback``; "" for the object itself."""
    problem: str
    """What is wrong there."""


class VerificationError(BrineryError):
    """What was to be saved does not load in a fresh process, or cannot be used there.

    `findings` has all that was found.  The store is as it was.
    """

    def __init__(
        self, findings: Sequence[Finding], id: str | None = None, path: str | None = None
    ) -> None:
        shown = [f"at {found[1]}: {found[2]}" if found[1] else found[2] for found in findings[:20]]
        more = f"; and {len(findings) - 20} more" if len(findings) > 20 else ""
        super().__init__(
            f"{str(id)!r} is not saved{_in(path)}, because of what a fresh process found: "
            f"{'; '.join(shown)}{more}. Move what is missing to a module that can be imported, or "
            "save with codec='cloudpickle' or codec='dill' (recurse=True), which take functions "
            "and classes of __main__ along with the globals that they use",
            id=id,
            path=path,
        )
        self.findings = tuple(Finding(*found) for found in findings)


class DecodeError(BrineryError):
    """A codec could not turn a payload back into an object."""

    def __init__(
        self,
        reason: str,
        *,
        id: str | None = None,
        codec: str | None = None,
        path: str | None = None,
        object_path: str | None = None,
        advice: str | None = None,
    ) -> None:
        self.reason = reason
        self.object_path = object_path
        self.advice = advice
        what = f" {str(id)!r}" if id is not None else " the record"
        place = f" at {object_path}" if object_path else ""
        then = f". {advice}" if advice else ""
        super().__init__(
            f"the codec {codec!r} cannot decode{what}{_in(path)}{place}: {reason}{then}",
            id=id,
            codec=codec,
            path=path,
        )


class MissingClassError(DecodeError):
    """A record needs a class or function that cannot be imported here."""


# -- records


class RecordError(BrineryError):
    """A record cannot be used as it stands."""

    def __init__(self, reason: str, *, id: str | None = None, path: str | None = None) -> None:
        what = f"the record {str(id)!r}" if id is not None else "the record"
        super().__init__(f"{what}{_in(path)} {reason}", id=id, path=path)
        self.reason = reason


class CorruptRecordError(RecordError):
    """A record is damaged: truncated, extended, or with bytes changed."""


class TruncatedRecordError(CorruptRecordError):
    """A record has lost its end.

    `is_zero_filled` says that zeros stand there, as some file systems leave them after a power cut;
    otherwise it is missing.
    """

    def __init__(
        self,
        reason: str,
        *,
        id: str | None = None,
        path: str | None = None,
        is_zero_filled: bool = False,
    ) -> None:
        super().__init__(f"{reason}. Restore it from a backup, or remove() it", id=id, path=path)
        self.is_zero_filled = is_zero_filled


class ForeignRecordError(RecordError):
    """A file or row is not a record of brinery, or has lost so much that it cannot be told for one."""


class MisplacedRecordError(RecordError):
    """A record stands under a name that is not its own."""

    def __init__(self, found: str, *, id: str | None = None, path: str | None = None) -> None:
        super().__init__(
            f"is that of {found!r}: the file was renamed or copied. Give it its own name back, "
            "or restore it from a backup",
            id=id,
            path=path,
        )
        self.found = found


class RecordVersionError(RecordError):
    """A record is of a newer format than this brinery reads."""

    def __init__(
        self, found: int, known: int, *, id: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(
            f"has format version {found}; this brinery reads versions up to {known}. "
            "Upgrade brinery",
            id=id,
            path=path,
        )
        self.found = found
        self.known = known


class RecordTooLargeError(RecordError):
    """A record announces a payload that would expand to more bytes than the store allows."""

    def __init__(
        self, size: int, limit: int, *, id: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(
            f"announces a payload of {size} bytes, compressed; this store expands up to {limit}. "
            "If you trust the record, open the store with a greater max_expanded=…",
            id=id,
            path=path,
        )
        self.size = size
        self.limit = limit


# -- trust


class TrustError(BrineryError):
    """A record, or a store, is refused by the trust policy of whoever opened it.

    `reason` is the bare cause; `names` are the globals (``module:qualname``) that were refused, if it
    was about these.  Nothing that the record names was called.
    """

    def __init__(
        self,
        reason: str,
        *,
        id: str | None = None,
        codec: str | None = None,
        path: str | None = None,
        names: Sequence[str] = (),
    ) -> None:
        what = "it" if path is None else "the store"
        if id is not None:
            what = f"the record {str(id)!r}"
        by = f" (codec {codec!r})" if codec is not None else ""
        super().__init__(
            f"{what}{_in(path)}{by} is refused: {reason}", id=id, codec=codec, path=path
        )
        self.reason = reason
        self.names = tuple(names)


class SealError(TrustError):
    """A record is not sealed, or its seal is that of another key, record or store."""


def refusal_of(error: TrustError, id: str, codec: str | None, path: str | None) -> TrustError:
    """Return an error of a codec with what the codec does not know."""
    if error.id is not None:
        return error
    return type(error)(
        error.reason, id=id, codec=codec or error.codec, path=path, names=error.names
    )


# -- the medium below


_ADVICE = {
    _errno.ENOSPC: "the disk is full: free some space and repeat the call",
    _errno.EDQUOT: "the disk quota is used up: free some space and repeat the call",
    _errno.EACCES: "check the permissions and the owner of the directory and its files",
    _errno.EPERM: "check the permissions and the owner of the directory and its files",
    _errno.EROFS: "the file system is mounted read-only: open the store elsewhere",
    _errno.EMFILE: "this process has too many open files: close some, or raise `ulimit -n`",
    _errno.ENFILE: "the system has too many open files: close some",
    _errno.ENAMETOOLONG: "the path of the directory is too long: use a shorter one",
    _errno.EIO: "the device reports a failure: check it, and restore from a backup",
    _errno.ENOTDIR: "a directory of the path is a file: name another directory",
    _errno.EFBIG: "the file system or `ulimit -f` does not take a file of that size",
}


class StorageError(BrineryError):
    """The medium below a store (file system, database, server) failed.

    `action` says what was tried ("write", "read", …); `errno` is the operating system's number,
    or None.  The store holds what it held before the call.
    """

    def __init__(
        self,
        action: str,
        cause: BaseException | str,
        *,
        id: str | None = None,
        path: str | None = None,
    ) -> None:
        number = getattr(cause, "errno", None)
        reason = (getattr(cause, "strerror", None) or str(cause)) if number else str(cause)
        advice = _ADVICE.get(number) if number is not None else None
        what = f" {str(id)!r}" if id is not None else ""
        super().__init__(
            f"cannot {action}{what}{_in(path)}: {reason}" + (f"; {advice}" if advice else ""),
            id=id,
            path=path,
        )
        self.action = action
        self.errno: int | None = number


class StorageFullError(StorageError):
    """There is no room left to write."""


class ValueTooLargeError(StorageError):
    """A record is larger than an engine keeps."""

    def __init__(self, id: str, size: int, limit: int, engine: str, advice: str) -> None:
        super().__init__(
            "save",
            f"the record has {size} bytes, and {engine} keeps up to {limit}: {advice}",
            id=id,
        )
        self.size = size
        self.limit = limit
        self.engine = engine
        self.advice = advice


class MissingTableError(StorageError):
    """There is no store where one was to be opened without making it."""

    def __init__(self, table: str, path: str) -> None:
        super().__init__(
            "open",
            f"there is no table {table!r}, and create=False: check the URL and table_name, or make "
            "the store with create=True",
            path=path,
        )
        self.table = table


class MissingColumnsError(StorageError):
    """A table lacks columns of `extra_fields`; `statements` would add them."""

    def __init__(self, columns: Sequence[str], statements: Sequence[str], path: str) -> None:
        super().__init__(
            "open",
            f"the table has no column {_listed(columns)}: open it once with migrate=True, or run: "
            + "; ".join(statements),
            path=path,
        )
        self.columns = tuple(columns)
        self.statements = tuple(statements)


class LockedError(StorageError):
    """Another writer has had the lock of a store for longer than this one was to wait.

    `seconds` is how long it waited.  `pid`, `host` and `since` (seconds since the epoch) tell who took the
    lock last, and are None where that is not known.  The lock ends with its process, however that ends.
    """

    def __init__(
        self,
        path: str,
        seconds: float,
        pid: int | None = None,
        host: str | None = None,
        since: float | None = None,
    ) -> None:
        who = "find it with `fuser`"
        if pid is not None and since is not None:
            then = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
            who = f"it is process {pid} on {host}, and took the lock at {then}"
        super().__init__(
            "write",
            f"another writer has held the lock for the {seconds:g} seconds that this one waited; "
            f"wait until it has finished, or stop it: {who}",
            path=path,
        )
        self.seconds, self.pid, self.host, self.since = seconds, pid, host, since


def storage_error(
    action: str, cause: OSError, *, id: str | None = None, path: str | None = None
) -> StorageError:
    """Return the error that stands for `cause`, an error of the operating system."""
    full = cause.errno in (_errno.ENOSPC, _errno.EDQUOT)
    return (StorageFullError if full else StorageError)(action, cause, id=id, path=path)


def is_too_deep(error: BaseException | None) -> bool:
    """Tell whether an error comes from the limit of recursion, whatever it was wrapped in."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__cause__ or error.__context__
    return False
