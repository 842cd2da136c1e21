"""Proofs of graphs: references, cycles, shared objects, depth."""

from __future__ import annotations

from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import EncodeError
from brinery.stores.memory import MemoryStore
from brinery.testing.kinds import KINDS
from brinery.testing.proofs.kinds import first_loss, reference_loss
from brinery.testing.proofs.proof import CHANGED, KEPT, REFUSED, UNREADABLE, Fate, fate_of, worst
from brinery.testing.samples import Node
from brinery.verify.depth import greatest_depth, has_depth_of, linked, nested

DEPTHS: Final = (100, 1_000, 10_000, 100_000)
"""The depths that are tried; a codec that keeps the last may keep more."""


def references_row(codec: Codec) -> Fate:
    """Save an object that refers to a persistable one."""
    node = Node("one")
    with MemoryStore(codec=codec) as store:
        # Any codec can refer to an object, also one that cannot hold it: that has a record of its own.
        id_ = store.save(node, codec="pickle")
        try:
            holder = store.save({"a": [node], "b": node})
        except EncodeError:
            result = REFUSED if store.list() == [id_] else CHANGED
            return Fate(result, "`EncodeError`")
        listed = store.info(holder).references == (id_,)
        store.invalidate_cache()
        found = store.load(holder)
        if listed and found["b"] is found["a"][0] is store.load(id_) and found["b"].label == "one":
            kept = Fate(KEPT, "a persistable object of any kind is written as its ID")
            return first_loss((reference_loss(codec, kind) for kind in KINDS), kept)
    return Fate(CHANGED, "a persistable object was not written as a reference")


def cycles_row(codec: Codec) -> Fate:
    """Save a list and a dict that contain themselves."""
    a_list: list[Any] = [1]
    a_list.append({"list": a_list})
    a_dict: dict[str, Any] = {}
    a_dict["list"] = [a_dict, a_dict]
    return worst(
        fate_of(codec, obj, evidence="a list and a dict that contain themselves")
        for obj in (a_list, a_dict)
    )


def shared_row(codec: Codec) -> Fate:
    """Save objects that are in two places."""

    def twice(obj: Any) -> Any:
        return {"one": obj, "two": [obj]}

    objects: list[Any] = [[], {}, [1, {}]]
    return worst(
        fate_of(codec, twice(obj), evidence="one list, and one dict, in two places of a record")
        for obj in objects
    )


def depth_row(codec: Codec) -> Fate:
    """Save deeper and deeper objects."""

    def keeps(obj: Any) -> bool | None:
        result = fate_of(codec, obj, _same_depth).result
        return None if result in (CHANGED, UNREADABLE) else result == KEPT

    found = [greatest_depth(keeps, make, DEPTHS) for make in (nested, linked)]
    if None in found:
        return Fate(CHANGED, "a deep object was saved and did not come back")
    texts = [f"{n:,}" + "+" * (n == DEPTHS[-1]) if n else REFUSED for n in found]
    return Fate(" / ".join(texts), "lists inside each other / a linked list of instances")


def _same_depth(first: Any, second: Any) -> None:
    assert has_depth_of(first, second)
