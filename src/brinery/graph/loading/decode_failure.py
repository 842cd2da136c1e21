"""Why a record cannot be decoded, where the reason lies in its object, and what to do."""

from __future__ import annotations

from contextlib import suppress

from brinery.errors import (
    BrineryError,
    DecodeError,
    MissingClassError,
    StaleReferenceError,
    TrustError,
    pass_memory_error,
    refusal_of,
)
from brinery.evolution.libraries import compared
from brinery.graph.loading.fetch import FetchedRecord


class DecodeFailure:
    """The record `id` that was read and cannot be decoded; `where` is its place in the backend."""

    def __init__(self, id: str, read: FetchedRecord, where: str) -> None:
        self._id = id
        self._read = read
        self._where = where

    def explained(self, error: Exception) -> BrineryError:
        """Return the store's error for an exception that decoding has raised."""
        pass_memory_error(error)
        if isinstance(error, StaleReferenceError):
            return error
        failure: BrineryError
        if isinstance(error, TrustError):
            failure = refusal_of(error, self._id, self._read.record.metadata.codec, self._where)
        elif isinstance(error, DecodeError):
            failure = self.error(
                error.reason,
                kind=type(error),
                object_path=self._path_of(error),
                advice=error.advice,
            )
        else:
            failure = self.error(
                f"{type(error).__name__}: {error}",
                object_path=self._locate(error) or None,
                advice=self._read.codec.advice_on(error),
            )
        failure.__cause__ = error
        return failure

    def error(
        self,
        reason: str,
        *,
        kind: type[DecodeError] = DecodeError,
        object_path: str | None = None,
        advice: str | None = None,
    ) -> DecodeError:
        """Return an error for a reason, with the libraries that have other versions than the writer had."""
        metadata = self._read.record.metadata
        differences = compared(metadata, self._read.codec, in_full=kind is MissingClassError)
        return kind(
            reason,
            id=self._id,
            codec=metadata.codec,
            path=self._where,
            object_path=object_path,
            advice=". ".join(filter(None, (advice, differences))) or None,
        )

    def _path_of(self, error: DecodeError) -> str | None:
        inner = error.object_path
        if error.id is None:  # raised by the codec itself
            return (self._locate(error) if inner is None else inner) or None
        # Another record that this one needs has failed: the path leads through the reference to it.
        outer = self._locate(error)
        return None if outer is None else outer + (inner or "") or None

    def _locate(self, error: Exception) -> str | None:
        with suppress(Exception):  # the caller reports `error`, and not a failure to locate it
            return self._read.codec.locate(self._read.record.payload, error)
        return None
