"""Instances of ordinary classes, all inside one record."""

from __future__ import annotations

import random
from typing import Final

from brinery.bench.graphs.graph import Graph


class Link:
    """One element of a linked list."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.following: Link | None = None


def chain(nodes: int, seed: int) -> Link:
    """Return a linked list: as deep as it has elements."""
    chance = random.Random(seed)
    first = last = Link(chance.random())
    for _ in range(nodes // 2 - 1):
        last.following = Link(chance.random())
        last = last.following
    return first


class Branch:
    """One node of a tree, with its parent."""

    def __init__(self, name: str, parent: Branch | None) -> None:
        self.name = name
        self.parent = parent
        self.children: list[Branch] = []


def tree(nodes: int, seed: int) -> Branch:
    """Return the root of a tree with pointers to parents, grown at random places."""
    chance = random.Random(seed)
    places = [Branch("root", None)]
    for number in range(-(-nodes // 3)):
        parent = chance.choice(places)
        branch = Branch(f"branch-{number}", parent)
        parent.children.append(branch)
        places.append(branch)
    return places[0]


GRAPHS: Final = (
    # Depth costs: a level takes about ten times as long as a node elsewhere.
    Graph("chain", "deep chain", "a linked list of instances, in one record", chain, share=0.5),
    Graph("tree", "tree with parents", "a random tree whose instances know their parents", tree),
)
