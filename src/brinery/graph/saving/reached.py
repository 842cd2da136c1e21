"""Whether what was used of a saved graph is still in it."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.graph.loading.ghosts import reached_ghosts
from brinery.graph.saving.parts import has_plain_state
from brinery.graph.saving.work import Root, Work, WorkList
from brinery.reference import class_of
from brinery.session.identity import IdentityMap
from brinery.session.sleepers import SavedGraph
from brinery.typing import Any, Final


def not_reached(identity: IdentityMap, works: WorkList, roots: Sequence[Root]) -> list[Work]:
    """Return those of the works that the roots do not reach any more; the graphs forget them.

    That can be where references were removed, from one of the objects that are written or since a graph was
    saved.
    """
    added = [work for work in works.found if work.found_in is None and not _is_root(work, roots)]
    doubtful = [graph for graph in works.graphs if graph.has_lost]
    if not added or not doubtful:
        return []
    for graph in doubtful:
        if not _prune(identity, graph):
            return added
    keys: dict[int, Any] = {}
    reached_ghosts([root.obj for root in roots], (), keys)
    return [work for work in added if id(work.obj) not in keys]


def _is_root(work: Work, roots: Sequence[Root]) -> bool:
    return any(work.obj is root.obj for root in roots)


def _prune(identity: IdentityMap, graph: SavedGraph) -> bool:
    # Return False if it is not known what is reached, because code of the user makes the states.
    keys: dict[int, Any] = {}
    reached_ghosts([graph.root()], (), keys)
    classes = {class_of(obj) for obj in keys.values() if identity.entry(obj) is not None}
    if not all(map(has_plain_state, classes - _CONTAINERS)):
        identity.sleepers.drop([graph])
        return False
    graph.keep(keys)
    graph.has_lost = False
    return True


_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset})
