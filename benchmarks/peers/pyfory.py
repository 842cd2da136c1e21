"""pyfory, Apache Fory's format for Python: a file per object, under a temporary name and renamed.

It is measured only where it keeps jobs with all their links inside one value.  That is tried at the import,
by two instances, as the reader is usually not the process that has written.
"""

from __future__ import annotations

from typing import Any

import pyfory

from benchmarks.peers import jobs
from benchmarks.peers.pickle import Renamed


def _made() -> Any:
    return pyfory.Fory(xlang=False, ref=True, strict=False, compatible=False)


class _Linked:
    links, job, config = jobs.CYCLES, jobs.Job, jobs.Config


def _check() -> None:
    """Raise `ImportError` unless a workflow comes back with its links and its one configuration."""
    written = _made().serialize(jobs.workflows(_Linked, jobs.RING, config=jobs.Config()))
    try:
        found = list(_made().deserialize(written).values())
        for number, job in enumerate(found):
            jobs.check_job(_Linked, job, number)
            assert job.config is found[0].config
            assert job.after is found[(number + 1) % jobs.RING]
    except Exception as error:
        raise ImportError(f"pyfory does not keep linked jobs: {error!r}") from error


_check()


class Pyfory(Renamed):
    title, packages = "pyfory + rename", ("pyfory",)
    # https://pypi.org/project/pyfory/, "Drop-in Replacement for Pickle": Fory(xlang=False, ref=True,
    # strict=False).  The compatible mode, which is the default, does not read plain classes that another
    # instance has written: "TypeDef … is not registered".
    advice = "xlang=False, ref=True, strict=False; compatible=False, without which plain classes are not read"
    remark = (
        "ten jobs with all their links in one value came back as they were; it does not take the syntax "
        "trees, for integers of more than 64 bits raise OverflowError"
    )

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.fory = _made()

    def _write(self, key: str, obj: Any, durable: bool = False) -> None:
        with open(f"{self.directory}/{key}.tmp", "wb") as file:
            file.write(self.fory.serialize(obj))

    def load(self, key: str) -> Any:
        with open(f"{self.directory}/{key}", "rb") as file:
            return self.fory.deserialize(file.read())
