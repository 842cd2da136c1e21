"""Functions with the variables that they captured, which plain pickle does not keep."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from brinery.bench.graphs.graph import Graph

_NODES_OF_BOTH: Final = 10


def closures(nodes: int, seed: int) -> list[Any]:
    """Return functions with captured numbers and lists, and pairs that share a variable."""
    chance = random.Random(seed)
    found: list[Any] = []
    for _ in range(max(1, nodes // _NODES_OF_BOTH)):
        found.append(_polynomial([chance.random() for _ in range(4)]))
        found.append(_account(chance.random()))
    return found


def _polynomial(coefficients: list[float]) -> Callable[[float], float]:
    def value(x: float) -> float:
        total = 0.0
        for coefficient in coefficients:
            total = total * x + coefficient
        return total

    return value


def _account(balance: float) -> dict[str, Callable[..., float]]:
    def deposit(amount: float) -> float:
        nonlocal balance
        balance += amount
        return balance

    return {"deposit": deposit, "balance": lambda: balance}


GRAPHS: Final = (
    Graph(
        "closures",
        "closures",
        "functions with captured data, some sharing a variable",
        closures,
        share=0.1,
    ),
)
