"""The classes and functions that a record would import, found without decoding it."""

from __future__ import annotations

from typing import NamedTuple

from brinery.backend import Missing
from brinery.errors import NotFoundError, TrustError, pass_memory_error, refusal_of
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.session.session import Session


class Need(NamedTuple):
    """A class or function that decoding a record would import."""

    module: str
    qualname: str

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


def needs_of(session: Session, id: str) -> list[Need]:
    """Return the classes and functions that decoding the record `id` would import, sorted.

    Raise `NotFoundError`, `RecordError`, `StorageError`, the errors for a missing codec or transform, and
    `TrustError` for a payload whose imports cannot be found.
    """
    backend, name = session.backend, name_of(id)
    path = backend.where(name)
    try:
        data, version = backend.get(name)
    except Missing:
        raise NotFoundError(id, backend.location) from None
    record = session.expander.restored(parse(data, version, id=id, path=path), path)
    codec = session.codecs.codec_for(record.metadata.codec, record.metadata.config)
    try:
        found = set(codec.needs(record.payload))
    except TrustError as error:
        raise refusal_of(error, id, codec.name, path) from error
    except Exception as error:
        pass_memory_error(error)
        reason = f"the names that it would import cannot be found ({type(error).__name__}: {error})"
        raise TrustError(reason, id=id, codec=codec.name, path=path) from error
    return sorted(Need(*each) for each in found)
