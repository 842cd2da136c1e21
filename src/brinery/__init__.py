"""brinery: a persistent store for Python object graphs, with a pluggable codec layer.

Names are imported on first use, so that ``import brinery`` costs next to nothing and loads no codec
library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.checking import CheckedRecord, Report
    from brinery.codec import DEFAULT_PROTOCOL, Capabilities, Codec
    from brinery.errors import (
        AlreadySavedError,
        BrineryError,
        CallTooDeepError,
        ClosedError,
        CodecNotInstalledError,
        ConflictError,
        CorruptRecordError,
        DanglingReferenceError,
        DecodeError,
        EncodeError,
        Finding,
        ForeignRecordError,
        IdTakenError,
        InvalidArgumentError,
        LockedError,
        MisplacedRecordError,
        MissingClassError,
        NotFoundError,
        ProtocolError,
        RecordError,
        RecordTooLargeError,
        RecordVersionError,
        SettingsError,
        StorageError,
        StorageFullError,
        TransformNotInstalledError,
        UnknownCodecError,
        UnknownSchemeError,
        UnknownTransformError,
        UnsupportedObjectError,
        UrlError,
        VerificationError,
    )
    from brinery.filesystem import FilesystemStore, make_filesystemstore
    from brinery.ids import Id, IdFactory, JobIdFactory, UuidFactory
    from brinery.info import RecordInfo
    from brinery.memory import MemoryStore
    from brinery.persistable import Persistable
    from brinery.placeholder import Placeholder
    from brinery.reference import ExternalReference
    from brinery.registry import (
        known_codecs,
        known_transforms,
        make_codec,
        make_store,
        make_transform,
        register,
    )
    from brinery.renames import renamed_from
    from brinery.store import Store
    from brinery.transform import Transform
    from brinery.url import Url
    from brinery.verification import FreshProcess
    from brinery.versions import upgrades

__version__ = "0.1.0"

_HOMES = {
    "checking": ("CheckedRecord", "Report"),
    "codec": ("DEFAULT_PROTOCOL", "Capabilities", "Codec"),
    "errors": (
        "AlreadySavedError",
        "BrineryError",
        "CallTooDeepError",
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
        "LockedError",
        "MisplacedRecordError",
        "MissingClassError",
        "NotFoundError",
        "ProtocolError",
        "RecordError",
        "RecordTooLargeError",
        "RecordVersionError",
        "SettingsError",
        "StorageError",
        "StorageFullError",
        "TransformNotInstalledError",
        "UnknownCodecError",
        "UnknownSchemeError",
        "UnknownTransformError",
        "UnsupportedObjectError",
        "UrlError",
        "Finding",
        "VerificationError",
    ),
    "filesystem": ("FilesystemStore", "make_filesystemstore"),
    "ids": ("Id", "IdFactory", "JobIdFactory", "UuidFactory"),
    "persistable": ("Persistable",),
    "placeholder": ("Placeholder",),
    "reference": ("ExternalReference",),
    "registry": (
        "known_codecs",
        "known_transforms",
        "make_codec",
        "make_store",
        "make_transform",
        "register",
    ),
    "renames": ("renamed_from",),
    "versions": ("upgrades",),
    "info": ("RecordInfo",),
    "memory": ("MemoryStore",),
    "store": ("Store",),
    "transform": ("Transform",),
    "url": ("Url",),
    "verification": ("FreshProcess",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_PROTOCOL",
    "AlreadySavedError",
    "BrineryError",
    "CallTooDeepError",
    "Capabilities",
    "CheckedRecord",
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
    "FreshProcess",
    "Id",
    "IdFactory",
    "IdTakenError",
    "InvalidArgumentError",
    "JobIdFactory",
    "LockedError",
    "MemoryStore",
    "MisplacedRecordError",
    "MissingClassError",
    "NotFoundError",
    "Persistable",
    "Placeholder",
    "ProtocolError",
    "RecordError",
    "RecordInfo",
    "RecordTooLargeError",
    "RecordVersionError",
    "Report",
    "SettingsError",
    "StorageError",
    "StorageFullError",
    "Store",
    "Transform",
    "TransformNotInstalledError",
    "UnknownCodecError",
    "UnknownSchemeError",
    "UnknownTransformError",
    "UnsupportedObjectError",
    "Url",
    "UrlError",
    "UuidFactory",
    "VerificationError",
    "__version__",
    "known_codecs",
    "known_transforms",
    "make_codec",
    "make_filesystemstore",
    "make_store",
    "make_transform",
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
