"""The built-in graphs: of the size that is asked for, the same everywhere, and kept by pickle."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from brinery import MemoryStore
from brinery.bench.graphs import GRAPHS
from brinery.bench.nodes import nodes_of
from brinery.verify.isomorphism import assert_isomorphic

_TABLES = ("arrays", "frame")  # whose nodes are arrays


@pytest.mark.thorough
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_has_about_the_nodes_that_are_asked_for(name: str) -> None:
    """Within a fifth."""
    small = nodes_of([GRAPHS[name].build(3_000, 1)])
    large = nodes_of([GRAPHS[name].build(30_000, 1)])
    if name in _TABLES:
        assert len(small) == len(large) < 20
    else:
        assert 24_000 <= len(large) <= 36_000
        assert 2_400 <= len(small) <= 3_600


@pytest.mark.parametrize("seed", range(2, 12))
def test_syntax_trees_are_as_many_with_any_seed(seed: int) -> None:
    """Whatever module of the standard library of this Python comes last."""
    assert 2_400 <= len(nodes_of([GRAPHS["trees"].build(3_000, seed)])) <= 3_600


@pytest.mark.thorough
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_from_a_store(name: str) -> None:
    """With pickle, or, where there are closures, with cloudpickle."""
    graph = GRAPHS[name].build(2_000, 1)
    store = MemoryStore(codec="cloudpickle" if name == "closures" else "pickle")
    id_ = store.save(graph)
    store.invalidate_cache()
    assert_isomorphic([graph], [store.load(id_)])


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in GRAPHS if name != "closures"])
def test_a_graph_is_the_same_in_each_process(name: str) -> None:
    """Whatever the seed of hashes; another seed gives another graph."""
    code = (
        "import hashlib, pickle, sys; from brinery.bench.graphs import GRAPHS;"
        f"g = lambda seed: hashlib.sha256(pickle.dumps(GRAPHS[{name!r}].build(500, seed))).hexdigest();"
        "print(g(1), g(2))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_a_node_counts_once_however_often_it_is_met() -> None:
    """Shared and circular objects, slots, captured variables, arguments of partials."""
    import functools

    class Slotted:
        __slots__ = ("held",)
        held: object

    inner = [1000]
    slotted = Slotted()
    slotted.held = inner

    def function() -> object:
        return inner

    whole: list[object] = [inner, inner, slotted, function, functools.partial(print, inner)]
    whole.append(whole)
    # whole, inner, 1000, slotted, function, partial, print, arguments, keywords
    assert len(nodes_of([whole])) == 9
