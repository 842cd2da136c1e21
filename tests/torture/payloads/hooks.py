"""Values that are hung on objects under the names of methods that an unpickler calls to fill an object."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, call, name, old_text, pack, short_text, text, whole

_HARM = name(THINGS, "Noting")
_CALLED = {
    "__setstate__": text("harm") + b"b",
    "append": text("harm") + b"a",
    "extend": b"(" + text("harm") + text("harm") + b"e",
    "add": b"(" + text("harm") + b"\x90",
}
"""What calls the method of each name, with an argument."""


def hooks() -> Iterator[Case]:
    """Yield payloads that call an admitted class without a call of their own."""
    objects = {
        "an object": name(THINGS, "Plain") + b")\x81",
        "a namespace": name("types", "SimpleNamespace") + b")R",
        "an ordered dict": name("collections", "OrderedDict") + b")R",
        "a list of its own": name(THINGS, "Numbers") + b")\x81",
        "an exception": name("builtins", "ValueError") + b")R",
        "a root": call(name("brinery.reference", "new_root"), name(THINGS, "Plain")),
    }
    for method, use in _CALLED.items():
        for what, made in objects.items():
            hung = b"}" + text(method) + _HARM + b"s"
            yield Case(f"{method} of {what}", whole(made + hung + b"b" + use))
            slots = b"N" + hung + b"\x86b"
            yield Case(f"{method} of {what}, as a slot", whole(made + slots + use))
            kept = made + b"q\x00" + hung + b"b0h\x00" + use
            yield Case(f"{method} of {what}, from the memo", whole(kept))
        yield from _names(method, objects["an object"], use)
        yield from _mappings(method, objects["an object"], use)
        yield from _before(method, use)


def _names(method: str, made: bytes, use: bytes) -> Iterator[Case]:
    # Ways to write the name.
    escaped = f"\\u{ord(method[0]):04x}" + method[1:]
    quoted = f"S'\\x{ord(method[0]):02x}{method[1:]}'\n".encode()
    for how, key in {
        "a short string": short_text(method),
        "a line": old_text(method),
        "a line with an escape": old_text(escaped),
        "a string in quotes": f"S'{method}'\n".encode(),
        "a string with an escape": quoted,
        "a short string of Python 2": b"U" + bytes((len(method),)) + method.encode(),
        "an ID": call(name("brinery.ids", "Id"), text(method)),
        "a string from the memo": text(method) + b"q\x050h\x05",
    }.items():
        yield Case(f"{method} as {how}", whole(made + b"}" + key + _HARM + b"sb" + use))


def _mappings(method: str, made: bytes, use: bytes) -> Iterator[Case]:
    # Ways to make the state.
    pair, key = pack(text(method), _HARM), text(method)
    callee = name(THINGS, "Called") + b")\x81"
    member = b"cbrinery.reference\nexternal\n" + text("other") + b"\x85R"
    for how, state in {
        "by SETITEMS": b"}(" + key + _HARM + b"u",
        "by DICT": b"(" + key + _HARM + b"d",
        "with others": b"}(" + text("a") + b"N" + key + _HARM + text("b") + b"Nu",
        "filled in the memo": b"}q\x070h\x07" + key + _HARM + b"s0h\x07",
        "as an ordered dict": call(name("collections", "OrderedDict"), b"](" + pair + b"e"),
        "as an ordered dict of tuples": call(name("collections", "OrderedDict"), pack(pair)),
        "as a Counter": call(name("collections", "Counter"), b"}" + key + _HARM + b"s"),
        "by a reconstructor": call(
            name("copyreg", "_reconstructor"),
            name("collections", "OrderedDict"),
            name("builtins", "dict"),
            b"](" + pair + b"e",
        ),
        "of an object that can be called": b"}" + key + callee + b"s",
        "of one from the memo": callee + b"q\x070}" + key + b"h\x07s",
        "of another record": b"}" + key + member + b"s",
    }.items():
        yield Case(f"{method}, a state {how}", whole(made + state + b"b" + use))
        yield Case(f"{method}, slots {how}", whole(made + b"N" + state + b"\x86b" + use))


def _before(method: str, use: bytes) -> Iterator[Case]:
    # Set when the object is made.
    state = b"}" + text(method) + _HARM + b"s"
    namespace = call(name("types", "SimpleNamespace"), state)
    yield Case(f"{method} of a namespace of a dict", whole(namespace + use))
    root = call(name("brinery.reference", "hashable_root"), state, name(THINGS, "Plain"))
    yield Case(f"{method} as an early attribute", whole(root + use))
