"""The choices that are compared: codecs, protocols and compressions, by the names of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from brinery.codec import Codec
from brinery.errors import BrineryError, InvalidArgumentError
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import (
    CodecArgument,
    builtin_codecs,
    codec_class,
    known_codecs,
    make_codec,
)
from brinery.registry.transforms import make_transform
from brinery.url import Url


@dataclass(frozen=True, slots=True)
class Choice:
    """One codec with one compression."""

    title: str
    """The name that the codec was given by, without the protocol: "pickle", "auto"."""
    codec: Codec
    compress: str | None = None
    to: str | None = None
    """The URL or path of the place to save to; None for memory."""

    @property
    def place(self) -> str | None:
        """Return the place without its secrets, as results name it."""
        return None if self.to is None else _shown(self.to)

    @property
    def protocol(self) -> int | None:
        """Return the protocol that is written, if the codec has several."""
        return None if isinstance(self.codec, CodecChain) else self.codec.protocol

    def described(self) -> dict[str, Any]:
        """Return JSON types from which another process makes the same choice."""
        return {
            "codec": self.codec.name,
            "config": self.codec.config(),
            "compress": self.compress,
            "to": self.to,
        }


def choices(
    codecs: str | Iterable[CodecArgument] | None,
    compress: str | Iterable[str] | None,
    to: Iterable[str] | None = None,
) -> list[Choice]:
    """Return all combinations of the given codecs, compressions and places.

    A codec is ``"pickle"``, ``"pickle:2"``, ``"auto"``, a `Codec`, or a list of these: a chain.  By
    default these are all installed codecs and ``"auto"``, without compression.  Raise `BrineryError` for a
    name that is unknown or not installed.
    """
    named = [_named(codec) for codec in _listed(codecs) or _installed()]
    stages = [_stage(name) for name in _listed(compress) or ["none"]]
    places: list[str | None] = [*to] if to else [None]
    found = [
        Choice(title, codec, stage, place)
        for place in places
        for title, codec in named
        for stage in stages
    ]
    # Two instances with different options have one name, but are two choices.
    return list(
        {
            (c.title, type(c.codec), repr(c.codec.config()), c.compress, c.to): c for c in found
        }.values()
    )


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, str):
        return [part.strip() for part in values.split(",") if part.strip()]
    if isinstance(values, Codec):
        return [values]
    return list(values)


def _installed() -> list[str]:
    found = []
    for name in [*builtin_codecs(), *(n for n in known_codecs() if n not in builtin_codecs())]:
        try:
            codec_class(name)
        except BrineryError:
            continue
        found.append(name)
    return [*found, "auto"]


def _named(codec: CodecArgument) -> tuple[str, Codec]:
    if isinstance(codec, str):
        name, colon, protocol = codec.partition(":")
        if not colon:
            return name, make_codec(name)
        if not protocol.isdecimal():
            raise InvalidArgumentError(
                f"the codec {codec!r}: expected a protocol (an integer) after the colon, got {protocol!r}"
            )
        return name, make_codec(name, int(protocol))
    made = make_codec(codec)
    if isinstance(made, CodecChain):
        return " or ".join(member.name for member in made.codecs), made
    return made.name, made


def _stage(name: str) -> str | None:
    if name == "none":
        return None
    make_transform(name)  # raises now for an unknown name, or a missing library
    return name


def _shown(place: str) -> str:
    url = Url(place, force_abs=False)
    return place if url.scheme == "file" else url.without_secrets()


def titles(chosen: Sequence[Choice]) -> str:
    """Return the names of the choices, for messages."""
    return ", ".join(dict.fromkeys(choice.title for choice in chosen))
