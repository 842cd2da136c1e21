"""What a save would write: a save that ends before it commits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress

from brinery.codec import Codec, Sink
from brinery.graph.comparison import Reloading
from brinery.graph.ghost import state_of
from brinery.graph.saving.conflict import RecordsGoneError
from brinery.graph.saving.inner import saver_for
from brinery.graph.saving.work import Root, Work, WorkList
from brinery.ids import as_id, name_of
from brinery.session.session import Session
from brinery.typing import Any, Final, NamedTuple

_MISSING: Final = object()


class Change(NamedTuple):
    """An object that a save would write."""

    id: Any
    """The ID of its record; None if it has none yet."""
    obj: Any
    attributes: tuple[str, ...]
    """The names of the attributes that differ from those in the record; empty if it has none."""


class _Enough(Exception):
    """All is encoded."""


def changes(session: Session, objects: Sequence[Any], *, deep: bool = True) -> list[Change]:
    """Return what a save of `objects` would write.  Nothing is written, and no ID is used up."""
    found: list[tuple[Work, Codec]] = []

    def stop(*_: Any) -> None:
        found.extend((work, codec) for work, _, codec in saver.written)
        raise _Enough

    with session.lock, session.call_lock, session.opened():
        while True:
            saver = saver_for(session, session.save_options._replace(check=stop, deep=deep))
            works = saver.works
            works.give_ids(functools.partial(_provisional, works))
            try:
                saver.save([Root(obj, None) for obj in objects])
            except RecordsGoneError:  # some are not reached any more: look again
                found.clear()
                continue
            except _Enough:
                pass
            break
        return [_change(session, work, codec) for work, codec in found]


def _provisional(works: WorkList, _: Any) -> str:
    return f"new.{len(works.found)}.{id(works)}"


def _change(session: Session, work: Work, codec: Codec) -> Change:
    if work.entry is None:
        return Change(None, work.obj, ())
    names: tuple[str, ...] = ()
    with suppress(Exception):  # the record is gone, or the object is of another class now
        names = _different(session, work, codec)
    return Change(as_id(work.reference), work.obj, names)


def _different(session: Session, work: Work, codec: Codec) -> tuple[str, ...]:
    data, version = session.backend.get(name_of(work.reference))
    record = session.expander.restored(session.gate.parsed(data, version, id=work.reference))
    former = Reloading(session).copy(work.entry.codec if work.entry else codec, record)
    old, new = _attributes(former), _attributes(work.obj)
    names = dict.fromkeys([*old, *new])
    return tuple(
        name
        for name in names
        if name not in old or name not in new or not _is_same(session, codec, old[name], new[name])
    )


def _attributes(obj: Any) -> dict[str, Any]:
    attributes, slots = state_of(obj)
    return {**{slot.__name__: value for slot, value in slots}, **attributes}


def _are_equal(old: Any, new: Any) -> bool:
    """Return whether two values are certainly equal, without code of any class of the user's."""
    cls = type(old)
    if cls is not type(new):
        return False
    if cls in _ATOMS or (cls in _SETS and _ATOMS.issuperset(map(type, {*old, *new}))):
        return bool(old == new)
    if cls in (list, tuple):
        return len(old) == len(new) and all(map(_are_equal, old, new))
    if cls is dict:
        return _are_equal([*old.items()], [*new.items()])
    return False


_ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
_SETS: Final = frozenset({set, frozenset})


def _is_same(session: Session, codec: Codec, old: Any, new: Any) -> bool:
    with suppress(RecursionError):  # it contains itself
        if _are_equal(old, new):
            return True
    try:
        return _normal(session, codec, old) == _normal(session, codec, new)
    except LookupError:  # it refers to an object that has no ID yet
        return False


def _normal(session: Session, codec: Codec, value: Any) -> bytes:
    # Equal strings may be one object in one value and two in another, until both were decoded alike.
    links = Reloading(session)
    sink = Sink()
    with links.encoding([value]):
        codec.dump(links.root, sink, links)
    return links.digest_of_living(codec, codec.load(b"".join(sink.pieces), links))
