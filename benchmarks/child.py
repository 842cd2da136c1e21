"""Runs one phase in this process: `python -m benchmarks.child MODULE FUNCTION ARGUMENTS`.

ARGUMENTS is a JSON object; so is the last line of the output, the function's result.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    """Call a function of a module of this package and print what it returns."""
    module, function, arguments = sys.argv[1:]
    phase = getattr(importlib.import_module(module), function)
    print(json.dumps(phase(**json.loads(arguments))))


if __name__ == "__main__":
    main()
