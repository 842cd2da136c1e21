"""The errors of brinery: one root, typed attributes, a text that says what to do next.

An *error* is raised to the caller; all derive from `BrineryError`.  It carries the *facts* as attributes (the
ID, the path, the codec, …) and a *text* that is made from them: what was expected, what was found, and what
to do.  `root` has the constructor that all share; the other modules declare the kinds: errors of calls and
their *arguments*, of *codecs*, of *records*, and of the *storage* below.  `dangerous` lists the names that
no text may advise to admit.
"""

from brinery.errors.arguments import AlreadySavedError as AlreadySavedError
from brinery.errors.arguments import BackupError as BackupError
from brinery.errors.arguments import CallTooDeepError as CallTooDeepError
from brinery.errors.arguments import ClosedError as ClosedError
from brinery.errors.arguments import ConflictError as ConflictError
from brinery.errors.arguments import CopyConflictError as CopyConflictError
from brinery.errors.arguments import DanglingReferenceError as DanglingReferenceError
from brinery.errors.arguments import IdTakenError as IdTakenError
from brinery.errors.arguments import InvalidArgumentError as InvalidArgumentError
from brinery.errors.arguments import NotFoundError as NotFoundError
from brinery.errors.arguments import NotMappableError as NotMappableError
from brinery.errors.arguments import RolledBackError as RolledBackError
from brinery.errors.arguments import SettingsError as SettingsError
from brinery.errors.arguments import StaleReferenceError as StaleReferenceError
from brinery.errors.arguments import TransactionError as TransactionError
from brinery.errors.arguments import UnknownSchemeError as UnknownSchemeError
from brinery.errors.arguments import UrlError as UrlError
from brinery.errors.codecs import CodecNotInstalledError as CodecNotInstalledError
from brinery.errors.codecs import DecodeError as DecodeError
from brinery.errors.codecs import DriverNotInstalledError as DriverNotInstalledError
from brinery.errors.codecs import EncodeError as EncodeError
from brinery.errors.codecs import MissingClassError as MissingClassError
from brinery.errors.codecs import Problem as Problem
from brinery.errors.codecs import ProtocolError as ProtocolError
from brinery.errors.codecs import TransformNotInstalledError as TransformNotInstalledError
from brinery.errors.codecs import UnknownCodecError as UnknownCodecError
from brinery.errors.codecs import UnknownTransformError as UnknownTransformError
from brinery.errors.codecs import UnsupportedObjectError as UnsupportedObjectError
from brinery.errors.codecs import VerificationError as VerificationError
from brinery.errors.dangerous import danger_of as danger_of
from brinery.errors.records import CorruptRecordError as CorruptRecordError
from brinery.errors.records import ForeignRecordError as ForeignRecordError
from brinery.errors.records import MisplacedRecordError as MisplacedRecordError
from brinery.errors.records import RecordError as RecordError
from brinery.errors.records import RecordTooLargeError as RecordTooLargeError
from brinery.errors.records import RecordVersionError as RecordVersionError
from brinery.errors.records import SealError as SealError
from brinery.errors.records import TruncatedRecordError as TruncatedRecordError
from brinery.errors.records import TrustError as TrustError
from brinery.errors.records import refusal_of as refusal_of
from brinery.errors.root import BrineryError as BrineryError
from brinery.errors.root import derived as derived
from brinery.errors.root import is_too_deep as is_too_deep
from brinery.errors.root import pass_memory_error as pass_memory_error
from brinery.errors.storage import LockedError as LockedError
from brinery.errors.storage import MissingColumnsError as MissingColumnsError
from brinery.errors.storage import MissingTableError as MissingTableError
from brinery.errors.storage import ReadOnlyError as ReadOnlyError
from brinery.errors.storage import ReentrantWriteError as ReentrantWriteError
from brinery.errors.storage import StorageError as StorageError
from brinery.errors.storage import StorageFullError as StorageFullError
from brinery.errors.storage import StoreBusyError as StoreBusyError
from brinery.errors.storage import UnfilledColumnsError as UnfilledColumnsError
from brinery.errors.storage import ValueTooLargeError as ValueTooLargeError
from brinery.errors.storage import storage_error as storage_error
