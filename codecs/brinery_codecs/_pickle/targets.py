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
