"""Hostile payloads, put together opcode by opcode: what they try, and what may become of it."""

from __future__ import annotations

import gzip
import itertools
import pickle
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import lz4.frame
import msgpack
import zstandard

REFUSED, BOUNDED = "refused", "bounded"

CANARY = "CANARY"
"""The file that they try to make, in the current directory."""

EXTENSION = 240
"""The code of `copyreg` under which the victim has registered `posix.system`."""

FAMILY = ("pickle", "cloudpickle", "dill")


class Case(NamedTuple):
    """One payload."""

    name: str
    payload: bytes
    expects: str = REFUSED
    """`REFUSED`: with an error of brinery; `BOUNDED`: loaded, or refused."""
    codecs: Sequence[str] = FAMILY
    transform: tuple[str, int] | None = None
    """The name of a transform, and the size to which the payload claims to expand."""


# -- opcodes


def text(value: str) -> bytes:
    """Push a string."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def old_text(value: str) -> bytes:
    """Push a string, as protocol 0 does."""
    return b"V" + value.encode() + b"\n"


def name(module: str, qualname: str) -> bytes:
    """Push a global by GLOBAL."""
    return f"c{module}\n{qualname}\n".encode()


def stack_name(module: str, qualname: str) -> bytes:
    """Push a global by STACK_GLOBAL."""
    return text(module) + text(qualname) + b"\x93"


def pack(*items: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(items) + b"t"


def whole(*parts: bytes, protocol: int = 4) -> bytes:
    """Return a pickle."""
    return b"\x80" + bytes((protocol,)) + b"".join(parts) + b"."


def call(callee: bytes, *arguments: bytes) -> bytes:
    """Call by REDUCE."""
    return callee + pack(*arguments) + b"R"


# -- calling os.system

COMMAND = text(f"touch {CANARY}")


def _naming() -> dict[str, bytes]:
    """Return the ways to push `os.system`."""
    getattr_ = name("builtins", "getattr")
    return {
        "GLOBAL os": name("os", "system"),
        "GLOBAL posix": name("posix", "system"),
        "STACK_GLOBAL": stack_name("os", "system"),
        "STACK_GLOBAL from the memo": text("posix") + b"q\x00" + text("system") + b"q\x010"
        b"0h\x00h\x01\x93",
        "STACK_GLOBAL of bytes": b"C\x05posixC\x06system\x93",
        "STACK_GLOBAL of a made name": call(
            name("_codecs", "encode"), text("posix"), text("latin1")
        )
        + text("system")
        + b"\x93",
        "dotted in a module": stack_name("tests.trust.things", "os.system"),
        "dotted in a method": stack_name("tests.trust.things", "Plain.method.__globals__"),
        "imported by a module": stack_name("tests.trust.things", "os"),
        "dotted in a value": stack_name("zoneinfo", "ZoneInfo._unpickle.__globals__"),
        "dotted through __init__": stack_name("uuid", "UUID.__init__.__globals__"),
        "dotted through sys": stack_name("datetime", "sys.modules"),
        "EXT1": b"\x82" + bytes((EXTENSION,)),
        "EXT2": b"\x83" + struct.pack("<H", EXTENSION),
        "EXT4": b"\x84" + struct.pack("<i", EXTENSION),
        "getattr of a module": call(getattr_, name("os", "path"), text("system")),
        "getattr of a class's module": call(
            getattr_,
            call(getattr_, name("tests.trust.things", "Task"), text("__init__")),
            text("__globals__"),
        ),
        "getattr of a dotted name": call(
            getattr_, name("tests.trust.things", "Task"), text("__init__.__globals__")
        ),
        "getattr of an import": call(
            getattr_, call(name("builtins", "__import__"), text("os")), text("system")
        ),
        "attrgetter": call(
            call(name("operator", "attrgetter"), text("system")), name("os", "path")
        ),
        "methodcaller": call(name("operator", "methodcaller"), text("system"), COMMAND),
        "partial": call(name("functools", "partial"), name("os", "system")),
        "named of brinery": call(name("brinery.reference", "named"), text("posix"), text("system")),
        "find_class of an unpickler": call(
            call(getattr_, name("_pickle", "Unpickler"), text("find_class")),
            text("os"),
            text("system"),
        ),
        "globals": call(getattr_, call(name("builtins", "globals")), text("get")),
    }


def _calling(callee: bytes) -> dict[str, bytes]:
    """Return the ways to call what `callee` pushes."""
    return {
        "REDUCE": callee + pack(COMMAND) + b"R",
        "OBJ": b"(" + callee + COMMAND + b"o",
        "NEWOBJ": callee + pack(COMMAND) + b"\x81",
        "NEWOBJ_EX": callee + pack(COMMAND) + b"}\x92",
        "__newobj__": call(name("copyreg", "__newobj__"), callee, COMMAND),
        "__newobj_ex__": call(name("copyreg", "__newobj_ex__"), callee, pack(COMMAND), b"}"),
        "_reconstructor": call(name("copyreg", "_reconstructor"), callee, callee, COMMAND),
        "root": call(name("brinery.reference", "root"), callee, COMMAND),
        "new_root": call(name("brinery.reference", "new_root"), callee, COMMAND),
        "hashable_root": call(name("brinery.reference", "hashable_root"), b"}", callee, COMMAND),
        "defaultdict": call(name("collections", "defaultdict"), callee) + COMMAND + b"Ns",
        "partial": call(call(name("functools", "partial"), callee, COMMAND)),
        "map": call(
            name("builtins", "list"), call(name("builtins", "map"), callee, b"]" + COMMAND + b"a")
        ),
        "__setstate__ by BUILD": name("tests.trust.things", "Plain")
        + b")\x81}"
        + text("__setstate__")
        + callee
        + b"sb"
        + COMMAND
        + b"b",
        "a hook on a class by BUILD": name("tests.trust.things", "Plain")
        + b"N}"
        + text("__setstate__")
        + callee
        + b"s\x86b0"
        + name("tests.trust.things", "Plain")
        + b")\x81"
        + COMMAND
        + b"b",
    }


_ELSEWHERE: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("subprocess", "Popen", (f"touch {CANARY}",)),
    ("subprocess", "getoutput", (f"touch {CANARY}",)),
    ("tests.trust.things", "Popen", (f"touch {CANARY}",)),
    ("builtins", "eval", (f"open('{CANARY}','w')",)),
    ("builtins", "exec", (f"open('{CANARY}','w')",)),
    ("__builtin__", "eval", (f"open('{CANARY}','w')",)),
    ("__builtin__", "execfile", (CANARY,)),
    ("builtins", "open", (CANARY, "w")),
    ("io", "open", (CANARY, "w")),
    ("_io", "FileIO", (CANARY, "w")),
    ("io", "FileIO", (CANARY, "w")),
    ("os", "mkdir", (CANARY,)),
    ("os", "popen", (f"touch {CANARY}",)),
    ("commands", "getoutput", (f"touch {CANARY}",)),
    ("runpy", "run_path", (CANARY,)),
    ("code", "InteractiveInterpreter.runcode", (f"open('{CANARY}','w')",)),
    ("timeit", "timeit", (f"open('{CANARY}','w')",)),
    ("cProfile", "run", (f"open('{CANARY}','w')",)),
    ("pdb", "run", (f"open('{CANARY}','w')",)),
    ("pty", "spawn", (f"touch {CANARY}",)),
    ("pathlib", "Path.touch", (CANARY,)),
    ("pathlib", "Path.mkdir", (CANARY,)),
    ("pathlib", "os.mkdir", (CANARY,)),
    ("zipfile", "ZipFile", (CANARY, "w")),
    ("logging", "FileHandler", (CANARY,)),
    ("sqlite3", "connect", (CANARY,)),
    ("shelve", "open", (CANARY,)),
    ("ctypes", "CDLL", (CANARY,)),
    ("importlib", "import_module", ("antigravity",)),
    ("pickle", "loads", ("x",)),
    ("dill._dill", "_create_code", ("x",)),
    ("dill._dill", "_import_module", ("os",)),
    ("dill._dill", "_eval_repr", (f"open('{CANARY}','w')",)),
    ("cloudpickle.cloudpickle", "subimport", ("os",)),
    ("cloudpickle.cloudpickle", "_make_function", ("x",)),
    ("brinery_codecs.functions", "make_function", ("x",)),
    ("types", "CodeType", ("x",)),
    ("types", "FunctionType", ("x",)),
    ("brinery", "FilesystemStore", (CANARY,)),
    ("sys", "exit", ("x",)),
    ("os", "_exit", ("x",)),
    ("os", "abort", ()),
    ("faulthandler", "_sigsegv", ()),
    ("builtins", "breakpoint", ()),
    ("builtins", "input", ()),
    ("builtins", "range", ("x",)),
)


def _system_calls() -> Iterator[Case]:
    for way, callee in _naming().items():
        for how, payload in _calling(callee).items():
            yield Case(f"{how} of {way}", whole(payload))
    for protocol, how in itertools.product((0, 1, 2, 3, 5), ("REDUCE", "OBJ", "root")):
        # Below 3 the names of Python 2 are translated.
        payload = _calling(name("os", "system"))[how]
        yield Case(f"{how}, protocol {protocol}", whole(payload, protocol=protocol))
    yield Case("INST", b"(" + old_text(f"touch {CANARY}") + b"iposix\nsystem\n.")
    yield Case("INST, without protocol", b"(S'touch CANARY'\nios\nsystem\n.")
    yield Case("REDUCE, protocol 0", b"cposix\nsystem\n(S'touch CANARY'\ntR.")
    yield Case("what is popped again", whole(call(name("os", "system"), COMMAND), b"0N"))
    yield Case(
        "what follows a STOP of its own",
        whole(b"N") + whole(_calling(name("os", "system"))["REDUCE"]),
        BOUNDED,
    )
    yield Case(
        "behind a frame that ends in an opcode",
        b"\x80\x04\x95\x03" + bytes(7) + b"N0c" + whole(name("os", "system"), COMMAND, b"\x85R"),
    )
    for module, qualname, arguments in _ELSEWHERE:
        items = [text(each) for each in arguments]
        for way, callee in (
            ("GLOBAL", name(module, qualname)),
            ("STACK_GLOBAL", stack_name(module, qualname)),
        ):
            yield Case(f"{module}:{qualname} by {way}", whole(call(callee, *items)))
            yield Case(
                f"{module}:{qualname} by NEWOBJ of {way}", whole(callee, pack(*items), b"\x81")
            )
        old = name(module, qualname) + pack(*items) + b"R"
        yield Case(f"{module}:{qualname}, protocol 2", whole(old, protocol=2))
        yield Case(f"{module}:{qualname}, without protocol", old + b".")


def _states() -> Iterator[Case]:
    """States on what is not the payload's own."""
    state = b"}" + text("__reduce__") + text("x") + b"s"
    pair = b"N" + state + b"\x86"
    things = "tests.trust.things"
    for what, slot in {
        "a class": name(things, "Plain"),
        "a class of the standard library": name("collections", "OrderedDict"),
        "a function": name(things, "rebuild"),
        "a module": name("tests.trust", "things"),
        "a module by a dotted name": stack_name(things, "os"),
        "the modules": name("sys", "modules"),
        "the encoder": name("_codecs", "encode"),
        "getattr": name("builtins", "getattr"),
        "a member of an enumeration": name("uuid", "SafeUUID.safe"),
        "a class by an attribute": call(
            name("builtins", "getattr"), name(things, "Plain"), text("Inner")
        ),
    }.items():
        yield Case(f"state on {what}", whole(slot, state, b"b"))
        yield Case(f"slots on {what}", whole(slot, pair, b"b"))
        yield Case(f"item of {what}", whole(slot, text("a"), text("b"), b"s"))
        yield Case(f"append to {what}", whole(slot, text("a"), b"a"))
    for code in (b"P0\n", text("0") + b"Q"):
        yield Case(f"persistent ID {code[:1]!r}", whole(code))
    yield Case("unknown opcode", whole(b"\xff"))
    yield Case("no class that is missing", whole(stack_name("tests.trust.no_such", "X"), b")R"))
    yield Case(
        "no external reference to nothing",
        whole(call(name("brinery.reference", "external"), text("nobody"))),
    )
    yield Case(
        "external reference that is no text",
        whole(call(name("brinery.reference", "external"), b"]")),
    )
    yield Case(
        "external reference out of the store",
        whole(call(name("brinery.reference", "external"), text("../../etc/passwd"))),
    )


# -- costs

HUGE = ((1 << 31) - 1, (1 << 32) - 1)


def _claims() -> Iterator[Case]:
    for index in (*HUGE, 1 << 27, 1 << 24):
        for protocol in (2, 4):
            put = b"Nr" + struct.pack("<I", index)
            yield Case(f"LONG_BINPUT {index}, protocol {protocol}", whole(put, protocol=protocol))
        yield Case(f"PUT {index}", f"Np{index}\n.".encode())
    yield Case("PUT of 80 bits", b"Np1208925819614629174706176\n.")
    yield Case("PUT below zero", b"Np-1\n.")
    yield Case("BINPUT", whole(b"Nq\xff"), BOUNDED)
    yield Case(
        "LONG_BINPUT, doubling", whole(*(b"Nr" + struct.pack("<I", 1 << n) for n in range(31)))
    )
    yield Case("LONG_BINGET", whole(b"j" + struct.pack("<I", HUGE[1])))
    yield Case("GET", b"g99999999999999999999\n.")
    for label, code in (
        ("BINBYTES8", b"\x8e"),
        ("BINUNICODE8", b"\x8d"),
        ("BYTEARRAY8", b"\x96"),
        ("FRAME", b"\x95"),
    ):
        for size in (1 << 29, 1 << 33, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            yield Case(f"{label} of {size}", whole(code + struct.pack("<Q", size), b"few"))
    for label, code in (
        ("BINBYTES", b"B"),
        ("BINUNICODE", b"X"),
        ("BINSTRING", b"T"),
        ("LONG4", b"\x8b"),
    ):
        for size in (*HUGE, 1 << 31, 1 << 29):
            yield Case(f"{label} of {size}", whole(code + struct.pack("<I", size), b"few"))
    for label, code in (
        ("SHORT_BINBYTES", b"C"),
        ("SHORT_BINUNICODE", b"\x8c"),
        ("SHORT_BINSTRING", b"U"),
        ("LONG1", b"\x8a"),
    ):
        yield Case(f"{label} past the end", b"\x80\x04" + code + b"\xff")
    for label, line in {
        "LONG of 100,000 digits": b"L" + b"9" * 100_000 + b"L\n",
        "INT of 100,000 digits": b"I" + b"9" * 100_000 + b"\n",
        "INT of no digits": b"Ix\n",
        "FLOAT of no digits": b"Fx\n",
        "STRING without quotes": b"Sx\n",
        "STRING with a broken escape": b"S'\\x'\n",
        "UNICODE with a broken escape": b"V\\u12\n",
        "GLOBAL without an end": b"cos\n",
        "a line without an end": b"V" + b"x" * 1000,
        "NEXT_BUFFER of none": b"\x97",
        "a million buffers": b"\x97" * 1_000_000,
        "READONLY_BUFFER of none": b"\x98",
        "protocol 255": b"\x80\xff",
        "pop of nothing": b"0" * 10,
        "marks of nothing": b"1" * 10,
        "no stop": b"N" * 1000,
        "a tuple of nothing": b"\x87",
        "nothing": b"",
    }.items():
        yield Case(
            label,
            line + b"." if label not in ("no stop", "nothing", "a line without an end") else line,
        )
    yield Case(
        "LONG4 of a megabyte",
        whole(b"\x8b" + struct.pack("<I", 1 << 20), b"\x7f" * (1 << 20)),
        BOUNDED,
    )


def _depths() -> Iterator[Case]:
    n = 150_000
    point = name("tests.trust.things", "Point")
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
        + name("tests.trust.things", "Plain")
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
        yield Case(f"{n} {label}", whole(payload), BOUNDED)


def _doublings() -> Iterator[Case]:
    """What is shared by what is shared: small in memory, and endless for whoever walks it."""
    n = 60
    tuples = b")\x85" + b"2\x86" * n
    lists = b"]q\x00" + b"".join(b"]h\x00ah\x00aq\x00" for _ in range(n))
    heavy = b")\x85" + b"2\x86" * 20 + b"q\x00"
    yield Case("doubled tuples", whole(tuples), BOUNDED)
    yield Case("doubled tuples as a key", whole(b"}", tuples, b"Ns"))
    yield Case("doubled tuples as a frozenset", whole(b"(", tuples, b"\x91"))
    yield Case("doubled lists", whole(lists), BOUNDED)
    yield Case("doubled lists as a key", whole(b"}", lists, b"Ns"), BOUNDED)
    for module, qualname in (
        *(
            ("ipaddress", f"IPv{n}{what}")
            for n in (4, 6)
            for what in ("Address", "Network", "Interface")
        ),
        *(("uuid", each) for each in ("SafeUUID", "UUID")),
        *(("zoneinfo", each) for each in ("ZoneInfo", "ZoneInfo._unpickle")),
        *(("datetime", each) for each in ("date", "time", "datetime", "timedelta", "timezone")),
        *(("collections", each) for each in ("Counter", "OrderedDict", "deque", "defaultdict")),
        *(
            ("builtins", each)
            for each in (
                "bytes",
                "bytearray",
                "complex",
                "set",
                "frozenset",
                "slice",
                "ValueError",
                "OSError",
                "object",
            )
        ),
        *(("pathlib", each) for each in ("Path", "PurePosixPath")),
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("types", "SimpleNamespace"),
        ("_codecs", "encode"),
        ("tests.trust.things", "Numbers"),
        ("tests.trust.things", "Colour"),
    ):
        expects = BOUNDED
        if qualname == "Colour":
            continue  # an enumeration of one's own says what it got
        for what, argument in (
            ("lists", lists),
            ("tuples", tuples),
            ("a list of tuples", b"]" + heavy + b"a" + b"h\x00a" * 2000),
        ):
            yield Case(
                f"{module}:{qualname} of doubled {what}",
                whole(call(stack_name(module, qualname), argument)),
                expects,
            )
    yield Case("a heavy key, often", whole(b"}", heavy, b"N", b"s", b"h\x00Ns" * 5000), BOUNDED)
    yield Case("a heavy element, often", whole(b"\x8f(", heavy, b"h\x00" * 5000, b"\x90"), BOUNDED)
    yield Case(
        "a heavy error, often",
        whole(
            name("builtins", "OSError"), b"q\x01", heavy, b"0" + b"h\x01h\x00N\x86R0" * 5000, b"N"
        ),
        BOUNDED,
    )
    big = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20)
    for module, qualname in (
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("builtins", "set"),
        ("collections", "deque"),
        ("decimal", "Decimal"),
    ):
        for copies in (4000,):
            yield Case(
                f"{copies} copies by {qualname}",
                whole(
                    name(module, qualname),
                    b"q\x00",
                    big,
                    b"q\x01(" + b"h\x00h\x01\x85R" * copies,
                    b"l",
                ),
                BOUNDED,
            )
    yield Case(
        "4000 decoded copies",
        whole(
            name("_codecs", "encode"),
            b"q\x00",
            b"X" + struct.pack("<I", 1 << 20),
            b"a" * (1 << 20),
            b"q\x01",
            text("latin1"),
            b"q\x02(" + b"h\x00h\x01h\x02\x86R" * 4000,
            b"l",
        ),
        BOUNDED,
    )
    yield Case(
        "an encoding that expands",
        whole(call(name("_codecs", "encode"), text("a" * 100), text("zip"))),
    )
    yield Case("a huge bytes", whole(call(name("builtins", "bytes"), b"J\xff\xff\xff\x7f")))
    yield Case(
        "a huge bytearray",
        whole(call(name("builtins", "bytearray"), b"\x8a\x05" + (1 << 33).to_bytes(5, "little"))),
    )
    yield Case(
        "a huge range",
        whole(
            call(
                name("collections", "deque"), call(name("builtins", "range"), b"J\xff\xff\xff\x7f")
            )
        ),
    )
    yield Case(
        "a Fraction of a billion digits",
        whole(call(name("fractions", "Fraction"), text("1e999999999"))),
    )
    yield Case(
        "a Decimal of a billion digits",
        whole(call(name("decimal", "Decimal"), text("1e999999999"))),
        BOUNDED,
    )
    yield Case(
        "a Fraction of a Decimal",
        whole(
            call(
                name("fractions", "Fraction"), call(name("decimal", "Decimal"), text("1e999999999"))
            )
        ),
    )
    yield Case("a list that holds itself", whole(b"]q\x00h\x00a"), BOUNDED)
    yield Case(
        "a tuple of a list that holds it, as a key",
        whole(b"}]q\x00\x85q\x010h\x00h\x01ah\x01Ns"),
        BOUNDED,
    )


def _collisions() -> Iterator[Case]:
    modulus, count = sys.hash_info.modulus, 30_000
    numbers = [n * modulus for n in range(1, count)]
    data = b"".join(pickle.dumps(n, 2)[2:-1] for n in numbers)
    items = b"".join(pickle.dumps(n, 2)[2:-1] + b"N" for n in numbers)
    lines = b"".join(b"I%d\nN" % n for n in numbers)
    yield Case("colliding keys by SETITEMS", whole(b"}(", items, b"u"))
    yield Case(
        "colliding keys one by one",
        whole(b"}", b"".join(pickle.dumps(n, 2)[2:-1] + b"Ns" for n in numbers)),
    )
    yield Case("colliding keys by DICT", whole(b"(", items, b"d"))
    yield Case("colliding keys in lines", whole(b"(", lines, b"d"))
    yield Case(
        "colliding keys in LONG lines", whole(b"(", b"".join(b"L%dL\nN" % n for n in numbers), b"d")
    )
    yield Case("colliding elements by ADDITEMS", whole(b"\x8f(", data, b"\x90"))
    yield Case("colliding elements by FROZENSET", whole(b"(", data, b"\x91"))
    for module, qualname in (
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("collections", "Counter"),
    ):
        for way, listed in (
            ("a list", b"](" + data + b"e"),
            ("a list of LIST", b"(" + data + b"l"),
            ("a tuple", b"(" + data + b"t"),
        ):
            yield Case(
                f"colliding elements of {way} by {qualname}",
                whole(call(name(module, qualname), listed)),
            )
    pairs = b"](" + b"".join(pickle.dumps(n, 2)[2:-1] + b"N\x86" for n in numbers) + b"e"
    yield Case(
        "colliding keys by OrderedDict", whole(call(name("collections", "OrderedDict"), pairs))
    )


def _plain_data() -> Iterator[Case]:
    binary = ("msgpack",)
    n = 300_000
    for label, head in {
        "array 32": b"\xdd",
        "map 32": b"\xdf",
        "str 32": b"\xdb",
        "bin 32": b"\xc6",
        "ext 32": b"\xc9",
    }.items():
        for size in (*HUGE, 1 << 28):
            yield Case(
                f"{label} of {size}", head + struct.pack(">I", size) + b"\x02few", codecs=binary
            )
        claims = (head + struct.pack(">I", HUGE[1])) * 500
        yield Case(f"{label} in {label}", claims, codecs=binary)
    yield Case("array 16 in array 16", b"\xdc\xff\xff" * 1000, codecs=binary)
    yield Case("array 16 in array 16, for long", b"\xdc\xff\xff" * n, codecs=binary)
    for label, head in {
        "arrays": b"\x91",
        "maps": b"\x81\xc0",
        "maps as keys": b"\x81",
        "arrays as keys": b"\x81\x91",
    }.items():
        yield Case(f"{n} {label}", head * n + b"\xc0", codecs=binary)
        yield Case(f"1000 {label}", head * 1000 + b"\xc0", BOUNDED, codecs=binary)
        yield Case(f"{n} {label} without end", head * n, codecs=binary)
    for code in range(24):
        empty = msgpack.packb(msgpack.ExtType(code, b""))
        for label, fields in {
            "nothing": list[Any](),
            "a huge number": [1 << 62],
            "a negative number": [-1],
            "nil": [None, None, None, None],
            "numbers": [1, 1 << 62, 1 << 62],
            "texts": ["9" * 10_000] * 2,
            "bytes": [b"\xff" * 100_000],
            "lists": [[[]]] * 5,
            "maps": [{}] * 6,
            "an exponent": ["1e999999999"],
            "a huge shape": ["<f8", [1 << 40, 1 << 40], "C", b""],
            "an object array": ["|O", [1], "C", b"12345678"],
            "a negative shape": ["<f8", [-1], "C", b""],
            "zeros in a shape": ["<f8", [0, 1 << 62], "C", b""],
            "an item of nothing": ["|V0", [1 << 40], "C", b""],
        }.items():
            payload = (
                bytes((0x90 | (len(fields) + 1),)) + empty + b"".join(map(msgpack.packb, fields))
            )
            yield Case(f"code {code} of {label}", payload, BOUNDED, codecs=binary)
        yield Case(
            f"code {code} with data",
            msgpack.packb(msgpack.ExtType(code, b"x" * 100)),
            codecs=binary,
        )
        yield Case(f"code {code} alone", empty, codecs=binary)
    for code in (-128, -1, 100, 127):
        yield Case(
            f"code {code}",
            msgpack.packb([msgpack.ExtType(code, b"x" * 12)])
            if code >= 0
            else b"\xd7" + bytes((code & 255,)) + bytes(8),
            BOUNDED if code == -1 else REFUSED,
            codecs=binary,
        )
    yield Case("a code that is never used", b"\xc1", codecs=binary)
    yield Case("more than one value", b"\xc0\xc0", codecs=binary)
    yield Case("no value", b"", codecs=("msgpack", "json"))
    yield Case(
        "colliding keys of 64 bits",
        b"\xdf"
        + struct.pack(">I", 8)
        + b"".join(
            b"\xcf" + struct.pack(">Q", m * sys.hash_info.modulus) + b"\xc0" for m in range(8)
        ),
        BOUNDED,
        codecs=binary,
    )
    ints = [
        msgpack.packb(msgpack.ExtType(2, b""))
        + msgpack.packb((m * sys.hash_info.modulus).to_bytes(12, "big"))
        for m in range(1, 20_000)
    ]
    yield Case(
        "colliding large keys",
        b"\xdf"
        + struct.pack(">I", len(ints))
        + b"".join(b"\x92" + each + b"\xc0" for each in ints),
        BOUNDED,
        codecs=binary,
    )
    json = ("json",)
    for label, payload, expects in (
        ("arrays", b"[" * n + b"]" * n, REFUSED),
        ("objects", b'{"a":' * n + b"1" + b"}" * n, REFUSED),
        ("arrays without end", b"[" * n, REFUSED),
        ("1000 arrays", b"[" * 1000 + b"]" * 1000, BOUNDED),
        ("900 references", b'[{"$$ref":' * 450 + b"1" + b"}]" * 450, BOUNDED),
        ("number of a million digits", b"9" * 1_000_000, BOUNDED),
        ("exponent", b"1e999999999", BOUNDED),
        ("number of a million digits, negative", b"-" + b"9" * 1_000_000, BOUNDED),
        ("fraction of a million digits", b"0." + b"0" * 1_000_000 + b"1", BOUNDED),
        ("string without end", b'"' + b"a" * 1_000_000, REFUSED),
        ("broken UTF-8", b'"\xff"', REFUSED),
        ("lone surrogate", b'"\\ud800"', REFUSED),
        ("reference that is a list", b'[{"$ref":[]}]', REFUSED),
        ("reference to nothing", b'{"$ref":"nobody"}', REFUSED),
        ("reference out of the store", b'{"$ref":"../../etc/passwd"}', REFUSED),
        ("empty reference", b'{"$ref":""}', REFUSED),
        ("zero in a reference", b'{"$ref":"\\u0000"}', REFUSED),
        ("NaN", b"NaN", REFUSED),
        ("two values", b"1 2", REFUSED),
        ("keys twice", b'{"a":1,"a":2}', BOUNDED),
        ("deep reference", b"[" * 900 + b'{"$ref":"nobody"}' + b"]" * 900, REFUSED),
    ):
        yield Case(f"JSON: {label}", payload, expects, codecs=json)


# -- decompression


def _bombs() -> Iterator[Case]:
    size = 1 << 30
    makers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, 9, mtime=0),
        "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
        "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    }
    content = whole(b"B" + struct.pack("<I", 1 << 27), bytes(1 << 27), protocol=5)
    for transform, make in makers.items():
        bomb = make(content)
        twice = make(bomb)
        for claimed in (len(content), 1000, 0, 1, size, size + 1, 1 << 62):
            yield Case(
                f"{transform} that claims {claimed}",
                bomb,
                transform=(transform, claimed),
                codecs=("pickle", "json", "msgpack"),
            )
        yield Case(
            f"{transform} twice", twice, transform=(transform, len(bomb)), codecs=("pickle",)
        )
        yield Case(
            f"{transform}, cut off",
            bomb[: len(bomb) // 2],
            transform=(transform, len(content)),
            codecs=("pickle",),
        )
        yield Case(
            f"{transform}, and more",
            bomb + b"x",
            transform=(transform, len(content)),
            codecs=("pickle",),
        )
        yield Case(
            f"{transform} of members",
            make(bytes(1 << 20)) * 100,
            transform=(transform, 100 << 20),
            codecs=("pickle",),
        )
        yield Case(f"{transform} of nothing", b"", transform=(transform, 0), codecs=("pickle",))
        yield Case(
            f"{transform} of noise",
            zlib.compress(bytes(1000)),
            transform=(transform, 1000),
            codecs=("pickle",),
        )
        for claimed in (1, 1 << 20, 1 << 24):
            yield Case(
                f"{transform} of 4 bytes that claims {claimed}",
                b"\0\0\0\0",
                transform=(transform, claimed),
                codecs=("pickle",),
            )
    for window in (1 << 31, 1 << 27):
        # A frame without its size, and with a window that is large.
        header = zstandard.FRAME_HEADER + b"\x00" + bytes((((window.bit_length() - 1 - 10) << 3),))
        yield Case(
            f"zstd with a window of {window}",
            header + b"\x01\x00\x00",
            transform=("zstd", 100),
            codecs=("pickle",),
        )
    header = zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", 1 << 24)
    yield Case(
        "zstd that announces what it has not",
        header + b"\x01\x00\x00" + bytes(600),
        transform=("zstd", 1 << 24),
        codecs=("pickle",),
    )


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "calls": _system_calls,
    "states": _states,
    "claims": _claims,
    "depths": _depths,
    "doublings": _doublings,
    "collisions": _collisions,
    "plain data": _plain_data,
    "decompression": _bombs,
}
"""What is tried; each name is counted by itself."""
