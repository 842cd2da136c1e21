"""The results of a benchmark: values that become JSON and come back.

`docs/design/bench-results.md` describes the JSON.  Fields may be added; under one `SCHEMA` a field never
changes its meaning.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from brinery.bench.writing import write_atomically
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
    """Repeated times of one operation, in seconds of the clock that the settings name."""

    median_seconds: float
    """Of the rounds."""
    q1_seconds: float
    q3_seconds: float
    min_seconds: float
    """Of all repetitions."""
    n: int
    """How often it was repeated in all rounds."""
    rounds_seconds: tuple[float, ...]
    """The median of each round, in the order of rounds."""
    wall_seconds: float | None = None
    """The median by the wall clock."""

    @classmethod
    def of(cls, rounds: Sequence[Sequence[tuple[float, float]]]) -> Timing | None:
        """Return the statistics of rounds of measured times, None if there are none.

        Each time has the seconds that count, and those of the wall clock.
        """
        rounds = [each for each in rounds if each]
        if not rounds:
            return None
        medians = [statistics.median(value[0] for value in each) for each in rounds]
        first = third = medians[0]
        if len(medians) > 1:
            first, _, third = statistics.quantiles(medians, n=4, method="inclusive")
        times = [value for each in rounds for value in each]
        least = min(value[0] for value in times)
        wall = statistics.median(value[1] for value in times)
        middle = statistics.median(medians)
        return cls(middle, first, third, least, len(times), tuple(medians), wall)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much of a graph came back.  None means "not tried", or "the graph has none of it"."""

    equal: bool | None = None
    """All types and values are the same."""
    identity: bool | None = None
    """One object came back as one object, and two objects as two."""
    closures: bool | None = None
    """Functions can be called in a fresh interpreter; None for a graph that has none of its own."""
    depth: int | None = None
    """The greatest depth that the codec kept, of those tried: links in a list of instances or lists."""
    losses: tuple[str, ...] = ()
    """The losses, in sentences."""

    @property
    def keeps_everything(self) -> bool | None:
        """Return whether nothing was lost; None where that was not tried."""
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
    to: str | None = None
    """The place that it was saved to and loaded from; None for memory."""
    status: str = OK
    error: str | None = None
    """Why there is no result, where `status` is not "ok"."""
    nodes: int | None = None
    encode: Timing | None = None
    decode: Timing | None = None
    bytes: int | None = None
    """Size of all records."""
    peak_encode_bytes: int | None = None
    """Memory that encoding takes at most, beyond that of the process with the graph in it."""
    peak_decode_bytes: int | None = None
    fidelity: Fidelity = field(default_factory=Fidelity)
    safe_to_read: bool = False
    used: tuple[str, ...] = ()
    """The codecs that wrote records, where a chain chose."""
    leaks: bool = False
    """Whether each repetition leaves memory allocated; `Fidelity.losses` says how much."""

    @property
    def name(self) -> str:
        """Return codec, protocol and compression as one name: ``pickle:5 + lz4``."""
        codec = self.codec if self.protocol is None else f"{self.codec}:{self.protocol}"
        codec = codec if self.compress is None else f"{codec} + {self.compress}"
        return codec if self.to is None else f"{codec} in {self.to}"

    @property
    def key(self) -> tuple[str, str]:
        """Return the key that the same case has in another run."""
        return self.graph, self.name

    @property
    def is_whole(self) -> bool:
        """Return whether the case ended well and nothing was lost."""
        return self.status == OK and self.fidelity.keeps_everything is True

    @property
    def both_rounds(self) -> tuple[float, ...]:
        """Return the times of encoding and decoding together, of each round."""
        if self.encode is None or self.decode is None:
            return ()
        pairs = zip(self.encode.rounds_seconds, self.decode.rounds_seconds, strict=False)
        return tuple(map(sum, pairs))

    @property
    def both_seconds(self) -> float:
        """Return the medians of encoding and decoding together."""
        if self.encode is None or self.decode is None:
            return float("inf")
        return self.encode.median_seconds + self.decode.median_seconds

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with the rates computed from the figures."""
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
        """Return the case that `to_dict` described; fields of a newer brinery are ignored."""
        own = _known(cls, value)
        for name in ("encode", "decode"):
            if own.get(name) is not None:
                own[name] = _timing(own[name])
        fidelity = _known(Fidelity, own.get("fidelity") or {})
        own["fidelity"] = Fidelity(**{**fidelity, "losses": tuple(fidelity.get("losses", ()))})
        own["used"] = tuple(own.get("used", ()))
        return cls(**own)


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph of objects that was encoded."""

    name: str
    title: str
    description: str
    source: str
    """"builtin", "factory", "store" or "object"."""
    nodes: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A codec to choose, and the reason."""

    graph: str
    kind: str
    """"recommended", where one codec suits best; "undecided", where the figures are too unstable to tell."""
    codec: str
    protocol: int | None
    compress: str | None
    reason: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """All cases of a run, with the machine, versions and settings that they depend on.

    `Report` renders it.
    """

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
    """What the run left out, in sentences."""

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
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the result that `to_dict` described.  Raise `InvalidArgumentError` for anything else."""
        if value.get("schema") != SCHEMA:
            raise InvalidArgumentError(
                f"expected the result of a benchmark with the schema {SCHEMA!r}, got "
                f"{value.get('schema')!r:.60}"
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

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Return the result that `to_json` wrote.  Raise `InvalidArgumentError`."""
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"cannot read {str(path)!r}: {error}") from error
        if not isinstance(value, dict):
            raise InvalidArgumentError(
                f"{str(path)!r}: expected the result of a benchmark (a JSON object), got "
                f"{type(value).__name__}"
            )
        return cls.from_dict(value)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)


def _timing(value: Mapping[str, Any]) -> Timing:
    own = _known(Timing, value)
    # Results of before rounds have all repetitions of one process.
    rounds = own.get("rounds_seconds") or (own["median_seconds"],)
    return Timing(**{**own, "rounds_seconds": tuple(rounds)})


def _known(cls: type, value: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {name: item for name, item in value.items() if name in names}
