"""Random graphs come back as they were, whichever of their objects is loaded first."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import dill
import pytest
from hypothesis import assume, example, given, settings
from tests.graph.recipes import FUNCTIONS, KINDS, Recipe, recipes

from brinery import MemoryStore
from brinery.persistable import is_persistable_type
from brinery.verify.isomorphism import assert_isomorphic

DUMPS: dict[str, Callable[[Any], bytes]] = {
    "pickle": pickle.dumps,
    "cloudpickle": cloudpickle.dumps,
    "dill": functools.partial(dill.dumps, recurse=True),
}
LOADS = {"pickle": pickle.loads, "cloudpickle": cloudpickle.loads, "dill": dill.loads}
ALL = list(KINDS)
DATA = [kind for kind in KINDS if kind not in FUNCTIONS]


# A key hashed by an object that refers back to the dict.
HASHED_BY_ITS_PARTS = Recipe(
    ("keys", "node", "node", "node", "frozen node"), ((4,), (), (0,), (), (2,)), 0
)


def _survives_in_one_piece(obj: Any, codec: str) -> bool:
    """Return whether the bare library brings a graph back as it was."""
    try:
        assert_isomorphic(obj, LOADS[codec](DUMPS[codec](obj)), records=False)
    except Exception:  # noqa: BLE001 - it may raise anything; another graph counts, too
        return False
    return True


def _check(recipe: Recipe, codec: str) -> None:
    """Save from the root; load again from each object that has a record, and compare."""
    assume(not recipe.has_cycle_of_arguments())
    objects = recipe.build()
    root = objects[recipe.root]
    assume(_survives_in_one_piece(root, codec))
    with MemoryStore(codec=codec) as store:
        id_ = store.save(root)
        saved = {id_: root}
        for obj in objects:
            entry = store.session.identity.entry(obj)
            if entry is not None and is_persistable_type(type(obj)):
                saved[entry.id] = obj
        assert sorted(saved) == sorted(store.list())
        for key, obj in saved.items():
            if _survives_in_one_piece(obj, codec):
                store.invalidate_cache()
                assert_isomorphic(obj, store.load(key))


# A key that is in a dict of its own record, and in a tuple that was made before that is found out.
KEY_SEEN_EARLY = Recipe(("key", "keys", "tuple node"), ((2, 1), (0,), (0,)), 1)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(recipes(DATA))
@example(KEY_SEEN_EARLY)
@example(HASHED_BY_ITS_PARTS)
def test_graphs_come_back_by_pickle(recipe: Recipe) -> None:
    """Shared objects, cycles through records and containers, keys and members."""
    _check(recipe, "pickle")


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(recipes(ALL))
def test_graphs_come_back_by_cloudpickle(recipe: Recipe) -> None:
    """And closures that capture any of these."""
    _check(recipe, "cloudpickle")


@pytest.mark.thorough
@settings(max_examples=75, deadline=None)
@given(recipes(ALL, most=6))
def test_graphs_come_back_by_dill(recipe: Recipe) -> None:
    """And closures that capture any of these."""
    _check(recipe, "dill")
