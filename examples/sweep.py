"""A parameter sweep and the syntax trees of the standard library, kept in stores: `make demo`.

Part 1 sweeps a driven, damped oscillator with a stiffening spring (Duffing's equation),

    x'' + d x' + x + b x^3 = g cos(w t),

up and down in the frequency w.  As in an experiment, each run continues from the end of the one
before.  For weak damping there are frequencies with two stable amplitudes; the direction decides
which one a run finds.  All runs share one configuration, refer to each other and carry callbacks
that are closures.  The sweep is saved with dill, and `read_sweep.py`, which has none of these
classes, reads it in a fresh process.

Part 2 saves the syntax trees of the standard library with each codec, and times it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import math
import os
import pickle
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from brinery import FilesystemStore, Persistable, UnsupportedObjectError, make_store

HERE = Path(__file__).resolve().parent

# -- part 1: the sweep


class Configuration(Persistable):
    """The parameters that all runs share; lengths and times are without dimension."""

    def __init__(self) -> None:
        self.stiffening = 0.04
        self.force = 1.0
        self.periods = 40  # of the drive, for one run; the last quarter is measured
        self.steps = 50  # of integration, for one period
        self.tolerance = 0.5  # amplitudes that differ by more are two states


class Run(Persistable):
    """One integration, at one damping and one frequency."""

    def __init__(self, configuration: Configuration, damping: float, w: float, after: Any) -> None:
        self.configuration = configuration
        self.damping = damping
        self.w = w
        self.after: Run | None = after
        self.state = (0.0, 0.0)
        self.amplitude = 0.0
        self.callbacks: list[Callable[[Run], bool]] = []

    def run(self) -> None:
        """Integrate with the method of Runge and Kutta, of order four."""
        c = self.configuration
        steps = c.periods * c.steps
        x, v = self.after.state if self.after else (0.0, 0.0)
        h = 2 * math.pi / self.w / c.steps
        d, b, largest = self.damping, c.stiffening, 0.0
        drive = [c.force * math.cos(math.pi * i / c.steps) for i in range(2 * c.steps)]
        for i in range(steps):
            at = 2 * (i % c.steps)
            f0, f1, f2 = drive[at], drive[at + 1], drive[(at + 2) % len(drive)]
            a1 = f0 - d * v - x - b * x * x * x
            x2, v2 = x + h / 2 * v, v + h / 2 * a1
            a2 = f1 - d * v2 - x2 - b * x2 * x2 * x2
            x3, v3 = x + h / 2 * v2, v + h / 2 * a2
            a3 = f1 - d * v3 - x3 - b * x3 * x3 * x3
            x4, v4 = x + h * v3, v + h * a3
            a4 = f2 - d * v4 - x4 - b * x4 * x4 * x4
            x += h / 6 * (v + 2 * v2 + 2 * v3 + v4)
            v += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            if 4 * i > 3 * steps and abs(x) > largest:
                largest = abs(x)
        self.state, self.amplitude = (x, v), largest


class Sweep(Persistable):
    """The container: a configuration, the runs, the pairs of runs at the same point, and a report."""

    def __init__(
        self, configuration: Configuration, report: Callable[[Sweep], Iterator[str]]
    ) -> None:
        self.configuration = configuration
        self.report = report
        self.runs: list[Run] = []
        self.pairs: list[Pair] = []


class Pair(Persistable):
    """The run that came up to a frequency and the one that came down to it."""

    def __init__(self, sweep: Sweep, up: Run, down: Run) -> None:
        self.sweep = sweep
        self.up = up
        self.down = down


class Point(Persistable):
    """A point of the response, and the one before it."""

    def __init__(self, run: Run, after: Point | None) -> None:
        self.w = run.w
        self.amplitude = run.amplitude
        self.after = after


def is_resonant(configuration: Configuration, factor: float) -> Callable[[Run], bool]:
    """Return a callback that captures the configuration, a persistable object."""
    return lambda run: run.amplitude > factor * configuration.force


def make_sweep(dampings: int, frequencies: int, progress: Progress) -> Sweep:
    """Run the sweep and return it."""
    configuration = Configuration()
    sweep = Sweep(configuration, report)
    grid = [0.8 + 1.5 * i / (frequencies - 1) for i in range(frequencies)]
    for number in range(dampings):
        damping = 0.08 * 1.35**number
        branches = []
        for way in (grid, grid[::-1]):
            branch: list[Run] = []
            for w in way:
                progress(f"integrating run {len(sweep.runs) + 1} of {2 * dampings * frequencies}")
                run = Run(configuration, damping, w, branch[-1] if branch else None)
                run.callbacks.append(is_resonant(configuration, 2.5))
                run.run()
                branch.append(run)
                sweep.runs.append(run)
            branches.append(branch)
        up, down = branches
        sweep.pairs += [Pair(sweep, a, b) for a, b in zip(up, down[::-1], strict=True)]
    progress("")
    return sweep


def report(sweep: Sweep) -> Iterator[str]:
    """Yield a line for each damping: the answers of the callbacks, and the range with two states."""
    limit = sweep.configuration.tolerance
    for damping in sorted({run.damping for run in sweep.runs}):
        runs = [run for run in sweep.runs if run.damping == damping]
        resonant = sum(callback(run) for run in runs for callback in run.callbacks)
        two = [
            pair.up.w
            for pair in sweep.pairs
            if pair.up.damping == damping and abs(pair.up.amplitude - pair.down.amplitude) > limit
        ]
        where = f"two states from w = {min(two):.2f} to {max(two):.2f}" if two else "one state"
        largest = max(run.amplitude for run in runs)
        yield f"d = {damping:.3f}: {resonant:2} runs resonant, amplitude up to {largest:.2f}, {where}"


def show_sweep(directory: Path, progress: Progress) -> None:
    """Run, save, list, read elsewhere, change."""
    began = time.perf_counter()
    sweep = make_sweep(6, 30, progress)
    tasks = len(sweep.runs) + len(sweep.pairs)
    print(
        f"1. A sweep: {len(sweep.runs)} runs of a driven oscillator and {len(sweep.pairs)} pairs",
        end="",
    )
    print(f" of runs ({time.perf_counter() - began:.1f} s)")

    store = FilesystemStore(directory, codec="dill")
    began = time.perf_counter()
    progress("saving")
    id_ = store.save(sweep)
    progress("")
    spent = time.perf_counter() - began
    names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
    size = sum((directory / name).stat().st_size for name in names)
    assert id_ == "Sweep.1"
    assert len(names) == len(store) == tasks + 2  # and the configuration, and the sweep itself
    print(
        f"   store.save(sweep) -> {id_!s}: {len(names)} files, {size / 1e6:.1f} MB, in {spent:.2f} s"
    )
    by_class = {
        prefix: len(store.list(prefix=prefix + ".")) for prefix in ("Configuration", "Pair", "Run")
    }
    print(f"   ls: {' '.join(names[:5])} … {names[-1]}")
    print(
        "   "
        + ", ".join(f"{count} × {prefix}" for prefix, count in by_class.items())
        + ", 1 × Sweep"
    )
    about = store.info(id_)
    print(
        f"   store.info({id_!s}): class {about.class_name}, written by {about.codec} "
        f"{about.codec_version}, {len(about.references)} references"
    )

    print("   In a fresh process, which has no Run, Pair or Sweep (examples/read_sweep.py):")
    output = run_python(HERE / "read_sweep.py", directory, id_)
    for line in output.splitlines():
        print(f"     {line}")
    for line in report(sweep):
        assert line in output, f"the other process found something else than {line!r}"

    before = {name: (directory / name).stat().st_mtime_ns for name in names}
    sweep.runs[0].callbacks.append(lambda run: run.amplitude < run.configuration.tolerance)
    assert store.save(sweep) == id_
    changed = [name for name in names if (directory / name).stat().st_mtime_ns != before[name]]
    assert changed == [sweep.runs[0].persistent_id]
    print(
        f"   One more callback for {changed[0]}, then store.save(sweep): 1 file of {len(names)} written again"
    )
    show_point(sweep, directory.parent / "points.db")


def show_point(sweep: Sweep, path: Path) -> None:
    """Save the points of the response as a chain in SQLite, and read one of them."""
    chain: Point | None = None
    for run in sweep.runs:
        chain = Point(run, chain)
    with make_store(f"sqlite:///{path}") as store:
        store.save(chain)
        middle = len(store) // 2
    with make_store(f"sqlite:///{path}") as store:
        point = store.load(f"Point.{middle}", lazy=True)
        after = point.after
        assert not store.is_loaded(after)
        read = [store.is_loaded(each) for each in (point, after)].count(True)
        print(
            f"   store.load('Point.{middle}', lazy=True): {read} record of {len(store)} read; ",
            end="",
        )
        amplitude = after.amplitude
        assert store.is_loaded(after)
        assert not store.is_loaded(after.after)
        print(f"point.after.amplitude = {amplitude:.2f} reads a second one")


# -- part 2: syntax trees


def parse_library(most: int, progress: Progress) -> tuple[dict[str, ast.Module], int]:
    """Return the trees of the standard library's modules, and how many nodes they have, near `most`."""
    library = Path(sysconfig.get_path("stdlib"))
    trees: dict[str, ast.Module] = {}
    count = 0
    for path in sorted(library.glob("*.py")):
        if count >= most:
            break
        tree = ast.parse(path.read_bytes())
        trees[path.stem] = tree
        count += sum(1 for _ in ast.walk(tree))
        progress(f"parsing {path.name}: {count} nodes")
    progress("")
    return trees, count


def digest(trees: dict[str, Any]) -> str:
    """Return a digest of the output of `ast.dump` for the trees, positions included."""
    state = hashlib.sha256()
    for name, tree in trees.items():
        state.update(
            f"{name} {ast.dump(tree, include_attributes=True)}\n".encode("utf-8", "surrogatepass")
        )
    return state.hexdigest()


def to_plain(node: Any) -> Any:
    """Return a tree as dictionaries and lists, the way JSON would have it."""
    if isinstance(node, ast.AST):
        names = (*node._fields, *node._attributes)
        held = {name: to_plain(getattr(node, name)) for name in names if hasattr(node, name)}
        return {"node": type(node).__name__, **held}
    if isinstance(node, list):
        return [to_plain(item) for item in node]
    return {"node": "..."} if node is ... else node


def from_plain(value: Any) -> Any:
    """Return the tree that `to_plain` took apart."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.pop("node")
    if kind == "...":
        return ...
    return getattr(ast, kind)(**{name: from_plain(held) for name, held in value.items()})


def load_trees(directory: str, id_: str, expected: str) -> None:
    """Load trees in this process, which was started for it; print the seconds that it took.

    `expected` is the digest that they must have; without one nothing is compared.
    """
    if id_.endswith(".pickle"):
        began = time.perf_counter()
        with open(os.path.join(directory, id_), "rb") as file:
            trees = pickle.load(file)
    else:
        store = FilesystemStore(directory)
        store.load("warm-up")  # imports the codec, and the library that it wraps
        began = time.perf_counter()
        trees = store.load(id_)
    seconds = time.perf_counter() - began
    if expected:
        if isinstance(next(iter(trees.values())), dict):
            trees = {name: from_plain(tree) for name, tree in trees.items()}
        assert digest(trees) == expected, "the trees are not those that were saved"
    print(seconds)


def run_python(*arguments: Any) -> str:
    """Return the output of a fresh Python."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def rows(
    trees: dict[str, ast.Module], count: int
) -> Iterator[tuple[str, int | None, str, Any, int]]:
    """Yield codec, protocol, a word for the form of the object, the object, and its number of nodes."""
    for protocol in (2, 4, 5):
        yield "pickle", protocol, "trees", trees, count
    yield "cloudpickle", None, "trees", trees, count
    yield "dill", None, "trees", trees, count
    yield "msgpack", None, "as dicts", {name: to_plain(tree) for name, tree in trees.items()}, count


TIMES = 2
"""The number of times that each save and each load is timed; the table has the shortest."""


def measure(
    directory: Path,
    label: str,
    what: str,
    nodes: int,
    save: Callable[[str], str],
    expected: str,
    progress: Progress,
) -> None:
    """Save in this process, load in fresh ones, compare, print a row of the table."""
    saves, loads = [], []
    for number in range(1, TIMES + 1):
        progress(f"{label}: {number} of {TIMES}")
        began = time.perf_counter()
        id_ = save(f"trees.{number}")
        saves.append(time.perf_counter() - began)
        check = expected if number == TIMES else ""
        loads.append(float(run_python(__file__, "--load", directory, id_, check)))
    progress("")
    size = (directory / id_).stat().st_size
    saved, loaded = min(saves), min(loads)
    print(
        f"   {label:<25}{what:<9}{nodes:>8,}{size / 1e6:>8.1f}{saved:>8.2f}{loaded:>8.2f}"
        f"{1e6 * saved / nodes:>10.2f}{1e6 * loaded / nodes:>8.2f}   equal"
    )


def show_trees(directory: Path, most: int, progress: Progress) -> None:
    """Save the trees with each codec and load them in a fresh process each."""
    trees, count = parse_library(most, progress)
    print(
        f"2. Syntax trees of {len(trees)} modules of the standard library, {count:,} nodes in one dict"
    )
    try:
        FilesystemStore(directory / "refused", codec="msgpack").save(trees)
        raise AssertionError("msgpack took what it cannot keep")
    except UnsupportedObjectError as error:
        print(f"   msgpack says no: {error}")
    print(f"   {'':<25}{'':<9}{'':>8}{'size':>8}{'save':>8}{'load':>8}{'save':>10}{'load':>8}")
    print(
        f"   {'codec':<25}{'what':<9}{'nodes':>8}{'MB':>8}{'s':>8}{'s':>8}{'µs/node':>10}{'µs/node':>8}"
    )
    whole = digest(trees)

    def bare(name: str) -> str:
        with open(directory / f"{name}.pickle", "wb") as file:
            pickle.dump(trees, file, 5)
        return f"{name}.pickle"

    measure(directory, "pickle.dump, no store", "trees", count, bare, whole, progress)
    for codec, protocol, what, obj, nodes in rows(trees, count):
        progress(f"preparing {codec}")
        place = directory / f"{codec}-{protocol or ''}"
        store = FilesystemStore(place, protocol=protocol, codec=codec)
        store.save([codec], "warm-up")  # imports the codec, makes the directory
        label = f"{codec}, protocol {store.codec.protocol}" if store.codec.protocol else codec
        measure(place, label, what, nodes, partial(store.save, obj), whole, progress)
        assert store.info("trees.1").codec == codec
    print(f"   Shortest of {TIMES}; each load in a fresh process.")
    print(
        "   msgpack: trees as dicts, made before and undone after the timing. equal: ast.dump agrees."
    )
    with open(directory / "pickle-5" / "trees.1", "rb") as file:
        assert digest(pickle.load(file)) == whole
    print(
        "   And pickle.load(open('…/pickle-5/trees.1', 'rb')) gives the same trees: no store needed."
    )


# -- the command


class Progress:
    """Shows one line on a terminal, which the next one overwrites; elsewhere it shows nothing."""

    def __init__(self) -> None:
        self._on = sys.stdout.isatty()

    def __call__(self, text: str) -> None:
        if self._on:
            print(f"\r\x1b[K{text and '   … ' + text}", end="", flush=True)


def main(arguments: Iterable[str] | None = None) -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(
        description="Save a parameter sweep and syntax trees; load both."
    )
    parser.add_argument(
        "directory", nargs="?", type=Path, help="where to keep all (default: a temporary directory)"
    )
    parser.add_argument(
        "--nodes",
        type=int,
        default=250_000,
        help="syntax-tree nodes to save (default: %(default)s)",
    )
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(None if arguments is None else list(arguments))
    if given.load:
        load_trees(*given.load)
        return
    progress = Progress()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="brinery-demo-") as temporary:
        place = given.directory or Path(temporary)
        if place.exists() and any(place.iterdir()):
            raise SystemExit(f"{place} is not empty: name a new directory")
        show_sweep(place / "sweep", progress)
        (place / "trees").mkdir(parents=True)
        show_trees(place / "trees", given.nodes, progress)
    print(f"All checks passed, in {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
