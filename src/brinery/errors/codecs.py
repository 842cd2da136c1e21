"""Errors of codecs and transforms: not known, not installed, or not able to keep an object."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.errors.arguments import InvalidArgumentError
from brinery.errors.root import BrineryError, derived
from brinery.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


class UnknownCodecError(InvalidArgumentError):
    """No codec has the name that was given."""

    message: str = derived(
        "unknown codec {codec!r}[ that wrote {id!r} in {path}| that wrote {id!r}]: "
        "known are {known:20}. A codec of another package is found once that package is installed "
        "(entry point group 'brinery.codecs')"
    )
    codec: str
    known: Sequence[str]
    id: str | None = None
    path: str | None = None


class CodecNotInstalledError(BrineryError, ImportError):
    """The library that a codec wraps cannot be imported."""

    message: str = derived(
        "the codec {codec!r}[ (it wrote {id!r})] cannot be used: {reason}. Install it with: {hint}"
    )
    codec: str
    hint: str
    reason: str
    id: str | None = None


class UnknownTransformError(InvalidArgumentError):
    """No transform has the name that was given."""

    message: str = derived(
        "unknown transform {transform!r:.80}: known are {known:20}. A transform of another package is "
        "found once that package is installed (entry point group 'brinery.transforms')"
    )
    transform: str
    known: Sequence[str]


class TransformNotInstalledError(BrineryError, ImportError):
    """The library that a transform wraps cannot be imported."""

    message: str = derived(
        "the transform {transform!r} cannot be used: {reason}. Install it with: {hint}"
    )
    transform: str
    hint: str
    reason: str


class DriverNotInstalledError(BrineryError, ImportError):
    """The library that speaks to a database cannot be imported."""

    message: str = derived("a store in this database needs {library}. Install it with: {hint}")
    library: str
    hint: str


class ProtocolError(InvalidArgumentError):
    """A codec does not have the protocol that was asked for."""

    message: str = derived(
        "protocol {protocol!r}: the codec {codec!r} has [{range}|none: leave the protocol out]"
    )
    range: str = derived(lambda error: error.known and f"{min(error.known)} to {max(error.known)}")
    protocol: object
    codec: str
    known: Sequence[int]


class EncodeError(BrineryError):
    """A codec could not turn an object into bytes.

    `object_path` is the place in the object that the codec cannot encode (`.tasks[3].callback`), if known;
    `reason` is the cause alone.
    """

    message: str = derived(
        "the codec[ {codec!r}] cannot encode [{id!r}|the object][ at {object_path}]: {reason}[. {advice}]"
    )
    reason: str
    _: KW_ONLY
    id: str | None = None
    codec: str | None = None
    object_path: str | None = None
    advice: str | None = None


class UnsupportedObjectError(EncodeError):
    """An object is of a kind that a codec says it does not keep."""


class Problem(NamedTuple):
    """Something that would break in another process."""

    id: str | None
    """The ID of the object that was saved; None if no object in particular is meant."""
    path: str
    """The place inside that object, as in ``.tasks[3].callback``; "" for the object itself."""
    reason: str
    """What is wrong there."""

    def __str__(self) -> str:
        return f"at {self.path}: {self.reason}" if self.path else self.reason


class VerificationError(BrineryError):
    """The objects to be saved do not load in a fresh process, or cannot be used there.

    `problems` are all problems that it found.  The store was not changed.
    """

    message: str = derived(
        "{id!r} is not saved[ in {path}], because of what a fresh process found: {shown}[. {advice}]"
    )
    problems: Sequence[Problem]
    id: str | None = None
    path: str | None = None
    advice: str | None = None

    @property
    def shown(self) -> str:
        """The first twenty problems, as text."""
        more = f"; and {len(self.problems) - 20} more" if len(self.problems) > 20 else ""
        return "; ".join(str(found) for found in self.problems[:20]) + more


class DecodeError(BrineryError):
    """A codec could not turn a payload back into an object."""

    message: str = derived(
        "the codec[ {codec!r}] cannot decode [{id!r}|the record][ in {path}][ at {object_path}]: "
        "{reason}[. {advice}]"
    )
    reason: str
    _: KW_ONLY
    id: str | None = None
    codec: str | None = None
    path: str | None = None
    object_path: str | None = None
    advice: str | None = None


class MissingClassError(DecodeError):
    """A record needs a class or function that cannot be imported here."""
