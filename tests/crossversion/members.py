"""What Pythons pickle in several forms: paths, and members of enumerations, also when these are renamed."""

from __future__ import annotations

import enum
import socket
import sys
from pathlib import PurePosixPath
from typing import Any

from brinery import Persistable


class Colour(enum.Enum):
    """Pickled as this Python does."""

    RED = 1
    BLUE = (2, "blue")


class Number(enum.IntEnum):
    """Numbers."""

    ONE = 1


class Rights(enum.Flag):
    """Flags."""

    READ = 1
    WRITE = 2
    RUN = 4
    ALL = 7


class Mode(enum.IntFlag):
    """Flags that are numbers, and may have bits without a name."""

    READ = 1
    WRITE = 2


class Grant(Persistable, enum.Flag):
    """Flags in records of their own."""

    READ = 1
    WRITE = 2


class NewColour(enum.Enum):
    """Colour, renamed."""

    RED = 1
    BLUE = (2, "blue")


class NewNumber(enum.IntEnum):
    """Number, renamed."""

    ONE = 1


class NewRights(enum.Flag):
    """Rights, renamed."""

    READ = 1
    WRITE = 2
    RUN = 4
    ALL = 7


class NewMode(enum.IntFlag):
    """Mode, renamed."""

    READ = 1
    WRITE = 2


class NewGrant(Persistable, enum.Flag):
    """Grant, renamed."""

    READ = 1
    WRITE = 2


NAMES = ("Colour", "Number", "Rights", "Mode", "Grant")


def values(prefix: str = "") -> list[Any]:
    """Return members of all enumerations whose names begin so, and a path."""
    colour, number, rights, mode, grant = (
        getattr(sys.modules[__name__], prefix + name) for name in NAMES
    )
    return [
        *(colour.RED, colour.BLUE, number.ONE, rights.WRITE, rights(0), rights.READ | rights.RUN),
        *(rights.ALL, ~rights.READ, mode.READ, mode.READ | mode.WRITE, mode.READ | 64, mode(64)),
        *(grant.READ, grant.READ | grant.WRITE, socket.AF_INET),
        PurePosixPath("a", "b"),
    ]
