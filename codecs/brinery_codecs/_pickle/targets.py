"""Targets: the places to which picklers write, and where they hand over out-of-band buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from brinery.codec import Buffer, Sink


class Target(Protocol):
    """A file as picklers need it."""

    @property
    def write(self) -> Callable[[Buffer], Any]:
        """Return the function that takes bytes."""


class Relay:
    """Takes the output of a pickler, and gives it to the sink of the current record."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Buffer) -> None:
        """Take `data`; a mutable buffer is copied, because later hooks may change it."""
        self._pieces.append(data if type(data) is bytes else bytes(data))

    def give(self, head: bytes, sink: Sink) -> None:
        """Write `head` and all that was taken to a sink, as one piece if it was taken as one."""
        pieces = self._pieces
        if len(pieces) == 1:
            sink.pieces.append(head + pieces[0])
        else:
            sink.pieces += (head, *pieces) if head else pieces
        pieces.clear()


class Take(list[Buffer]):
    """Takes the buffers that go out of band."""

    def __call__(self, buffer: Any) -> None:
        """Keep a `pickle.PickleBuffer`."""
        self.append(buffer.raw())


def void(sink: Sink, take: Take | None) -> None:
    """Drop the output of an attempt that failed."""
    sink.pieces.clear()
    if take is not None:
        take.clear()
