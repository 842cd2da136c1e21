"""Three real objects for `brinery bench`: a table of pandas, a model of scikit-learn, a graph of networkx.

brinery bench examples/real_objects.py:table examples/real_objects.py:model examples/real_objects.py:network
"""

from __future__ import annotations

from typing import Any

from brinery.bench.graphs import GRAPHS


def table() -> Any:
    """Return a data frame of 100,000 rows: numbers, times, categories, strings."""
    return GRAPHS["frame"].build(100_000, 1)


def model() -> Any:
    """Return a forest of 100 trees that has learnt the digits that scikit-learn ships."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    digits = load_digits()
    return RandomForestClassifier(100, random_state=1).fit(digits.data, digits.target)


def network() -> Any:
    """Return the graph of who imports whom in the standard library, with its attributes."""
    return GRAPHS["imports"].build(100_000, 1)
