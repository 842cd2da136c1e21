"""What an adapter of a peer provides: the few operations that are measured, and what it claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, ClassVar

from benchmarks.peers import jobs

KILL = "kill"
"""What a call has returned for survives the death of the process; the system flushes it when it likes."""
DISK = "disk"
"""What a call has returned for has been flushed to the disk."""


class Peer(ABC):
    """One way to keep objects under keys, used as its documentation advises.

    When `save`, `update` or `delete` returns, its effect must be as durable as `durability` says;
    so must that of the whole of `save_all`.
    """

    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions whose versions are told; none for the standard library."""
    durability: ClassVar[str]
    source: ClassVar[str]
    """Where it is written that the class of durability is this one."""
    advice: ClassVar[str]
    """What of the documentation's advice is followed."""
    links: ClassVar[str] = jobs.ALONE
    """How much of the links between jobs a record keeps: one of the three of `jobs`."""
    notes: ClassVar[Mapping[str, str]] = {}
    """What must be known of the figures of an operation."""
    remark: ClassVar[str] = ""
    """What must be known of the whole."""
    job: ClassVar[Any] = jobs.Job
    config: ClassVar[Any] = jobs.Config

    @classmethod
    def described(cls) -> dict[str, Any]:
        """Return what the results say of a peer; it may depend on what is installed."""
        facts = ("title", "durability", "source", "advice", "links", "notes", "remark")
        return {fact: getattr(cls, fact) for fact in facts}

    @abstractmethod
    def __init__(self, directory: str) -> None:
        """Open what is kept in a directory, which is there."""

    @abstractmethod
    def save_all(self, objects: Mapping[str, Any]) -> None:
        """Save many new objects by the way that is meant for many."""

    @abstractmethod
    def save(self, key: str, obj: Any) -> None:
        """Save one new object."""

    @abstractmethod
    def load(self, key: str) -> Any:
        """Return the object under a key."""

    def load_all(self, keys: Iterable[str]) -> list[Any]:
        """Return many objects, by the way that is meant for many where there is one."""
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
        """Let go of files."""
        return


class MappingPeer(Peer):
    """A peer whose store is a mapping from keys to objects."""

    objects: MutableMapping[str, Any]

    def commit(self) -> None:
        """Make what was changed as durable as is promised, where that takes a call."""
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
