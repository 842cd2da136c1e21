"""The installed distributions, by the names of the packages that they bring.

`importlib.metadata` has the same answers, and takes as long to import as everything else that a first save
needs. What is asked here is in the names of directories: ``scikit_learn-1.7.2.dist-info`` (the specification
of the database of installed distributions: PEP 376 and
https://packaging.python.org/specifications/recording-installed-packages).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from brinery.typing import NamedTuple


class Distribution(NamedTuple):
    """An installed distribution."""

    name: str
    """Normalized: in lower case, with hyphens (PEP 503)."""
    version: str
    path: str
    """Of its directory of metadata."""


class Distributions:
    """The distributions that are found on `sys.path`; it is looked through once."""

    def __init__(self) -> None:
        self._by_name: dict[str, Distribution] | None = None

    def of_package(self, package: str) -> Distribution | None:
        """Return the distribution that brings a top-level package; None if that is not known.

        Most distributions are called like their package.  For another package that is imported already, the
        lists of files are read of those that are installed in the same place.
        """
        if self._by_name is None:
            self._by_name = {each.name: each for each in _installed()}
        found = self._by_name.get(normalized(package))
        if found is not None:
            return found
        place = _place_of(package)
        for each in self._by_name.values() if place else ():
            if os.path.dirname(each.path) == place and package in _packages_of(each):
                return each
        return None


def normalized(name: str) -> str:
    """Return the name of a distribution in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> Iterator[Distribution]:
    # What comes first on the path is found by imports, too.
    for place in reversed(sys.path):
        try:
            names = os.listdir(place or ".")
        except OSError:  # a zip file, say
            continue
        for each in names:
            stem, ending = os.path.splitext(each)
            name, hyphen, version = stem.partition("-")
            if ending == ".dist-info" and hyphen:
                yield Distribution(normalized(name), version, os.path.join(place, each))


def _place_of(package: str) -> str | None:
    # The directory on the path from which a package was imported.
    file = getattr(sys.modules.get(package), "__dict__", {}).get("__file__")
    if type(file) is not str:
        return None
    directory, name = os.path.split(file)
    return os.path.dirname(directory) if name.startswith("__init__.") else directory


def _packages_of(distribution: Distribution) -> set[str]:
    try:
        with open(os.path.join(distribution.path, "RECORD"), encoding="utf-8") as lines:
            return {re.split(r"[/.,]", line, maxsplit=1)[0] for line in lines}
    except (OSError, UnicodeDecodeError):
        return set()
