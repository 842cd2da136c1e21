"""The tests on each installed Python, and then between them: `make test-all`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

VERSIONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]

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


def _release_of(python: Path) -> str | None:
    """Return the release of a Python, None for a shim that does not run."""
    command = [str(python), "-c", "import platform; print(platform.python_version())"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def _other_releases(tested: dict[str, Path]) -> dict[str, Path]:
    """Return the Pythons on the path, by release, that are of a version but not of a release in `tested`."""
    found: dict[str, Path] = {}
    for directory in os.environ["PATH"].split(os.pathsep):
        for version in VERSIONS:
            python = Path(directory, f"python{version}")
            release = _release_of(python) if python.exists() else None
            if release is not None and release not in tested:
                found.setdefault(release, python)
    return found


@nox.session(python=False)
def crossversion(session: nox.Session) -> None:
    """Read with each Python what each other has written, in the environments of `test`.

    Releases of one version may differ: further ones on the path (that of the system, beside pyenv's) take
    part, in environments of their own.
    """
    environments = Path(session.cache_dir).parent
    paths = [environments / f"test-{v.replace('.', '-')}" / "bin" / "python" for v in VERSIONS]
    pythons = {_release_of(path) or "": path.absolute() for path in paths if path.exists()}
    if not pythons:
        session.error(f"none of Python {', '.join(VERSIONS)} is installed")
    for release, python in _other_releases(pythons).items():
        place = environments / f"crossversion-{release}"
        session.run(
            sys.executable, "-m", "virtualenv", "-q", "-p", str(python), str(place), external=True
        )
        pythons[release] = (place / "bin" / "python").absolute()
        session.run(
            *(str(pythons[release]), "-m", "pip", "install", "-q", ".[json,lz4,zstd]"),
            external=True,
        )
    first, *others = map(str, pythons.values())
    session.run(first, "tests/crossversion/run.py", first, *others, external=True)
