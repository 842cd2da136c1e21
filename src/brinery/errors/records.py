"""Errors of records: damaged, foreign, of a newer format, or refused by the trust policy."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.errors.root import BrineryError, derived
from brinery.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


class RecordError(BrineryError):
    """A record cannot be used as it is."""

    message: str = derived("the record[ {id!r}][ in {path}] {reason}")
    reason: str
    _: KW_ONLY
    id: str | None = None
    path: str | None = None


class CorruptRecordError(RecordError):
    """A record is damaged: truncated, extended, or with bytes changed."""


class TruncatedRecordError(CorruptRecordError):
    """A record has lost its end.

    If `is_zero_filled`, the end is zeros, as some file systems leave it after a power cut; otherwise it is
    missing.
    """

    message: str = derived(
        "the record[ {id!r}][ in {path}] {reason}. Restore it from a backup, or remove it"
    )
    _: KW_ONLY
    is_zero_filled: bool = False


class ForeignRecordError(RecordError):
    """A file or row is not a record of brinery, or is too damaged to be recognised as one."""


class MisplacedRecordError(RecordError):
    """A record is stored under a name that is not its own."""

    reason: str = derived(
        "is that of {found!r}: the file was renamed or copied, or the file system takes both names for one. "
        "Use the ID {found!r}, give the file its own name back, or restore it from a backup"
    )
    found: str


class RecordVersionError(RecordError):
    """A record is of another format than this brinery reads."""

    reason: str = derived(
        "has format version {found}; this brinery reads version {known}. Use a brinery that writes "
        "version {found}"
    )
    found: int
    known: int


class RecordTooLargeError(RecordError):
    """A record announces a payload that would expand to more bytes than the store allows."""

    reason: str = derived(
        "announces a payload of {size} bytes, compressed; this store expands at most {limit}. "
        "If you trust the record, open the store with a greater max_expanded=…"
    )
    size: int
    limit: int


class TrustError(BrineryError):
    """The trust policy of a store that was opened here refuses a record, or the store itself.

    `reason` is the cause alone; `names` are the globals (``module:qualname``) that were refused, if the
    error is about globals.  Nothing that the record names was called.
    """

    message: str = derived(
        "[the record {id!r} in {path}|the record {id!r}|the store in {path}|it][ (codec {codec!r})] "
        "is refused: {reason}"
    )
    reason: str
    _: KW_ONLY
    id: str | None = None
    codec: str | None = None
    path: str | None = None
    names: Sequence[str] = ()


class SealError(TrustError):
    """A record is not sealed, or its seal is that of another key, record or store."""


def refusal_of(error: TrustError, id: str, codec: str | None, path: str | None) -> TrustError:
    """Return an error of a codec, completed by what the codec does not know."""
    if error.id is not None:
        return error
    return type(error)(
        error.reason, id=id, codec=codec or error.codec, path=path, names=error.names
    )
