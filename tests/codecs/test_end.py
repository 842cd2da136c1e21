"""Bytes behind the end of a payload are refused, by every codec and nearly every way that a payload is read.

Where an opening was replaced, they are ignored, unless a policy restricts what is read: see
docs/design/decisions.md.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from tests.trust.things import Plain, Point, Task

from brinery import DecodeError, MemoryStore, Persistable, Trust, TrustError, upgrades
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.testing.proofs.promises import forge
from brinery.testing.samples import Key

WITH_OPENINGS = ("pickle:4", "pickle:5", "cloudpickle")
CODECS = ["msgpack", "json", "cloudpickle", "dill", *(f"pickle:{n}" for n in range(6))]
BEHIND = {
    "a byte": b"\0",
    "text": b"and more",
    "another pickle": pickle.dumps([2]),
    "a pickle of protocol 0": b"I2\n.",
    "the end once more": b".",
    "a value": b"\x01",
}


def store_of(codec: str, trust: Any = None) -> MemoryStore:
    name, _, protocol = codec.partition(":")
    options: dict[str, Any] = {"protocol": int(protocol)} if protocol else {}
    return MemoryStore(codec=name, trust=trust, **options)


def lengthen(store: MemoryStore, id_: str, behind: bytes) -> None:
    """Put bytes behind the payload of a record."""
    payload = bytes(parse(store.backend.get(name_of(id_))[0]).payload)
    forge(store, id_, payload + behind)


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("codec", CODECS)
def test_bytes_behind_data_are_refused(codec: str, behind: str) -> None:
    """Small data, and data of more than one frame."""
    for data in ([1, "text"], {"many": ["x" * 1000] * 200, "large": "y" * 200_000}):
        with store_of(codec) as store:
            id_ = store.save(data)
            lengthen(store, id_, BEHIND[behind])
            with pytest.raises(DecodeError) as caught:
                store.load(id_)
            assert caught.value.id == id_
            assert caught.value.object_path is None


OBJECTS: dict[str, Callable[[], Any]] = {
    "a plain object": lambda: [Plain(1)],
    "a persistable object": lambda: Task("a"),
    "one that hashes by value": lambda: Key("a"),
    "many in one record": lambda: Task("a", *[Plain(n) for n in range(10_000)]),
    "frozen": lambda: [Point(1, 2)],
}


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec not in ("msgpack", "json")])
@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("behind", BEHIND)
def test_bytes_behind_an_object_are_refused(codec: str, kind: str, behind: str) -> None:
    """Under a policy before anything is decoded."""
    with store_of(codec) as store:
        id_ = store.save(OBJECTS[kind]())
        lengthen(store, id_, BEHIND[behind])
        if kind == "a persistable object" and codec in WITH_OPENINGS:
            assert vars(store.load(id_)) == vars(OBJECTS[kind]())
        else:
            with pytest.raises(DecodeError, match="bytes follow the end of the pickle"):
                store.load(id_)
        admitting = MemoryStore(trust=Trust(classes=["tests.*", "brinery.testing.*"]))
        admitting.backend.put(name_of(id_), store.backend.get(name_of(id_))[0])
        with pytest.raises(TrustError, match="bytes follow its end"):
            admitting.load(id_)


class Ring(Persistable):
    """An object in a cycle of records, with a constructor."""

    next: Ring

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return Ring, (["made again"],), vars(self)


@pytest.mark.parametrize("protocol", [3, 5])
def test_bytes_behind_an_object_of_a_cycle_are_refused(protocol: int) -> None:
    """Its record is decoded in two steps."""
    with MemoryStore(protocol=protocol) as store:
        one, two = Ring([]), Ring([])
        one.next, two.next = two, one
        ids = store.save_many([one, two])
        for id_ in ids:
            payload = bytes(parse(store.backend.get(name_of(id_))[0]).payload)
            forge_in_cycle(store, id_, payload + pickle.dumps(1), [ids[0], ids[1]])
        del one, two
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="bytes follow the end of the pickle"):
            store.load(ids[0])


def forge_in_cycle(store: MemoryStore, id_: str, payload: bytes, others: list[Any]) -> None:
    from brinery.record.record import new_metadata
    from brinery.record.writer import build

    metadata = new_metadata(
        id=id_,
        codec="pickle",
        config={},
        codec_version="1",
        protocol=5,
        class_name="builtins:object",
        references=[str(each) for each in others if each != id_],
        payload=[payload],
    )
    store.backend.put(name_of(id_), b"".join(build(metadata, [payload])))


class Old(Persistable):
    """A class that got a second version."""

    def __init__(self) -> None:
        self.a = 1


def test_bytes_behind_an_old_state_are_refused() -> None:
    """A record that is upgraded is read in another way."""
    with MemoryStore() as store:
        id_ = store.save(Old())
        lengthen(store, id_, b"more")
        upgrades(Old, to=2)(lambda state: {**state, "b": 2})
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="bytes follow the end of the pickle"):
            store.load(id_)
