"""A process that loads hostile payloads, each in a child of its own with little memory.

    python -m tests.torture.trial COLLECTION CODEC POLICY CANARY

POLICY is "restricted" or "open".  A line of JSON for each case goes to standard output: its name, the
outcome ("refused", "error: …", "loaded: …", "harmed", "raised: …", "crashed: …").
"""

from __future__ import annotations

import copyreg
import json
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.torture import messages, opcodes
from tests.trust import things

from brinery import BrineryError, Store, Trust, TrustError, make_codec
from brinery.backends.memory import MemoryBackend
from brinery.record import build, new_metadata

MEMORY = 400 << 20
"""Bytes that a case may take beyond what the process has."""
SECONDS = 20
"""Of the processor, for one case."""

COLLECTIONS: dict[str, Callable[[str], Iterator[opcodes.Case]]] = {
    "reaching": opcodes.reaching,
    "escaping": lambda command: opcodes.escaping(),
    "bombs": lambda command: opcodes.bombs(),
    "broken": lambda command: opcodes.broken(),
    "controls": lambda command: opcodes.controls(),
    "messages": lambda command: messages.messages(),
    "some messages": lambda command: messages.messages(range(1, 20)),
}


def store_of(codec: str, payload: bytes, trust: Any) -> Store:
    """Return a store with one record of a payload, whose digests are right, and another record."""
    made = make_codec(codec)
    described = new_metadata(
        id="hostile",
        codec=codec,
        config=made.config(),
        codec_version=made.version,
        protocol=made.protocol,
        class_name="builtins:list",
        references=["other"],
        payload=[payload],
    )
    backend = MemoryBackend()
    backend.put("hostile", b"".join(build(described, [payload])))
    Store(backend).save(things.Task("other"), "other")
    return Store(backend, trust=trust)


def outcome(codec: str, case: opcodes.Case, trust: Any, canary: str) -> str:
    """Load one payload; say what came of it."""
    before = things.Plain.__dict__.copy(), len(things.calls), dict(os.__dict__)
    try:
        found = store_of(codec, case.payload, trust).load("hostile")
        outcome = f"loaded: {type(found).__name__}"
        del found
    except TrustError:
        outcome = "refused"
    except BrineryError as error:
        outcome = f"error: {type(error).__name__}"
    after = things.Plain.__dict__.copy(), len(things.calls), dict(os.__dict__)
    for _ in range(20):  # what a Popen has started may take a moment
        if "Popen" not in case.name and b"Popen" not in case.payload:
            break
        if os.path.exists(canary):
            break
        time.sleep(0.02)
    if os.path.exists(canary) or hasattr(things.Colour.RED, "harm") or before != after:
        return "harmed"
    return outcome


def tried(codec: str, cases: Sequence[opcodes.Case], trust: Any, canary: str) -> list[str]:
    """Load payloads in child processes: one for all, and after a crash another for the rest."""
    said: list[str] = []
    while len(said) < len(cases):
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receiving)
            _confine()
            for case in cases[len(said) :]:
                os.write(sending, json.dumps(_said(codec, case, trust, canary)).encode() + b"\n")
            os._exit(0)
        os.close(sending)
        with os.fdopen(receiving, "rb") as pipe:
            said += map(json.loads, pipe)
        _, status = os.waitpid(child, 0)
        if os.path.exists(canary):
            os.remove(canary)
        if os.WIFSIGNALED(status):
            said.append(f"crashed: {signal.Signals(os.WTERMSIG(status)).name}")
    return said


def _confine() -> None:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    most = resource.getpagesize() * int(pages) + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _said(codec: str, case: opcodes.Case, trust: Any, canary: str) -> str:
    try:
        said = outcome(codec, case, trust, canary)
    except BaseException as error:  # noqa: BLE001 - that is an outcome, too
        return f"raised: {type(error).__name__}: {error}"[:300]
    if os.path.exists(canary):
        os.remove(canary)
    return said


def main(collection: str, codec: str, policy: str, canary: str) -> None:
    """Try all payloads of a collection."""
    batch = 1 if collection == "bombs" else 50
    make_codec(codec)
    trust = Trust(classes=[f"{opcodes.ALLOWED}.*"]) if policy == "restricted" else "anyone"
    for code in (0xF1, 0x1F1, 0x101F1):
        # A program that has registered it, and has met it before.
        copyreg._inverted_registry[code] = ("posix", "system")  # type: ignore[attr-defined]
        pickle.loads(b"\x84" + code.to_bytes(4, "little") + b".")
    cases = list(COLLECTIONS[collection](f": > {canary}"))
    if policy == "open":
        cases = [case for case in cases if case.is_alive]  # the others may never end
    for start in range(0, len(cases), batch):
        some = cases[start : start + batch]
        for case, said in zip(some, tried(codec, some, trust, canary), strict=True):
            line = {"name": case.name, "alive": case.is_alive, "outcome": said}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
