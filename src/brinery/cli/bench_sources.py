"""Which objects, and how many of them, a benchmark takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

import click

from brinery.bench.graphs import GRAPHS, LARGE, SMALL
from brinery.bench.run.source import BuiltIn, Factory, Source, Stored
from brinery.cli.opening import open_store
from brinery.cli.trusting import admitted

_SIZES: Final = {"small": SMALL, "large": LARGE}


class SourceOptions(NamedTuple):
    """The arguments of the command that choose objects."""

    targets: Sequence[str]
    place: str | None
    trusted: Sequence[str]
    ids: Sequence[str]
    graphs: str | None
    size: str
    seed: int

    @property
    def nodes(self) -> int:
        """Return the size as a number of nodes.  Raise `click.UsageError`."""
        if self.size in _SIZES:
            return _SIZES[self.size]
        try:
            nodes = int(self.size.replace(",", "").replace("_", ""))
        except ValueError:
            nodes = 0
        if nodes < 1:
            raise click.UsageError(
                f"--size: expected small, large or a number of nodes, got {self.size!r:.60}"
            )
        return nodes


def sources_of(options: SourceOptions) -> tuple[list[Source], list[str]]:
    """Return the sources that the command names, and a note for each graph that is left out.

    Without a function and without a store these are the built-in graphs.  Raise `click.UsageError`.
    """
    sources: list[Source] = [Factory(target) for target in options.targets]
    sources += _stored(options)
    if sources and options.graphs is None:
        return sources, []
    names = _graph_names(options.graphs)
    notes = dict(_missing(names))
    if options.graphs is not None and notes:
        raise click.UsageError(next(iter(notes.values())))
    sources += [_built_in(name, options) for name in names if name not in notes]
    return sources, list(notes.values())


def _stored(options: SourceOptions) -> list[Source]:
    if options.place is None:
        if options.ids:
            raise click.UsageError("--id needs --store")
        return []
    trusted = admitted(options.place, options.trusted)
    with open_store(options.place) as store:
        absent = [id_ for id_ in options.ids if id_ not in store]
        if absent:
            raise click.UsageError(f"the store has no object {absent[0]!r}")
        if not len(store):
            raise click.UsageError(f"the store {options.place!r} has no objects")
    return [Stored(options.place, tuple(options.ids), trusted)]


def _graph_names(given: str | None) -> list[str]:
    names = list(GRAPHS) if given is None else list(filter(None, map(str.strip, given.split(","))))
    unknown = [name for name in names if name not in GRAPHS]
    if unknown:
        raise click.UsageError(f"no graph {unknown[0]!r}: there are {', '.join(GRAPHS)}")
    return names


def _missing(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the graphs whose library is not installed, each with a note."""
    for name in names:
        for module in GRAPHS[name].requires:
            if find_spec(module) is None:
                yield name, f"{name} is left out: {module} is not installed."
                break


def _built_in(name: str, options: SourceOptions) -> BuiltIn:
    share = GRAPHS[name].share if options.size == "small" else 1
    return BuiltIn(name, int(options.nodes * share), options.seed)
