"""Build what would be published, and use it as a stranger would: `make release-check` calls this.

    python tests/release/run.py

The sdist is built from the checkout and the wheel from the sdist, so that a file which the sdist lacks is
missed here.  Each of the two is installed into an environment of its own that holds nothing else, not
even pip; there the Python blocks of the README run in an empty directory.  Needed are the package
index and the extra `release`.  Both files are left in `dist`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DIST = PROJECT / "dist"
README = PROJECT / "README.md"
RUN_PAGE = PROJECT / "tests" / "docs" / "page.py"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*command: str | Path, directory: Path = PROJECT) -> str:
    """Run a command, and return what it printed; raise SystemExit with its output if it fails."""
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise SystemExit(f"{done.stdout}\nrelease-check failed: {words}")
    return done.stdout


def build() -> tuple[Path, Path]:
    """Build into an empty `dist`; return the sdist and the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    (sdist,) = DIST.glob("*.tar.gz")
    (wheel,) = DIST.glob("*.whl")
    return sdist, wheel


def bare_environment(directory: Path) -> Path:
    """Make a virtual environment without pip; return its directory of programs."""
    venv.create(directory, with_pip=False, symlinks=os.name != "nt")
    return directory / ("Scripts" if os.name == "nt" else "bin")


def try_out(distribution: Path, directory: Path) -> str:
    """Install a distribution into a bare environment, and run the README; return its version."""
    programs = bare_environment(directory / "environment")
    python = programs / "python"
    run(*PIP, "--python", python, "install", "--quiet", distribution)
    run(*PIP, "--python", python, "check")
    empty = directory / "empty"
    empty.mkdir()
    # Isolated: no variable of the environment and no directory adds to what was installed.
    run(python, "-I", "-W", "error", RUN_PAGE, README, directory=empty)
    return run(programs / "brinery", "--version", directory=empty).split()[-1]


def main(distributions: Sequence[Path]) -> None:
    """Try all distributions out, and print one line that says so."""
    versions = set()
    for distribution in distributions:
        print(f"{distribution.name}: installing it, and running the README…", flush=True)
        with tempfile.TemporaryDirectory() as temporary:
            versions.add(try_out(distribution, Path(temporary)))
    (version,) = versions
    names = " and ".join(distribution.name for distribution in distributions)
    print(f"release-check passed: brinery {version}, {names} in {DIST.name}/")


if __name__ == "__main__":
    print("building the sdist, and the wheel from it…", flush=True)
    main(build())
