"""brinery: a persistent store for Python object graphs, with a pluggable codec layer.

Names are imported on first use, so that ``import brinery`` costs next to nothing and loads no codec
library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.accessors import GET, GetValue
    from brinery.checking import CheckedRecord, Report
    from brinery.codec import DEFAULT_PROTOCOL, Capabilities, Codec
    from brinery.copying import CopyReport, DamagedRecord, copy
    from brinery.errors import (
        AlreadySavedError,
        BrineryError,
        CallTooDeepError,
        ClosedError,
        CodecNotInstalledError,
        ConflictError,
        CopyConflictError,
        CorruptRecordError,
        DanglingReferenceError,
        DecodeError,
        DriverNotInstalledError,
        EncodeError,
        Finding,
        ForeignRecordError,
        IdTakenError,
        InvalidArgumentError,
        LockedError,
        MisplacedRecordError,
        MissingClassError,
        MissingColumnsError,
        MissingTableError,
        NotFoundError,
        ProtocolError,
        RecordError,
        RecordTooLargeError,
        RecordVersionError,
        SealError,
        SettingsError,
        StorageError,
        StorageFullError,
        TransactionError,
        TransformNotInstalledError,
        TruncatedRecordError,
        TrustError,
        UnknownCodecError,
        UnknownSchemeError,
        UnknownTransformError,
        UnsupportedObjectError,
        UrlError,
        ValueTooLargeError,
        VerificationError,
    )
    from brinery.filesystem import FilesystemStore, make_filesystemstore
    from brinery.garbage import GcReport
    from brinery.ids import Id, IdFactory, JobIdFactory, UuidFactory
    from brinery.info import RecordInfo
    from brinery.integrity import ExaminedRecord, FsckReport, fsck
    from brinery.memory import MemoryStore
    from brinery.needs import Need
    from brinery.persistable import Persistable
    from brinery.placeholder import Placeholder
    from brinery.quarantine import Quarantine, QuarantinedRecord
    from brinery.recoding import LeftRecord, RecodeReport, recode
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
    from brinery.sql import SqlStore, make_sqlstore
    from brinery.store import Store
    from brinery.transform import Transform
    from brinery.trust import Trust
    from brinery.url import Url
    from brinery.verification import FreshProcess
    from brinery.versions import upgrades

__version__ = "0.1.0"

_HOMES = {
    "accessors": ("GET", "GetValue"),
    "checking": ("CheckedRecord", "Report"),
    "codec": ("DEFAULT_PROTOCOL", "Capabilities", "Codec"),
    "copying": ("CopyReport", "DamagedRecord", "copy"),
    "errors": (
        "AlreadySavedError",
        "BrineryError",
        "CallTooDeepError",
        "ClosedError",
        "CodecNotInstalledError",
        "ConflictError",
        "CopyConflictError",
        "CorruptRecordError",
        "DanglingReferenceError",
        "DecodeError",
        "DriverNotInstalledError",
        "EncodeError",
        "Finding",
        "ForeignRecordError",
        "IdTakenError",
        "InvalidArgumentError",
        "LockedError",
        "MisplacedRecordError",
        "MissingClassError",
        "MissingColumnsError",
        "MissingTableError",
        "NotFoundError",
        "ProtocolError",
        "RecordError",
        "RecordTooLargeError",
        "RecordVersionError",
        "SealError",
        "SettingsError",
        "StorageError",
        "StorageFullError",
        "TransactionError",
        "TransformNotInstalledError",
        "TruncatedRecordError",
        "TrustError",
        "UnknownCodecError",
        "UnknownSchemeError",
        "UnknownTransformError",
        "UnsupportedObjectError",
        "UrlError",
        "ValueTooLargeError",
        "VerificationError",
    ),
    "filesystem": ("FilesystemStore", "make_filesystemstore"),
    "integrity": ("ExaminedRecord", "FsckReport", "fsck"),
    "quarantine": ("Quarantine", "QuarantinedRecord"),
    "garbage": ("GcReport",),
    "ids": ("Id", "IdFactory", "JobIdFactory", "UuidFactory"),
    "persistable": ("Persistable",),
    "placeholder": ("Placeholder",),
    "recoding": ("LeftRecord", "RecodeReport", "recode"),
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
    "sql": ("SqlStore", "make_sqlstore"),
    "needs": ("Need",),
    "store": ("Store",),
    "transform": ("Transform",),
    "trust": ("Trust",),
    "url": ("Url",),
    "verification": ("FreshProcess",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_PROTOCOL",
    "GET",
    "AlreadySavedError",
    "BrineryError",
    "CallTooDeepError",
    "Capabilities",
    "CheckedRecord",
    "ClosedError",
    "Codec",
    "CodecNotInstalledError",
    "ConflictError",
    "CopyConflictError",
    "CopyReport",
    "CorruptRecordError",
    "DamagedRecord",
    "DanglingReferenceError",
    "DecodeError",
    "DriverNotInstalledError",
    "EncodeError",
    "ExaminedRecord",
    "ExternalReference",
    "FilesystemStore",
    "Finding",
    "ForeignRecordError",
    "FreshProcess",
    "FsckReport",
    "GcReport",
    "GetValue",
    "Id",
    "IdFactory",
    "IdTakenError",
    "InvalidArgumentError",
    "JobIdFactory",
    "LeftRecord",
    "LockedError",
    "MemoryStore",
    "MisplacedRecordError",
    "MissingClassError",
    "MissingColumnsError",
    "MissingTableError",
    "Need",
    "NotFoundError",
    "Persistable",
    "Placeholder",
    "ProtocolError",
    "Quarantine",
    "QuarantinedRecord",
    "RecodeReport",
    "RecordError",
    "RecordInfo",
    "RecordTooLargeError",
    "RecordVersionError",
    "Report",
    "SealError",
    "SettingsError",
    "SqlStore",
    "StorageError",
    "StorageFullError",
    "Store",
    "TransactionError",
    "Transform",
    "TransformNotInstalledError",
    "TruncatedRecordError",
    "Trust",
    "TrustError",
    "UnknownCodecError",
    "UnknownSchemeError",
    "UnknownTransformError",
    "UnsupportedObjectError",
    "Url",
    "UrlError",
    "UuidFactory",
    "ValueTooLargeError",
    "VerificationError",
    "__version__",
    "copy",
    "fsck",
    "known_codecs",
    "known_transforms",
    "make_codec",
    "make_filesystemstore",
    "make_sqlstore",
    "make_store",
    "make_transform",
    "recode",
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
