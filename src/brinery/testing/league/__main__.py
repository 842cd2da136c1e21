"""Let codecs take part: `python -m brinery.testing.league pickle mypackage:MyCodec`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from brinery.errors import BrineryError
from brinery.registry.codecs import builtin_codecs
from brinery.testing.league.contender import Entry, entry_of
from brinery.testing.league.outcome import CHANGED, CRASHED
from brinery.testing.league.table import losses, summary
from brinery.testing.league.trial import outcomes_of
from brinery.testing.table import codec_named


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and what was not kept.

    Return 0, or 1 if anything was changed in silence or crashed, or 2 for arguments that are wrong.
    """
    parser = argparse.ArgumentParser(
        prog="python -m brinery.testing.league",
        description="Show what codecs keep: each object is written by one process and read by another.",
    )
    parser.add_argument("codecs", nargs="*", help="names, or module:Class; all built in if none")
    options = parser.parse_args(arguments)
    try:
        entries = {name: _entry(name) for name in options.codecs or builtin_codecs()}
        for entry in entries.values():
            entry.make()
    except (BrineryError, ImportError, AttributeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = dict(zip(entries, outcomes_of(*entries.values()), strict=True))
    print(f"{summary(found)}\n\n{losses(found)}")
    results = {outcome.result for each in found.values() for outcome in each.values()}
    return 1 if results & {CHANGED, CRASHED} else 0


def _entry(name: str) -> Entry:
    module, _, path = name.partition(":")
    return Entry(module, path) if path else entry_of(codec_named(name))


if __name__ == "__main__":
    sys.exit(main())
