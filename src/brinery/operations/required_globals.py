"""What a record would import, found out without decoding it."""

from __future__ import annotations

from typing import Any, NamedTuple

from brinery.errors import TrustError, refusal_of
from brinery.graph.fetch import CodecOf
from brinery.record.payload import Restorer
from brinery.record.reader import parse


class Need(NamedTuple):
    """A class or function that decoding a record would import."""

    module: str
    qualname: str

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


def needs_of(
    data: bytes, version: Any, id: str, path: str, codec_of: CodecOf, restorer: Restorer
) -> list[Need]:
    """Return what a record needs, sorted.

    Raise `RecordError`, what `codec_of` and `restorer` raise, and `TrustError` for a payload that does
    not tell.
    """
    record = restorer.restored(parse(data, version, id=id, path=path), path)
    codec = codec_of(record.metadata.codec, record.metadata.config)
    try:
        found = set(codec.needs(record.payload))
    except TrustError as error:
        raise refusal_of(error, id, codec.name, path) from error
    except Exception as error:
        reason = f"what it would import cannot be told ({type(error).__name__}: {error})"
        raise TrustError(reason, id=id, codec=codec.name, path=path) from error
    return sorted(Need(*each) for each in found)
