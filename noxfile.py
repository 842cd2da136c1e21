"""The tests on each installed Python, and then between them: `make test-all`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False  # also where the variable CI is set


def _pyenv_versions() -> Path | None:
    """Return the directory of pyenv's versions, also where pyenv is not on the path."""
    if pyenv := shutil.which("pyenv"):
        found = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return Path(found.stdout.strip(), "versions")
    if root := os.environ.get("PYENV_ROOT"):
        return Path(root, "versions")
    return None


def _release(prefix: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in prefix.name.split("."))


def _directories() -> list[str]:
    """Return where the Pythons are that the path may lack, or have as shims that do not run.

    For each version it is pyenv's newest release; and it is always the Python that runs nox.
    """
    directories = [str(Path(sys.base_prefix, "bin"))]
    if versions := _pyenv_versions():
        for version in VERSIONS:
            releases = [
                prefix
                for prefix in versions.glob(f"{version}.*")
                if prefix.name.replace(".", "").isdigit()
                and (prefix / "bin" / f"python{version}").exists()
            ]
            if releases:
                directories.append(str(max(releases, key=_release) / "bin"))
    return directories


os.environ["PATH"] = os.pathsep.join([*_directories(), os.environ["PATH"]])


@nox.session(python=VERSIONS)
def test(session: nox.Session) -> None:
    """Run the tests against an installed wheel; a Python that is not there is skipped."""
    session.install(".[test]")
    session.run(
        "python", "-m", "pytest", "-n", "auto", "-m", "not slow and not torture", *session.posargs
    )


@nox.session(python=False)
def crossversion(session: nox.Session) -> None:
    """Read with each Python what each other has written, in the environments of `test`."""
    environments = Path(session.cache_dir).parent
    paths = [environments / f"test-{v.replace('.', '-')}" / "bin" / "python" for v in VERSIONS]
    pythons = [str(path.absolute()) for path in paths if path.exists()]
    if not pythons:
        session.error(f"none of Python {', '.join(VERSIONS)} is installed")
    session.run(pythons[0], "tests/crossversion/run.py", *pythons, external=True)
