"""Torture the store: `python -m tests.torture.run`, or `make torture`.

Writes the number of cases and of violations to `benchmarks/results/torture-*.json`.  Exit code 1 says that
there were violations.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.torture import power, results, sweep, traced
from tests.torture.scenario import Stage, Tally
from tests.torture.scenarios import SCENARIOS

Torture = Callable[[Sequence[Stage], Path, int | None], list[Tally]]


def kill(stages: Sequence[Stage], scratch: Path, most: int | None) -> list[Tally]:
    """Kill every operation at every call."""
    found = sweep.counts(stages, scratch)
    return sweep.sweep(stages, some(list(sweep.kills(found)), most), found, scratch, tell)


def fault(stages: Sequence[Stage], scratch: Path, most: int | None) -> list[Tally]:
    """Let every call of every operation fail, in five ways."""
    found = sweep.counts(stages, scratch)
    return sweep.sweep(stages, some(list(sweep.faults(found)), most), found, scratch, tell)


def cut(stages: Sequence[Stage], scratch: Path, most: int | None) -> list[Tally]:
    """Cut the power at every call of every operation."""
    return power.cut(stages, scratch, most, tell)


TORTURES: dict[str, Torture] = {"kill": kill, "fault": fault, "power": cut}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected parts; return 1 if anything went wrong."""
    options = _options(arguments)
    reason = traced.why_not()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    bad = 0
    for name in options.only or TORTURES:
        begun = time.monotonic()
        tallies = run(name, options)
        command = shlex.join(["python", "-m", "tests.torture.run", *shown(options, name)])
        document = results.write(
            name,
            {"scenarios": {scenario: asdict(tally) for scenario, tally in tallies.items()}},
            time.monotonic() - begun,
            command=command,
            directory=options.output,
        )
        print(f"{name}: {document['cases']} cases, {document['violations']} violations")
        for scenario, tally in tallies.items():
            for violation in tally.violations:
                print(f"  {scenario}: {violation}")
        bad += document["violations"]
    return 1 if bad else 0


def run(name: str, options: argparse.Namespace) -> dict[str, Tally]:
    """Run one torture; return the results of each scenario."""
    chosen = [scenario for scenario in SCENARIOS if (options.scenario or "") in scenario.name]
    if name != "fault":
        chosen = [scenario for scenario in chosen if scenario.writes]
    if name == "power":
        chosen = [scenario for scenario in chosen if scenario.durable and scenario.is_modelled]
    with tempfile.TemporaryDirectory(prefix="brinery-torture-", dir=options.scratch) as path:
        scratch = Path(path)
        stages = [
            Stage.of(scenario, scratch / f"stage-{index}") for index, scenario in enumerate(chosen)
        ]
        tallies = TORTURES[name](stages, scratch, options.most)
    print(file=sys.stderr) if sys.stderr.isatty() else None
    return dict(zip(map(str, chosen), tallies, strict=True))


def shown(options: argparse.Namespace, name: str) -> list[str]:
    """Return the arguments that matter for the result."""
    more = [] if options.most is None else ["--most", str(options.most)]
    more += [] if options.scenario is None else ["--scenario", options.scenario]
    return ["--only", name, *more]


def some(blows: list[sweep.Blow], most: int | None) -> list[sweep.Blow]:
    """Return at most so many, drawn the same way each time."""
    if most is None or len(blows) <= most:
        return blows
    return random.Random(0).sample(blows, most)


def tell(number: int) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{number}", end="", file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Torture the store.")
    parser.add_argument("--only", action="append", choices=TORTURES, help="may be given again")
    parser.add_argument("--scenario", metavar="TEXT", help="only scenarios whose name has it")
    parser.add_argument("--most", type=int, metavar="N", help="try so many blows, drawn at random")
    parser.add_argument("--output", type=Path, default=results.DIRECTORY, metavar="DIR")
    parser.add_argument("--scratch", default=_memory(), metavar="DIR", help="where the stores are")
    return parser.parse_args(arguments)


def _memory() -> str | None:
    """Return a directory in memory: here it matters that flushes are made, not how long they take."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
