"""Proofs of promises about the bytes: determinism, safety, speed, and who can read them."""

from __future__ import annotations

import json
import random
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import BrineryError, EncodeError
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.record.record import new_metadata
from brinery.record.writer import build
from brinery.stores.memory import MemoryStore
from brinery.testing import samples
from brinery.testing.proofs.processes import CODEC, described, output_of, process
from brinery.testing.proofs.proof import NO, YES, Fate, payload_of
from brinery.testing.proofs.readers import READERS
from brinery.testing.samples import BASIC, DATA

SPEEDS: Final = ("≤ 3×", "≤ 10×", "≤ 30×", "> 30×")
"""Classes of speed: the time of the codec, over that of the C pickler."""


_DIGESTS = (
    CODEC
    + """
from brinery.testing.proofs.promises import digests
print(json.dumps(digests(codec)))
"""
)


def digests(codec: Codec) -> Mapping[str, str | None]:
    """Return the digests of the payloads of the sample data, None for what is refused."""
    found: dict[str, str | None] = {}
    for name, make in {**BASIC, **DATA}.items():
        with MemoryStore(codec=codec) as store:
            try:
                record = parse(store.backend.get(name_of(store.save(make())))[0])
            except EncodeError:
                found[name] = None
            else:
                found[name] = record.metadata.payload_digest.hex()
    return found


def deterministic_row(codec: Codec) -> Fate:
    """Compare the bytes that three processes write."""
    here = digests(codec)
    runs = [digests(codec)]
    runs += [
        json.loads(output_of("-c", _DIGESTS, described(codec), PYTHONHASHSEED=seed))
        for seed in ("1", "2")
    ]
    differ = sorted({name for run in runs for name in here if run[name] != here[name]})
    if differ:
        # Which sets differ depends on the seed that this process happens to have.
        are_sets = all("sets" in name for name in differ)
        named = "sets" if are_sets else ", ".join(differ)
        return Fate(NO, f"the bytes of {named} differ between processes")
    return Fate(YES, "equal bytes in processes with other seeds of hashes, for all sample data")


_PLAIN_LOAD = "import pickle, sys; print(ascii(pickle.load(open(sys.argv[1], 'rb'))))"


def plain_pickle_row(codec: Codec) -> Fate:
    """Read the file of a record with the standard library alone."""
    obj = {name: BASIC[name]() for name in BASIC}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "record")
        with MemoryStore(codec=codec) as store:
            file.write_bytes(store.backend.get(name_of(store.save(obj)))[0])
        # Neither the environment nor installed packages: the standard library alone.
        run = process("-I", "-S", "-c", _PLAIN_LOAD, str(file))
    if run.returncode == 0 and run.stdout.strip() == ascii(obj):
        return Fate(YES, "`pickle.load` of the record's file gives the data, without brinery")
    return Fate(NO, "`pickle.load` of the record's file does not give the data")


class Marker:
    """An object that writes a file when it is read, by a codec that runs what a payload names."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return samples.mark, (self.path,)


def hostile_payloads(codec: Codec, path: str) -> Iterator[bytes]:
    """Yield payloads that would write the file `path`: of the codec itself, and of pickle."""
    for writer in (codec, "pickle"):
        with MemoryStore(codec=writer) as store:
            try:
                id_ = store.save([Marker(path)])
            except EncodeError:
                continue
            yield bytes(parse(store.backend.get(name_of(id_))[0]).payload)


def runs_code(codec: Codec, payload: bytes, path: Path) -> bool:
    """Return whether decoding a payload makes the file `path`; remove it."""
    with MemoryStore(codec=codec) as store:
        forge(store, store.save([1], "forged"), payload)
        try:
            store.load("forged")
        except BrineryError:
            pass  # as it should; or too late
    ran = path.exists()
    path.unlink(missing_ok=True)
    return ran


def forge(store: MemoryStore, id_: str, payload: bytes) -> None:
    """Put a record of right digests around a payload, in place of the record `id_`."""
    codec = store.codec
    metadata = new_metadata(
        id=id_,
        codec=codec.name,
        config=codec.config(),
        codec_version=codec.version,
        protocol=codec.protocol,
        class_name="builtins:object",
        references=(),
        payload=[payload],
    )
    store.backend.put(name_of(id_), b"".join(build(metadata, [payload])))
    store.invalidate_cache()


def safe_row(codec: Codec) -> Fate:
    """Load payloads that are crafted to call a function."""
    with tempfile.TemporaryDirectory() as directory:
        marker = Path(directory, "marker")
        for payload in hostile_payloads(codec, str(marker)):
            if runs_code(codec, payload, marker):
                return Fate(NO, "a crafted payload calls a function that wrote a file")
    return Fate(YES, "no crafted payload of ours ran code")


def languages_row(codec: Codec) -> Fate:
    """Read a payload without the library of the codec."""
    obj = {name: BASIC[name]() for name in BASIC}
    payload = payload_of(codec, obj)
    for name, read in READERS.items():
        try:
            found = read(payload)
        except (ValueError, struct.error, TypeError, RecursionError):
            continue
        if ascii(found) == ascii(obj):
            return Fate(f"as {name}", f"an independent reader of {name} gives the plain data")
        if isinstance(found, (dict, list)):
            return Fate(
                f"as {name}, marked", f"an independent reader of {name} gives data with marks"
            )
    return Fate(NO, f"the payload is neither {' nor '.join(READERS)}")


_SPEED = (
    CODEC
    + """
import pickle, time
from brinery.testing.proofs.promises import codec_round, speed_graph
def pickled(obj):
    return pickle.loads(pickle.dumps(obj, 5))
def best(function):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
graph = speed_graph()
one = codec_round(codec, graph)
print(best(one) / best(lambda: pickled(graph)))
"""
)


def speed_graph() -> Any:
    """Return plain data, that every codec keeps: some 100,000 values, the same in each run."""
    chance = random.Random(0)
    return {
        str(n): {"name": f"item {n}", "at": [chance.random() for _ in range(5)], "n": n}
        for n in range(10_000)
    }


def codec_round(codec: Codec, obj: Any) -> Callable[[], Any]:
    """Return a function that saves an object and loads it, without a file."""

    def run() -> Any:
        with MemoryStore(codec=codec) as store:
            id_ = store.save(obj)
            store.invalidate_cache()
            return store.load(id_)

    return run


def speed_class(ratio: float) -> str:
    """Return the class of `SPEEDS` for a ratio of times."""
    for bound, text in zip((3, 10, 30), SPEEDS, strict=False):
        if ratio <= bound:
            return text
    return SPEEDS[-1]


def speed_row(codec: Codec) -> Fate:
    """Measure a save and a load in a fresh process."""
    ratio = float(output_of("-c", _SPEED, described(codec)))
    return Fate(speed_class(ratio), f"{ratio:.1f}× the time of the C pickler")
