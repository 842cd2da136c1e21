"""Random graphs come back as they were, whichever of their objects is loaded first."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle
import dill
from hypothesis import assume, given, settings
from tests.graph_recipes import FUNCTIONS, KINDS, Recipe, recipes

from brinery import MemoryStore
from brinery.persistable import is_persistable_type
from brinery.testing.graphs import assert_isomorphic

LIBRARIES = {"pickle": pickle, "cloudpickle": cloudpickle, "dill": dill}
ALL = list(KINDS)
DATA = [kind for kind in KINDS if kind not in FUNCTIONS]


def _survives_in_one_piece(obj: Any, library: Any) -> bool:
    """Tell whether the bare library brings a graph back as it was."""
    try:
        assert_isomorphic(obj, library.loads(library.dumps(obj)), records=False)
    except Exception:  # noqa: BLE001 - whatever it raises, or if it is another graph
        return False
    return True


def _check(recipe: Recipe, codec: str) -> None:
    """Save from the root; load anew from each object that has a record, and compare."""
    library = LIBRARIES[codec]
    objects = recipe.build()
    root = objects[recipe.root]
    assume(_survives_in_one_piece(root, library))
    with MemoryStore(codec=codec) as store:
        id_ = store.save(root)
        saved = {id_: root}
        for obj in objects:
            entry = store._identity.entry(obj)
            if entry is not None and is_persistable_type(type(obj)):
                saved[entry.id] = obj
        assert sorted(saved) == sorted(store.list())
        for key, obj in saved.items():
            if _survives_in_one_piece(obj, library):
                store.invalidate_cache()
                assert_isomorphic(obj, store.load(key))


@settings(max_examples=300, deadline=None)
@given(recipes(DATA))
def test_graphs_come_back_by_pickle(recipe: Recipe) -> None:
    """Shared objects, cycles through records and containers, keys and members."""
    _check(recipe, "pickle")


@settings(max_examples=150, deadline=None)
@given(recipes(ALL))
def test_graphs_come_back_by_cloudpickle(recipe: Recipe) -> None:
    """And closures that capture any of these."""
    _check(recipe, "cloudpickle")


@settings(max_examples=75, deadline=None)
@given(recipes(ALL, most=6))
def test_graphs_come_back_by_dill(recipe: Recipe) -> None:
    """And closures that capture any of these."""
    _check(recipe, "dill")
