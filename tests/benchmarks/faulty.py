"""Contenders with faults, for the driver to find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers import jobs
from benchmarks.peers.pickle import Renamed


class LosesUpdates(Renamed):
    """Does not write what was changed."""

    title = "loses updates"

    def update(self, key: str, obj: Any) -> None:
        """Forget it."""


class MixesUp(Renamed):
    """Returns another object than was asked for, now and then."""

    title = "mixes up"

    def load(self, key: str) -> Any:
        return super().load("job_000101" if key == "job_000100" else key)


class SavesOnClose(Renamed):
    """Holds everything in memory until it is closed."""

    title = "saves on close"

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.held: dict[str, Any] = {}

    def save_all(self, objects: Mapping[str, Any]) -> None:
        self.held.update(objects)

    def save(self, key: str, obj: Any) -> None:
        self.held[key] = obj

    def load(self, key: str) -> Any:
        return self.held[key] if key in self.held else super().load(key)

    def close(self) -> None:
        super().save_all(self.held)


class ClaimsCycles(Renamed):
    """Says that records keep links to each other, which they do not."""

    title, links = "claims cycles", jobs.CYCLES
