"""Loads hostile records, each in a process of its own that may take little memory and time.

As a program it tries groups of the corpus and writes what it found as JSON.  It imports everything once and
forks for each case, so that a case takes milliseconds and its death is its own.
"""

from __future__ import annotations

import copyreg
import gc
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.torture.opcodes import EXTENSIONS, FAMILY, THINGS, Case, whole
from tests.torture.payloads import GROUPS
from tests.trust import things

from brinery import BrineryError, MemoryStore, Trust, TrustError
from brinery.record.digest import digest_of
from brinery.record.record import Transformation, new_metadata
from brinery.record.writer import build

MEMORY = 1 << 30
"""Bytes of addresses that a process may have."""
GROWTH = 384 << 20
"""Bytes by which a process may grow: finding the failed place in a pickle takes 280 for each opcode."""
SECONDS = 20
"""Of the processor, for one case; a busy machine makes no difference."""
EXPANDED = 32 << 20
"""The limit of expanded payloads in the stores."""
WAIT = 0.5
"""Seconds in which a process that a case has started makes the file."""
_SHORT = 4_000

OUR_PACKAGE = "a package of our own"
POLICIES: dict[str, Sequence[str] | None] = {
    "values alone": (),
    OUR_PACKAGE: (f"{THINGS}.*",),
}
NO_POLICY = "no policy"


@dataclass
class Tally:
    """The results of a group of cases."""

    cases: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the type of the error."""
    loaded: int = 0
    most_memory: int = 0
    """Bytes by which a process has grown."""
    most_seconds: float = 0
    violations: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the results of another process."""
        self.cases += other.cases
        self.refused = dict(Counter(self.refused) + Counter(other.refused))
        self.loaded += other.loaded
        self.most_memory = max(self.most_memory, other.most_memory)
        self.most_seconds = max(self.most_seconds, other.most_seconds)
        self.violations += other.violations


def torture(
    every: int = 1,
    groups: Sequence[str] = tuple(GROUPS),
    policies: Sequence[str] = tuple(POLICIES),
    processes: int = 1,
) -> dict[str, Tally]:
    """Try each `every`-th case of the groups, in so many processes; return the results."""
    options = {"groups": groups, "policies": policies, "every": every * processes}
    found = {name: Tally() for name in groups}
    with ThreadPoolExecutor(processes) as pool:
        parts = [{**options, "first": number * every} for number in range(processes)]
        for part in pool.map(_part, parts):
            for name, tally in part.items():
                found[name].add(tally)
    return found


def _part(options: dict[str, Any]) -> dict[str, Tally]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.hostile", json.dumps(options)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    return {name: Tally(**each) for name, each in json.loads(done.stdout).items()}


# -- in the process that forks


def main(options: dict[str, Any]) -> None:
    """Try the selected cases; write the tallies to the standard output."""
    _prepare()
    found = {}
    with tempfile.TemporaryDirectory(prefix="brinery-hostile-") as scratch:
        os.chdir(scratch)
        for group in options["groups"]:
            tally = found[group] = Tally()
            for number, (case, codec, policy) in enumerate(_cases(group, options["policies"])):
                if number % options["every"] == options["first"]:
                    _try(case, codec, policy, tally)
    json.dump({name: asdict(tally) for name, tally in found.items()}, sys.stdout)


def _prepare() -> None:
    for code in EXTENSIONS:
        # A program that has registered it, and has met it before.
        copyreg._inverted_registry[code] = ("posix", "system")  # type: ignore[attr-defined]
        pickle.loads(b"\x84" + code.to_bytes(4, "little") + b".")
    for codec in (*FAMILY, "msgpack", "json"):
        for compress in ("gzip", "lz4", "zstd"):
            store = MemoryStore(codec=codec, compress=compress, trust=Trust(classes=()))
            store.save(["text" * 100], "first")
            store.invalidate_cache()
            store.load("first")
    # Modules imported for an error, and the lines that it shows, are not read again for each case.
    for policy in POLICIES:
        for body in (b"cposix\nsystem\n", b"NN\x85R", b"NNs"):
            _outcome(forged(Case("first", whole(body)), "pickle"), policy)
    gc.collect()
    gc.freeze()


def _cases(group: str, policies: Sequence[str]) -> Iterator[tuple[Case, str, str]]:
    for case in GROUPS[group]():
        for codec in case.codecs:
            for policy in policies:
                if _is_tried(case, codec, policy):
                    yield case, codec, policy


def _is_tried(case: Case, codec: str, policy: str) -> bool:
    if policy == NO_POLICY:
        return case.is_alive and codec == "pickle"  # the others may never end
    if case.expects == "loaded":
        return policy == OUR_PACKAGE
    return codec in FAMILY or policy == next(iter(POLICIES))


def _try(case: Case, codec: str, policy: str, tally: Tally) -> None:
    record = forged(case, codec)
    reader, writer = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _load(record, policy, writer)
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
    if made := _made(waits=b"open" in case.payload and not (said and said["distrusts"])):
        return f"it made {made}"
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"killed by {name}" + (", for its time" if name == "SIGXCPU" else "")
    if said is None or status:
        return f"the process ended with {status}"
    if said["foreign"] is not None:
        return f"an error of others: {said['foreign']}"
    if said["changed"]:
        return f"it changed {said['changed']}"
    if said["loaded"] and case.expects in ("refused", "distrusted"):
        return "it was loaded"
    if not said["loaded"] and case.expects == "loaded":
        return f"it was refused: {said['error']}"
    if not said["distrusts"] and case.expects == "distrusted":
        return f"it failed, and was not refused: {said['error']}"
    if grown > GROWTH:
        return f"it took {grown >> 20} MiB"
    return None


def _made(*, waits: bool) -> list[str]:
    # A process that was started may still be starting.
    until = time.monotonic() + WAIT * waits
    while not (made := os.listdir()) and time.monotonic() < until:
        time.sleep(0.02)
    for name in made:
        os.rmdir(name) if os.path.isdir(name) else os.unlink(name)
    return made


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# -- in the process of one case


def _load(record: bytes, policy: str, writer: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begun = _resident()
    os.write(writer, json.dumps({"begun": begun, **_outcome(record, policy)}).encode())
    os._exit(0)


def _outcome(record: bytes, policy: str) -> dict[str, Any]:
    said: dict[str, Any] = {"loaded": False, "error": None, "distrusts": False, "foreign": None}
    before = _state()
    trust: Any = "anyone" if policy == NO_POLICY else Trust(classes=POLICIES[policy])
    store = store_of(record, trust)
    try:
        found = store.load("victim")
        said["loaded"] = True
        del found
        store.invalidate_cache()
        gc.collect()
    except BrineryError as error:
        said["error"] = type(error).__name__
        said["distrusts"] = isinstance(error, TrustError)
        if len(str(error)) > _SHORT:
            said["foreign"] = f"a message of {len(str(error))} characters"
        "".join(traceback.format_exception(error))
    except BaseException as error:  # noqa: BLE001 - it may be any error; it is reported
        said["foreign"] = f"{type(error).__name__}: {error}"[:200]
    after = _state()
    return {**said, "changed": [name for name in before if before[name] != after[name]]}


def store_of(record: bytes, trust: Any) -> MemoryStore:
    """Return a store with a record, and another that it may refer to."""
    store = MemoryStore(trust=trust, max_expanded=EXPANDED)
    store.backend.put("other", _other())
    store.backend.put("victim", record)
    return store


@cache
def _other() -> bytes:
    store = MemoryStore()
    store.save(things.Task("other"), "other")
    return bytes(store.backend.get("other")[0])


def _state() -> dict[str, Any]:
    # Objects that a payload must not change.
    return {
        "a class": {**vars(things.Plain)},
        "a member": {**vars(things.Colour.RED)},
        "a list of a module": [*things.calls],
        "os": {name: id(value) for name, value in vars(os).items()},
    }


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
        groups=[f"{THINGS}:Task", ["other"]] if b"other" in case.payload else [],
        payload=[case.payload],
        transform=transform,
    )
    return b"".join(build(metadata, [case.payload]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
