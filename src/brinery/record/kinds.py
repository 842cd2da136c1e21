"""The kinds of the records that one codec writes, each made once."""

from __future__ import annotations

from brinery.codec import Codec
from brinery.record.kind import Kind, kind_of
from brinery.typing import Any, Final

MOST_KINDS: Final = 1000
"""Kinds of one codec that are kept; a program that makes classes again and again has more."""


class KindTable(dict[tuple[Any, ...], Kind]):
    """Kinds by class name, size of the opening, and the items of versions and libraries, if there are any."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec
        self._common = {
            "codec": codec.name,
            "config": codec.config(),
            "codec_version": codec.version,
            "protocol": codec.protocol,
        }

    def __missing__(self, key: tuple[Any, ...]) -> Kind:
        if len(self) > MOST_KINDS:
            self.clear()
        class_name, opening, *noted = key
        versions, libraries = map(dict, noted) if noted else ((), ())
        found = self[key] = kind_of(
            class_name, self._common, opening=opening, versions=versions, libraries=libraries
        )
        return found
