"""Random graphs, loaded lazily, changed here and there, and saved."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.graph.recipes import FUNCTIONS, KINDS, Recipe, recipes
from tests.graph.test_random_graphs import (
    HASHED_BY_ITS_PARTS,
    KEY_SEEN_EARLY,
    _survives_in_one_piece,
)
from tests.lazy.walk import ghosts_of, walk

from brinery import MemoryStore
from brinery.persistable import is_persistable_type
from brinery.verify.isomorphism import assert_isomorphic

ALL = list(KINDS)
DATA = [kind for kind in KINDS if kind not in FUNCTIONS]


def _check(recipe: Recipe, codec: str, seed: int) -> None:
    """Load lazily from each object that has a record, use all of it in some order, and compare."""
    assume(not recipe.has_cycle_of_arguments())
    objects = recipe.build()
    root = objects[recipe.root]
    assume(_survives_in_one_piece(root, codec))
    with MemoryStore(codec=codec) as store:
        saved = {store.save(root): root}
        for obj in objects:
            entry = store.session.identity.entry(obj)
            if entry is not None and is_persistable_type(type(obj)):
                saved[entry.id] = obj
        for key, obj in saved.items():
            if not _survives_in_one_piece(obj, codec):
                continue
            store.invalidate_cache()
            found = store.load(key, lazy=True)
            assert store.is_loaded(found)
            _use_some(store, found, random.Random(seed))
            ghosts = {store.id_of(ghost) for ghost in ghosts_of(store, found)}
            before = {info.id: info.created for info in store.infos(ghosts)}
            store.save(found)
            assert {info.id: info.created for info in store.infos(ghosts)} == before
            assert {store.id_of(ghost) for ghost in ghosts_of(store, found)} == ghosts
            walk(store, found)
            assert_isomorphic(obj, found)
            store.invalidate_cache()
            lazily = store.load(key, lazy=True)
            _use_some(store, lazily, random.Random(seed))
            assert store.load(key) is lazily
            assert not ghosts_of(store, lazily)
            assert_isomorphic(obj, lazily)


def _use_some(store: Any, root: Any, order: random.Random) -> None:
    for _ in range(order.randrange(4)):
        ghosts = ghosts_of(store, root)
        if not ghosts:
            return
        getattr(order.choice(ghosts), "__dict__", None)


MET_TWICE = Recipe(
    ("node", "slotted node", "node", "node", "node", "node", "node", "node"),
    ((), (3,), (1,), (5,), (), (1, 7), (), (2,)),
    1,
)
"""An object that is referred to first, and then has to be whole."""
SEEDS = st.integers(0, 1000)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(recipes(DATA), SEEDS)
@example(MET_TWICE, 0)
@example(KEY_SEEN_EARLY, 3)
@example(HASHED_BY_ITS_PARTS, 3)
def test_lazy_graphs_come_back_by_pickle(recipe: Recipe, seed: int) -> None:
    """Shared objects, cycles through records and containers, keys and members."""
    _check(recipe, "pickle", seed)


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(recipes(ALL), SEEDS)
def test_lazy_graphs_come_back_by_cloudpickle(recipe: Recipe, seed: int) -> None:
    """With functions that refer to objects of the graph."""
    _check(recipe, "cloudpickle", seed)


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(recipes(ALL), SEEDS)
def test_lazy_graphs_come_back_by_dill(recipe: Recipe, seed: int) -> None:
    """Likewise."""
    _check(recipe, "dill", seed)
