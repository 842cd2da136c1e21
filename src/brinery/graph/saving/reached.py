"""Whether what was used of a saved graph is still in it."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.graph.loading.ghosts import reached_ghosts
from brinery.graph.saving.work import Root, Work, WorkList
from brinery.session.identity import IdentityMap
from brinery.session.sleepers import SavedGraph
from brinery.typing import Any


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
        _prune(identity, graph)
    keys: dict[int, Any] = {}
    reached_ghosts([root.obj for root in roots], (), keys)
    return [work for work in added if id(work.obj) not in keys]


def _is_root(work: Work, roots: Sequence[Root]) -> bool:
    return any(work.obj is root.obj for root in roots)


def _prune(identity: IdentityMap, graph: SavedGraph) -> None:
    entry = identity.at(graph.key)
    root = None if entry is None else entry()
    keys: dict[int, Any] = {}
    reached_ghosts([root], (), keys)
    graph.keep(keys)
    graph.has_lost = False
