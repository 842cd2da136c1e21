"""The measurements in a process that was started for one case.

It sends each finding as soon as it has it, as one line of JSON.  So the parent has everything up to that
moment when it has to end the process.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from brinery.bench.nodes import has_functions, nodes_of
from brinery.bench.result import FAILED, OK, REFUSED
from brinery.bench.run.clock import Clock, Times
from brinery.bench.run.fidelity import compared, deepest, elsewhere
from brinery.bench.run.memory import peak_of, resident
from brinery.bench.run.source import source_from
from brinery.bench.run.target import Memory, Place
from brinery.codec import Codec
from brinery.errors import BrineryError, EncodeError
from brinery.registry.codecs import codec_from
from brinery.stores.store import Store
from brinery.verify.description import lives_here

Send = Callable[..., None]
"""Sends one or several findings to the parent, by name."""

_PR_SET_PDEATHSIG: Final = 1
_LEAK: Final = (
    1 << 20
)  # bytes that may stay after each repetition, besides a quarter of the records


_LEAST_SECONDS: Final = 0.002
"""What takes less is repeated so often that it takes so long, and counts once."""
_MOST_LOOPS: Final = 200


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often a case is measured."""

    seconds: float
    """For the repetitions of encoding in each round, and as long again for those of decoding."""
    least: int = 3
    most: int = 50
    rounds: int = 5


def main(job: Mapping[str, Any], descriptor: int) -> None:
    """Do the job that a fresh interpreter was given, and write the findings to a descriptor."""
    send = sender(descriptor)
    end_with_parent()
    try:
        roots = source_from(job["source"]).build()
    except BaseException as error:  # noqa: BLE001 - the user's function may raise anything
        # Where only brinery was at work, there is nothing to see but the error itself.
        seen = {"traceback": text} if (text := trace(error)) else {}
        send(status=FAILED, error=f"the graph cannot be made: {_brief(error)}", **seen)
        return
    codec = codec_from(job["codec"], job["config"]) if "codec" in job else None
    run(roots, codec, job, send)


def end_with_parent() -> None:
    """Let the system end this process when its parent is killed (prctl(2))."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # on Linux; elsewhere the next finding ends it, because nobody reads that
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def sender(descriptor: int) -> Send:
    """Return a function that writes findings to a descriptor."""

    def send(**found: Any) -> None:
        line = json.dumps(found).encode() + b"\n"
        while line:
            line = line[os.write(descriptor, line) :]

    return send


def run(roots: Sequence[Any], codec: Codec | None, job: Mapping[str, Any], send: Send) -> None:
    """Measure a graph with a codec; without a codec, only count its nodes."""
    try:
        nodes = nodes_of(roots)
        send(nodes=len(nodes), has_functions=has_functions(nodes))
        if codec is not None:
            functions, is_here = has_functions(nodes), lives_here(nodes)
            del nodes
            _Measurement(roots, codec, job, send).run(functions=functions, is_here=is_here)
        send(status=OK)
    except EncodeError as error:
        send(status=REFUSED, error=" ".join(str(error).split()))
    except BaseException as error:  # noqa: BLE001 - one case must not end the others
        send(status=FAILED, error=_brief(error))


def probe(codec: Codec, depths: Sequence[int], send: Send) -> None:
    """Find out how deep a codec goes."""
    try:
        send(depth=deepest(codec, depths), status=OK)
    except BaseException as error:  # noqa: BLE001
        send(status=FAILED, error=_brief(error))


class _Measurement:
    def __init__(
        self, roots: Sequence[Any], codec: Codec, job: Mapping[str, Any], send: Send
    ) -> None:
        self._roots = roots
        self._codec = codec
        self._clock = Clock()
        self._memory = Memory(codec, job["compress"])
        to = job.get("to")
        self._target = self._memory if to is None else Place(to, codec, job["compress"])
        self._effort = Effort(**job["effort"])
        self._seconds_elsewhere = job["timeout"]
        self._is_timed_only = job.get("is_timed_only", False)
        self._send = send

    def run(self, *, functions: bool, is_here: bool) -> None:
        try:
            self._measure(functions=functions, is_here=is_here)
        finally:
            self._target.end()

    def _measure(self, *, functions: bool, is_here: bool) -> None:
        # A trifle first, so that imports on first use are not measured.
        trifle = self._target.new()
        trifle.load(trifle.save([], "trifle"))
        saved = self._measure_encoding()
        lost: tuple[str, ...] = ()
        if (functions or is_here) and not self._is_timed_only:
            # Before anything is loaded: a class by value may be the one that the graph has, and be changed.
            lost = elsewhere(
                lambda verify: self._save(self._memory.new(), verify=verify),
                self._roots,
                self._seconds_elsewhere,
            )
        self._measure_decoding(*saved)
        if not self._is_timed_only:
            self._compare(*saved, lost, functions=functions)

    def _save(self, store: Store, **options: Any) -> list[Any]:
        return store.save_many(self._roots, **options)

    def _measure_encoding(self) -> tuple[Store, list[Any]]:
        first = self._target.new()
        ids: list[Any] = []
        if self._is_timed_only:
            ids += self._save(first)
        else:
            self._send(peak_encode_bytes=peak_of(lambda: ids.extend(self._save(first))))
        infos = [first.info(id_) for id_ in first.list()]
        size = sum(info.size for info in infos)
        self._send(bytes=size, used=sorted({info.codec for info in infos}))

        def once() -> Times:
            store = self._target.new()
            start = self._clock.now()
            self._save(store)
            return self._clock.since(start)

        self._repeat("encode", once, size)
        if self._target is not self._memory:
            first = self._target.new()
            ids = self._save(first)
        return first, ids

    def _measure_decoding(self, saved: Store, ids: list[Any]) -> None:
        def load() -> Times:
            store = self._target.again(saved)
            start = self._clock.now()
            found = store.load_many(ids)
            times = self._clock.since(start)
            del found
            return times

        if not self._is_timed_only:
            self._send(peak_decode_bytes=peak_of(load))
        self._repeat("decode", load, sum(saved.info(id_).size for id_ in saved.list()))

    def _repeat(self, name: str, once: Callable[[], Times], size: int) -> None:
        once()  # warms up
        loops = max(1, min(_MOST_LOOPS, int(_LEAST_SECONDS / max(once()[1], 1e-9))))
        levels: list[int] = []
        end = time.perf_counter() + self._effort.seconds
        for count in range(self._effort.most):
            gc.collect()
            levels.append(resident() or 0)
            times = [once() for _ in range(loops)]
            self._send(**{name: [sum(each) / loops for each in zip(*times, strict=True)]})
            if count + 1 >= self._effort.least and time.perf_counter() > end:
                break
        self._send_leak(name, levels, size)

    def _send_leak(self, name: str, levels: Sequence[int], size: int) -> None:
        later = levels[1:]
        if len(later) < 2:
            return
        growth = (later[-1] - later[0]) / (len(later) - 1)
        if growth > _LEAK + size / 4:
            self._send(leak=f"{name[:-1]}ing leaves {growth / 1e6:,.1f} MB allocated each time")

    def _compare(
        self, saved: Store, ids: list[Any], lost: tuple[str, ...], *, functions: bool
    ) -> None:
        fidelity = compared(self._roots, self._target.again(saved).load_many(ids))
        fidelity = replace(
            fidelity,
            equal=fidelity.equal and (functions or not lost),
            closures=not lost if functions else None,
            losses=(*fidelity.losses, *lost),
        )
        self._send(fidelity=asdict(fidelity))


def _brief(error: BaseException) -> str:
    if isinstance(error, BrineryError):
        return " ".join(str(error).split())
    return " ".join("".join(traceback.format_exception_only(error)).split())


def trace(error: BaseException) -> str:
    """Return the traceback of an error, without the lines of brinery; empty if there are no others."""
    frames = traceback.extract_tb(error.__traceback__)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    foreign = [frame for frame in frames if not frame.filename.startswith((own, "<frozen"))]
    lines = traceback.format_list(foreign) + traceback.format_exception_only(error)
    return "".join(lines) if foreign else ""


if __name__ == "__main__":
    main(json.load(sys.stdin), int(sys.argv[1]))
