"""Hostile payloads, built opcode by opcode: what a writer may put into a store to harm its readers.

`reaching` call a function that the reader has not admitted: each leaves a file behind where it succeeds.
`bombs` ask for memory or time; `controls` are honest payloads of the same forms, which must load.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import NamedTuple

ALLOWED = "tests.trust.things"
MODULUS = 2**61 - 1


class Case(NamedTuple):
    """A payload, and whether it does harm where nothing is restricted."""

    name: str
    payload: bytes
    is_alive: bool = False


def text(value: str) -> bytes:
    """Push a string."""
    data = value.encode()
    if len(data) < 256:
        return b"\x8c" + bytes((len(data),)) + data
    return b"X" + struct.pack("<I", len(data)) + data


def whole(body: bytes, protocol: int = 4) -> bytes:
    """Return the pickle of a body that leaves one object on the stack."""
    return (b"\x80" + bytes((protocol,)) if protocol else b"") + body + b"."


def names(module: str, name: str) -> dict[str, bytes]:
    """Push a global, by each opcode that can."""
    m, n = module.encode(), name.encode()
    return {
        "GLOBAL": b"c" + m + b"\n" + n + b"\n",
        "STACK_GLOBAL": text(module) + text(name) + b"\x93",
        "STACK_GLOBAL of BINUNICODE": b"".join(
            b"X" + struct.pack("<I", len(part)) + part for part in (m, n)
        )
        + b"\x93",
        "STACK_GLOBAL of BINUNICODE8": b"".join(
            b"\x8d" + struct.pack("<Q", len(part)) + part for part in (m, n)
        )
        + b"\x93",
        "STACK_GLOBAL of UNICODE": b"V" + m + b"\nV" + n + b"\n\x93",
        "STACK_GLOBAL of escapes": b"V"
        + "".join(f"\\u{ord(c):04x}" for c in module).encode()
        + b"\nV"
        + n
        + b"\n\x93",
        "STACK_GLOBAL of STRING": b"S'" + m + b"'\nS'" + n + b"'\n\x93",
        "STACK_GLOBAL of the memo": text(module) + b"\x94" + text(name) + b"\x94h\x00h\x01\x93",
        "STACK_GLOBAL of a call": text(module) + b"cbuiltins\nstr\n" + text(name) + b"\x85R\x93",
        "a global from the memo": b"c" + m + b"\n" + n + b"\nq\x070h\x07",
        "GLOBAL, twice": b"c" + m + b"\n" + n + b"\n2",
        "named": b"cbrinery.reference\nnamed\n" + text(module) + text(name) + b"\x86R",
        "named, made up": b"cbrinery.reference\nnamed\n"
        + text(module)
        + b"cbuiltins\nstr\n"
        + text(name)
        + b"\x85R\x86R",
        "getattr of a module": b"cbuiltins\ngetattr\ncimportlib\nimport_module\n"
        + text(module)
        + b"\x85R"
        + text(name)
        + b"\x86R",
        "getattr of __import__": b"cbuiltins\ngetattr\ncbuiltins\n__import__\n"
        + text(module)
        + b"\x85R"
        + text(name)
        + b"\x86R",
        "getattr with a default": b"cbuiltins\ngetattr\n("
        + b"cimportlib\nimport_module\n"
        + text(module)
        + b"\x85R"
        + text(name)
        + b"NtR",
        "attrgetter": b"coperator\nattrgetter\n"
        + text(name)
        + b"\x85Rcimportlib\nimport_module\n"
        + text(module)
        + b"\x85R\x85R",
        "item of __dict__": b"coperator\ngetitem\ncbuiltins\nvars\ncimportlib\nimport_module\n"
        + text(module)
        + b"\x85R\x85R"
        + text(name)
        + b"\x86R",
        "pkgutil": b"cpkgutil\nresolve_name\n" + text(f"{module}:{name}") + b"\x85R",
        "EXT1": b"\x82\xf1",
        "EXT2": b"\x83\xf1\x01",
        "EXT4": b"\x84\xf1\x01\x01\x00",
        "dill": b"cdill._dill\n_import_module\n" + text(f"{module}.{name}") + b"\x85R",
        "cloudpickle": b"cbuiltins\ngetattr\nccloudpickle.cloudpickle\nsubimport\n"
        + text(module)
        + b"\x85R"
        + text(name)
        + b"\x86R",
        "what an admitted module imports": text(ALLOWED) + text(f"os.{name}") + b"\x93",
    }


def calls(function: bytes, argument: bytes) -> dict[str, bytes]:
    """Call what a piece of pickle pushes, by each opcode and function that can."""
    item = function + argument + b"\x85"
    return {
        "REDUCE": item + b"R",
        "REDUCE, a tuple by marks": function + b"(" + argument + b"tR",
        "OBJ": b"(" + function + argument + b"o",
        "root": b"cbrinery.reference\nroot\n" + function + argument + b"\x86R",
        "hashable_root": b"cbrinery.reference\nhashable_root\nN" + function + argument + b"\x87R",
        "root by OBJ": b"(cbrinery.reference\nroot\n" + function + argument + b"o",
        "root by INST": b"(" + function + argument + b"ibrinery.reference\nroot\n",
        "partial": b"cfunctools\npartial\n" + function + argument + b"\x86R)R",
        "map": b"cbuiltins\nlist\ncbuiltins\nmap\n" + function + b"(" + argument + b"l\x86R\x85R",
        "a state": b"c"
        + ALLOWED.encode()
        + b"\nPlain\n)\x81}"
        + text("__setstate__")
        + function
        + b"sb"
        + argument
        + b"b",
        "a factory": b"ccollections\ndefaultdict\ncfunctools\npartial\n"
        + function
        + argument
        + b"\x86R\x85Rq\x630coperator\ngetitem\nh\x63N\x86R",
        "thrown away": b"N" + item + b"R0",
        "in a container": b"](" + item + b"Re",
        "as a key": b"}" + item + b"RNs",
        "as a state": b"c" + ALLOWED.encode() + b"\nPlain\n)\x81" + item + b"Rb",
        "NEWOBJ_EX": b"c" + ALLOWED.encode() + b"\nPlain\n" + item + b"R\x85}\x92",
    }


def reaching(command: str) -> Iterator[Case]:
    """Yield payloads that run a command of the shell."""
    argument = text(command)
    plain = names("posix", "system")
    for how, function in plain.items():
        alive = how not in ("named, made up",)
        yield Case(f"{how}: REDUCE", whole(function + argument + b"\x85R"), alive)
    for how, body in calls(plain["STACK_GLOBAL"], argument).items():
        yield Case(f"STACK_GLOBAL: {how}", whole(body), True)
    for how, body in calls(plain["GLOBAL"], argument).items():
        yield Case(f"GLOBAL, protocol 0: {how}", whole(body, 0), True)
    yield Case("INST", whole(b"(" + argument + b"iposix\nsystem\n", 0), True)
    code = text(f"__import__('os').system({command!r})")
    for protocol, module in ((2, "__builtin__"), (4, "builtins")):
        for word in ("eval", "exec"):
            name = f"c{module}\n{word}\n".encode()
            yield Case(f"{module}.{word}", whole(name + code + b"\x85R", protocol), True)
    shell = text("sh") + text("-c") + argument
    for module in ("subprocess", ALLOWED):
        body = f"c{module}\nPopen\n".encode() + b"](" + shell + b"e\x85R"
        yield Case(f"Popen of {module}", whole(body), True)
    yield Case("dill evaluates", whole(b"cdill._dill\n_eval_repr\n" + code + b"\x85R"), True)
    yield Case("timeit", whole(b"ctimeit\ntimeit\n" + code + b"\x85R"))
    inner = whole(plain["GLOBAL"] + argument + b"\x85R")
    blob = b"B" + struct.pack("<I", len(inner)) + inner
    shared = b"cbrinery_codecs.shared_classes\nshared_class\n(" + text("k") + b"K\x00" + text("a:B")
    yield Case("a class by value", whole(shared + blob + b"tR"), True)
    yield Case("a pickle in a pickle", whole(b"c_pickle\nloads\n" + blob + b"\x85R"), True)
    yield Case(
        "a protocol that changes on the way",
        b"\x80\x02\x80\x04" + whole(b"c__builtin__\neval\n" + code + b"\x85R")[2:],
    )
    yield Case(
        "a protocol that changes back",
        b"\x80\x04\x80\x02" + whole(b"c__builtin__\neval\n" + code + b"\x85R")[2:],
        True,
    )
    yield Case(
        "after the end of a frame",
        whole(b"\x95\x04" + bytes(7) + b"NNNN0000" + plain["GLOBAL"] + argument + b"\x85R"),
        True,
    )


def escaping() -> Iterator[Case]:
    """Yield payloads that change what is admitted, or get at what is not, without a call of theirs."""
    ours = ALLOWED.encode()
    plain = b"c" + ours + b"\nPlain\n"
    harm = b"}" + text("harm") + b"\x88s"
    for name, target in {
        "a class": plain,
        "a module": text(ALLOWED) + text("os") + b"\x93",
        "a list of a module": text(ALLOWED) + text("calls") + b"\x93",
        "a class from the memo": plain + b"q\x000h\x00",
        "a class, twice on the stack": plain + b"2",
        "the dictionary of a class": text(ALLOWED) + text("Plain.__dict__") + b"\x93",
        "the globals of a function": text(ALLOWED) + text("rebuild.__globals__") + b"\x93",
        "the globals of a method": text(ALLOWED) + text("Plain.method.__globals__") + b"\x93",
        "the main module of dill": b"cbuiltins\n__main__\n",
        "the main module of dill, as of Python 2": b"c__builtin__\n__main__\n",
        "another record": b"cbrinery.reference\nexternal\n" + text("other") + b"\x85R",
        "a member": text(ALLOWED) + text("Colour.RED") + b"\x93",
    }.items():
        yield Case(f"a state set on {name}", whole(target + harm + b"b"))
        yield Case(f"slots set on {name}", whole(target + b"N" + harm + b"\x86b"))
        yield Case(f"an item set on {name}", whole(target + text("harm") + b"\x88s"))
        yield Case(f"items set on {name}", whole(target + b"(" + text("harm") + b"\x88u"))
        yield Case(f"an item appended to {name}", whole(target + text("harm") + b"a"))
        yield Case(f"items appended to {name}", whole(target + b"(" + text("harm") + b"e"))
        yield Case(f"elements added to {name}", whole(target + b"(" + text("harm") + b"\x90"))
    for name in ("__init__.__globals__", "__class__", "__subclasses__", "__reduce_ex__", "__mro__"):
        yield Case(f"Plain.{name}", whole(text(ALLOWED) + text(f"Plain.{name}") + b"\x93"))
        getter = b"cbuiltins\ngetattr\n" + plain + text(name.partition(".")[0]) + b"\x86R"
        yield Case(f"getattr(Plain, {name})", whole(getter))
    instance = plain + b")\x81"
    yield Case(
        "getattr of an object",
        whole(b"cbuiltins\ngetattr\n" + instance + text("__class__") + b"\x86R"),
    )
    yield Case("an object is called", whole(instance + b")R"))
    yield Case("an object makes another", whole(instance + b")\x81"))
    yield Case("a string is called", whole(text("harm") + b")R"))
    yield Case(
        "another record is called",
        whole(b"cbrinery.reference\nexternal\n" + text("other") + b"\x85R)R"),
    )
    yield Case(
        "external makes an object",
        whole(b"cbrinery.reference\nexternal\n" + text("other") + b"\x85\x81"),
    )
    yield Case("PERSID", whole(b"Pharm\n", 0))
    yield Case("BINPERSID", whole(text("harm") + b"Q"))
    yield Case("an extension that is not registered", whole(b"\x82\xf7"))
    yield Case("an unknown opcode", whole(b"\xff"))
    yield Case("an unknown protocol", b"\x80\x63N.")
    yield Case("a code object", whole(b"ctypes\nCodeType\n)R"))
    function = b"cbrinery_codecs.functions\nmake_function\n(N}" + text("f") + b")tR"
    yield Case("a function by value", whole(function))
    yield Case(
        "a reconstructor of no class",
        whole(b"ccopyreg\n_reconstructor\n" + instance + instance + b"N\x87R"),
    )
    yield Case(
        "a root of roots",
        whole(b"cbrinery.reference\nroot\ncbrinery.reference\nroot\n" + plain + b"\x86R"),
    )
    yield Case("a root of no constructor", whole(b"cbrinery.reference\nroot\n)R"))
    yield Case("NEWOBJ of a function", whole(b"cbrinery.reference\nroot\n" + plain + b"\x85\x81"))


def bombs() -> Iterator[Case]:
    """Yield payloads that are small, and ask for much."""
    yield Case("a place of the memo", whole(b"Nr\xff\xff\xff\x7f"))
    yield Case("a place of the memo, signed", whole(b"Nr\xff\xff\xff\xff"))
    yield Case("a place of the memo, in words", whole(b"Np2000000000\n", 0))
    yield Case("a negative place of the memo", whole(b"Np-5\n", 0))
    yield Case("nine bytes", b"\x80\x04Nr\x00\x00\x00\x08.")
    for name, code, size in (
        *(("BINBYTES8", b"\x8e", 8), ("BINUNICODE8", b"\x8d", 8), ("BYTEARRAY8", b"\x96", 8)),
        *(("BINBYTES", b"B", 4), ("BINUNICODE", b"X", 4), ("BINSTRING", b"T", 4)),
        *(("LONG4", b"\x8b", 4), ("FRAME", b"\x95", 8)),
    ):
        for bits in (30, 31, 32, 40, 62, 63, 64):
            if bits <= size * 8:
                claimed = ((1 << bits) - 1).to_bytes(size, "little")
                yield Case(f"{name} claims 2**{bits} bytes", whole(code + claimed + b"abc"))
    yield Case("deep tuples", whole(b"N" + b"\x85" * 200_000))
    yield Case("deep tuples as a key", whole(b"}N" + b"\x85" * 200_000 + b"Ns"))
    doubled = (
        b"N\x85"
        + b"\x94"
        + b"".join(b"h" + bytes((n,)) + b"h" + bytes((n,)) + b"\x86\x94" for n in range(100))
    )
    yield Case("doubled tuples as a key", whole(b"}" + doubled + b"Ns"))
    yield Case("doubled tuples in a set", whole(b"\x8f(" + doubled + b"\x90"))
    yield Case("doubled tuples in a frozenset", whole(b"(" + doubled + b"\x91"))
    keys = b"".join(b"\x8a\x0b" + (n * MODULUS).to_bytes(11, "little") for n in range(1, 60_000))
    pairs = b"".join(
        b"\x8a\x0b" + (n * MODULUS).to_bytes(11, "little") + b"N" for n in range(1, 60_000)
    )
    lines = b"".join(b"L%dL\nN" % (n * MODULUS) for n in range(1, 60_000))
    yield Case("integers of one hash as keys", whole(b"}(" + pairs + b"u"))
    yield Case("integers of one hash as keys, in words", whole(b"}(" + lines + b"u"))
    yield Case("integers of one hash in a set", whole(b"\x8f(" + keys + b"\x90"))
    yield Case("integers of one hash in a frozenset", whole(b"(" + keys + b"\x91"))
    yield Case("integers of one hash in a dict by marks", whole(b"(" + pairs + b"d"))
    number = b"\x8a\x05" + (10**10).to_bytes(5, "little")
    for name in ("bytes", "bytearray", "list", "tuple", "range"):
        yield Case(
            f"{name} of a number", whole(f"cbuiltins\n{name}\n".encode() + number + b"\x85R")
        )
    many = b"cbuiltins\nset\ncbuiltins\nrange\n" + number + b"\x85R\x85R"
    yield Case("a set of a range", whole(many))
    yield Case("a deque of a range", whole(many.replace(b"builtins\nset", b"collections\ndeque")))
    yield Case("a string, repeated", whole(b"coperator\nmul\n" + text("abc") + number + b"\x86R"))
    yield Case(
        "a fraction of a billion digits",
        whole(b"cfractions\nFraction\n" + text("1e999999999") + b"\x85R"),
    )
    yield Case("a power", whole(b"coperator\npow\nK\x09" + number + b"\x86R"))
    megabyte = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"\x94"
    copy = b"cbuiltins\nbytearray\nh\x00\x85R"
    yield Case("many copies of bytes", whole(megabyte + b"0](" + copy * 20_000 + b"e"))
    items = b"](" + b"K\x01" * 200_000 + b"e\x94"
    for name in ("builtins\nset", "collections\ndeque"):
        copy = f"c{name}\n".encode() + b"h\x00\x85R"
        yield Case(f"many copies by {name!r}", whole(items + b"0](" + copy * 20_000 + b"e"))
    wide = b"(" + b"K\x01" * 200_000 + b"t\x94"
    copy = b"ccollections\ndeque\nh\x00\x85R"
    yield Case("many copies of a tuple", whole(wide + b"0](" + copy * 20_000 + b"e"))
    copy = b"cbrinery.reference\nroot\nh\x00R0"
    yield Case("many roots of one tuple", whole(wide + copy * 20_000 + b"N"))
    long = text("a" * 1_000_000)
    yield Case("a long name", whole(long + long + b"\x93"))
    yield Case(
        "a long name, many times",
        whole(
            b"X"
            + struct.pack("<I", 1 << 20)
            + b"a" * (1 << 20)
            + b"\x94"
            + b"h\x00h\x00\x930" * 10_000
            + b"N"
        ),
    )


def broken() -> Iterator[Case]:
    """Yield payloads that are no pickles, cut off at each byte, or without what an opcode takes."""
    good = pickle.dumps({"a": [1, (2, "three")], 5: {1.5, None}}, 4)
    for end in range(len(good)):
        yield Case(f"the first {end} bytes", good[:end])
    for code in range(256):
        yield Case(f"the opcode {code:#x} alone", bytes((0x80, 4, code)))
        yield Case(f"the opcode {code:#x} on an empty stack", bytes((0x80, 4, code)) + b"....")
        yield Case(f"the opcode {code:#x} after a mark", b"\x80\x04(" + bytes((code,)) + b"\n\n\n.")
        yield Case(
            f"the opcode {code:#x} after numbers",
            b"\x80\x04NNN" + bytes((code, 0, 0)) + bytes(8) + b".",
        )


def controls() -> Iterator[Case]:
    """Yield honest payloads of the forms above; they load."""
    plain = b"c" + ALLOWED.encode() + b"\nPlain\n"
    yield Case("an object", whole(plain + b")\x81}" + text("value") + b"K\x05sb"))
    for how, body in calls(plain, b"K\x05").items():
        if how in (
            "REDUCE",
            "REDUCE, a tuple by marks",
            "OBJ",
            "root",
            "hashable_root",
            "root by OBJ",
            "root by INST",
            "thrown away",
            "in a container",
        ):
            yield Case(f"a call by {how}", whole(body))
    for how, body in names(ALLOWED, "Plain").items():
        if (
            how.startswith(
                (
                    "GLOBAL",
                    "STACK_GLOBAL of BIN",
                    "STACK_GLOBAL of UNI",
                    "STACK_GLOBAL of the",
                    "a global",
                )
            )
            or how == "named"
        ):
            yield Case(f"a class by {how}", whole(body))
    yield Case("deep lists", whole(b"]" * 100_000 + b"a" * 99_999))
    yield Case("many marks", whole(b"(" * 500_000 + b"1" * 500_000 + b"N"))
    yield Case(
        "lists that hold each other many times",
        whole(
            b"]\x94"
            + b"".join(b"]\x94(h" + bytes((n,)) + b"h" + bytes((n,)) + b"e" for n in range(100))
        ),
    )
    yield Case(
        "a number of many digits", whole(b"cdecimal\nDecimal\n" + text("1E+999999999") + b"\x85R")
    )
    yield Case(
        "large keys",
        whole(
            b"}("
            + b"".join(
                b"\x8a\x09" + (n * n * 1234567891 + 2**62).to_bytes(9, "little") + b"N"
                for n in range(20_000)
            )
            + b"u"
        ),
    )
