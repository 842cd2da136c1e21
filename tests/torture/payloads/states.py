"""States, items and attributes of what is not the payload's own."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, call, name, stack_name, text, whole


def states() -> Iterator[Case]:
    """States on what is not the payload's own."""
    state = b"}" + text("__reduce__") + text("x") + b"s"
    pair = b"N" + state + b"\x86"
    for what, slot in {
        "a class": name(THINGS, "Plain"),
        "a class of the standard library": name("collections", "OrderedDict"),
        "a function": name(THINGS, "rebuild"),
        "a module": name("tests.trust", "things"),
        "a module by a dotted name": stack_name(THINGS, "os"),
        "the modules": name("sys", "modules"),
        "the encoder": name("_codecs", "encode"),
        "getattr": name("builtins", "getattr"),
        "a member of an enumeration": name("uuid", "SafeUUID.safe"),
        "a class by an attribute": call(
            name("builtins", "getattr"), name(THINGS, "Plain"), text("Inner")
        ),
    }.items():
        yield Case(f"state on {what}", whole(slot, state, b"b"))
        yield Case(f"slots on {what}", whole(slot, pair, b"b"))
        yield Case(f"item of {what}", whole(slot, text("a"), text("b"), b"s"))
        yield Case(f"append to {what}", whole(slot, text("a"), b"a"))
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


def escaping() -> Iterator[Case]:
    """Yield payloads that change what is admitted, or get at what is not, without a call of theirs."""
    plain = name(THINGS, "Plain")
    harm = b"}" + text("harm") + b"\x88s"
    for what, target in {
        "a class": plain,
        "a module": stack_name(THINGS, "os"),
        "a list of a module": stack_name(THINGS, "calls"),
        "a class from the memo": plain + b"q\x000h\x00",
        "a class, twice on the stack": plain + b"2",
        "the dictionary of a class": stack_name(THINGS, "Plain.__dict__"),
        "the globals of a function": stack_name(THINGS, "rebuild.__globals__"),
        "the globals of a method": stack_name(THINGS, "Plain.method.__globals__"),
        "the main module of dill": b"cbuiltins\n__main__\n",
        "the main module of dill, as of Python 2": b"c__builtin__\n__main__\n",
        "another record": b"cbrinery.reference\nexternal\n" + text("other") + b"\x85R",
        "a member": stack_name(THINGS, "Colour.RED"),
    }.items():
        yield Case(f"a state set on {what}", whole(target + harm + b"b"))
        yield Case(f"slots set on {what}", whole(target + b"N" + harm + b"\x86b"))
        yield Case(f"an item set on {what}", whole(target + text("harm") + b"\x88s"))
        yield Case(f"items set on {what}", whole(target + b"(" + text("harm") + b"\x88u"))
        yield Case(f"an item appended to {what}", whole(target + text("harm") + b"a"))
        yield Case(f"items appended to {what}", whole(target + b"(" + text("harm") + b"e"))
        yield Case(f"elements added to {what}", whole(target + b"(" + text("harm") + b"\x90"))
    for attribute in (
        "__init__.__globals__",
        "__class__",
        "__subclasses__",
        "__reduce_ex__",
        "__mro__",
    ):
        yield Case(f"Plain.{attribute}", whole(stack_name(THINGS, f"Plain.{attribute}")))
        getter = b"cbuiltins\ngetattr\n" + plain + text(attribute.partition(".")[0]) + b"\x86R"
        yield Case(f"getattr(Plain, {attribute})", whole(getter))
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
    yield Case("PERSID", whole(b"Pharm\n", protocol=0))
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
