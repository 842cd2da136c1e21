"""Who is encoding and decoding in a thread.

Code of the user runs while objects are encoded and decoded (``__getstate__``, ``__setstate__``, …), and may
itself save and load, in the same store or in another one.
"""

from __future__ import annotations

from _thread import _local as ThreadLocal  # that of threading, whose import takes ten loads

from brinery.typing import Any, Final, Protocol


class Encoder(Protocol):
    """Something that has codecs encode objects."""

    session: Any
    """The `Session` that it belongs to."""


class Decoder(Protocol):
    """Something that has codecs decode objects."""

    session: Any
    """The `Session` that it belongs to."""
    links: Any
    """What its codecs get; its `failed_inside` says whether a load by a hook of its objects has failed."""

    def lend(self, id: str) -> Any:
        """Return the object `id` if it is complete, `NOTHING` otherwise."""

    def is_incomplete(self, id: str) -> bool:
        """Return whether the object `id` is being decoded."""

    def adopt(self, id: str, obj: Any) -> None:
        """Take an object that a load inside this one has decoded."""


class Active(ThreadLocal):
    """The encoders and decoders of each thread, the outermost first."""

    def __init__(self) -> None:
        self.encoders: list[Encoder] = []
        self.decoders: list[Decoder] = []


ACTIVE: Final = Active()
