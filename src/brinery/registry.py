"""Names to codecs, URL schemes to stores.

A name is looked up in a table of import paths, then among the entry points of installed distributions.
Nothing registers itself on import.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    CodecNotInstalledError,
    InvalidArgumentError,
    ProtocolError,
    UnknownCodecError,
    UnknownSchemeError,
)
from brinery.url import Url

CODEC_GROUP = "brinery.codecs"
STORE_GROUP = "brinery.stores"

_CODECS: Mapping[str, tuple[str, str]] = {
    "pickle": ("brinery_codecs.pickle:PickleCodec", "pip install brinery"),
    "cloudpickle": ("brinery_codecs.cloudpickle:CloudpickleCodec", "pip install cloudpickle"),
    "dill": ("brinery_codecs.dill:DillCodec", "pip install dill"),
    "msgpack": ("brinery_codecs.msgpack:MsgpackCodec", "pip install msgpack"),
}

_STORES: Mapping[str, str] = {
    "file": "brinery.filesystem:make_filesystemstore",
    "memory": "brinery.memory:make_memorystore",
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


def make_codec(
    codec: str | Codec, protocol: int | None = None, options: Mapping[str, Any] | None = None
) -> Codec:
    """Return the codec that an argument names.

    `protocol` and `options` are for codecs given by name; an instance has its own.
    """
    if isinstance(codec, Codec):
        if protocol is not None and protocol != codec.protocol:
            raise InvalidArgumentError(
                f"protocol {protocol!r} is given beside {codec!r}: give it to the codec instead"
            )
        return codec
    if not isinstance(codec, str):
        raise InvalidArgumentError(f"codec is a name or a Codec, not {codec!r}")
    cls = codec_class(codec)
    arguments = dict(options or {})
    if protocol is not None:
        if not cls.protocols:
            raise ProtocolError(protocol, codec, ())
        arguments["protocol"] = protocol
    return codec_from(codec, arguments)


def codec_from(name: str, config: Mapping[str, Any], cls: type[Codec] | None = None) -> Codec:
    """Make a codec from its name and configuration, as a record or a store's settings hold them.

    `cls` is its class, where that is known.
    """
    make = cls or codec_class(name)
    try:
        return make(**config)
    except BrineryError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"the codec {name!r} does not take the options {dict(config)!r}: {error}", codec=name
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
