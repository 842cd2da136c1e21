"""What costs more than it has bytes is refused before anything of it is decoded."""

from __future__ import annotations

import collections
import pickle
import struct
from typing import Any

import msgpack
import pytest
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, call, name, pack, text, whole
from tests.trust.things import Numbers, Plain

from brinery import DecodeError, MemoryStore, Trust, TrustError
from brinery_codecs._pickle.analysis.scan import scan

N = 1_500
HEAVY = b")\x85" + b"2\x86" * 20


def nested(maker: bytes, step: bytes) -> bytes:
    """Return a pickle of objects of what `maker` pushes in each other; h0 is the maker, h1 the inner one."""
    return whole(maker, b"q\x000N", (b"q\x01" + step) * N)


IN_EACH_OTHER = {
    "slices": nested(name("builtins", "slice"), b"h\x00h\x01\x85R"),
    "deques": nested(name("collections", "deque"), b"h\x00)Rh\x01a"),
    "deques by APPENDS": nested(name("collections", "deque"), b"h\x00)R(h\x01e"),
    "deques, the outer one first": whole(
        name("collections", "deque"), b"q\x00)Rq\x02", b"h\x00)Rq\x01ah\x01" * N
    ),
    "errors": nested(name("builtins", "OSError"), b"h\x00K\x01Nh\x01\x87R"),
    "states of errors": nested(name("builtins", "ImportError"), b"h\x00)R}X\x04\0\0\0nameh\x01sb"),
    "slices of tuples of slices": nested(name("builtins", "slice"), b"h\x00h\x01\x85\x85R"),
}


@pytest.mark.parametrize("payload", IN_EACH_OTHER.values(), ids=IN_EACH_OTHER)
def test_what_python_frees_by_recursion_is_not_deep(payload: bytes) -> None:
    """To free some ten thousand slices, deques or exceptions in each other ends the process."""
    with pytest.raises(TrustError, match="1000"):
        scan(payload, lambda *_: True)


@pytest.mark.thorough
def test_what_is_wide_is_not_deep() -> None:
    """Many in a list or in one deque are as good as ever; so is a cycle."""
    ring: Any = collections.deque()
    ring.append([ring])
    value = [
        [slice(n) for n in range(5_000)],
        collections.deque(collections.deque([n]) for n in range(5_000)),
        [OSError(2, "text", "file") for _ in range(5_000)],
        slice(slice(1), (2, slice(3))),
        ring,
    ]
    for protocol in range(6):
        store = MemoryStore(codec="pickle", protocol=protocol, trust=Trust(classes=()))
        store.save(value, "value")
        store.invalidate_cache()
        found = store.load("value")
        assert found[:2] == value[:2]
        assert len(found[2]) == 5_000
        assert found[3] == value[3]
        assert found[4][0][0] is found[4]


@pytest.mark.parametrize("way", [b"h\x00Ns", b"(h\x00Nu"], ids=["SETITEM", "SETITEMS"])
def test_heavy_keys_are_counted_each_time(way: bytes) -> None:
    """To hash a tuple takes as long as the way through it, and a byte names it again."""
    payload = whole(HEAVY, b"q\x000}", way * 10_000)
    with pytest.raises(TrustError, match="reach too many items"):
        scan(payload, lambda *_: True)


@pytest.mark.parametrize(
    "maker",
    ["builtins:set", "builtins:frozenset", "collections:Counter", "collections:OrderedDict"],
)
@pytest.mark.parametrize(
    "listed", [b"]" + b"h\x00a" * 5_000, b"](" + b"h\x00" * 5_000 + b"e", b"(" + b"h\x00" * 5_000 + b"l"]
)  # fmt: skip
def test_heavy_items_of_lists_are_counted_where_they_become_keys(maker: str, listed: bytes) -> None:
    """Each of them is hashed; the same list alone is only a list."""
    payload = whole(HEAVY, b"q\x000", name(*maker.split(":")), listed, b"\x85R")
    with pytest.raises(TrustError, match="reach too many items"):
        scan(payload, lambda *_: True)
    scan(whole(HEAVY, b"q\x000", listed), lambda *_: True)


@pytest.mark.parametrize("maker", ["set", "frozenset"])
def test_equal_hashes_are_counted_in_lists_too(maker: str) -> None:
    """A list becomes a set by a call, as below protocol 4."""
    numbers = b"".join(pickle.dumps(n * (2**61 - 1), 2)[2:-1] for n in range(2, 2_000))
    listed = b"](" + numbers + b"e"
    with pytest.raises(TrustError, match="one hash"):
        scan(whole(call(name("builtins", maker), listed)), lambda *_: True)


@pytest.mark.parametrize(
    "callee",
    ["ipaddress:IPv4Address", "ipaddress:IPv6Network", "uuid:SafeUUID", "zoneinfo:ZoneInfo"],
)
def test_what_tells_what_it_got_gets_text_and_numbers(callee: str) -> None:
    """An error that shows a list which holds itself over and over has no end."""
    module, _, qualname = callee.partition(":")
    lists = b"]q\x00" + b"]h\x00ah\x00aq\x00" * 60
    with pytest.raises(TrustError, match="neither text nor number"):
        scan(whole(name(module, qualname) + pack(lists) + b"R"), lambda *_: True)
    scan(whole(call(name(module, qualname), text("a"))), lambda *_: True)


ZEROS = pickle.dumps(8 * 10**9, 2)[2:-1]
LONG = text("1e20000000")
SLICE = name("builtins", "slice") + b"(K\x00K\x00tRq\x01"
BYTEARRAY = b"\x96" + struct.pack("<Q", 1) + b"x"


def with_keywords(module: str, qualname: str, **values: bytes) -> dict[str, bytes]:
    """Return ways to make an object with keywords."""
    keywords = b"}" + b"".join(text(key) + value + b"s" for key, value in values.items())
    callee, new = name(module, qualname), name("copyreg", "__newobj_ex__")
    return {
        f"NEWOBJ_EX of {qualname}": callee + b")" + keywords + b"\x92",
        f"__newobj_ex__ of {qualname}": call(new, callee, b")", keywords),
    }


def reconstructed(module: str, qualname: str, state: bytes, cls: bytes = b"") -> bytes:
    """Return the call that old protocols have for subclasses of a builtin class."""
    base = name(module, qualname)
    return call(name("copyreg", "_reconstructor"), cls or base, base, state)


MINE = name("tests.trust.things", "Numbers")
LARGE = {
    **with_keywords("builtins", "bytes", source=ZEROS),
    **with_keywords("fractions", "Fraction", numerator=LONG),
    "bytes": reconstructed("builtins", "bytes", ZEROS),
    "bytes of mine": reconstructed("builtins", "bytes", ZEROS, MINE),
    "bytearray": reconstructed("builtins", "bytearray", ZEROS, MINE),
    "Fraction": reconstructed("fractions", "Fraction", LONG, MINE),
    "a list by SETITEM": b"]q\x00Na" + SLICE + b"0" + b"h\x01h\x00s" * 40,
    "a list by SETITEMS": b"]q\x00Na" + SLICE + b"0(" + b"h\x01h\x00" * 40 + b"u",
    "a list of protocol 0": b"(Nlq\x00" + SLICE + b"0" + b"h\x01h\x00s" * 40,
    "a list from the memo": b"]q\x00Na0" + SLICE + b"0h\x00" + b"h\x01h\x00s" * 40,
    "a list twice on the stack": b"]Na2q\x00" + SLICE + b"0" + b"h\x01h\x00s" * 40,
    "a list of a call": reconstructed("builtins", "list", b")")
    + b"q\x00Na"
    + SLICE
    + b"0"
    + b"h\x01h\x00s" * 40,
    "a list of mine": MINE + b")\x81q\x00Na" + SLICE + b"0" + b"h\x01h\x00s" * 40,
    "a bytearray": BYTEARRAY + b"q\x00" + SLICE + b"0" + b"h\x01h\x00s" * 40,
    "an empty bytearray": call(name("builtins", "bytearray"))
    + b"q\x00K\x00a"
    + SLICE
    + b"0"
    + b"h\x01h\x00s" * 40,
    "a list, by a record that is a slice": b"]q\x00Na"
    + call(name("brinery.reference", "external"), text("slice"))
    + b"q\x010"
    + b"h\x01h\x00s" * 40,
    "states": b"}q\x00("
    + b"".join(text(f"{n}") + b"N" for n in range(2_000))
    + b"u0"
    + name("types", "SimpleNamespace")
    + b"q\x010]("
    + b"h\x01)Rh\x00b" * 2_000
    + b"e",
    "states with slots": b"}q\x00("
    + b"".join(text(f"{n}") + b"N" for n in range(2_000))
    + b"u0"
    + name("types", "SimpleNamespace")
    + b"q\x010]("
    + b"h\x01)RNh\x00\x86b" * 2_000
    + b"e",
    "states by DUP": name("collections", "OrderedDict")
    + b")R("
    + b"".join(text(f"{n}") + b"N" for n in range(2_000))
    + b"u"
    + b"2b" * 2_000,
    "arguments": b"]q\x00("
    + b"N" * 100_000
    + b"e0"
    + name("builtins", "ValueError")
    + b"q\x010]("
    + b"".join(b"h\x01)R}" + text("args") + b"h\x00sb" for _ in range(900))
    + b"e",
    "escaped arguments": b"]q\x00("
    + b"N" * 100_000
    + b"e0"
    + name("builtins", "ValueError")
    + b"q\x010]("
    + b"h\x01)R}V\\u0061rgs\nh\x00sb" * 900
    + b"e",
}


@pytest.mark.parametrize("pushed", LARGE.values(), ids=LARGE)
def test_what_becomes_large_is_refused(pushed: bytes) -> None:
    """Gigabytes of some hundred bytes, or of some hundred kilobytes, without a function being named."""
    with pytest.raises(TrustError):
        scan(whole(pushed), lambda *_: True)


def test_what_is_no_bomb_is_admitted_in_every_protocol() -> None:
    """States that several objects share, exceptions with attributes, subclasses of builtin classes."""
    shared = {"a": 1}
    twins = [Plain() for _ in range(1_000)]
    for twin in twins:
        twin.__dict__ = shared
    error = ValueError("args", [1])
    error.args_of_mine = "args"  # type: ignore[attr-defined]
    value = [twins, error, Numbers([1, 2]), bytearray(b"abc"), bytearray(), {error: slice(2)}]
    for protocol in range(6):
        store = MemoryStore(
            codec="pickle", protocol=protocol, trust=Trust(classes=["tests.trust.things.*"])
        )
        store.save(value, "value")
        store.invalidate_cache()
        found = store.load("value")
        assert found[0][0].a == 1
        assert found[1].args == ("args", [1])
        assert found[2:5] == value[2:5]
        assert type(found[2]) is Numbers
        assert list(found[5].values()) == [slice(2)]


@pytest.mark.parametrize("opening", [b"\x81\xc0", b"\x91", b"\xdc\xff\xff"], ids=repr)
def test_the_place_of_a_failure_is_not_sought_for_ever(opening: bytes) -> None:
    """Each level of a payload of msgpack has a longer path than the one around it."""
    store = MemoryStore()
    store.backend.put("victim", forged(Case("deep", opening * 300_000), "msgpack"))
    with pytest.raises(DecodeError) as caught:
        store.load("victim")
    assert len(str(caught.value)) < 4_000


def test_a_claim_of_msgpack_is_not_believed() -> None:
    """Four billion items in nine bytes."""
    store = MemoryStore()
    payload = b"\xdd" + struct.pack(">I", 2**32 - 1) + msgpack.packb([1])
    store.backend.put("victim", forged(Case("claim", payload), "msgpack"))
    with pytest.raises(DecodeError):
        store.load("victim")
