"""Calls of what harms, by each way to name a function and each way to call it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

from tests.torture.opcodes import (
    CANARY,
    EXTENSIONS,
    THINGS,
    Case,
    Expected,
    call,
    name,
    old_text,
    pack,
    short_text,
    stack_name,
    text,
    whole,
)  # fmt: skip
from tests.torture.payloads.elsewhere import ELSEWHERE

COMMAND = text(f": > {CANARY}")
GETATTR = name("builtins", "getattr")
IMPORT = name("importlib", "import_module")


def plain_names(module: str, qualname: str) -> dict[str, bytes]:
    """Push a global by the opcodes that are made for that, of every kind of string."""
    m, n = module.encode(), qualname.encode()
    long = [b"\x8d" + struct.pack("<Q", len(each)) + each for each in (m, n)]
    escaped = "".join(f"\\u{ord(each):04x}" for each in module).encode()
    return {
        "GLOBAL": name(module, qualname),
        "GLOBAL from the memo": name(module, qualname) + b"q\x070h\x07",
        "GLOBAL, twice": name(module, qualname) + b"2",
        "STACK_GLOBAL": stack_name(module, qualname),
        "STACK_GLOBAL of SHORT_BINUNICODE": short_text(module) + short_text(qualname) + b"\x93",
        "STACK_GLOBAL of BINUNICODE8": long[0] + long[1] + b"\x93",
        "STACK_GLOBAL of UNICODE": old_text(module) + old_text(qualname) + b"\x93",
        "STACK_GLOBAL of escapes": b"V" + escaped + b"\n" + old_text(qualname) + b"\x93",
        "STACK_GLOBAL of STRING": b"S'" + m + b"'\nS'" + n + b"'\n\x93",
        "STACK_GLOBAL from the memo": text(module) + b"q\x00" + text(qualname) + b"q\x01"
        b"00h\x00h\x01\x93",
        "STACK_GLOBAL by MEMOIZE": text(module) + b"\x94" + text(qualname) + b"\x94h\x00h\x01\x93",
        "named of brinery": call(
            name("brinery.reference", "named"), text(module), text(qualname)
        ),
    }  # fmt: skip


def _made_names() -> dict[str, bytes]:
    """Push `os.system` by what makes or finds it."""
    posix = call(IMPORT, text("posix"))
    made = call(name("builtins", "str"), text("system"))
    task = name(THINGS, "Task")
    return {
        "STACK_GLOBAL of a call": text("posix") + made + b"\x93",
        "STACK_GLOBAL of a decoded name": call(
            name("_codecs", "encode"), text("posix"), text("latin1")
        )
        + text("system")
        + b"\x93",
        "STACK_GLOBAL of bytes": b"C\x05posixC\x06system\x93",
        "named of a call": call(name("brinery.reference", "named"), text("posix"), made),
        "dotted in a module": stack_name(THINGS, "os.system"),
        "dotted in a method": stack_name(THINGS, "Plain.method.__globals__"),
        "imported by a module": stack_name(THINGS, "os"),
        "dotted in a value": stack_name("zoneinfo", "ZoneInfo._unpickle.__globals__"),
        "dotted through __init__": stack_name("uuid", "UUID.__init__.__globals__"),
        "dotted through sys": stack_name("datetime", "sys.modules"),
        "EXT1": b"\x82" + bytes(EXTENSIONS[:1]),
        "EXT2": b"\x83" + struct.pack("<H", EXTENSIONS[1]),
        "EXT4": b"\x84" + struct.pack("<i", EXTENSIONS[2]),
        "getattr of an imported module": call(GETATTR, posix, text("system")),
        "getattr with a default": call(GETATTR, posix, text("system"), b"N"),
        "getattr of __import__": call(
            GETATTR, call(name("builtins", "__import__"), text("os")), text("system")
        ),
        "getattr of subimport": call(
            GETATTR, call(name("cloudpickle.cloudpickle", "subimport"), text("os")), text("system")
        ),
        "getattr of a module": call(GETATTR, name("os", "path"), text("system")),
        "getattr of a class's module": call(
            GETATTR, call(GETATTR, task, text("__init__")), text("__globals__")
        ),
        "getattr of a dotted name": call(GETATTR, task, text("__init__.__globals__")),
        "attrgetter": call(call(name("operator", "attrgetter"), text("system")), posix),
        "methodcaller": call(name("operator", "methodcaller"), text("system"), COMMAND),
        "item of __dict__": call(
            name("operator", "getitem"), call(name("builtins", "vars"), posix), text("system")
        ),
        "pkgutil": call(name("pkgutil", "resolve_name"), text("posix:system")),
        "dill": call(name("dill._dill", "_import_module"), text("posix.system")),
        "partial": call(name("functools", "partial"), name("os", "system")),
        "find_class of an unpickler": call(
            call(GETATTR, name("_pickle", "Unpickler"), text("find_class")),
            text("os"),
            text("system"),
        ),
        "globals": call(GETATTR, call(name("builtins", "globals")), text("get")),
    }


def ways_to_call(function: bytes, argument: bytes) -> dict[str, bytes]:
    """Call what a piece of pickle pushes, with one argument, by all that honest payloads use."""
    item = function + argument + b"\x85"
    root = name("brinery.reference", "root")
    return {
        "REDUCE": function + pack(argument) + b"R",
        "REDUCE of TUPLE1": item + b"R",
        "OBJ": b"(" + function + argument + b"o",
        "root": call(root, function, argument),
        "root by OBJ": b"(" + root + function + argument + b"o",
        "root by INST": b"(" + function + argument + b"ibrinery.reference\nroot\n",
        "hashable_root": call(name("brinery.reference", "hashable_root"), b"N", function, argument),
        "thrown away": b"N" + item + b"R0",
        "in a container": b"](" + item + b"Re",
    }


def _calling(function: bytes) -> dict[str, bytes]:
    """Return the ways to call what `function` pushes with the command."""
    plain, result = name(THINGS, "Plain"), function + COMMAND + b"\x85R"
    setstate = text("__setstate__") + function
    partial = call(name("functools", "partial"), function, COMMAND)
    return {
        **ways_to_call(function, COMMAND),
        "as a key": b"}" + result + b"Ns",
        "as a state": plain + b")\x81" + result + b"b",
        "as an argument": plain + result + b"\x85}\x92",
        "NEWOBJ": function + pack(COMMAND) + b"\x81",
        "NEWOBJ_EX": function + pack(COMMAND) + b"}\x92",
        "__newobj__": call(name("copyreg", "__newobj__"), function, COMMAND),
        "__newobj_ex__": call(name("copyreg", "__newobj_ex__"), function, pack(COMMAND), b"}"),
        "_reconstructor": call(name("copyreg", "_reconstructor"), function, function, COMMAND),
        "new_root": call(name("brinery.reference", "new_root"), function, COMMAND),
        "hashable_root of a dict": call(
            name("brinery.reference", "hashable_root"), b"}", function, COMMAND
        ),
        "defaultdict": call(name("collections", "defaultdict"), function) + COMMAND + b"Ns",
        "a default that is made": call(
            name("operator", "getitem"), call(name("collections", "defaultdict"), partial), b"N"
        ),
        "partial": call(partial),
        "map": call(
            name("builtins", "list"), call(name("builtins", "map"), function, b"]" + COMMAND + b"a")
        ),
        "__setstate__ by BUILD": plain + b")\x81}" + setstate + b"sb" + COMMAND + b"b",
        "a hook on a class by BUILD": plain
        + b"N}" + setstate + b"s\x86b0" + plain + b")\x81" + COMMAND + b"b",
    }  # fmt: skip


HARMLESS_NAMES = frozenset(
    {
        "STACK_GLOBAL of a decoded name",
        "dill", "STACK_GLOBAL of bytes", "dotted in a method",
        "imported by a module", "dotted in a value", "dotted through __init__", "dotted through sys",
        "getattr of a module", "getattr of a class's module", "getattr of a dotted name",
        "methodcaller", "find_class of an unpickler", "globals",
    }
)  # fmt: skip
HARMLESS_CALLS = frozenset(
    {
        "NEWOBJ", "NEWOBJ_EX", "__newobj__", "__newobj_ex__", "_reconstructor", "new_root",
        "defaultdict",
    }
)  # fmt: skip
"""What fails where nothing is restricted, too; that a reader refuses it must not depend on that."""


MISSING_NAMES = frozenset({"dotted in a value", "getattr of a dotted name"})
"""Admitted names that do not exist."""


def calls() -> Iterator[Case]:
    """Yield payloads that call `os.system` or something else that harms."""
    for way, function in {**plain_names("posix", "system"), **_made_names()}.items():
        for how, payload in _calling(function).items():
            alive = (
                way not in HARMLESS_NAMES
                and how not in HARMLESS_CALLS
                and (how == "REDUCE" or way in ("GLOBAL", "STACK_GLOBAL"))
            )
            expects: Expected = "refused" if way in MISSING_NAMES else "distrusted"
            yield Case(f"{how} of {way}", whole(payload), expects, is_alive=alive)
    yield from _by_protocols()
    yield from _hidden()
    yield from _elsewhere()


def _by_protocols() -> Iterator[Case]:
    for protocol, how in itertools.product((0, 1, 2, 3, 5), ("REDUCE", "OBJ", "root")):
        # Below 3 the names of Python 2 are translated.
        payload = _calling(name("os", "system"))[how]
        case = Case(f"{how}, protocol {protocol}", whole(payload, protocol=protocol))
        yield case._replace(is_alive=True)
    for label, payload in {
        "INST": b"(" + old_text(f": > {CANARY}") + b"iposix\nsystem\n.",
        "INST, with a protocol": whole(b"(", COMMAND, b"iposix\nsystem\n", protocol=0),
        "INST, without protocol": b"(S': > CANARY'\nios\nsystem\n.",
        "REDUCE without protocol": b"cposix\nsystem\n(S': > CANARY'\ntR.",
    }.items():
        yield Case(label, payload, is_alive=True)
    code = text(f"__import__('os').system(': > {CANARY}')")
    for protocol, module in ((2, "__builtin__"), (4, "builtins")):
        for word in ("eval", "exec"):
            payload = whole(name(module, word), code, b"\x85R", protocol=protocol)
            yield Case(f"{module}.{word}, protocol {protocol}", payload, is_alive=True)
    evaluate = whole(name("__builtin__", "eval"), code, b"\x85R")[2:]
    yield Case("a protocol that rises on the way", b"\x80\x02\x80\x04" + evaluate)
    yield Case("a protocol that falls on the way", b"\x80\x04\x80\x02" + evaluate, is_alive=True)


def _hidden() -> Iterator[Case]:
    system = call(name("os", "system"), COMMAND)
    yield Case("what is popped again", whole(system, b"0N"), is_alive=True)
    yield Case("what follows a STOP of its own", whole(b"N") + whole(system), "bounded")
    for label, frame in {
        "a frame that ends in an opcode": b"\x95\x03" + bytes(7) + b"N0c" + b"os\nsystem\n",
        "a whole frame": b"\x95\x04" + bytes(7) + b"NNN0" + name("posix", "system"),
    }.items():
        yield Case(f"behind {label}", whole(frame, COMMAND, b"\x85R"), is_alive="whole" in label)
    inner = whole(name("posix", "system"), COMMAND, b"\x85R")
    blob = b"B" + struct.pack("<I", len(inner)) + inner
    key = b"(" + text("") + text("B") + text("0") + b"K\x00t"
    base = b"(" + name("brinery.persistable", "Persistable") + b"t"
    made = name("brinery_codecs.classes", "make_class") + b"(" + key
    yield Case("a class by value", whole(made, name("builtins", "type"), base, b"}tR"))
    code = name("brinery_codecs.functions", "make_code") + b"(" + blob + b"K\x00" + text("3.11")
    yield Case("code by value", whole(code, b"tR"))
    yield Case(
        "a pickle in a pickle", whole(name("_pickle", "loads"), blob, b"\x85R"), is_alive=True
    )
    shell = b"](" + text("sh") + text("-c") + COMMAND + b"e\x85R"
    for module in ("subprocess", THINGS):
        yield Case(f"Popen of {module}", whole(name(module, "Popen"), shell), is_alive=True)


def _elsewhere() -> Iterator[Case]:
    for module, qualname, arguments in ELSEWHERE:
        items = [text(each) for each in arguments]
        what = f"{module}:{qualname}"
        for way, function in (
            ("GLOBAL", name(module, qualname)),
            ("STACK_GLOBAL", stack_name(module, qualname)),
        ):
            yield Case(f"{what} by {way}", whole(call(function, *items)))
            yield Case(f"{what} by NEWOBJ of {way}", whole(function, pack(*items), b"\x81"))
        old = call(name(module, qualname), *items)
        yield Case(f"{what}, protocol 2", whole(old, protocol=2))
        yield Case(f"{what}, without protocol", old + b".")
