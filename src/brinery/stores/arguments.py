"""The keyword arguments of stores: codec and transform, those of sibling stores, and typing errors."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from brinery.catalog.settings import Settings
from brinery.codec import Codec
from brinery.errors import (
    CodecNotInstalledError,
    InvalidArgumentError,
    ProtocolError,
    TransformNotInstalledError,
    UnknownCodecError,
    UnknownTransformError,
)
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import CodecArgument, codec_options, make_codec
from brinery.registry.transforms import make_transform, transform_from
from brinery.transform import Transform

DEFAULT_CODEC = "pickle"

# Arguments of the sibling stores: accepted and ignored, as GC3Pie promises of its own.
_SIBLINGS = frozenset(
    {
        *("table_name", "extra_fields", "create", "migrate", "timeout", "url"),
        *("directory", "layout", "shared", "lock_timeout", "durability"),
    }
)
_KNOWN = (
    "directory",
    "idfactory",
    "protocol",
    "codec",
    "compress",
    "max_expanded",
    "durability",
    "layout",
    "shared",
    "lock_timeout",
    "renames",
    "url",
    "table_name",
    "extra_fields",
    "create",
    "migrate",
    "timeout",
    "trust",
)
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def choose_codec(
    codec: CodecArgument | None,
    protocol: int | str | None,
    extra: dict[str, Any],
    remembered: Settings | None,
) -> Codec:
    """Return the codec that arguments and remembered settings ask for.

    The codec's own options are taken out of `extra`.
    """
    number = _protocol(protocol, codec)
    if isinstance(codec, Codec):
        return make_codec(codec, number)
    if codec is None or codec == "":
        name: CodecArgument = remembered.codec if remembered else DEFAULT_CODEC
    else:
        name = codec
    kinds = codec_options(name) if extra else {}
    options = {key: _typed(key, extra.pop(key), kinds[key]) for key in list(extra) if key in kinds}
    if codec is None and remembered is not None:
        options = {**remembered.config, **options}
        if number is not None:
            if name == CodecChain.name:
                raise InvalidArgumentError(
                    "this store remembers a chain of codecs: name them again, with the protocol"
                )
            options.pop("protocol", None)
        with _remembered("codec", "pickle"):
            return make_codec(name, number, options)
    return make_codec(name, number, options)


def choose_transform(
    compress: str | Transform | None, remembered: Settings | None
) -> Transform | None:
    """Return the transform that an argument or else the remembered settings ask for."""
    if compress is None:
        chosen = remembered.transform if remembered else None
        with _remembered("compress", "none"):
            return transform_from(*chosen) if chosen else None
    return None if compress == "none" else make_transform(compress)


@contextmanager
def _remembered(name: str, other: str) -> Iterator[None]:
    # Who meets this error has not asked for what is missing, and can do without for the time being.
    try:
        yield
    except (
        CodecNotInstalledError,
        TransformNotInstalledError,
        UnknownCodecError,
        UnknownTransformError,
    ) as error:
        advice = f"The store was made so; {name}={other!r} opens it without, for what else it holds"
        error.args = (f"{error.args[0]}. {advice}", *error.args[1:])
        raise


def size_limit(name: str, value: Any) -> int:
    """Return a number of bytes; raise `InvalidArgumentError` for what is none."""
    number = _typed(name, value, int)
    if type(number) is not int or number < 0:
        raise InvalidArgumentError(f"{name}={value!r}: say a number of bytes")
    return number


def seconds(name: str, value: Any) -> float:
    """Return a time in seconds; raise `InvalidArgumentError` for what is none."""
    number = _typed(name, value, float)
    if type(number) not in (int, float) or not number >= 0:
        raise InvalidArgumentError(f"{name}={value!r}: say a number of seconds")
    return float(number)


def truth_of(name: str, value: Any) -> bool:
    """Return a truth value, also of the text that a URL has."""
    return bool(_typed(name, value, bool))


def _protocol(protocol: int | str | None, codec: CodecArgument | None) -> int | None:
    if not isinstance(protocol, str):
        return protocol
    try:
        return int(protocol)
    except ValueError as error:
        raise ProtocolError(protocol, str(codec or DEFAULT_CODEC), range(6)) from error


def _typed(name: str, value: Any, kind: type) -> Any:
    # Values from a URL are strings.
    if not isinstance(value, str) or kind is str:
        return value
    if kind is bool:
        if value.lower() not in _TRUTH:
            raise InvalidArgumentError(f"{name}={value!r}: say true or false")
        return _TRUTH[value.lower()]
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidArgumentError(f"{name}={value!r}: not of type {kind.__name__}") from error


def warn_of_unknown(store: str, extra: Mapping[str, Any]) -> None:
    """Warn of arguments that neither this store nor a sibling has."""
    for name in extra:
        if name not in _SIBLINGS:
            import difflib

            close = difflib.get_close_matches(name, _KNOWN, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            warnings.warn(f"{store} has no argument {name!r}{hint}; ignored", stacklevel=_level())


def _level() -> int:
    # The frame that a warning is about: the first one outside this package.
    level = 2
    frame = sys._getframe(level)
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame, level = frame.f_back, level + 1
    return level


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """Return `value` if it is among `allowed`; raise `InvalidArgumentError` otherwise."""
    if value not in allowed:
        raise InvalidArgumentError(f"{name}={value!r}: say {' or '.join(map(repr, allowed))}")
    return value
