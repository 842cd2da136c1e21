"""Keys from arguments, files and the environment."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable

from brinery.errors import InvalidArgumentError, TrustError
from brinery.typing import Any, Final, NoReturn

HEXADECIMAL: Final = r"(?:[0-9a-fA-F]{2})+"
_LEAST_SIZE: Final = 16


class Key:
    """A secret that no repr shows and no pickle holds."""

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return "<key>"

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TrustError(
            "a key cannot be pickled: open the store in the other process with trust=Trust(key=…)"
        )


def keys_of(given: Any) -> tuple[Key, ...]:
    """Return the keys of an argument: bytes, or several; raise `InvalidArgumentError`."""
    several = [given] if isinstance(given, (bytes, bytearray, memoryview)) else given
    if isinstance(several, str) or not isinstance(several, Iterable):
        # Not shown: it may be a secret all the same.
        raise InvalidArgumentError(f"key: expected bytes, or several, got {type(given).__name__}")
    found = []
    for each in several:
        if isinstance(each, Key):
            found.append(each)
            continue
        if not isinstance(each, (bytes, bytearray, memoryview)):
            raise InvalidArgumentError(f"key: expected bytes, got {type(each).__name__}")
        secret = bytes(each)
        if len(secret) < _LEAST_SIZE:
            raise InvalidArgumentError(
                f"a key of {len(secret)} bytes can be guessed: take secrets.token_bytes(32)"
            )
        found.append(Key(secret))
    if not found:
        raise InvalidArgumentError(
            "key: expected at least one, got none; leave it out, or give one"
        )
    return tuple(found)


def lines_of(path: str) -> list[str]:
    """Return the lines of a key file.

    Raise `InvalidArgumentError`, also if other users can read the file.
    """
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read().split()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"cannot read the keys in {path}: {error}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidArgumentError(f"others can read the keys in {path}: chmod 600 {path}")
    if not lines:
        raise InvalidArgumentError(f"there are no keys in {path}: write one in hexadecimal")
    return lines


def bytes_of(text: str) -> bytes:
    """Return the bytes of a key in hexadecimal; raise `InvalidArgumentError`."""
    if not re.fullmatch(HEXADECIMAL, text):
        raise InvalidArgumentError(
            "expected a key in hexadecimal in the environment or the key file, got other text"
        )
    return bytes.fromhex(text)
