"""What became of a record's classes, codec and libraries since it was written."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import CodecNotInstalledError, UnknownCodecError
from brinery.evolution.libraries import differing
from brinery.evolution.missing_codec import MissingCodec
from brinery.evolution.original import OriginalRecord
from brinery.evolution.placeholder import set_record
from brinery.graph.fetch import CodecOf, FetchedRecord
from brinery.record.record import Metadata

RENAMED: Final = "renamed"
UPGRADED: Final = "upgraded"
MISSING: Final = "missing"


def keep_record(obj: Any, read: FetchedRecord, reason: str = "") -> None:
    """Give a placeholder the record that it stands for."""
    set_record(obj, OriginalRecord(read.record, read.codec, reason))


def tolerant(codec_of: CodecOf) -> CodecOf:
    """Return what makes an `MissingCodec` where `codec_of` finds no codec."""

    def codec_or_absent(name: str, config: Mapping[str, Any]) -> Codec:
        try:
            return codec_of(name, config)
        except (CodecNotInstalledError, UnknownCodecError) as error:
            return MissingCodec(name, config, str(error))

    return codec_or_absent


def partial_ids(
    evolved: Mapping[str, Collection[str]],
    read: Mapping[str, FetchedRecord],
    known: Collection[str],
) -> set[str]:
    """Return the IDs, among those `read`, of objects that have a placeholder or reach one.

    `evolved` tells what was met in which record; the living objects `known` reach placeholders.
    """
    found = {id_ for id_, met in evolved.items() if MISSING in met and id_ in read}
    reached = {*found, *known}
    if not reached:
        return found
    referrers: dict[str, list[str]] = {}
    for id_, fetched in read.items():
        for reference in fetched.record.metadata.references:
            referrers.setdefault(reference, []).append(id_)
    pending = list(reached)
    while pending:
        for id_ in referrers.get(pending.pop(), ()):
            if id_ not in found:
                found.add(id_)
                pending.append(id_)
    return found


def compared(metadata: Metadata, codec: Codec, *, in_full: bool = False) -> str | None:
    """Say how the writer's Python and libraries differ from those here; None if they do not.

    `in_full` names them also where they are the same.
    """
    here = platform.python_version()
    python = f"written by Python {metadata.python}, this is {here}"
    library = f"written with {metadata.codec} {metadata.codec_version}, this is {codec.version}"
    found = [python] if in_full or metadata.python != here else []
    # The version of the codec pickle is that of Python.
    if (in_full and codec.version != here) or (
        metadata.codec_version != codec.version and codec.version != here
    ):
        found.append(library)
    # What was said of the codec is not said again.
    others = {name: it for name, it in metadata.libraries.items() if name != metadata.codec}
    found += differing(others, in_full=in_full)
    return "; ".join(found) or None
