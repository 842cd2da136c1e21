"""Codec names and options to codecs."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence

from brinery.codec import Capabilities, Codec
from brinery.errors import (
    CodecNotInstalledError,
    InvalidArgumentError,
    ProtocolError,
    UnknownCodecError,
)
from brinery.registry.chain import AUTO, FIDELITY, CodecChain
from brinery.registry.table import BuiltIn, Registry
from brinery.typing import Any, Final


def _checked(name: str, found: Any) -> type[Codec]:
    if isinstance(found, type) and issubclass(found, Codec):
        return found
    raise InvalidArgumentError(
        f"expected a subclass of Codec under the name {name!r}, got {found!r}"
    )


_CODECS: Final = Registry(
    "codec",
    {
        "pickle": BuiltIn("brinery_codecs.pickle:PickleCodec"),
        "cloudpickle": BuiltIn(
            "brinery_codecs.cloudpickle:CloudpickleCodec", "pip install cloudpickle"
        ),
        "dill": BuiltIn("brinery_codecs.dill:DillCodec", "pip install dill"),
        "msgpack": BuiltIn("brinery_codecs.msgpack:MsgpackCodec", "pip install msgpack"),
        "json": BuiltIn("brinery_codecs.json:JsonCodec", 'pip install "brinery[json]"'),
    },
    _checked,
    CodecNotInstalledError,
)


def known_codecs() -> list[str]:
    """Return the names of all codecs, built in and installed."""
    return _CODECS.names()


def builtin_codecs() -> list[str]:
    """Return the names of the built-in codecs, in the order of their table."""
    return list(_CODECS.builtin)


def codecs_that_keep_as_much(codec: Codec) -> list[str]:
    """Return the names of the other built-in codecs that keep all that `codec` keeps, if importable.

    Those that are safe to read, if `codec` is, come first.
    """

    def kept_by(capabilities: Capabilities) -> set[str]:
        return {flag for flag in FIDELITY if getattr(capabilities, flag)}

    found = []
    for name in _CODECS.builtin:
        try:
            other = codec_class(name).capabilities
        except CodecNotInstalledError:
            continue
        if name != codec.name and kept_by(codec.capabilities) <= kept_by(other):
            found.append((not (codec.capabilities.safe_to_read and other.safe_to_read), name))
    return [name for _, name in sorted(found, key=operator.itemgetter(0))]


@functools.lru_cache(maxsize=64)
def codec_class(name: str) -> type[Codec]:
    """Return the class of the codec `name`.

    Raise `UnknownCodecError`, or `CodecNotInstalledError` where its library is missing.
    """
    found = _CODECS.find(name)
    if found is None:
        raise UnknownCodecError(name, [*_CODECS.names(), "auto"])
    return found


CodecArgument = str | Codec | Sequence[str | Codec]
"""A name, a codec, or several of these, of which the first that keeps an object writes it.

A name may be several, with commas; ``"auto"`` means pickle, cloudpickle, dill.
"""


def _members(codec: Any) -> Sequence[str | Codec] | None:
    """Return the codecs of a chain, None where the argument is a single one."""
    if codec == "auto":
        return AUTO
    if isinstance(codec, str):
        return [name.strip() for name in codec.split(",")] if "," in codec else None
    return codec if isinstance(codec, (list, tuple)) else None


def codec_options(codec: CodecArgument) -> dict[str, type]:
    """Return the options that the codecs of an argument take, and their types."""
    members = _members(codec)
    if members is None:
        members = [codec]  # type: ignore[list-item]
    found: dict[str, type] = {}
    for member in members:
        if isinstance(member, str) and member != CodecChain.name:
            found.update(codec_class(member).options)
    return found


def make_codec(
    codec: CodecArgument, protocol: int | None = None, options: Mapping[str, Any] | None = None
) -> Codec:
    """Return the codec, or the chain of codecs, that an argument names.

    `protocol` and `options` are for codecs given by name; an instance has its own.  In a chain each
    goes to those that take it.
    """
    members = _members(codec)
    if members is not None:
        return _chain([_member(member, protocol, options or {}) for member in members])
    if isinstance(codec, Codec):
        if protocol is not None and protocol != codec.protocol:
            raise InvalidArgumentError(
                f"protocol {protocol!r} is given beside {codec!r}: give it to the codec instead"
            )
        return codec
    if not isinstance(codec, str):
        raise InvalidArgumentError(
            f"codec: expected a name, a Codec, or several in a list, got {codec!r}"
        )
    if codec == CodecChain.name:
        return codec_from(codec, dict(options or {}))
    cls = codec_class(codec)
    arguments = dict(options or {})
    if protocol is not None:
        if not cls.protocols:
            raise ProtocolError(protocol, codec, ())
        arguments["protocol"] = protocol
    return codec_from(codec, arguments)


def _member(codec: str | Codec, protocol: int | None, options: Mapping[str, Any]) -> Codec:
    if not isinstance(codec, str):
        return make_codec(codec)
    cls = codec_class(codec)
    mine = {key: value for key, value in options.items() if key in cls.options}
    return make_codec(codec, protocol if cls.protocols else None, mine)


def _chain(codecs: Sequence[Codec]) -> Codec:
    return codecs[0] if len(codecs) == 1 else CodecChain(codecs)


def _chain_from(config: Mapping[str, Any]) -> Codec:
    try:
        listed = [(str(name), dict(own)) for name, own in config["codecs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"expected a list of codecs with their options under 'codecs', got {dict(config)!r}"
        ) from error
    return _chain([codec_from(name, own) for name, own in listed])


def codec_from(name: str, config: Mapping[str, Any], cls: type[Codec] | None = None) -> Codec:
    """Make a codec from its name and configuration, as a record or a store's settings hold them.

    `cls` is its class, where that is known.
    """
    if name == CodecChain.name and cls is None:
        return _chain_from(config)
    return _CODECS.make(name, cls or codec_class(name), config)
