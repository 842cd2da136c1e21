"""The classes and functions that records would import, found without decoding them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from brinery.backend import Missing
from brinery.errors import (
    BrineryError,
    NotFoundError,
    TrustError,
    danger_of,
    pass_memory_error,
    refusal_of,
)
from brinery.ids import Id, name_of
from brinery.operations.scan import ids_in
from brinery.record.info import read_info
from brinery.record.reader import parse
from brinery.session.progress import Progress, Show
from brinery.session.session import Session


class Need(NamedTuple):
    """A class or function that decoding a record would import."""

    module: str
    qualname: str

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"

    @property
    def danger(self) -> str | None:
        """What a record that may call it can do; None if it is not known to be dangerous."""
        return danger_of(self.module, self.qualname)


@dataclass(frozen=True, slots=True)
class Imports:
    """What the records of codecs that can run code would import."""

    codecs: Mapping[str, int]
    """How many records there are of each such codec."""
    needs: Mapping[Need, int]
    """How many of them need each class or function."""
    unknown: Sequence[Id]
    """The records of which that cannot be found."""


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


def imports_of(session: Session, show: Show | None = None) -> Imports:
    """Return what decoding all records would import.

    Records of codecs that run no code, and damaged ones, are left out.
    """
    ids = ids_in(session)
    progress = Progress(show, len(ids))
    codecs, needs, unknown = Counter[str](), Counter[Need](), list[Id]()
    for done, id_ in enumerate(ids):
        progress(done)
        try:
            info = read_info(session.backend, name_of(id_), id_)
            codec = session.codecs.codec_for(info.codec, info.codec_config)
            if codec.capabilities.safe_to_read:
                continue
            codecs[info.codec] += 1
            needs.update(needs_of(session, id_))
        except TrustError:
            unknown.append(Id(id_))
        except BrineryError:  # to decode the record raises it again
            continue
    progress.end()
    return Imports(dict(codecs), dict(needs), tuple(unknown))
