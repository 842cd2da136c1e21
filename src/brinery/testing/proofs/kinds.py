"""Proofs of objects that a serializer may encode by itself: see `brinery.testing.kinds`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import BrineryError, EncodeError
from brinery.stores.memory import MemoryStore
from brinery.testing.kinds import KINDS
from brinery.testing.proofs.proof import CHANGED, UNREADABLE, Fate, fate_of

_CURE: Final = (
    "The serializer below the codec knows objects of this kind and does not ask its hook: look at each "
    "object, also inside containers, before the serializer gets it"
)


def reference_loss(codec: Codec, kind: str) -> str:
    """Return what a codec loses of a persistable object of a kind inside another object; "" if nothing.

    The object is in a list, is a value of a dict and, if it can be, its key.  As a key it may be refused.
    """
    obj = KINDS[kind].persistable()
    with MemoryStore(codec=codec) as store:
        # Any codec can refer to an object, also one that cannot hold it: that has a record of its own.
        id_ = store.save(obj, codec="pickle")
        try:
            store.save({"list": [obj], "value": obj}, "holder")
        except EncodeError as error:
            return f"a reference to a persistable object, {_named(obj, kind)}, is refused: {error}"
        try:
            if _is_hashable(obj):
                store.save({obj: 1}, "keys")
        except EncodeError:
            pass
        store.invalidate_cache()
        try:
            for holder, place, found in _found(store):
                if found is not store.load(id_):
                    return (
                        f"a persistable object, {_named(obj, kind)}, {place} is written in place and not "
                        f"as the reference {id_!r}: it came back as {type(found).__name__} "
                        f"{found!r:.60}, and its class and identity are lost. {_CURE}"
                    )
                if store.info(holder).references != (id_,):
                    return f"the record of an object that refers to {id_!r} does not list that reference"
        except BrineryError as error:
            return f"a reference to {_named(obj, kind)}, was saved and cannot be loaded: {error}"
    return ""


def _found(store: MemoryStore) -> Iterator[tuple[str, str, Any]]:
    held = store.load("holder")
    yield "holder", "in a list", held["list"][0]
    yield "holder", "that is a value of a dict", held["value"]
    if "keys" in store:
        yield "keys", "that is a key of a dict", next(iter(store.load("keys")))


def value_loss(codec: Codec, kind: str) -> str:
    """Return what a codec changes of an object of a kind that it writes in place; "" if nothing.

    The object is the root, persistable or not, or it is in a list or a dict.  It may be refused.
    """
    persistable, plain = KINDS[kind].persistable(), KINDS[kind].plain()
    objects: list[tuple[str, Any]] = [
        ("as the root", persistable),
        ("as the root", plain),
        ("in a list", [plain]),
        ("as a value of a dict", {"value": plain}),
    ]
    if _is_hashable(plain):
        objects.append(("as a key of a dict", {plain: 1}))
    for place, obj in objects:
        fate = fate_of(codec, obj)
        if fate.result in (CHANGED, UNREADABLE):
            which = persistable if obj is persistable else plain
            return f"an object, {_named(which, kind)}, {place}: {fate.evidence}. {_CURE}"
    return ""


def _is_hashable(obj: Any) -> bool:
    # Not isinstance(obj, Hashable): a Struct has a `__hash__` that raises.
    try:
        hash(obj)
    except TypeError:
        return False
    return True


def _named(obj: Any, kind: str) -> str:
    return f"{type(obj).__name__}, of the kind {kind!r}"


def first_loss(losses: Iterable[str], fate: Fate) -> Fate:
    """Return `fate`, or the first loss as one."""
    return next((Fate(CHANGED, loss) for loss in losses if loss), fate)
