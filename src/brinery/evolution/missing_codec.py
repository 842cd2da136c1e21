"""The codec that takes the place of one that is not installed, so that its records stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from brinery.codec import Buffer, Codec, ReadLinks, Sink, WriteLinks
from brinery.errors import CodecNotInstalledError, UnknownCodecError
from brinery.typing import Any, NoReturn

CodecFor = Callable[[str, Mapping[str, Any]], Codec]
"""Gives the codec of a record from its name and configuration."""


class MissingCodec(Codec):
    """A codec that cannot be used, because of `reason`; it encodes and decodes nothing."""

    name = "missing"

    def __init__(self, named: str, options: Mapping[str, Any], reason: str) -> None:
        self.named = named
        self.options_given = dict(options)
        self.reason = reason

    @property
    def version(self) -> str:
        """Return what errors show."""
        return "not installed"

    def config(self) -> dict[str, Any]:
        """Return the name, options and reason, in which missing codecs differ."""
        return {"named": self.named, "options": self.options_given, "reason": self.reason}

    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> NoReturn:
        """Raise: there is nothing that could encode."""
        raise TypeError(self.reason)

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> NoReturn:
        """Raise: there is nothing that could decode."""
        raise TypeError(self.reason)


def codec_or_missing(codec_for: CodecFor) -> CodecFor:
    """Return a function that gives an `MissingCodec` where `codec_for` finds no codec."""

    def found(name: str, config: Mapping[str, Any]) -> Codec:
        try:
            return codec_for(name, config)
        except (CodecNotInstalledError, UnknownCodecError) as error:
            return MissingCodec(name, config, str(error))

    return found
