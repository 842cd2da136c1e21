"""Fresh processes, in which proofs load what this one saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from brinery.codec import Codec

CODEC = """
import importlib, json, sys
module, name, config = json.loads(sys.argv[1])
codec = importlib.import_module(module)
for part in name.split("."):
    codec = getattr(codec, part)
codec = codec(**config)
"""
"""The beginning of a program that takes a codec, as `described` writes it, as its first argument."""


def described(codec: Codec) -> str:
    """Return the class and the options of a codec as an argument of a program."""
    return json.dumps([type(codec).__module__, type(codec).__qualname__, codec.config()])


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh Python to its end."""
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
    )


def output_of(*arguments: str, **environment: str) -> str:
    """Return what a fresh Python prints; raise RuntimeError, with its errors, if it fails."""
    run = process(*arguments, **environment)
    if run.returncode != 0:
        raise RuntimeError(f"a fresh Python failed: {run.stderr}")
    return run.stdout.strip()
