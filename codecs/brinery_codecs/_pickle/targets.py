"""Targets: the places to which picklers write, and where they hand over out-of-band buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from brinery.codec import Buffer, Sink


class Target(Protocol):
    """What a pickler writes to."""

    @property
    def write(self) -> Callable[[Buffer], Any]:
        """Take what is written."""


class Relay:
    """Takes what a pickler writes, and gives it to the sink of the record at hand."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Buffer) -> None:
        """Take `data`; a mutable buffer is copied, for what is encoded after it may change it."""
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
    """Forget what an attempt has written that failed."""
    sink.pieces.clear()
    if take is not None:
        take.clear()
