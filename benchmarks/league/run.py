"""Try all contenders and write the league: `python -m benchmarks.league.run`."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import brinery
from benchmarks.league.codecs import OTHERS, Other
from benchmarks.report import league
from brinery.registry.codecs import builtin_codecs, make_codec
from brinery.testing.league.contender import Entry, entry_of
from brinery.testing.league.probe import families_at
from brinery.testing.league.trial import Trial, outcomes_of

PROBES = "benchmarks.league.graphs:PROBES"
DILL = {"byref": {"byref": True}}
"""Other settings of our codec, beside its defaults."""


class Row(NamedTuple):
    """A contender at one protocol."""

    codec: str
    protocol: str
    """Empty where there is only one."""
    is_ours: bool
    entry: Entry
    advice: str = ""
    packages: tuple[str, ...] = ()


def ours() -> Iterator[Row]:
    """Yield every codec of brinery, at each protocol."""
    for name in builtin_codecs():
        for protocol in make_codec(name).protocols or (None,):
            entry = entry_of(make_codec(name, protocol))
            yield Row(name, "" if protocol is None else str(protocol), True, entry)
    for setting, options in DILL.items():
        yield Row(f"dill, {setting}", "5", True, entry_of(make_codec("dill", None, options)))
    chosen = Entry("brinery.testing.league.contender", "Stored", {"codec": "auto"})
    yield Row("auto", "", True, chosen)


def others() -> Iterator[Row]:
    """Yield those of others that are installed."""
    for cls in OTHERS:
        if not _missing(cls):
            for arguments in [{"protocol": each} for each in cls.protocols] or [{}]:
                entry = Entry(cls.__module__, cls.__qualname__, arguments)
                protocol = str(arguments.get("protocol", ""))
                yield Row(cls.title, protocol, False, entry, cls.advice, cls.packages)


def _missing(cls: type[Other]) -> str:
    for package in cls.packages:
        try:
            version(package)
        except PackageNotFoundError:
            return package
    return ""


def document(rows: list[Row], trial: Trial) -> dict[str, Any]:
    """Try the rows, and return what was found."""
    families = families_at(trial.probes)
    found = outcomes_of(*(row.entry for row in rows), trial=trial)
    packages = sorted({package for row in rows for package in row.packages})
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "group": "league",
        "date": today.isoformat(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.system(),
        "versions": {
            "brinery": brinery.__version__,
            **{package: version(package) for package in (*packages, "attrs", "numpy", "pandas")},
        },
        "missing": sorted({_missing(cls) for cls in OTHERS if _missing(cls)}),
        "families": {family: list(probes) for family, probes in families.items()},
        "contenders": [
            {
                "codec": row.codec,
                "protocol": row.protocol,
                "is_ours": row.is_ours,
                "advice": row.advice,
                "outcomes": outcomes,
            }
            for row, outcomes in zip(rows, found, strict=True)
        ],
    }


def text_of(found: dict[str, Any]) -> str:
    """Return results as JSON, with a line for each outcome."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return re.sub(r'\[\n +("[^\n]*"),\n +("[^\n]*")\n +\]', r"[\1, \2]", text) + "\n"


def main() -> None:
    """Try everything, write the results, and the page from them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.league.run", description=__doc__)
    parser.add_argument(
        "--only", metavar="WORD", help="codecs whose name has the word; writes nothing"
    )
    parser.add_argument("--processes", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    rows = [*ours(), *others()]
    if options.only:
        rows = [row for row in rows if options.only in row.codec]
    found = document(rows, Trial(PROBES, again=True, processes=options.processes))
    if options.only:
        print(league.page(found))
        return
    league.RESULT.write_text(text_of(found), "utf-8")
    league.PAGE.write_text(league.page(league.result()), "utf-8")
    print(f"wrote {league.RESULT.name} and {league.PAGE.name}")


if __name__ == "__main__":
    main()
