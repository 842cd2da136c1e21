"""States, items and attributes of objects that the payload did not make."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, call, name, stack_name, text, whole

GETATTR = name("builtins", "getattr")
OR = name("_operator", "or_")
ROOT = name("brinery.reference", "root")
READ = call(GETATTR, name(THINGS, "Rights"), text("READ"))


def states() -> Iterator[Case]:
    """States for objects that the payload did not make."""
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
        "getattr": GETATTR,
        "a member of an enumeration": name("uuid", "SafeUUID.safe"),
        "a class by an attribute": call(GETATTR, name(THINGS, "Plain"), text("Inner")),
    }.items():
        yield Case(f"state on {what}", whole(slot, state, b"b"))
        yield Case(f"slots on {what}", whole(slot, pair, b"b"))
        yield Case(f"item of {what}", whole(slot, text("a"), text("b"), b"s"))
        yield Case(f"append to {what}", whole(slot, text("a"), b"a"))
    yield Case("a member that is called", whole(call(READ)))
    yield Case(
        "a member that is not there", whole(call(GETATTR, name(THINGS, "Rights"), text("RUN")))
    )
    yield Case(
        "an attribute of members alone", whole(call(GETATTR, name(THINGS, "Rights"), text("name")))
    )
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
    """Yield payloads that change admitted objects, or reach others, without a call of their own."""
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
        "a member by name": call(GETATTR, name(THINGS, "Colour"), text("RED")),
        "a member by value": call(name(THINGS, "Colour"), b"K\x01"),
        "a member by value, by NEWOBJ": name(THINGS, "Colour") + b"K\x01\x85\x81",
        "a member by value, by OBJ": b"(" + name(THINGS, "Colour") + b"K\x01o",
        "a member by value, by __newobj__": call(
            name("copyreg", "__newobj__"), name(THINGS, "Colour"), b"K\x01"
        ),
        "a member by value, as a root": call(ROOT, name(THINGS, "Colour"), b"K\x01"),
        "a member by value, from the memo": call(name(THINGS, "Colour"), b"K\x01") + b"q\x000h\x00",
        "flags by value": call(name(THINGS, "Rights"), b"K\x03"),
        "a member of the standard library": call(name("uuid", "SafeUUID"), b"K\x00"),
        "a member as a root": call(ROOT, GETATTR, name(THINGS, "Colour"), text("RED")),
        "flags": call(OR, READ, READ),
        "flags as a root": call(ROOT, OR, READ, READ),
        "the function that combines flags": OR,
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
        getter = call(GETATTR, plain, text(attribute.partition(".")[0]))
        yield Case(f"getattr(Plain, {attribute})", whole(getter))
    instance = plain + b")\x81"
    yield Case(
        "getattr of an object",
        whole(call(GETATTR, instance, text("__class__"))),
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
    yield from _members()


def _members() -> Iterator[Case]:
    # Values that look like a member of an enumeration, or like combined flags, and are not.
    colour, plain, numbers = (name(THINGS, each) for each in ("Colour", "Plain", "Numbers"))
    for attribute in (
        *("mro", "_member_map_", "_value2member_map_", "_missing_", "_generate_next_value_"),
        *("__members__", "__class__", "__base__", "__new__", "__reduce_ex__", "__dict__", "__module__"),
    ):  # fmt: skip
        yield Case(f"getattr(Colour, {attribute})", whole(call(GETATTR, colour, text(attribute))))
        yield Case(f"named Colour.{attribute}", whole(stack_name(THINGS, f"Colour.{attribute}")))
    base = call(GETATTR, numbers, text("__base__"))
    yield Case("what a class is derived from", whole(base))
    yield Case("what a class is derived from, called", whole(call(base, b"]")))
    yield Case("getattr of a member", whole(call(GETATTR, READ, text("_value_"))))
    yield Case("getattr of flags", whole(call(GETATTR, call(OR, READ, READ), text("_value_"))))
    yield Case("flags are called", whole(call(call(OR, READ, READ))))
    root = call(ROOT, plain)
    member = call(ROOT, GETATTR, plain, text("Inner"))
    yield Case("a second root is called", whole(root, b"0", call(member)))
    yield Case("a second root makes an object", whole(root, b"0", member, b")\x81"))
    early = b"}" + text("harm") + b"\x88s"
    for what, made in {
        "a member": (colour, b"K\x01"),
        "a member by name": (GETATTR, colour, text("RED")),
        "flags": (OR, READ, READ),
        "a member of the standard library": (name("uuid", "SafeUUID"), b"K\x00"),
    }.items():
        hashable = call(name("brinery.reference", "hashable_root"), early, *made)
        yield Case(f"early attributes of {what}", whole(hashable))
    instance, mode = plain + b")\x81", call(GETATTR, name(THINGS, "Modes"), text("READ"))
    for what, operands in {
        "dicts": (b"}", b"}"),
        "dicts from the memo": (b"}q\x00", b"h\x00"),
        "sets": (b"\x8f", b"\x8f"),
        "frozensets": (b"(\x91", b"(\x91"),
        "numbers": (b"K\x01", b"K\x02"),
        "a number and None": (b"K\x01", b"N"),
        "classes": (colour, colour),
        "a class and None": (plain, b"N"),
        "objects": (instance, instance),
        "counters": (name("collections", "Counter") + b")R",) * 2,
        "members that are no flags": (call(GETATTR, colour, text("RED")),) * 2,
        "flags of two classes": (READ, mode),
        "flags and an object": (READ, instance),
        "an object and flags": (instance, READ),
        "flags and text": (READ, text("WRITE")),
        "flags and a truth value": (mode, b"\x88"),
        "flags and their class": (READ, name(THINGS, "Rights")),
        "flags of many bits": (mode, b"\x8b" + (1000).to_bytes(4, "little") + b"\x7f" * 1000),
        "other functions": (GETATTR, GETATTR),
        "itself": (OR, OR),
        "flags alone": (READ,),
        "flags, three of them": (READ, READ, READ),
        "nothing": (),
    }.items():
        yield Case(f"combined: {what}", whole(call(OR, *operands)))
        yield Case(f"combined as a root: {what}", whole(call(ROOT, OR, *operands)))
        yield Case(f"combined by NEWOBJ: {what}", whole(OR, b"(", *operands, b"t\x81"))
    yield Case("combined: a list of flags", whole(OR, b"](", READ, READ, b"e", b"R"))
    yield Case("combined under another name", whole(call(name("operator", "or_"), READ, READ)))
    yield Case("combined in place", whole(call(name("_operator", "ior"), READ, READ)))
    reduce = name("functools", "reduce")
    yield Case("combined by reduce", whole(call(reduce, OR, b"(" + READ + READ + b"t")))
