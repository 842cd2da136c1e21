"""The sources of the measured objects."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from brinery.bench.graphs import GRAPHS
from brinery.bench.result import Graph
from brinery.errors import InvalidArgumentError
from brinery.registry.stores import make_store
from brinery.trust.policy import Trust


class Source(ABC):
    """Makes the roots of one graph, in each process again."""

    kind: ClassVar[str]

    @abstractmethod
    def build(self) -> Sequence[Any]:
        """Return the roots.  A function of the user may raise anything."""

    @abstractmethod
    def describe(self) -> Graph:
        """Return name, title and description of the graph."""

    def to_job(self) -> dict[str, Any]:
        """Return JSON types from which `source_from` makes the source again."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class BuiltIn(Source):
    """A built-in graph of about `nodes` nodes."""

    name: str
    nodes: int
    seed: int

    kind: ClassVar[str] = "builtin"

    def build(self) -> Sequence[Any]:
        """Return the graph."""
        return [GRAPHS[self.name].build(self.nodes, self.seed)]

    def describe(self) -> Graph:
        """Return its title and description."""
        graph = GRAPHS[self.name]
        return Graph(self.name, graph.title, graph.description, self.kind, None, self.seed)


@dataclass(frozen=True, slots=True)
class Factory(Source):
    """The result of a function of the user: ``module:function`` or ``path.py:function``."""

    target: str

    kind: ClassVar[str] = "factory"

    def build(self) -> Sequence[Any]:
        """Call the function."""
        return [self.function()()]

    def function(self) -> Any:
        """Return the function.  Raise `InvalidArgumentError` if there is none."""
        place, colon, name = self.target.rpartition(":")
        if not (colon and place and name):
            raise InvalidArgumentError(
                f"expected module:function or path.py:function, got {self.target!r}"
            )
        found: Any = _module(place)
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError as error:
            raise InvalidArgumentError(f"{place!r} has no function {name!r}") from error
        if not callable(found):
            raise InvalidArgumentError(
                f"{self.target!r}: expected a function, got {type(found).__name__}"
            )
        return found

    def describe(self) -> Graph:
        """Return the target as its title."""
        name = self.target.rpartition(":")[2]
        return Graph(name, self.target, f"the result of {self.target}", self.kind)


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            # Only if this module is missing, not one that it imports.
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise
            raise InvalidArgumentError(f"there is no module {place!r}") from error
    path = os.path.abspath(place)
    if not os.path.isfile(path):
        raise InvalidArgumentError(f"there is no file {place!r}")
    # Like `python path.py`: files beside it can be imported; its classes have the name of the file.
    name = os.path.splitext(os.path.basename(path))[0]
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Stored(Source):
    """Objects of a store: those with the IDs `ids`, or all."""

    url: str
    ids: tuple[str, ...] = ()
    trusted: tuple[str, ...] | None = None
    """What its records may import; None for what the environment says."""

    kind: ClassVar[str] = "store"

    def build(self) -> Sequence[Any]:
        """Load the objects."""
        with self._opened() as store:
            return list(store.load_many(self.ids or store.list()))

    def _opened(self) -> Any:
        trust = Trust.from_environment()
        trust = trust if self.trusted is None else trust.admitting(self.trusted)
        return make_store(self.url, trust=trust)

    def describe(self) -> Graph:
        """Return the URL without its secrets as title."""
        with self._opened() as store:
            place = store.url.without_secrets()
        chosen = ", ".join(self.ids[:5]) if self.ids else "all objects"
        return Graph("store", f"{chosen} of {place}", f"objects of {place}", self.kind)


@dataclass(frozen=True, slots=True)
class Given(Source):
    """An object of this process; other processes get it by fork(2) only."""

    obj: Any
    name: str = "object"

    kind: ClassVar[str] = "object"

    def build(self) -> Sequence[Any]:
        """Return the object."""
        return [self.obj]

    def describe(self) -> Graph:
        """Return the class of the object as title."""
        cls = type(self.obj)
        title = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
        return Graph(self.name, title, f"an object of class {title}", self.kind)


_KINDS = {cls.kind: cls for cls in (BuiltIn, Factory, Stored)}


def source_from(job: Mapping[str, Any]) -> Source:
    """Return the source that `Source.to_job` described."""
    values = dict(job)
    cls = _KINDS[values.pop("kind")]
    values |= {name: tuple(values[name]) for name in ("ids", "trusted") if values.get(name)}
    return cls(**values)
