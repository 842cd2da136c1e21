"""Loads hostile records, each in a process of its own that may take little memory and time.

As a program it tries groups of the corpus and writes what it found as JSON.  It imports everything once and
forks for each case, so that a case takes milliseconds and its death is its own.
"""

from __future__ import annotations

import copyreg
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.payloads import BOUNDED, CANARY, EXTENSION, FAMILY, GROUPS, Case

from brinery import BrineryError, MemoryStore, Trust
from brinery.record import Transformation, build, digest_of, new_metadata

MEMORY = 1 << 30
"""Bytes of addresses that a process may have."""
GROWTH = 384 << 20
"""Bytes by which a process may grow: to tell where in a pickle it failed takes 280 for each opcode."""
SECONDS = 20
"""Of the processor, for one case; a busy machine makes no difference."""
EXPANDED = 32 << 20
"""What the stores expand at most."""
_SHORT = 4_000

POLICIES: dict[str, Sequence[str]] = {
    "values alone": (),
    "a package of our own": ("tests.trust.things.*",),
}


@dataclass
class Tally:
    """What a group of cases came to."""

    cases: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the type of the error."""
    loaded: int = 0
    most_memory: int = 0
    """Bytes by which a process has grown."""
    most_seconds: float = 0
    violations: list[str] = field(default_factory=list)


def torture(every: int = 1, groups: Sequence[str] = tuple(GROUPS)) -> dict[str, Tally]:
    """Try each `every`-th case of the groups, in processes; return what was found."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.torture.hostile",
            json.dumps({"every": every, "groups": groups}),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    return {name: Tally(**each) for name, each in found.items()}


# -- in the process that forks


def main(options: dict[str, Any]) -> None:
    """Try what is asked for; write the tallies to the standard output."""
    _prepare()
    found = {}
    with tempfile.TemporaryDirectory(prefix="brinery-hostile-") as scratch:
        os.chdir(scratch)
        for group in options["groups"]:
            tally = found[group] = Tally()
            for number, (case, codec, policy) in enumerate(_cases(group)):
                if number % options["every"] == 0:
                    _try(case, codec, policy, tally)
    json.dump({name: asdict(tally) for name, tally in found.items()}, sys.stdout)


def _prepare() -> None:
    copyreg.add_extension("posix", "system", EXTENSION)
    for codec in (*FAMILY, "msgpack", "json"):
        for compress in ("gzip", "lz4", "zstd"):
            store = MemoryStore(codec=codec, compress=compress, trust=Trust(classes=()))
            store.save(["text" * 100], "first")
            store.invalidate_cache()
            store.load("first")
    gc.collect()
    gc.freeze()


def _cases(group: str) -> Iterator[tuple[Case, str, str]]:
    for case in GROUPS[group]():
        for codec in case.codecs:
            for policy in POLICIES if codec in FAMILY else list(POLICIES)[:1]:
                yield case, codec, policy


def _try(case: Case, codec: str, policy: str, tally: Tally) -> None:
    record = forged(case, codec)
    reader, writer = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _load(record, POLICIES[policy], writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = json.loads(pipe.read() or "null")
    _, status, usage = os.wait4(pid, 0)
    tally.cases += 1
    grown = max(0, usage.ru_maxrss * 1024 - said["begun"]) if said else 0
    tally.most_memory = max(tally.most_memory, grown)
    tally.most_seconds = max(tally.most_seconds, round(usage.ru_utime + usage.ru_stime, 3))
    wrong = _wrong(case, said, status, grown)
    if wrong is None and said["loaded"]:
        tally.loaded += 1
    elif wrong is None:
        tally.refused[said["error"]] = tally.refused.get(said["error"], 0) + 1
    else:
        passed = f"{time.monotonic() - start:.1f} s"
        tally.violations.append(f"{case.name} ({codec}, {policy}): {wrong} ({passed})")


def _wrong(case: Case, said: Any, status: int, grown: int) -> str | None:
    made = os.listdir()
    if made:
        os.rmdir(CANARY) if os.path.isdir(CANARY) else os.unlink(CANARY)
        return f"it made {made}"
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"killed by {name}" + (", for its time" if name == "SIGXCPU" else "")
    if said is None or status:
        return f"the process ended with {status}"
    if said["foreign"] is not None:
        return f"an error of others: {said['foreign']}"
    if said["loaded"] and case.expects != BOUNDED:
        return "it was loaded"
    if grown > GROWTH:
        return f"it took {grown >> 20} MiB"
    return None


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# -- in the process of one case


def _load(record: bytes, classes: Sequence[str], writer: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    said: dict[str, Any] = {"begun": _resident(), "loaded": False, "error": None, "foreign": None}
    store = MemoryStore(trust=Trust(classes=classes), max_expanded=EXPANDED)
    store.backend.put("victim", record)
    try:
        found = store.load("victim")
        said["loaded"] = True
        del found
        store.invalidate_cache()
        gc.collect()
    except BrineryError as error:
        said["error"] = type(error).__name__
        if len(str(error)) > _SHORT:
            said["foreign"] = f"a message of {len(str(error))} characters"
        "".join(traceback.format_exception(error))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        said["foreign"] = f"{type(error).__name__}: {error}"[:200]
    os.write(writer, json.dumps(said).encode())
    os._exit(0)


def forged(case: Case, codec: str) -> bytes:
    """Return a record of the case whose digests are right."""
    transform = None
    if case.transform is not None:
        name, size = case.transform
        transform = Transformation(name, {"level": 1}, size, digest_of([case.payload]))
    metadata = new_metadata(
        id="victim",
        codec=codec,
        config={},
        codec_version="1",
        protocol=5,
        class_name="builtins:list",
        references=(),
        payload=[case.payload],
        transform=transform,
    )
    return b"".join(build(metadata, [case.payload]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
