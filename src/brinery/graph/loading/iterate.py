"""Loading many objects, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from brinery.errors import NotFoundError
from brinery.graph.loading.load import load
from brinery.ids import name_of
from brinery.session.options import EAGER, LAZY
from brinery.session.session import Session
from brinery.typing import Any, Final

_MOST: Final = 256
"""Most records to read together."""
_LARGEST: Final = 1 << 24
"""Bytes of records to read together, unless one alone is larger."""


def iterate(
    session: Session, ids: Sequence[str], show: Callable[[int], None], *, lazy: bool
) -> Iterator[tuple[str, Any]]:
    """Yield IDs with their objects, in order; leave out what is removed meanwhile.

    No object is kept once the next one is asked for.  `show` is called with the number of IDs done.  Raise
    what `load` raises.
    """
    done = 0
    for at in range(0, len(ids), _MOST):
        for some in _in_parts(session, ids[at : at + _MOST]):
            found = _loaded(session, some, lazy=lazy)
            for id_ in some:
                done += 1
                show(done)
                if id_ in found:
                    yield id_, found.pop(id_)
    if done < len(ids):
        show(len(ids))


def _in_parts(session: Session, ids: Sequence[str]) -> Iterator[list[str]]:
    # Those that are stored, together as long as their records are small.
    with session.lock, session.call_lock, session.opened():
        tails = session.backend.get_tails([*map(name_of, ids)], 0)
        sizes = {name: size for name, _, size, _ in tails}
    part: list[str] = []
    total = 0
    for id_ in ids:
        size = sizes.get(name_of(id_))
        if size is None:
            continue
        if part and total + size > _LARGEST:
            yield part
            part, total = [], 0
        part.append(id_)
        total += size
    if part:
        yield part


def _loaded(session: Session, ids: Sequence[str], *, lazy: bool) -> dict[str, Any]:
    options = LAZY if lazy else EAGER
    try:
        return dict(zip(ids, load(session, ids, options), strict=True))
    except NotFoundError as error:
        if error.id not in ids:
            raise
    found = {}
    for id_ in ids:
        try:
            (found[id_],) = load(session, [id_], options)
        except NotFoundError as error:
            if error.id != id_:
                raise
    return found
