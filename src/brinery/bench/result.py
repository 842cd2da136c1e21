"""What a benchmark found: values that become JSON and come back.

The JSON is described in `docs/design/bench-results.md`.  Fields may be added to it; a field never changes its
meaning under the same `SCHEMA`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from brinery.bench.report.writing import write_atomically
from brinery.errors import InvalidArgumentError

SCHEMA: Final = "brinery.bench/1"

OK: Final = "ok"
REFUSED: Final = "refused"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
MEMORY: Final = "memory"
INTERRUPTED: Final = "interrupted"
STATUSES: Final = (OK, REFUSED, FAILED, TIMEOUT, MEMORY, INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Timing:
    """Repeated times of one operation, in seconds of wall clock."""

    median_seconds: float
    q1_seconds: float
    q3_seconds: float
    min_seconds: float
    n: int
    values_seconds: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Timing | None:
        """Return the statistics of measured times, None if there are none."""
        if not values:
            return None
        ordered = sorted(values)
        first = third = ordered[0]
        if len(ordered) > 1:
            first, _, third = statistics.quantiles(ordered, n=4, method="inclusive")
        middle = statistics.median(ordered)
        return cls(middle, first, third, ordered[0], len(ordered), tuple(values))


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What came back of a graph.  None stands for "not tried" and for "nothing there to lose"."""

    equal: bool | None = None
    """Types and values are the same, wherever one looks."""
    identity: bool | None = None
    """What was one object is one object, and what was two is two."""
    closures: bool | None = None
    """Functions can be called in a fresh interpreter; None for a graph that has none of its own."""
    depth: int | None = None
    """The greatest depth that the codec kept, of those tried: links of a list of instances or lists."""
    losses: tuple[str, ...] = ()
    """What was lost, in sentences."""

    @property
    def keeps_everything(self) -> bool | None:
        """Tell whether nothing was lost; None where that was not tried."""
        if False in (self.equal, self.identity, self.closures):
            return False
        return None if None in (self.equal, self.identity) else True


@dataclass(frozen=True, slots=True)
class Case:
    """One codec, protocol and compression on one graph."""

    graph: str
    codec: str
    protocol: int | None = None
    compress: str | None = None
    status: str = OK
    error: str | None = None
    """Why there is no result, where `status` is not "ok"."""
    nodes: int | None = None
    encode: Timing | None = None
    decode: Timing | None = None
    bytes: int | None = None
    """Size of all records."""
    peak_encode_bytes: int | None = None
    """What encoding takes at most above what the process had with the graph in it."""
    peak_decode_bytes: int | None = None
    fidelity: Fidelity = field(default_factory=Fidelity)
    safe_to_read: bool = False
    used: tuple[str, ...] = ()
    """The codecs that wrote records, where a chain chose."""
    leaks: bool = False
    """Whether memory stays behind after each repetition; `Fidelity.losses` tells how much."""

    @property
    def name(self) -> str:
        """Return codec, protocol and compression as the command line has them: ``pickle:5 + lz4``."""
        codec = self.codec if self.protocol is None else f"{self.codec}:{self.protocol}"
        return codec if self.compress is None else f"{codec} + {self.compress}"

    @property
    def key(self) -> tuple[str, str]:
        """Return what the case has in common with the same case of another run."""
        return self.graph, self.name

    @property
    def is_whole(self) -> bool:
        """Tell whether the case ended well and nothing was lost."""
        return self.status == OK and self.fidelity.keeps_everything is True

    @property
    def both_seconds(self) -> float:
        """Return the medians of encoding and decoding together."""
        if self.encode is None or self.decode is None:
            return float("inf")
        return self.encode.median_seconds + self.decode.median_seconds

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with the rates that follow from the figures."""
        return {
            **asdict(self),
            "nodes_per_second": self._rates(self.nodes),
            "megabytes_per_second": self._rates(self.bytes, 1e6),
            "keeps_everything": self.fidelity.keeps_everything,
        }

    def _rates(self, amount: int | None, unit: float = 1) -> dict[str, float | None]:
        def rate(timing: Timing | None) -> float | None:
            if timing is None or amount is None:
                return None
            return amount / unit / max(timing.median_seconds, 1e-9)

        return {"encode": rate(self.encode), "decode": rate(self.decode)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the case that `to_dict` described; fields of a newer brinery are left out."""
        own = _known(cls, value)
        for name in ("encode", "decode"):
            if own.get(name) is not None:
                own[name] = _timing(own[name])
        told = _known(Fidelity, own.get("fidelity") or {})
        own["fidelity"] = Fidelity(**{**told, "losses": tuple(told.get("losses", ()))})
        own["used"] = tuple(own.get("used", ()))
        return cls(**own)


@dataclass(frozen=True, slots=True)
class Graph:
    """What was encoded."""

    name: str
    title: str
    description: str
    source: str
    """"builtin", "factory", "store" or "object"."""
    nodes: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to choose, and why."""

    graph: str
    kind: str
    """"fastest", "smallest" or "safest"."""
    codec: str
    protocol: int | None
    compress: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """All cases of a run, with what they depend on."""

    created: str
    """ISO 8601, in UTC."""
    command: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    graphs: tuple[Graph, ...]
    cases: tuple[Case, ...]
    recommendations: tuple[Recommendation, ...] = ()
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    """What was left out, in sentences."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            "schema": SCHEMA,
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "graphs": [asdict(graph) for graph in self.graphs],
            "cases": [case.to_dict() for case in self.cases],
            "recommendations": [asdict(each) for each in self.recommendations],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Result:
        """Return the result that `to_dict` described; raise InvalidArgumentError for anything else."""
        if value.get("schema") != SCHEMA:
            raise InvalidArgumentError(
                f"this is no result of a benchmark that can be read: its schema is "
                f"{value.get('schema')!r}, not {SCHEMA!r}"
            )
        try:
            own = _known(cls, value)
            own["graphs"] = tuple(Graph(**_known(Graph, each)) for each in value["graphs"])
            own["cases"] = tuple(map(Case.from_dict, value["cases"]))
            own["recommendations"] = tuple(
                Recommendation(**_known(Recommendation, each)) for each in value["recommendations"]
            )
            own["notes"] = tuple(own.get("notes", ()))
            return cls(**own)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidArgumentError(f"the result is damaged: {error!r}") from error

    def cases_of(self, graph: str) -> list[Case]:
        """Return the cases of a graph: whole ones first, by time; then those that lost or failed."""
        return sorted(
            (case for case in self.cases if case.graph == graph),
            key=lambda case: (case.status != OK, not case.is_whole, case.both_seconds),
        )

    def to_json(self, path: str | Path) -> None:
        """Write the result to a file."""
        write_atomically(path, json.dumps(self.to_dict(), indent=1) + "\n")

    def to_csv(self, path: str | Path) -> None:
        """Write one line per case to a file, for a spreadsheet."""
        from brinery.bench.report.table import csv_text

        write_atomically(path, csv_text(self))

    def to_html(self, path: str | Path) -> None:
        """Write the result to a file as a page that needs no network."""
        from brinery.bench.report.page import render

        write_atomically(path, render(self.to_dict()))

    @classmethod
    def read(cls, path: str | Path) -> Result:
        """Return the result that `to_json` wrote; raise InvalidArgumentError."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"cannot read {str(path)!r}: {error}") from error
        if not isinstance(value, dict):
            raise InvalidArgumentError(f"{str(path)!r} is no result of a benchmark")
        return cls.from_dict(value)

    def __str__(self) -> str:
        from brinery.bench.report.table import text

        return text(self)

    def _repr_html_(self) -> str:
        from brinery.bench.report.table import html

        return html(self)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)


def _timing(value: Mapping[str, Any]) -> Timing:
    own = _known(Timing, value)
    return Timing(**{**own, "values_seconds": tuple(own["values_seconds"])})


def _known(cls: type, value: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: item for name, item in value.items() if name in names}
