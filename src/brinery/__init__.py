"""brinery: a persistent store for Python object graphs, with a pluggable codec layer.

Names are imported on first use, so that ``import brinery`` costs next to nothing and loads no codec
library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.checking import Finding, Report
    from brinery.codec import DEFAULT_PROTOCOL, Capabilities, Codec
    from brinery.errors import (
        AlreadySavedError,
        BrineryError,
        ClosedError,
        CodecNotInstalledError,
        ConflictError,
        CorruptRecordError,
        DanglingReferenceError,
        DecodeError,
        EncodeError,
        ForeignRecordError,
        IdTakenError,
        InvalidArgumentError,
        MisplacedRecordError,
        MissingClassError,
        NotFoundError,
        ProtocolError,
        RecordError,
        RecordVersionError,
        SettingsError,
        StorageError,
        StorageFullError,
        UnknownCodecError,
        UnknownSchemeError,
        UnsupportedObjectError,
        UrlError,
    )
    from brinery.filesystem import FilesystemStore, make_filesystemstore
    from brinery.ids import Id, IdFactory, JobIdFactory, UuidFactory
    from brinery.info import RecordInfo
    from brinery.memory import MemoryStore
    from brinery.persistable import Persistable
    from brinery.placeholder import Placeholder
    from brinery.reference import ExternalReference
    from brinery.registry import known_codecs, make_codec, make_store, register
    from brinery.renames import renamed_from
    from brinery.store import Store
    from brinery.url import Url
    from brinery.versions import upgrades

__version__ = "0.1.0"

_HOMES = {
    "checking": ("Finding", "Report"),
    "codec": ("DEFAULT_PROTOCOL", "Capabilities", "Codec"),
    "errors": (
        "AlreadySavedError",
        "BrineryError",
        "ClosedError",
        "CodecNotInstalledError",
        "ConflictError",
        "CorruptRecordError",
        "DanglingReferenceError",
        "DecodeError",
        "EncodeError",
        "ForeignRecordError",
        "IdTakenError",
        "InvalidArgumentError",
        "MisplacedRecordError",
        "MissingClassError",
        "NotFoundError",
        "ProtocolError",
        "RecordError",
        "RecordVersionError",
        "SettingsError",
        "StorageError",
        "StorageFullError",
        "UnknownCodecError",
        "UnknownSchemeError",
        "UnsupportedObjectError",
        "UrlError",
    ),
    "filesystem": ("FilesystemStore", "make_filesystemstore"),
    "ids": ("Id", "IdFactory", "JobIdFactory", "UuidFactory"),
    "persistable": ("Persistable",),
    "placeholder": ("Placeholder",),
    "reference": ("ExternalReference",),
    "registry": ("known_codecs", "make_codec", "make_store", "register"),
    "renames": ("renamed_from",),
    "versions": ("upgrades",),
    "info": ("RecordInfo",),
    "memory": ("MemoryStore",),
    "store": ("Store",),
    "url": ("Url",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_PROTOCOL",
    "AlreadySavedError",
    "BrineryError",
    "Capabilities",
    "ClosedError",
    "Codec",
    "CodecNotInstalledError",
    "ConflictError",
    "CorruptRecordError",
    "DanglingReferenceError",
    "DecodeError",
    "EncodeError",
    "ExternalReference",
    "FilesystemStore",
    "Finding",
    "ForeignRecordError",
    "Id",
    "IdFactory",
    "IdTakenError",
    "InvalidArgumentError",
    "JobIdFactory",
    "MemoryStore",
    "MisplacedRecordError",
    "MissingClassError",
    "NotFoundError",
    "Persistable",
    "Placeholder",
    "ProtocolError",
    "RecordError",
    "RecordInfo",
    "RecordVersionError",
    "Report",
    "SettingsError",
    "StorageError",
    "StorageFullError",
    "Store",
    "UnknownCodecError",
    "UnknownSchemeError",
    "UnsupportedObjectError",
    "Url",
    "UrlError",
    "UuidFactory",
    "__version__",
    "known_codecs",
    "make_codec",
    "make_filesystemstore",
    "make_store",
    "register",
    "renamed_from",
    "upgrades",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'brinery' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"brinery.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
