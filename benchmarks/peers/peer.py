"""The base of the adapters of peers: the few operations that are measured, and the claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, ClassVar

from benchmarks.peers import jobs

KILL = "kill"
"""A change survives the process once its call has returned; the system chooses when to flush it."""
DISK = "disk"
"""A change has been flushed to the disk once its call has returned."""


class Peer(ABC):
    """One way to keep objects under keys, used as its documentation advises.

    When `save`, `update` or `delete` returns, its effect must be as durable as `durability` says;
    so must that of the whole of `save_all`.
    """

    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions whose versions are shown; none for the standard library."""
    durability: ClassVar[str]
    source: ClassVar[str]
    """The source of the claimed class of durability."""
    advice: ClassVar[str]
    """The parts of the documentation's advice that are followed."""
    links: ClassVar[str] = jobs.ALONE
    """The links between jobs that a record keeps: one of the three of `jobs`."""
    notes: ClassVar[Mapping[str, str]] = {}
    """Remarks on the figures, by operation."""
    remark: ClassVar[str] = ""
    """A remark on the contender as a whole."""
    job: ClassVar[Any] = jobs.Job
    config: ClassVar[Any] = jobs.Config

    @classmethod
    def described(cls) -> dict[str, Any]:
        """Return the peer's facts for the results; they may depend on installed packages."""
        facts = ("title", "durability", "source", "advice", "links", "notes", "remark")
        return {fact: getattr(cls, fact) for fact in facts}

    @abstractmethod
    def __init__(self, directory: str) -> None:
        """Open the peer's files in a directory that exists."""

    @abstractmethod
    def save_all(self, objects: Mapping[str, Any]) -> None:
        """Save many new objects, in the way that is meant for many."""

    @abstractmethod
    def save(self, key: str, obj: Any) -> None:
        """Save one new object."""

    @abstractmethod
    def load(self, key: str) -> Any:
        """Return the object under a key."""

    def load_all(self, keys: Iterable[str]) -> list[Any]:
        """Return many objects, in the way that is meant for many, if there is one."""
        return [self.load(key) for key in keys]

    @abstractmethod
    def keys(self) -> Iterable[str]:
        """Return all keys."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object."""

    def update(self, key: str, obj: Any) -> None:
        """Save an object that was loaded by its key and then changed."""
        self.save(key, obj)

    def close(self) -> None:
        """Close the files."""
        return


class MappingPeer(Peer):
    """A peer whose store is a mapping from keys to objects."""

    objects: MutableMapping[str, Any]

    def commit(self) -> None:
        """Make changes as durable as promised, if that takes a call."""
        return

    def save_all(self, objects: Mapping[str, Any]) -> None:
        self.objects.update(objects)
        self.commit()

    def save(self, key: str, obj: Any) -> None:
        self.objects[key] = obj
        self.commit()

    def load(self, key: str) -> Any:
        return self.objects[key]

    def keys(self) -> Iterable[str]:
        return self.objects.keys()

    def delete(self, key: str) -> None:
        del self.objects[key]
        self.commit()
