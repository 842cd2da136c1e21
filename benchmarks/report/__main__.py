"""Write the page and its pictures from the results alone: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.report.page import PAGE, RESULTS, render


def main() -> None:
    """Render the documents of a directory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    options = parser.parse_args()
    render(options.results, options.page)


main()
