"""Random edits of a graph in a lazy store and in another one: both write the same."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.lazy.walk import walk

from brinery import MemoryStore, Persistable, Store, make_store
from brinery.session.entry import Asleep


class Inner:
    """A part of a node."""

    def __init__(self) -> None:
        self.values: list[Any] = [{}]


class Node(Persistable):
    """An object that refers to others in several ways."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n = 0
        self.items: list[Any] = []
        self.table: dict[str, Any] = {"list": [1, (2, [3])]}
        self.inner = Inner()
        self.tags = {name}


Node.__module__ = Inner.__module__ = __name__


class Side:
    """One of the stores, with the references that the program holds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.root: Any = Node("root")
        self.aliases: dict[int, Any] = {}
        self.others: dict[str, Any] = {}
        """Nodes that are perhaps not reached from the root."""
        self.has_ghosts = False
        """Whether nodes may be ghosts; what is reached through a ghost alone is not looked at by a save."""

    def node(self, path: list[int]) -> Any:
        """Return the node at the end of a path from the root."""
        node: Any = self.root
        for step in path:
            nodes = [item for item in node.items if isinstance(item, Node)]
            if nodes:
                node = nodes[step % len(nodes)]
        return node

    def stored(self) -> dict[str, Any]:
        """Return the content of all records, by the names of the nodes."""
        with Store(self.store.backend) as other:
            nodes: list[Any] = [other.load(id_) for id_ in other.list()]
            return {node.name: content(node) for node in nodes}


def content(node: Any) -> Any:
    """Return what a node has, with names in place of nodes."""
    items = [each.name if isinstance(each, Node) else each for each in node.items]
    return node.n, items, node.table, node.inner.values, sorted(node.tags)


PARTS: list[Callable[[Any], Any]] = [
    lambda node: node.items,
    lambda node: node.table["list"],
    lambda node: node.table["list"][1][1],
    lambda node: node.inner.values,
]
DICTS: list[Callable[[Any], Any]] = [
    lambda node: node.table,
    lambda node: node.inner.values[0],
    lambda node: vars(node),
]


def step(sides: list[Side], rng: random.Random, number: int, saves: list[str]) -> None:
    """Do the same to both sides."""
    path = [rng.randrange(5) for _ in range(rng.randrange(4))]
    other = [rng.randrange(5) for _ in range(rng.randrange(4))]
    part, table, key, action = (
        rng.choice(PARTS),
        rng.choice(DICTS),
        rng.randrange(3),
        rng.randrange(15),
    )
    for side in sides:
        node = side.node(path)
        if action == 0:
            node.n = number
        elif action == 1:
            part(node).append(number)
        elif action == 2:
            node.items.append(side.node(other))
        elif action == 3 and node.items and not side.has_ghosts:
            item = node.items.pop(key % len(node.items))
            if isinstance(item, Node):
                side.others[str(key)] = item
        elif action == 4:
            node.items.append(Node(f"{number}"))
        elif action == 5:
            side.aliases[key] = part(node)
        elif action == 6:
            side.aliases[key] = table(node)
        elif action in (7, 8) and key in side.aliases:
            alias = side.aliases[key]
            if isinstance(alias, list):
                alias.append(number)
            elif isinstance(alias, tuple):
                alias[0](str(number))
            elif isinstance(alias, dict):
                alias["n" if "n" in alias else "new"] = number
        elif action == 9:
            side.aliases.pop(key, None)
        elif action == 10 and str(key) in side.others:
            side.others[str(key)].n = number
        elif action == 11 and str(key) in side.others:
            node.items.append(side.others.pop(str(key)))
        elif action == 12:
            side.aliases[key] = node.tags.add, node
        elif action == 13:
            node.tags.add(str(number))
        elif action == 14:
            side.aliases[key] = iter([node.inner, node.table])  # which keeps them, and no more
    if rng.randrange(3) == 0:
        how = rng.randrange(10)
        for side in sides:
            if side.has_ghosts and how:
                side.store.save(side.root)
            elif side.has_ghosts:
                side.store.save(side.root, deep=False)
            elif how == 0:
                side.store.save(side.node(path))
            elif how == 1:
                side.store.save(side.node(path), deep=False)
            elif how == 2:
                with side.store.transaction():
                    side.store.save(side.root)
            elif how == 3 and side.others:
                side.store.save_many([*side.others.values()])
            else:
                side.store.save(side.root)
        saves.append(f"{number}: {how}")
    if rng.randrange(40) == 0:
        keeps, walks = rng.randrange(2), rng.randrange(2)
        for side in sides:
            side.store.save(side.root, "root")
            if not keeps:
                side.aliases.clear()
                side.others.clear()
                side.root = None
                gc.collect()
                side.root = side.store.load("root")
                side.has_ghosts = not walks
                if walks:
                    walk(side.store, side.root)


def edit(
    seed: int,
    codec: str,
    steps: int,
    patch: pytest.MonkeyPatch,
    make: Callable[..., Any] = MemoryStore,
) -> int:
    """Edit both, the lazy one in what `make` opens; compare after each save; return how many slept."""
    patch.setattr("brinery.graph.saving.sleep._FEW", 1)
    patch.setattr("brinery.graph.saving.sleep.LARGE", 10)
    rng = random.Random(seed)
    lazy, eager = make(codec=codec, lazy=True), MemoryStore(codec=codec)
    sides = [Side(lazy), Side(eager)]
    with lazy, eager:
        for side in sides:
            for number in range(20):
                side.node([number % 7, number % 3]).items.append(Node(f"first {number}"))
            side.store.save(side.root, "root")
        saves: list[str] = []
        slept = 0
        for number in range(steps):
            count = len(saves)
            step(sides, rng, number, saves)
            if len(saves) > count:
                assert sides[0].stored() == sides[1].stored(), saves[-1]
                graphs = lazy.session.identity.sleepers.graphs.values()
                clean = [lazy.session.identity.at(key) for graph in graphs for key in graph.clean]
                slept += sum(type(entry) is Asleep for entry in clean)
        return slept


@pytest.mark.parametrize("codec", ["pickle", "dill"])
@pytest.mark.parametrize("seed", range(12))
def test_a_lazy_store_writes_what_another_one_writes(
    seed: int, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is held outside, and however it is saved."""
    slept = edit(seed, codec, 150, monkeypatch)
    assert (slept > 0) == (codec != "dill")


@pytest.mark.parametrize("engine", ["directory", "sqlite"])
@pytest.mark.parametrize("seed", range(20, 24))
def test_in_other_engines(
    seed: int, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write the same."""
    url = f"sqlite:///{tmp_path}/a.db" if engine == "sqlite" else str(tmp_path / "a")
    opened = partial(make_store, url, durability="process")
    assert edit(seed, "pickle", 100, monkeypatch, opened) > 0
