"""What a proof is, and the way in which most are made: save, load, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from brinery.codec import Codec
from brinery.errors import BrineryError, EncodeError
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.stores.memory import MemoryStore
from brinery.verify.isomorphism import assert_isomorphic

KEPT: Final = "kept"
REFUSED: Final = "refused"
CHANGED: Final = "CHANGED"
UNREADABLE: Final = "UNREADABLE"
"""Saved without an error, and an error when loaded."""
BY_REFERENCE: Final = "by reference"
YES: Final = "yes"
NO: Final = "no"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one codec does in one row of the table.

    `result` is a word for the table's cell, `evidence` says what was tried and seen.  `flag` is the field of
    `Capabilities` that promises this, if one does, and `holds` whether the promise would be true.
    """

    row: str
    result: str
    evidence: str
    flag: str | None = None
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """A result and its evidence, as a row finds them."""

    result: str
    evidence: str


def _same(first: Any, second: Any) -> None:
    assert_isomorphic(first, second)


def fate_of(
    codec: Codec,
    obj: Any,
    check: Callable[[Any, Any], None] = _same,
    *,
    kept: str = KEPT,
    evidence: str = "",
) -> Fate:
    """Save and load an object; `check` raises AssertionError if another came back."""
    with MemoryStore(codec=codec) as store:
        try:
            store.save(obj, "proof")
        except EncodeError as error:
            if store.list():
                return Fate(CHANGED, "the save was refused and left a record")
            return Fate(REFUSED, f"`{type(error).__name__}`")
        store.invalidate_cache()
        try:
            check(obj, store.load("proof"))
        except AssertionError as error:
            return Fate(CHANGED, f"saved, and came back different: {error}")
        except BrineryError as error:
            return Fate(UNREADABLE, f"saved without an error, and cannot be loaded: {error}")
        except Exception as error:  # noqa: BLE001 - what came back may fail in any way when it is used
            return Fate(CHANGED, f"saved, and what came back fails: {error!r}")
    return Fate(kept, evidence)


def worst(fates: Iterator[Fate]) -> Fate:
    """Return the first fate in order of badness."""
    order = (CHANGED, UNREADABLE, REFUSED, BY_REFERENCE, KEPT)
    return min(fates, key=lambda fate: order.index(fate.result))


def payload_of(codec: Codec, obj: Any) -> bytes:
    """Return the payload of an object that refers to no other."""
    with MemoryStore(codec=codec) as store:
        data, _ = store.backend.get(name_of(store.save(obj)))
        return bytes(parse(data).payload)
