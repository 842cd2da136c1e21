"""Codecs with a fault each, as plug-ins may have: the benchmark has to find out."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks


class Honest(Codec):
    """Pickles plain data."""

    name = "honest"
    capabilities = Capabilities(references=False, cycles=True, shared_identity=True, instances=True)
    version = "1"

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        sink.write(pickle.dumps(self.spoiled(obj)))

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        return pickle.loads(source)

    def spoiled(self, obj: Any) -> Any:
        return obj


class DropsIdentity(Honest):
    """Writes what is shared twice, and says that it does not."""

    name = "drops-identity"

    def spoiled(self, obj: Any) -> Any:
        return _copied(obj)


def _copied(obj: Any) -> Any:
    if type(obj) is list:
        return [_copied(item) for item in obj]
    if type(obj) is dict:
        return {key: _copied(item) for key, item in obj.items()}
    return obj


class Rounds(Honest):
    """Makes integers of floats."""

    name = "rounds"

    def spoiled(self, obj: Any) -> Any:
        return [int(item) if type(item) is float else item for item in obj]


class Slow(Honest):
    """Waits a tenth of a second."""

    name = "slow"

    def spoiled(self, obj: Any) -> Any:
        time.sleep(0.1)
        return obj


class Leaks(Honest):
    """Keeps 4 MB of each encoding."""

    name = "leaks"
    kept: ClassVar[list[bytes]] = []

    def spoiled(self, obj: Any) -> Any:
        self.kept.append(os.urandom(4_000_000))
        return obj


class Hangs(Honest):
    """Never ends; makes a file when it has begun."""

    name = "hangs"

    def __init__(self, begun: str = os.devnull) -> None:
        self.begun = begun

    def config(self) -> dict[str, Any]:
        return {"begun": self.begun}

    def spoiled(self, obj: Any) -> Any:
        if obj:
            open(self.begun, "w").close()
        while obj:
            time.sleep(0.05)
        return obj


class Eats(Honest):
    """Takes all the memory there is, 10 MB at a time."""

    name = "eats"

    def spoiled(self, obj: Any) -> Any:
        taken = []
        while obj:
            taken.append(bytearray(b"x") * 10_000_000)
            time.sleep(0.002)
        return obj


class Crashes(Honest):
    """Ends the process."""

    name = "crashes"

    def spoiled(self, obj: Any) -> Any:
        if obj:
            faulthandler.disable()  # it would write into the output of the tests
            os.kill(os.getpid(), signal.SIGSEGV)
        return obj


class KeepsIt(Honest):
    """Writes nothing, and hands back what it was given."""

    name = "keeps-it"
    held: ClassVar[list[Any]] = []

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        self.held.append(obj)
        sink.write(str(len(self.held) - 1).encode())

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        return self.held[int(bytes(source))]


class Raises(Honest):
    """Fails for a reason of its own."""

    name = "raises"

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        found = pickle.loads(source)
        if found:
            raise ZeroDivisionError("a fault of the codec")
        return found


def shared_list() -> list[Any]:
    """Return a graph with something shared, for the command line."""
    inner = [1.5, "two"]
    return [inner, inner, {"again": inner}, 3.5]
