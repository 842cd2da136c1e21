"""Objects in objects, so deep that to free, hash or show them may end the process."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, name, text, whole


def depths() -> Iterator[Case]:
    n = 150_000
    point = name(THINGS, "Point")
    frozen = b"(\x91"
    for label, payload in {
        "marks": b"(" * n + b"N",
        "lists in lists": b"]" * n + b"a" * (n - 1),
        "dicts in dicts": (b"}N" * n) + b"}" + b"s" * n,
        "tuples in tuples": b")" + b"\x85" * n,
        "tuples in tuples by MARK": b"(" * n + b"t" * n,
        "tuples in tuples as a key": b"}" + b")" + b"\x85" * n + b"Ns",
        "frozensets in frozensets": b"(" * n + frozen + b"\x91" * n,
        "slices in slices": name("builtins", "slice")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00h\x01\x85R" for _ in range(n)),
        "OSErrors in OSErrors": name("builtins", "OSError")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00K\x01Nh\x01\x87R" for _ in range(n)),
        "ValueErrors in ValueErrors": name("builtins", "ValueError")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00h\x01\x85R" for _ in range(n)),
        "StopIterations by their values": text("args")
        + b"q\x020"
        + name("builtins", "StopIteration")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00h\x01\x85R}h\x02)sb" for _ in range(n)),
        "ImportErrors by their states": text("name")
        + b"q\x020"
        + name("builtins", "ImportError")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)R}h\x02h\x01sb" for _ in range(n)),
        "AttributeErrors by their states": text("obj")
        + b"q\x020"
        + name("builtins", "AttributeError")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)R}h\x02h\x01sb" for _ in range(n)),
        "ValueErrors by their causes": text("__cause__")
        + b"q\x020"
        + name("builtins", "ValueError")
        + b"q\x000h\x00)R"
        + b"".join(b"q\x01h\x00)R}h\x02h\x01sb" for _ in range(n)),
        "reconstructed ImportErrors by their states": text("name")
        + b"q\x020"
        + name("builtins", "ImportError")
        + b"q\x000"
        + name("copyreg", "_reconstructor")
        + b"q\x030N"
        + b"".join(b"q\x01h\x03h\x00h\x00N\x87R}h\x02h\x01sb" for _ in range(n)),
        "namespaces in namespaces": text("a")
        + b"q\x020"
        + name("types", "SimpleNamespace")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)R}h\x02h\x01sb" for _ in range(n)),
        "deques in deques": name("collections", "deque")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)Rh\x01a" for _ in range(n)),
        "OrderedDicts in OrderedDicts": name("collections", "OrderedDict")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)RNh\x01s" for _ in range(n)),
        "objects in objects": text("value")
        + b"q\x020"
        + name(THINGS, "Plain")
        + b"q\x000N"
        + b"".join(b"q\x01h\x00)\x81}h\x02h\x01sb" for _ in range(n)),
        "keys in keys": b"}"
        + point
        + b"q\x000N"
        + b"".join(b"q\x01h\x00h\x01h\x01\x86R" for _ in range(n // 10))
        + b"Ns",
        "paths in paths": name("pathlib", "PurePosixPath")
        + b"q\x000"
        + text("a")
        + b"".join(b"q\x01h\x00h\x01\x85R" for _ in range(n)),
        "bytearrays of bytearrays": name("builtins", "bytearray")
        + b"q\x000C\x01a"
        + b"".join(b"q\x01h\x00h\x01\x85R" for _ in range(n)),
    }.items():
        yield Case(f"{n} {label}", whole(payload), "bounded")
