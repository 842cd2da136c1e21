"""Transform names and options to transforms."""

from __future__ import annotations

from collections.abc import Mapping

from brinery.errors import (
    InvalidArgumentError,
    TransformNotInstalledError,
    UnknownTransformError,
)
from brinery.registry.table import BuiltIn, Registry
from brinery.transform import Transform
from brinery.typing import Any, Final


def _checked(name: str, found: Any) -> type[Transform]:
    if isinstance(found, type) and issubclass(found, Transform):
        return found
    raise InvalidArgumentError(
        f"expected a subclass of Transform under the name {name!r}, got {found!r}"
    )


_TRANSFORMS: Final = Registry(
    "transform",
    {
        "gzip": BuiltIn("brinery.transforms.gzip:GzipTransform"),
        "lz4": BuiltIn("brinery.transforms.lz4:Lz4Transform", 'pip install "brinery[lz4]"'),
        "zstd": BuiltIn("brinery.transforms.zstd:ZstdTransform", 'pip install "brinery[zstd]"'),
    },
    _checked,
    TransformNotInstalledError,
)


def known_transforms() -> list[str]:
    """Return the names of all transforms, built in and installed."""
    return _TRANSFORMS.names()


def make_transform(compress: str | Transform) -> Transform:
    """Return the transform that an argument names: ``"zstd"``, ``"zstd:3"``, or a `Transform`.

    Raise `UnknownTransformError`, `TransformNotInstalledError`, `InvalidArgumentError`.
    """
    if isinstance(compress, Transform):
        return compress
    if not isinstance(compress, str):
        raise InvalidArgumentError(
            f"compress: expected a name or a Transform, got {compress!r:.60}"
        )
    name, colon, level = compress.partition(":")
    if not colon:
        return transform_from(name, {})
    try:
        number = int(level)
    except ValueError as error:
        raise InvalidArgumentError(
            f"compress={compress!r}: expected a level after the colon, a whole number, got {level!r}"
        ) from error
    return transform_from(name, {"level": number})


def transform_from(
    name: str, config: Mapping[str, Any], cls: type[Transform] | None = None
) -> Transform:
    """Make a transform from its name and configuration, as a record or a store's settings hold them.

    `cls` is its class, where that is known.
    """
    return _TRANSFORMS.make(name, cls or _class(name), config)


def _class(name: str) -> type[Transform]:
    found = _TRANSFORMS.find(name)
    if found is None:
        raise UnknownTransformError(name, _TRANSFORMS.names())
    return found
