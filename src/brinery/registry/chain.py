"""Several codecs in a row: each record is written by the first that keeps its object whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks
from brinery.errors import InvalidArgumentError
from brinery.typing import Any, Final

FIDELITY: Final = (
    "references",
    "cycles",
    "shared_identity",
    "instances",
    "closures",
    "classes_by_value",
)
"""The capabilities that say what a codec keeps of an object; the others are about its bytes."""

AUTO: Final = ("pickle", "cloudpickle", "dill")
"""The codecs that the name ``auto`` means: plain pickles if they are enough."""


class CodecChain(Codec):
    """Tries its codecs in order.

    A record names the codec that wrote it, never the chain; so it is read without one.  A codec is passed
    over when it refuses an object, and when another process could not read what it writes: pickle
    names classes and functions of ``__main__`` without keeping them.
    """

    name = "chain"

    def __init__(self, codecs: Sequence[Codec]) -> None:
        self.codecs = tuple(codecs)
        if not self.codecs or any(isinstance(codec, CodecChain) for codec in self.codecs):
            raise InvalidArgumentError(
                f"expected several codecs that are not chains, got {list(codecs)!r}"
            )
        self.attempts = tuple((codec, codec.portable()) for codec in self.codecs)
        """Each codec, and the one that writes for it and refuses what is not portable."""
        kept = [codec.capabilities for codec in self.codecs]
        self.capabilities = Capabilities(
            **{flag: _ALL_OR_ANY[flag](kept, flag) for flag in Capabilities._fields}
        )

    @property
    def version(self) -> str:
        """Return the versions of all."""
        return ", ".join(f"{codec.name} {codec.version}" for codec in self.codecs)

    def config(self) -> dict[str, Any]:
        """Return the codecs as JSON types; `brinery.registry.codecs` makes them again."""
        return {"codecs": [[codec.name, codec.config()] for codec in self.codecs]}

    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> None:
        """Refuse: a store has each codec write by itself, to know which one it was."""
        raise InvalidArgumentError("a chain does not write; ask its codecs")

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Refuse: a record names the codec that reads it."""
        raise InvalidArgumentError("a chain does not read; ask the codec that the record names")

    def __repr__(self) -> str:
        return f"CodecChain({list(self.codecs)!r})"


def _any(kept: Sequence[Capabilities], flag: str) -> bool:
    return any(getattr(capabilities, flag) for capabilities in kept)


def _all(kept: Sequence[Capabilities], flag: str) -> bool:
    return all(getattr(capabilities, flag) for capabilities in kept)


class _Rules(dict[str, Callable[[Sequence[Capabilities], str], bool]]):
    def __missing__(self, flag: str) -> Callable[[Sequence[Capabilities], str], bool]:
        return _all


# If one codec keeps something, the chain does; a promise about bytes must be made by all of them.
_ALL_OR_ANY: Final = _Rules(dict.fromkeys(FIDELITY, _any))
