"""The libraries whose classes and functions records name, and their versions.

A library has the name of its distribution, as in `pip install`; without one, that of its top-level package.
The standard library has the version of Python, and brinery that of the format; classes and functions of
``__main__`` have none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from brinery.codec import Codec
from brinery.evolution.distributions import Distributions
from brinery.record.format import PYTHON
from brinery.record.record import Metadata
from brinery.typing import Any, Final

_WITHOUT: Final = sys.stdlib_module_names | {
    "__main__",
    "__mp_main__",
    "brinery",
    "brinery_codecs",
    "",
}


class Libraries(dict[str, tuple[str, str] | None]):
    """Names of modules to name and version of the library that each is part of; None: it has none.

    The libraries of this process, as one store has found them: each module is looked up once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._distributions = Distributions()

    def __missing__(self, module: str) -> tuple[str, str] | None:
        found = None
        package = module.partition(".")[0]
        if package in self and package != module:
            found = self[package]
        elif package not in _WITHOUT:
            distribution = self._distributions.of_package(package)
            if distribution is not None:
                found = distribution.name, distribution.version
            elif (version := _loaded(package)) is not None:
                found = package, version
        self[module] = found
        return found


def differing(written: Mapping[str, str], *, in_full: bool = False) -> list[str]:
    """Say which libraries have another version here than those `written`, or all if `in_full`.

    This may take milliseconds: it is for errors.
    """
    found = []
    for name, version in written.items():
        here = _installed(name) or _loaded(name)
        if here is not None and (in_full or here != version):
            found.append(f"written with {name} {version}, here {here}")
        elif here is None and not _is_there(name):
            found.append(f"written with {name} {version}, which is not installed here")
        elif here is None:
            found.append(f"written with {name} {version}, here of no known version")
    return found


def _loaded(name: str) -> str | None:
    # Not by attribute: a module may compute what it does not have, and warn.
    version = getattr(sys.modules.get(name), "__dict__", {}).get("__version__")
    return version if type(version) is str else None


def _installed(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found: Any = version(name)
    except (PackageNotFoundError, ValueError, OSError):
        return None
    return found if type(found) is str else None


def _is_there(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def compared(metadata: Metadata, codec: Codec, *, in_full: bool = False) -> str | None:
    """Say how the writer's Python and libraries differ from those here; None if they do not.

    `in_full` names them also where they are the same.
    """
    here = PYTHON
    python = f"written by Python {metadata.python}, this is {here}"
    library = f"written with {metadata.codec} {metadata.codec_version}, this is {codec.version}"
    found = [python] if in_full or metadata.python != here else []
    # The version of the codec pickle is that of Python.
    if (in_full and codec.version != here) or (
        metadata.codec_version != codec.version and codec.version != here
    ):
        found.append(library)
    # What was said of the codec is not said again.
    others = {name: it for name, it in metadata.libraries.items() if name != metadata.codec}
    found += differing(others, in_full=in_full)
    return "; ".join(found) or None
