"""The codecs that the records of one store name, each made once."""

from __future__ import annotations

from collections.abc import Mapping

from brinery.codec import Codec
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import codec_from
from brinery.typing import Any


class CodecTable:
    """Finds or makes the codec that decodes a record."""

    def __init__(self) -> None:
        self._codecs: dict[tuple[Any, ...], Codec] = {}
        self.classes: dict[str, type[Codec]] = {}
        """Classes of codecs that were passed as instances, by name; they need not be registered."""

    def codec_for(self, name: str, config: Mapping[str, Any]) -> Codec:
        """Return the codec of a record from its name and configuration.

        Raise `UnknownCodecError` or `CodecNotInstalledError`.
        """
        key = (name, *config.items())
        try:
            codec = self._codecs.get(key)
        except TypeError:  # an option that is a list or a map
            key = (name, repr(config))
            codec = self._codecs.get(key)
        if codec is None:
            codec = self._codecs[key] = codec_from(name, config, self.classes.get(name))
        return codec

    def known(self, codec: Codec) -> Codec:
        """Remember the class of a codec, so that its records can be read; return it."""
        for member in codec.codecs if isinstance(codec, CodecChain) else (codec,):
            self.classes[member.name] = type(member)
        return codec
