"""How much of a graph came back, found by comparing it with the saved one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from brinery.backend import Put
from brinery.bench.nodes import nodes_of
from brinery.bench.result import Fidelity
from brinery.codec import Codec
from brinery.errors import BrineryError, EncodeError, VerificationError
from brinery.session.session import Session
from brinery.stores.memory import MemoryStore
from brinery.verify.depth import greatest_depth, has_depth_of, linked, nested
from brinery.verify.description import Line, described, difference
from brinery.verify.fresh_process import FreshProcess
from brinery.verify.isomorphism import SharingError, assert_isomorphic
from brinery.verify.memory import lost_views
from brinery.verify.parts import is_by_name

DEPTHS: Final = (100, 1_000, 10_000)
"""The depths that are tried in a run of ordinary size."""
_SHOWN: Final = 300  # characters of an explanation


def compared(first: Sequence[Any], second: Sequence[Any]) -> Fidelity:
    """Compare the roots of a graph with those that came back: values first, then sharing."""
    if any(one is other and not is_by_name(one) for one, other in zip(first, second, strict=True)):
        loss = "the codec returned the saved object itself, not one made from the record"
        return Fidelity(equal=False, identity=False, losses=(loss,))
    try:
        assert_isomorphic(list(first), list(second))
    except SharingError as error:
        return _without_identity(first, second, error)
    except AssertionError as error:
        return Fidelity(equal=False, identity=None, losses=(f"changed {_short(error)}",))
    except Exception as error:  # noqa: BLE001 - a faulty copy may raise anything when it is compared
        loss = f"the loaded objects cannot be compared: {type(error).__name__}: {_short(error)}"
        return Fidelity(equal=False, identity=None, losses=(loss,))
    if (lost := lost_views(nodes_of(first), nodes_of(second))) is not None:
        return Fidelity(equal=True, identity=False, losses=(f"identity lost: {lost}",))
    return Fidelity(equal=True, identity=True)


def _without_identity(first: Sequence[Any], second: Sequence[Any], why: SharingError) -> Fidelity:
    losses = [f"identity lost {_short(why)}"]
    try:
        assert_isomorphic(list(first), list(second), sharing=False)
    except AssertionError as error:
        losses.append(f"changed {_short(error)}")
        return Fidelity(equal=False, identity=False, losses=tuple(losses))
    return Fidelity(equal=True, identity=False, losses=tuple(losses))


@dataclass(frozen=True, slots=True)
class Describing(FreshProcess):
    """Keeps what the fresh process loaded, as text."""

    description: list[Line] = field(default_factory=list)

    def check(self, session: Session, puts: Iterable[Put], ids: Sequence[str]) -> None:
        """Load the objects in a new process, and describe them there."""
        found = self.found(session, puts, ids, describes=True)
        if found.problems:
            raise VerificationError(found.problems, id=ids[0])
        self.description.extend(found.description)


def elsewhere(
    save: Callable[[FreshProcess], Any], roots: Sequence[Any], seconds: float
) -> tuple[str, ...]:
    """Load a graph in a fresh interpreter; return what is lost there.

    ``save(verify)`` saves the graph with that argument.
    """
    verify, lines = Describing(seconds), described(roots)
    try:
        save(verify)
    except VerificationError as error:
        return tuple(f"in a fresh interpreter: {_short(each.reason)}" for each in error.problems)
    except BrineryError as error:
        return (f"in a fresh interpreter: {_short(error)}",)
    lost = difference(lines, verify.description)
    return () if lost is None else (f"in a fresh interpreter: {_short(lost)}",)


def deepest(codec: Codec, depths: Sequence[int] = DEPTHS) -> int | None:
    """Return the greatest of `depths` that a codec keeps in one record, None if it changes the data.

    Tried with a linked list of instances, or with nested lists if the codec keeps no instances.
    """

    def keeps(obj: Any) -> bool | None:
        with MemoryStore(codec=codec) as store:
            try:
                store.save(obj, "deep")
            except EncodeError:
                return False
            store.invalidate_cache()
            try:
                found = store.load("deep")
            except BrineryError:
                return None
            return True if has_depth_of(obj, found) else None

    return greatest_depth(keeps, linked if codec.capabilities.instances else nested, depths)


def _short(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
