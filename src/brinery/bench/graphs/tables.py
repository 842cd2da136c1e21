"""Tables of numpy and pandas.  An array is one node, so the size counts cells."""

from __future__ import annotations

from typing import Any, Final

from brinery.bench.graphs.graph import Graph


def arrays(nodes: int, seed: int) -> dict[str, Any]:
    """Return numpy arrays with ten cells for each node: floats, integers, records."""
    import numpy as np

    chance = np.random.default_rng(seed)
    rows = max(1, nodes)
    records = np.zeros(rows, dtype=[("id", "<i8"), ("weight", "<f4")])
    records["id"] = np.arange(rows)
    records["weight"] = chance.random(rows)
    return {
        "floats": chance.random((rows, 4)),
        "integers": chance.integers(0, 1000, (rows, 3)),
        "flags": chance.random(rows) < 0.5,
        "records": records,
    }


def frame(nodes: int, seed: int) -> Any:
    """Return a pandas data frame with ten cells for each node: numbers, times, categories, strings."""
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(seed)
    rows = max(1, nodes)
    columns = {f"x{n}": chance.random(rows) for n in range(6)}
    return pd.DataFrame(
        {
            **columns,
            "count": chance.integers(0, 1000, rows),
            "time": pd.date_range("2026-01-01", periods=rows, freq="min"),
            "kind": pd.Categorical.from_codes(
                chance.integers(0, 3, rows), ["red", "green", "blue"]
            ),
            "label": [f"label-{n % 1000}" for n in range(rows)],
        }
    )


GRAPHS: Final = (
    Graph(
        "arrays", "numpy arrays", "arrays of floats, integers, flags, records", arrays, ("numpy",)
    ),
    Graph(
        "frame",
        "pandas table",
        "a data frame with numbers, times, categories, strings",
        frame,
        ("pandas",),
    ),
)
