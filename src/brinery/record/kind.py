"""The kind of a record: what the records of a class share.

Its bytes are equal in nearly all records of a class that one program has written.  So a reader parses them
once, and finds what it has parsed by the bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from brinery.codec import Codec
from brinery.record.format import PYTHON, packing, typed
from brinery.typing import Any, Final

NOTHING_NOTED: Final[Mapping[str, Any]] = MappingProxyType({})
_FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "class": (str,),
    "codec": (str,),
    "config": (dict,),
    "codec_version": (str,),
    "protocol": (int, type(None)),
    "python": (str,),
}
"""The keys that every kind has, in this order, and the types of their values."""

MOST_KINDS: Final = 1000
"""Kinds of one codec that are kept; a program that makes classes again and again has more."""
LARGEST_KEPT: Final = 1 << 13
"""The size in bytes of the largest kind that is kept: a store of hostile records must not fill the memory."""


class Kind:
    """What the records of a class share.  Equal kinds have equal bytes."""

    __slots__ = (
        "blob",
        "class_name",
        "codec",
        "codec_version",
        "config",
        "libraries",
        "opening",
        "protocol",
        "python",
        "versions",
        "writer",
    )

    def __init__(self, blob: bytes, found: Mapping[str, Any]) -> None:
        """Take the values of the map `found`, whose bytes are `blob`.  Raise `TypeError` or `ValueError`."""
        self.blob = blob
        for key, types in _FIELDS.items():
            if type(found[key]) not in types:
                raise TypeError(f"{key} has the wrong type")
        self.class_name: str = found["class"]
        """`module:qualname` of the class of the objects."""
        self.codec: str = found["codec"]
        self.config: Mapping[str, Any] = found["config"]
        """The keyword arguments that make the codec."""
        self.codec_version: str = found["codec_version"]
        """The version of the library that encoded the objects."""
        self.protocol: int | None = found["protocol"]
        self.python: str = found["python"]
        """The version of Python that wrote the records."""
        self.opening: int = typed(found.get("opening", 0), int)
        """How many bytes of the payload make the object, before its state; 0 where that is not known."""
        self.versions = _versions(found.get("versions", {}))
        """The versions of classes (`module:qualname`) of objects in the payload, if above 1."""
        self.libraries = _texts(found.get("libraries", {}))
        """The versions of the libraries whose classes the payload names."""
        self.writer = _texts(found.get("writer", {}))
        """Who wrote the records: `user`, `host` and `program`; empty if the store does not note it."""
        if self.opening < 0:
            raise ValueError("the length of the opening is negative")

    def __eq__(self, other: object) -> bool:
        return type(other) is Kind and other.blob == self.blob

    def __hash__(self) -> int:
        return hash(self.blob)

    def __repr__(self) -> str:
        return f"<Kind of {self.class_name} by {self.codec}>"


def kind_from(blob: bytes) -> Kind:
    """Return the kind that these bytes describe.  Raise `TypeError`, `ValueError` or `KeyError`."""
    return small_kind(blob) if len(blob) <= LARGEST_KEPT else _kind(blob)


@functools.lru_cache(maxsize=1024)
def small_kind(blob: bytes) -> Kind:
    """Return the kind that these bytes describe, and keep it.  Raise `ValueError` for many bytes, too."""
    if len(blob) > LARGEST_KEPT:
        raise ValueError("the kind is too large to be kept")
    return _kind(blob)


def _kind(blob: bytes) -> Kind:
    return Kind(blob, typed(packing()[1](blob), dict))


def kind_of(class_name: str, codec: Mapping[str, Any], **more: Any) -> Kind:
    """Return the kind of the records of a class.

    `codec` has the other keys that every kind has; without "python" they are written by this one.  `more` are
    `opening`, `versions`, `libraries` and `writer`, which are left out where they are empty.
    """
    found = {"class": class_name, "python": PYTHON, **codec}
    found = {key: found[key] for key in _FIELDS}
    found |= {key: dict(it) if key != "opening" else it for key, it in more.items() if it}
    return kind_from(packing()[0](found))


def _versions(value: Any) -> Mapping[str, int]:
    found: dict[str, int] = typed(value, dict)
    for name, version in found.items():
        if typed(version, int) < 2 or type(name) is not str:
            raise ValueError(f"{name!r:.80} has the version {version}")
    return MappingProxyType(found) if found else NOTHING_NOTED


def _texts(value: Any) -> Mapping[str, str]:
    found: dict[str, str] = typed(value, dict)
    for name, text in found.items():
        if type(name) is not str or type(text) is not str:
            raise TypeError(f"{name!r:.80} or what it has is not a string")
    return MappingProxyType(found) if found else NOTHING_NOTED


class KindTable(dict[tuple[Any, ...], Kind]):
    """Kinds by class name, size of the opening, and the items of versions and libraries, if there are any."""

    def __init__(self, codec: Codec, writer: Mapping[str, str] = NOTHING_NOTED) -> None:
        """Prepare the kinds that `codec` writes, for `writer` as in `Kind`."""
        super().__init__()
        self.codec = codec
        self._writer = writer
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
        noticed = {"versions": versions, "libraries": libraries, "writer": self._writer}
        found = self[key] = kind_of(class_name, self._common, opening=opening, **noticed)
        return found
