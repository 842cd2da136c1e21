"""Each codec through the store, against the bare library, on one graph: time and size."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Phase, PhaseError
from benchmarks.figures import Figure, failed, ratio, values
from benchmarks.graphs import fingerprint, modules_for, parsed, plain_data
from benchmarks.measure import Sample, timed
from brinery import FilesystemStore


@dataclass(frozen=True, slots=True)
class Case:
    """A codec and the data that it is measured on."""

    codec: str
    protocol: int | None
    data: str

    @property
    def title(self) -> str:
        """Name the codec and its protocol."""
        return self.codec if self.protocol is None else f"{self.codec} {self.protocol}"


CASES: Sequence[Case] = (
    *(Case("pickle", protocol, "trees") for protocol in range(6)),
    Case("cloudpickle", 5, "trees"),
    Case("dill", 5, "few trees"),
    Case("msgpack", None, "plain data"),
    Case("json", None, "plain data"),
)


# -- phases, each in a process of its own


def prepare(directory: str, sizes: dict[str, int]) -> dict[str, dict[str, str]]:
    """Write each kind of data to a file; return their paths and fingerprints."""
    graphs = {
        "trees": parsed(modules_for(sizes["trees"])),
        "few trees": parsed(modules_for(sizes["few trees"])),
        "plain data": plain_data(sizes["plain data"]),
    }
    found = {}
    for name, graph in graphs.items():
        path = f"{directory}/{name}.pickle"
        with open(path, "wb") as file:
            pickle.dump(graph, file, 5)
        found[name] = {"file": path, "expected": fingerprint(graph)}
    return found


def with_store(
    directory: str, codec: str, protocol: int | None, file: str, expected: str
) -> dict[str, Any]:
    """Save and load by a store; compare."""
    graph = _graph(file)
    with FilesystemStore(directory, protocol=protocol, codec=codec, durability="process") as store:
        store.save([], id="trifle")
        id, saved = timed(store.save, graph, id="graph")
    del graph
    gc.collect()
    with FilesystemStore(directory) as again:
        again.load("trifle")
        loaded, load = timed(again.load, id)
        assert again.info(id).codec == codec
    assert fingerprint(loaded) == expected
    return {"save": saved, "load": load, "size": os.path.getsize(f"{directory}/graph")}


def with_library(
    directory: str, codec: str, protocol: int | None, file: str, expected: str
) -> dict[str, Any]:
    """Save to a file and load from it by the library alone."""
    graph = _graph(file)
    path = Path(directory, "graph")
    dump, load = _library(codec, protocol)
    dump([], path)
    load(path)
    _, saved = timed(dump, graph, path)
    del graph
    gc.collect()
    loaded, loading = timed(load, path)
    assert fingerprint(loaded) == expected
    return {"save": saved, "load": loading, "size": path.stat().st_size}


def _library(codec: str, protocol: int | None) -> tuple[Any, Any]:
    if codec == "json":
        return _json()
    library = importlib.import_module(codec)
    # Defaults of the store's codecs that differ from those of the library.
    options = {"dill": {"recurse": True}}.get(codec, {})

    def dump(obj: Any, path: Path) -> None:
        with path.open("wb") as file:
            library.dump(obj, file, *([] if protocol is None else [protocol]), **options)

    def load(path: Path) -> Any:
        with path.open("rb") as file:
            return library.load(file)

    return dump, load


def _json() -> tuple[Any, Any]:
    import msgspec

    def dump(obj: Any, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(obj))

    return dump, lambda path: msgspec.json.decode(path.read_bytes())


def _graph(file: str) -> Any:
    gc.disable()
    with open(file, "rb") as opened:
        graph = pickle.load(opened)
    gc.enable()
    gc.collect()
    return graph


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Compare every codec with its library."""
    sizes = bench.sizes
    wanted = {
        "trees": sizes.codec_nodes,
        "few trees": sizes.dill_nodes,
        "plain data": sizes.nodes,
    }
    data = Phase(prepare, sizes=wanted).run(directory=bench.directory("codecs"))
    return [
        figure
        for case in CASES
        for figure in _case_figures(bench, case, data[case.data], wanted[case.data])
    ]


def _case_figures(bench: Bench, case: Case, data: dict[str, str], nodes: int) -> list[Figure]:
    arguments = {"codec": case.codec, "protocol": case.protocol, **data}
    sides = {"store": with_store, "library": with_library}
    phases = {f"{case.title}, {side}": Phase(phase, **arguments) for side, phase in sides.items()}
    name = f"{case.title}, {nodes:,} nodes"
    try:
        ours, bare = bench.rounds(phases, fresh=True, few=True).values()
    except PhaseError as error:
        return [failed("codecs", name, str(error).splitlines()[-1])]
    return [
        *(_time(name, action, ours, bare) for action in ("save", "load")),
        ratio(
            "codecs",
            f"{name}: size",
            values(ours, "size", 1e-3),
            values(bare, "size", 1e-3),
            base_unit="kB",
        ),
    ]


def _time(name: str, action: str, ours: Sequence[Sample], bare: Sequence[Sample]) -> Figure:
    pair = [values([sample[action] for sample in side], "wall", 1e3) for side in (ours, bare)]
    return ratio("codecs", f"{name}: {action}", *pair)
