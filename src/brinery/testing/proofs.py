"""What a codec keeps, found by trying: one proof per row of the table of codecs.

    for proof in prove(make_codec("pickle")):
        print(proof.row, proof.result, proof.evidence)

A proof declares nothing and asks no flag: it saves an object, loads it anew and looks at what came back.
`CodecContract` compares the proofs with the codec's `Capabilities`, and `brinery.testing.table` writes them
as a table.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from brinery.testing.samples import BASIC, DATA, Node, Plain
from brinery.verify.isomorphism import assert_isomorphic

KEPT: Final = "kept"
REFUSED: Final = "refused"
CHANGED: Final = "CHANGED"
UNREADABLE: Final = "UNREADABLE"
"""Saved without an error, and an error when loaded."""
BY_REFERENCE: Final = "by reference"
YES: Final = "yes"
NO: Final = "no"

DEPTHS: Final = (100, 1_000, 10_000, 100_000)
"""The depths that are tried; a codec that keeps the last may keep more."""
SPEEDS: Final = ("≤ 3×", "≤ 10×", "≤ 30×", "> 30×")
"""Classes of speed: the time of the codec, over that of the C pickler."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What one codec does in one row of the table.

    `result` is a word for the table's cell, `evidence` says what was tried and seen.  `flag` is the field of
    `Capabilities` that promises this, if one does, and `holds` whether the promise would be true.
    """

    row: str
    result: str
    evidence: str
    flag: str | None = None
    holds: bool = False


@dataclass(frozen=True, slots=True)
class _Fate:
    result: str
    evidence: str


def prove(codec: Codec, *, speed: bool = True) -> list[Proof]:
    """Return the proofs of all rows, in the table's order; without that of speed, if so asked."""
    return [prove_row(codec, row) for row in PROOFS if speed or row != "speed class"]


def prove_row(codec: Codec, row: str) -> Proof:
    """Return the proof of one row."""
    flag = FLAGS.get(row)
    fate = PROOFS[row](codec)
    return Proof(row, fate.result, fate.evidence, flag, fate.result in (KEPT, YES))


def _same(first: Any, second: Any) -> None:
    assert_isomorphic(first, second)


def _fate(
    codec: Codec,
    obj: Any,
    check: Callable[[Any, Any], None] = _same,
    *,
    kept: str = KEPT,
    evidence: str = "",
) -> _Fate:
    """Save and load an object; `check` raises AssertionError if another came back."""
    with MemoryStore(codec=codec) as store:
        try:
            store.save(obj, "proof")
        except EncodeError as error:
            if store.list():
                return _Fate(CHANGED, "the save was refused and left a record")
            return _Fate(REFUSED, f"`{type(error).__name__}`")
        store.invalidate_cache()
        try:
            check(obj, store.load("proof"))
        except AssertionError as error:
            return _Fate(CHANGED, f"saved, and came back different: {error}")
        except BrineryError as error:
            return _Fate(UNREADABLE, f"saved without an error, and cannot be loaded: {error}")
        except Exception as error:  # noqa: BLE001 - what came back may fail in any way when it is used
            return _Fate(CHANGED, f"saved, and what came back fails: {error!r}")
    return _Fate(kept, evidence)


def _worst(fates: Iterator[_Fate]) -> _Fate:
    """Return the first fate in order of badness."""
    order = (CHANGED, UNREADABLE, REFUSED, BY_REFERENCE, KEPT)
    return min(fates, key=lambda fate: order.index(fate.result))


def payload_of(codec: Codec, obj: Any) -> bytes:
    """Return the payload of an object that refers to no other."""
    with MemoryStore(codec=codec) as store:
        data, _ = store.backend.get(name_of(store.save(obj)))
        return bytes(parse(data).payload)


# -- fresh processes


def _described(codec: Codec) -> str:
    return json.dumps([type(codec).__module__, type(codec).__qualname__, codec.config()])


_CODEC = """
import importlib, json, sys
module, name, config = json.loads(sys.argv[1])
codec = importlib.import_module(module)
for part in name.split("."):
    codec = getattr(codec, part)
codec = codec(**config)
"""


def _process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
    )


def output_of(*arguments: str, **environment: str) -> str:
    """Return what a fresh Python prints; raise RuntimeError, with its errors, if it fails."""
    run = _process(*arguments, **environment)
    if run.returncode != 0:
        raise RuntimeError(f"a fresh Python failed: {run.stderr}")
    return run.stdout.strip()


# -- the rows


def _references(codec: Codec) -> _Fate:
    node = Node("one")
    with MemoryStore(codec=codec) as store:
        # Any codec can refer to an object, also one that cannot hold it: that has a record of its own.
        id_ = store.save(node, codec="pickle")
        try:
            holder = store.save({"a": [node], "b": node})
        except EncodeError:
            result = REFUSED if store.list() == [id_] else CHANGED
            return _Fate(result, "`EncodeError`")
        listed = store.info(holder).references == (id_,)
        store.invalidate_cache()
        found = store.load(holder)
        if listed and found["b"] is found["a"][0] is store.load(id_) and found["b"].label == "one":
            return _Fate(KEPT, "a persistable object in a list is written as its ID")
    return _Fate(CHANGED, "a persistable object was not written as a reference")


def _cycles(codec: Codec) -> _Fate:
    a_list: list[Any] = [1]
    a_list.append({"list": a_list})
    a_dict: dict[str, Any] = {}
    a_dict["list"] = [a_dict, a_dict]
    return _worst(
        _fate(codec, obj, evidence="a list and a dict that contain themselves")
        for obj in (a_list, a_dict)
    )


def _shared(codec: Codec) -> _Fate:
    def twice(obj: Any) -> Any:
        return {"one": obj, "two": [obj]}

    objects: list[Any] = [[], {}, [1, {}]]
    return _worst(
        _fate(codec, twice(obj), evidence="one list, and one dict, in two places of a record")
        for obj in objects
    )


def nested(depth: int) -> Any:
    """Return lists inside each other, `depth` of them."""
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


def linked(depth: int) -> Any:
    """Return a linked list of `depth` instances."""
    first = Plain(next=None)
    for _ in range(depth):
        first = Plain(next=first)
    return first


def _levels(obj: Any) -> int:
    """Return how deep an object of `nested` or `linked` is, as far as it is one."""
    levels = 0
    while True:
        if type(obj) is list and len(obj) == 1:
            obj = obj[0]
        elif type(obj) is Plain and vars(obj).keys() == {"next"} and obj.__dict__["next"]:
            obj = obj.__dict__["next"]
        else:
            return levels
        levels += 1


def _same_levels(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    assert _levels(first) == _levels(second)


def greatest_depth(
    codec: Codec, make: Callable[[int], Any], depths: Sequence[int] = DEPTHS
) -> int | None:
    """Return the greatest of `depths` that comes back in one record, 0 for none; None if changed."""
    greatest = 0
    for depth in depths:
        result = _fate(codec, make(depth), _same_levels).result
        if result in (CHANGED, UNREADABLE):
            return None
        if result != KEPT:
            break
        greatest = depth
    return greatest


def _depth(codec: Codec) -> _Fate:
    found = [greatest_depth(codec, make) for make in (nested, linked)]
    if None in found:
        return _Fate(CHANGED, "a deep object was saved and did not come back")
    texts = [f"{n:,}" + "+" * (n == DEPTHS[-1]) if n else REFUSED for n in found]
    return _Fate(" / ".join(texts), "lists inside each other / a linked list of instances")


def _lambdas(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert [function(20) for function in second] == [21]

    return _fate(codec, [lambda x: x + 1], check, evidence="called, it gives what it gave")


def _closures(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert (second[0](), second[0](), second[1]()) == (4, 5, [1, 2])

    obj = [samples.counter(3)[1], samples.getter([1, 2])]
    return _fate(codec, obj, check, evidence="with their own copy of what they captured")


def _recursive(codec: Codec) -> _Fate:
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    def check(first: Any, second: Any) -> None:
        assert second[0](5) == 120
        assert second[0].__closure__[0].cell_contents is second[0]

    return _fate(codec, [factorial], check, evidence="a nested function that calls itself")


def _by_value(codec: Codec) -> _Fate:
    cls = samples.local_class()

    def check(first: Any, second: Any) -> None:
        assert type(second[0]) is type(second[1]) is second[2]
        assert [second[0].capped(), second[1].capped()] == [2, 3]

    return _fate(codec, [cls(2), cls(5), cls], check, evidence="a class made in a function")


_MAIN_SAVE = (
    _CODEC
    + """
from brinery import EncodeError, FilesystemStore
class Point:
    def __init__(self, x): self.x = x
    def double(self): return 2 * self.x
with FilesystemStore(sys.argv[2], codec=codec) as store:
    try:
        store.save([Point(21)], "proof")
    except EncodeError:
        print("refused", store.list())
    else:
        print("saved")
"""
)
_MAIN_LOAD = """
import sys
from brinery import DecodeError, FilesystemStore
if sys.argv[2] == "same":
    class Point:
        def double(self): return 2 * self.x
with FilesystemStore(sys.argv[1]) as store:
    try:
        print(store.load("proof")[0].double())
    except DecodeError:
        print("not found")
"""


def _main_classes(codec: Codec) -> _Fate:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "store"))
        said = output_of("-c", _MAIN_SAVE, _described(codec), path)
        if said == "refused []":
            return _Fate(REFUSED, "`EncodeError`")
        loaded = [output_of("-c", _MAIN_LOAD, path, main) for main in ("other", "same")]
    match (said, loaded):
        case ("saved", ["42", "42"]):
            return _Fate(KEPT, "a process whose `__main__` has no such class loads the object")
        case ("saved", ["not found", "42"]):
            return _Fate(
                BY_REFERENCE,
                "loads where `__main__` has a class of this name; elsewhere it is an error",
            )
    return _Fate(CHANGED, f"a fresh process said {said!r}, and then {loaded!r}")


def _generators(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert list(second[0]) == [1, 4]

    generator = (n * n for n in range(3))
    next(generator)
    return _fate(codec, [generator], check, evidence="it goes on where it stood")


def _modules(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert second[0] is first[0]

    return _fate(codec, [math, json], check, kept=BY_REFERENCE, evidence="imported by their name")


def _locks(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert [type(lock) for lock in second] == [type(lock) for lock in first]
        assert [lock.locked() for lock in second] == [False, True]

    free, held = threading.Lock(), threading.Lock()
    with held:
        return _fate(codec, [free, held], check, evidence="a new lock, held if the old one was")


def _files(codec: Codec) -> _Fate:
    positions: list[int] = []

    def check(first: Any, second: Any) -> None:
        with second[0] as file:
            assert (file.name, file.mode) == (name, "r")
            positions.append(file.tell())
            file.seek(0)
            assert file.read() == "abcdef"

    with tempfile.TemporaryDirectory() as directory:
        name = str(Path(directory, "text"))
        Path(name).write_text("abcdef")
        with open(name) as opened:
            opened.read(3)
            fate = _fate(codec, [opened], check, kept=BY_REFERENCE)
    if fate.result != BY_REFERENCE:
        return fate
    where = "its beginning" if positions == [0] else "its old position"
    return _Fate(BY_REFERENCE, f"opened again by its name, at {where}; the content is not stored")


def _numpy(codec: Codec) -> _Fate:
    import numpy

    def check(first: Any, second: Any) -> None:
        for one, two in zip(first, second, strict=True):
            assert type(one) is type(two)
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            assert one.tobytes() == two.tobytes()
            if type(one) is numpy.ndarray:
                assert one.flags.f_contiguous == two.flags.f_contiguous

    grid = numpy.arange(12.0).reshape(3, 4)
    arrays = [
        grid,
        numpy.asfortranarray(grid),
        numpy.array(["a", "bc"]),
        numpy.array(7),
        numpy.array([(1, 2.5)], [("a", "i2"), ("b", "f8")]),
        numpy.array(["2024-01-02"], "M8[D]"),
        numpy.float32(1.5),
    ]
    return _fate(codec, arrays, check, evidence="arrays and scalars: type, shape, order, bytes")


def _pandas(codec: Codec) -> _Fate:
    import pandas

    frame = pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "time": pandas.date_range("2024-01-01", periods=3, tz="UTC"),
            "kind": pandas.Categorical(["a", "b", "a"]),
        },
        index=["x", "y", "z"],
    )

    def check(first: Any, second: Any) -> None:
        assert type(second[0]) is pandas.DataFrame
        pandas.testing.assert_frame_equal(first[0], second[0])

    return _fate(codec, [frame], check, evidence="a data frame with times and categories")


def _subclasses(codec: Codec) -> _Fate:
    words = samples.Words(["a", "b"])
    words.label = "list"
    table = samples.Table({"a": 1})
    table.label = "dict"
    objects = (words, table, samples.Size(5), samples.Name("text"), samples.Pair(1, [2]))
    return _worst(
        _fate(codec, [obj], evidence="of list, dict, int, str and tuple, with their attributes")
        for obj in objects
    )


def _nan(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert [type(number) for number in second] == [float] * 4
        assert struct.pack("<4d", *first) == struct.pack("<4d", *second)

    numbers = [math.nan, math.inf, -math.inf, -0.0]
    return _fate(codec, numbers, check, evidence="also the infinities and -0.0, bit by bit")


def _huge(codec: Codec) -> _Fate:
    def check(first: Any, second: Any) -> None:
        assert [(type(number), hex(number)) for number in second] == [
            (int, hex(number)) for number in first
        ]

    numbers = [2**63, -(2**64), 10**5_000]
    return _fate(codec, numbers, check, evidence="from 2**63 to 10**5000")


def _interned(codec: Codec) -> _Fate:
    word = sys.intern("brinery interned word")
    seen: list[bool] = []

    def check(first: Any, second: Any) -> None:
        assert first == second
        seen.append(second[0] is word)

    fate = _fate(codec, [word], check, evidence="an interned string is the same object again")
    if fate.result == KEPT and not seen[0]:
        return _Fate(NO, "an interned string comes back as an equal string, not as the same object")
    return fate


_DIGESTS = (
    _CODEC
    + """
from brinery.testing.proofs import digests
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


def _deterministic(codec: Codec) -> _Fate:
    here = digests(codec)
    runs = [digests(codec)]
    runs += [
        json.loads(output_of("-c", _DIGESTS, _described(codec), PYTHONHASHSEED=seed))
        for seed in ("1", "2")
    ]
    differ = sorted({name for run in runs for name in here if run[name] != here[name]})
    if differ:
        # Which sets differ depends on the seed that this process happens to have.
        are_sets = all("sets" in name for name in differ)
        named = "sets" if are_sets else ", ".join(differ)
        return _Fate(NO, f"the bytes of {named} differ between processes")
    return _Fate(YES, "equal bytes in processes with other seeds of hashes, for all sample data")


_PLAIN_LOAD = "import pickle, sys; print(ascii(pickle.load(open(sys.argv[1], 'rb'))))"


def _plain_pickle(codec: Codec) -> _Fate:
    obj = {name: BASIC[name]() for name in BASIC}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "record")
        with MemoryStore(codec=codec) as store:
            file.write_bytes(store.backend.get(name_of(store.save(obj)))[0])
        # Neither the environment nor installed packages: the standard library alone.
        run = _process("-I", "-S", "-c", _PLAIN_LOAD, str(file))
    if run.returncode == 0 and run.stdout.strip() == ascii(obj):
        return _Fate(YES, "`pickle.load` of the record's file gives the data, without brinery")
    return _Fate(NO, "`pickle.load` of the record's file does not give the data")


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
    """Tell whether decoding a payload makes the file `path`, and remove it."""
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


def _safe(codec: Codec) -> _Fate:
    with tempfile.TemporaryDirectory() as directory:
        marker = Path(directory, "marker")
        for payload in hostile_payloads(codec, str(marker)):
            if runs_code(codec, payload, marker):
                return _Fate(NO, "a crafted payload calls a function that wrote a file")
    return _Fate(YES, "no crafted payload of ours ran code")


def _read_json(payload: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(payload.decode("utf-8"), parse_constant=refuse)


def _read_msgpack(payload: bytes) -> Any:
    source = io.BytesIO(payload)
    found = _msgpack_value(source)
    if source.read(1):
        raise ValueError("bytes behind the value")
    return found


def _msgpack_value(source: io.BytesIO) -> Any:
    """Decode what MessagePack's specification says of plain data; written from it, for these proofs."""

    def number(format: str) -> Any:
        return struct.unpack(">" + format, source.read(struct.calcsize(format)))[0]

    def text(length: int) -> str:
        return source.read(length).decode("utf-8")

    def array(length: int) -> list[Any]:
        return [_msgpack_value(source) for _ in range(length)]

    def mapping(length: int) -> dict[Any, Any]:
        return {_msgpack_value(source): _msgpack_value(source) for _ in range(length)}

    code = number("B")
    if code < 0x80:
        return code
    if code >= 0xE0:
        return code - 0x100
    read: Callable[[int], Any]
    short: list[tuple[int, int, Callable[[int], Any]]]
    short = [(15, 0x80, mapping), (15, 0x90, array), (31, 0xA0, text)]
    for mask, first, read in short:
        if first <= code <= first + mask:
            return read(code & mask)
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code]
    if 0xCA <= code <= 0xD3:
        return number("fdBHIQbhiq"[code - 0xCA])
    lengths: dict[int, tuple[str, Callable[[int], Any]]] = {
        0xD9: ("B", text),
        0xDA: ("H", text),
        0xDB: ("I", text),
        0xDC: ("H", array),
        0xDD: ("I", array),
        0xDE: ("H", mapping),
        0xDF: ("I", mapping),
    }
    if code not in lengths:
        raise ValueError(f"0x{code:02x} does not begin a plain value")
    format, read = lengths[code]
    return read(number(format))


READERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "JSON": _read_json,
    "MessagePack": _read_msgpack,
}
"""Readers of formats that many languages have; none uses the library of a codec."""


def _languages(codec: Codec) -> _Fate:
    obj = {name: BASIC[name]() for name in BASIC}
    payload = payload_of(codec, obj)
    for name, read in READERS.items():
        try:
            found = read(payload)
        except (ValueError, struct.error, TypeError, RecursionError):
            continue
        if ascii(found) == ascii(obj):
            return _Fate(f"as {name}", f"an independent reader of {name} gives the plain data")
        if isinstance(found, (dict, list)):
            return _Fate(
                f"as {name}, marked", f"an independent reader of {name} gives data with marks"
            )
    return _Fate(NO, f"the payload is neither {' nor '.join(READERS)}")


_SPEED = (
    _CODEC
    + """
import pickle, time
from brinery.testing.proofs import codec_round
def pickled(obj):
    return pickle.loads(pickle.dumps(obj, 5))
def best(function):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
from brinery.testing.proofs import speed_graph
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


def _speed(codec: Codec) -> _Fate:
    ratio = float(output_of("-c", _SPEED, _described(codec)))
    return _Fate(speed_class(ratio), f"{ratio:.1f}× the time of the C pickler")


PROOFS: Final[Mapping[str, Callable[[Codec], _Fate]]] = {
    "references": _references,
    "cycles": _cycles,
    "shared identity": _shared,
    "recursion depth": _depth,
    "lambdas": _lambdas,
    "closures": _closures,
    "recursive functions": _recursive,
    "classes by value": _by_value,
    "`__main__` classes": _main_classes,
    "generators": _generators,
    "modules": _modules,
    "locks": _locks,
    "open files": _files,
    "numpy": _numpy,
    "pandas": _pandas,
    "subclass of builtins": _subclasses,
    "NaN": _nan,
    "huge integers": _huge,
    "interned identity": _interned,
    "determinism of bytes": _deterministic,
    "readable by plain pickle": _plain_pickle,
    "safe to read": _safe,
    "readable from other languages": _languages,
    "speed class": _speed,
}
"""The rows of the table, in its order."""

FLAGS: Final[Mapping[str, str]] = {
    "references": "references",
    "cycles": "cycles",
    "shared identity": "shared_identity",
    "lambdas": "closures",
    "closures": "closures",
    "recursive functions": "closures",
    "classes by value": "classes_by_value",
    "determinism of bytes": "deterministic",
    "readable by plain pickle": "plain_pickle",
    "safe to read": "safe_to_read",
}
"""The field of `Capabilities` that promises what a row shows; the other rows are measured only."""
