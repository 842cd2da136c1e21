"""Read the sweep that `sweep.py` has saved, without its classes.

python examples/read_sweep.py DIRECTORY ID
"""

from __future__ import annotations

import sys

from brinery import make_store


def main(directory: str, id_: str) -> None:
    """Load the sweep, call its callbacks, and check what is shared."""
    store = make_store(directory)  # it remembers its codec
    sweep = store.load(id_)
    runs = {id(run) for run in sweep.runs}
    configuration = sweep.configuration
    captured = [
        cell.cell_contents
        for run in sweep.runs
        for callback in run.callbacks
        for cell in callback.__closure__ or ()
        if not isinstance(cell.cell_contents, float)
    ]

    assert all(run.configuration is configuration for run in sweep.runs)
    assert len(captured) == len(sweep.runs)
    assert all(one is configuration for one in captured)
    holders = len(sweep.runs) + len(captured) + 1
    print(
        f"one {type(configuration).__name__}, held by {holders} others: attributes and captured variables"
    )

    assert all(id(pair.up) in runs and id(pair.down) in runs for pair in sweep.pairs)
    assert all(run.after is None or id(run.after) in runs for run in sweep.runs)
    pair = sweep.pairs[0]
    assert pair.up is sweep.runs[0]
    assert sweep.runs[1].after is pair.up
    print(
        f"{pair.up.persistent_id} is one object from three sides: the sweep, a pair, the run after it"
    )

    assert all(pair.sweep is sweep for pair in sweep.pairs)
    assert store.load(id_) is sweep
    assert len({type(run) for run in sweep.runs}) == 1
    print(
        f"pairs lead back to the sweep itself; all runs are of one class, {type(sweep.runs[0]).__qualname__}"
    )

    for line in sweep.report(sweep):  # a function, kept whole; it calls the runs' callbacks
        print(line)
    last = sweep.runs[-1]
    before = last.amplitude
    last.run()
    assert last.amplitude == before
    print(
        f"{last.persistent_id} integrates once more: {last.amplitude:.6f} again; its code came along"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
