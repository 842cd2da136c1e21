"""Names to codecs and transforms, URL schemes to stores.

A name is looked up in a table of import paths, then among the entry points of installed distributions.
Nothing registers itself on import.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    CodecNotInstalledError,
    InvalidArgumentError,
    ProtocolError,
    TransformNotInstalledError,
    UnknownCodecError,
    UnknownSchemeError,
    UnknownTransformError,
)
from brinery.registry.chain import AUTO, CodecChain
from brinery.transform import Transform
from brinery.url import Url

CODEC_GROUP = "brinery.codecs"
TRANSFORM_GROUP = "brinery.transforms"
STORE_GROUP = "brinery.stores"

_CODECS: Mapping[str, tuple[str, str]] = {
    "pickle": ("brinery_codecs.pickle:PickleCodec", "pip install brinery"),
    "cloudpickle": ("brinery_codecs.cloudpickle:CloudpickleCodec", "pip install cloudpickle"),
    "dill": ("brinery_codecs.dill:DillCodec", "pip install dill"),
    "msgpack": ("brinery_codecs.msgpack:MsgpackCodec", "pip install msgpack"),
    "json": ("brinery_codecs.json:JsonCodec", 'pip install "brinery[json]"'),
}

_TRANSFORMS: Mapping[str, tuple[str, str]] = {
    "gzip": ("brinery.transforms.gzip:GzipTransform", "pip install brinery"),
    "lz4": ("brinery.transforms.lz4:Lz4Transform", 'pip install "brinery[lz4]"'),
    "zstd": ("brinery.transforms.zstd:ZstdTransform", 'pip install "brinery[zstd]"'),
}

SQL_SCHEMES: Final = (
    "sqlite",
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "oracle",
    "mssql",
)
"""The schemes of databases; what follows a ``+`` names the driver."""

_STORES: Mapping[str, str] = {
    "file": "brinery.stores.filesystem:make_filesystemstore",
    "memory": "brinery.stores.memory:make_memorystore",
    **dict.fromkeys(SQL_SCHEMES, "brinery.stores.sql:make_sqlstore"),
}


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _entry_points(group: str) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}


def known_codecs() -> list[str]:
    """Return the names of all codecs, built in and installed."""
    return sorted({*_CODECS, *_entry_points(CODEC_GROUP)})


def builtin_codecs() -> list[str]:
    """Return the names of the built-in codecs, in the order of their table."""
    return list(_CODECS)


def codecs_that(keep: Callable[[Any], bool]) -> list[str]:
    """Return the names of the built-in codecs whose capabilities satisfy `keep`, if importable."""
    found = []
    for name in _CODECS:
        try:
            if keep(codec_class(name).capabilities):
                found.append(name)
        except CodecNotInstalledError:
            continue
    return found


@functools.lru_cache(maxsize=64)
def codec_class(name: str) -> type[Codec]:
    """Return the class of the codec `name`.

    Raise `UnknownCodecError`, or `CodecNotInstalledError` where its library is missing.
    """
    path, hint = _CODECS.get(name, ("", ""))
    try:
        if path:
            found = _imported(path)
        else:
            points = _entry_points(CODEC_GROUP)
            if name not in points:
                raise UnknownCodecError(name, sorted({*_CODECS, *points}))
            hint = f"pip install --upgrade {points[name].dist.name if points[name].dist else name}"
            found = points[name].load()
    except ImportError as error:
        raise CodecNotInstalledError(name, hint, str(error)) from error
    if not (isinstance(found, type) and issubclass(found, Codec)):
        raise InvalidArgumentError(f"the codec {name!r} is {found!r}, not a subclass of Codec")
    return found


CodecArgument = str | Codec | Sequence[str | Codec]
"""A name, a codec, or several of these, of which the first that keeps an object writes it.

A name may be several, with commas; ``"auto"`` stands for pickle, cloudpickle, dill.
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
        raise InvalidArgumentError(f"codec is a name, a Codec, or several in a list, not {codec!r}")
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
        raise InvalidArgumentError(f"{dict(config)!r} describes no chain of codecs") from error
    return _chain([codec_from(name, own) for name, own in listed])


def codec_from(name: str, config: Mapping[str, Any], cls: type[Codec] | None = None) -> Codec:
    """Make a codec from its name and configuration, as a record or a store's settings hold them.

    `cls` is its class, where that is known.
    """
    if name == CodecChain.name and cls is None:
        return _chain_from(config)
    make = cls or codec_class(name)
    try:
        return make(**config)
    except BrineryError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"the codec {name!r} does not take the options {dict(config)!r}: {error}"
        ) from error


def known_transforms() -> list[str]:
    """Return the names of all transforms, built in and installed."""
    return sorted({*_TRANSFORMS, *_entry_points(TRANSFORM_GROUP)})


def transform_class(name: str) -> type[Transform]:
    """Return the class of the transform `name`.

    Raise `UnknownTransformError`, or `TransformNotInstalledError` where its library is missing.
    """
    path, hint = _TRANSFORMS.get(name, ("", ""))
    try:
        if path:
            found = _imported(path)
        else:
            points = _entry_points(TRANSFORM_GROUP)
            if name not in points:
                raise UnknownTransformError(name, sorted({*_TRANSFORMS, *points}))
            hint = f"pip install --upgrade {points[name].dist.name if points[name].dist else name}"
            found = points[name].load()
    except ImportError as error:
        raise TransformNotInstalledError(name, hint, str(error)) from error
    if not (isinstance(found, type) and issubclass(found, Transform)):
        raise InvalidArgumentError(
            f"the transform {name!r} is {found!r}, not a subclass of Transform"
        )
    return found


def make_transform(compress: str | Transform) -> Transform:
    """Return the transform that an argument names: ``"zstd"``, ``"zstd:3"``, or a `Transform`.

    Raise `UnknownTransformError`, `TransformNotInstalledError`, `InvalidArgumentError`.
    """
    if isinstance(compress, Transform):
        return compress
    if not isinstance(compress, str):
        raise InvalidArgumentError(f"compress is a name or a Transform, not {compress!r:.60}")
    name, colon, level = compress.partition(":")
    if not colon:
        return transform_from(name, {})
    try:
        number = int(level)
    except ValueError as error:
        raise InvalidArgumentError(
            f"compress={compress!r}: what follows the colon is a level, a whole number"
        ) from error
    return transform_from(name, {"level": number})


def transform_from(
    name: str, config: Mapping[str, Any], cls: type[Transform] | None = None
) -> Transform:
    """Make a transform from its name and configuration, as a record or a store's settings hold them.

    `cls` is its class, where that is known.
    """
    make = cls or transform_class(name)
    try:
        return make(**config)
    except BrineryError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"the transform {name!r} does not take the options {dict(config)!r}: {error}"
        ) from error


StoreConstructor = Callable[..., Any]

# `register` is process-wide by its nature, as a table of URL schemes is.
_registered: dict[str, StoreConstructor] = {}


def register(scheme: str, constructor: StoreConstructor) -> None:
    """Make `make_store` call ``constructor(url, **options)`` for URLs of `scheme`.

    `url` is a `Url`.  A scheme of brinery's own is replaced.  A distribution may register without being
    imported, by an entry point of the group ``brinery.stores``.
    """
    if not callable(constructor):
        raise InvalidArgumentError(
            f"the constructor of {scheme!r} is not callable: {constructor!r}"
        )
    _registered[scheme] = constructor


def make_store(url: Any, **options: Any) -> Any:
    """Return the store at a URL or path.

    The part of the scheme before a ``+`` chooses the kind of store.  Options may stand in the URL's
    query (``file:///srv/jobs?codec=dill``); keyword arguments win.  Raise `UrlError`,
    `UnknownSchemeError`.
    """
    parsed = Url(url)
    return _constructor(parsed)(parsed, **options)


def _constructor(url: Url) -> StoreConstructor:
    base = url.scheme.split("+")[0]
    for scheme in (url.scheme, base):
        if scheme in _registered:
            return _registered[scheme]
        if scheme in _STORES:
            return _imported(_STORES[scheme])  # type: ignore[no-any-return]
    points = _entry_points(STORE_GROUP)
    if base in points:
        return points[base].load()  # type: ignore[no-any-return]
    known = sorted({*_registered, *_STORES, *points})
    raise UnknownSchemeError(url.without_secrets(), url.scheme, known)
