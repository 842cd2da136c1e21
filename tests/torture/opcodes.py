"""Cases of hostile payloads, and the pieces of pickle that they are put together from."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal, NamedTuple

Expected = Literal["refused", "distrusted", "bounded", "loaded"]

CANARY = "CANARY"
"""The file that they try to make, in the current directory."""

THINGS = "tests.trust.things"
"""The module whose classes one of the policies admits."""

EXTENSIONS = (0xF0, 0x1F1, 0x101F1)
"""The codes of `copyreg` under which the victim has registered `posix.system`; it has met them before."""

FAMILY = ("pickle", "cloudpickle", "dill")


class Case(NamedTuple):
    """One payload."""

    name: str
    payload: bytes
    expects: Expected = "refused"
    """"refused": with any error of brinery; "distrusted": with a `TrustError`; "bounded": loaded or refused;
    "loaded": it is honest, and must come back."""
    codecs: Sequence[str] = FAMILY
    transform: tuple[str, int] | None = None
    """The name of a transform, and the size to which the payload claims to expand."""
    is_alive: bool = False
    """Whether it does harm without a restriction."""


def text(value: str) -> bytes:
    """Push a string."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short_text(value: str) -> bytes:
    """Push a string, as protocol 4 does."""
    data = value.encode()
    return b"\x8c" + bytes((len(data),)) + data


def old_text(value: str) -> bytes:
    """Push a string, as protocol 0 does."""
    return b"V" + value.encode() + b"\n"


def name(module: str, qualname: str) -> bytes:
    """Push a global by GLOBAL."""
    return f"c{module}\n{qualname}\n".encode()


def stack_name(module: str, qualname: str) -> bytes:
    """Push a global by STACK_GLOBAL."""
    return text(module) + text(qualname) + b"\x93"


def pack(*items: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(items) + b"t"


def whole(*parts: bytes, protocol: int = 4) -> bytes:
    """Return a pickle."""
    return b"\x80" + bytes((protocol,)) + b"".join(parts) + b"."


def call(callee: bytes, *arguments: bytes) -> bytes:
    """Call by REDUCE."""
    return callee + pack(*arguments) + b"R"
