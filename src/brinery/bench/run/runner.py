"""Cases, run each in a process of its own, within limits of time and memory.

A process of its own, because importing dill changes the whole process, and because a peak of memory shows
only in a fresh one.  It sends its findings line by line (`brinery.bench.run.child`); those that it has sent
before it is ended count.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from brinery.bench.result import FAILED, INTERRUPTED, MEMORY, OK, TIMEOUT, Case, Fidelity, Timing
from brinery.bench.run import child
from brinery.bench.run.choice import Choice
from brinery.bench.run.memory import available, resident
from brinery.bench.run.process import Process, end_of, forked, fresh
from brinery.bench.run.source import Given, Source
from brinery.bench.run.threads import CAUSE, IDLE, is_waiting, thread_count

_POLL: Final = 0.02  # seconds between two looks at a process


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one case may use."""

    timeout: float = 60.0
    """Seconds of wall clock, from the start of its process."""
    memory: int | None = None
    """Resident bytes of the process, beyond those of the process that it is a copy of.  None stands for
    three quarters of the free memory."""

    @property
    def memory_bytes(self) -> int:
        """Return the limit of memory in bytes."""
        return self.memory if self.memory is not None else available() * 3 // 4


class Runner:
    """Runs cases one after another."""

    def __init__(
        self,
        effort: child.Effort,
        limits: Limits,
        depths: Sequence[int],
    ) -> None:
        self._effort = effort
        self._limits = limits
        self._memory = limits.memory_bytes
        self._depths = tuple(depths)
        self._depth_of: dict[tuple[str, str], int | None] = {}
        self._has_waited = False

    def look_at(self, source: Source) -> Mapping[str, Any]:
        """Build the graph once; return `nodes` and `status`, after a failure `error` and `traceback`."""
        found, ended = self._run(source, None)
        return {**found, **ended}

    def measure(self, source: Source, choice: Choice, found: dict[str, Any]) -> None:
        """Measure one case for one round more, and add what was found; `status` and `error` say how it ended.

        The first round measures memory and fidelity, too.
        """
        is_timed_only = "status" in found
        for name in ("encode", "decode"):
            found.setdefault(name, []).append([])
        try:
            _, ended = self._run(source, choice, found, is_timed_only=is_timed_only)
            found |= ended
        except KeyboardInterrupt:
            if is_timed_only:  # the rounds before count
                del found["encode"][-1], found["decode"][-1]
            else:
                found["status"], found["error"] = INTERRUPTED, "interrupted by Ctrl-C"
            raise

    def depth(self, choice: Choice) -> int | None:
        """Return how deep a codec goes, of the depths that are tried."""
        key = choice.title, repr(choice.codec.config())
        if key not in self._depth_of:
            found: dict[str, Any] = {}
            with forked(lambda send: child.probe(choice.codec, self._depths, send)) as process:
                self._follow(process, found)
            self._depth_of[key] = found.get("depth")
        return self._depth_of[key]

    def _run(
        self,
        source: Source,
        choice: Choice | None,
        found: dict[str, Any] | None = None,
        *,
        is_timed_only: bool = False,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        found = {} if found is None else found
        job: dict[str, Any] = {
            "effort": asdict(self._effort),
            "timeout": self._limits.timeout,
            "is_timed_only": is_timed_only,
            "compress": None if choice is None else choice.compress,
            "to": None if choice is None else choice.to,
        }
        if isinstance(source, Given):
            codec = None if choice is None else choice.codec
            started = forked(lambda send: child.run(source.build(), codec, job, send))
        else:
            described = {} if choice is None else choice.described()
            started = fresh({**job, **described, "source": source.to_job()})
        with started as process:
            return found, self._follow(process, found)

    def _follow(self, process: Process, found: dict[str, Any]) -> dict[str, Any]:
        """Collect the findings of a process until it ends or reaches a limit; return how it ended."""
        start = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(process.findings, selectors.EVENT_READ)
            unread = b""
            while True:
                if selector.select(_POLL):
                    data = os.read(process.findings, 1 << 16)
                    if not data:
                        break
                    *lines, unread = (unread + data).split(b"\n")
                    for line in lines:
                        _enter(found, json.loads(line))
                if (used := (resident(process.pid) or 0) - process.base) > self._memory:
                    process.kill()
                    reason = f"took {used / 1e6:,.0f} MB, more than {self._memory / 1e6:,.0f} MB"
                    return {"status": MEMORY, "error": reason}
                took = time.monotonic() - start
                is_over = took > self._limits.timeout
                if is_over or (self._has_waited and took > IDLE):
                    waits = process.is_copy and thread_count() > 1 and is_waiting(process.pid)
                    self._has_waited |= waits
                    if is_over or waits:
                        process.kill()
                        reason = f"did not end within {took:.0f} s{f': {CAUSE}' if waits else ''}"
                        return {"status": TIMEOUT, "error": reason}
        code = process.wait()
        if "ended" in found:
            return {"status": found.pop("ended"), "error": found.pop("reason", None)}
        return {"status": FAILED, "error": end_of(code, process.output())}


_OF_THE_END: Final = {"status": "ended", "error": "reason"}


def _enter(found: dict[str, Any], new: Mapping[str, Any]) -> None:
    for name, value in new.items():
        if name in _OF_THE_END:
            found[_OF_THE_END[name]] = value
        elif name in ("encode", "decode"):
            found[name][-1].append(value)
        elif name == "leak":
            found.setdefault("leaks", []).append(value)
        else:
            found[name] = value


def case_of(graph: str, choice: Choice, found: Mapping[str, Any]) -> Case:
    """Return a case from what its rounds have found."""
    case = Case(
        graph,
        choice.title,
        choice.protocol,
        choice.compress,
        to=choice.place,
        safe_to_read=choice.codec.capabilities.safe_to_read,
    )
    fidelity = Fidelity(**{**(found.get("fidelity") or {}), "depth": found.get("depth")})
    losses = (*fidelity.losses, *found.get("leaks", ()))
    used = tuple(found.get("used", ()))
    return replace(
        case,
        status=found.get("status", OK),
        error=found.get("error"),
        nodes=found.get("nodes"),
        encode=Timing.of(found.get("encode", ())),
        decode=Timing.of(found.get("decode", ())),
        bytes=found.get("bytes"),
        peak_encode_bytes=found.get("peak_encode_bytes"),
        peak_decode_bytes=found.get("peak_decode_bytes"),
        fidelity=replace(fidelity, losses=losses),
        leaks=bool(found.get("leaks")),
        used=() if used == (case.codec,) else used,
    )
