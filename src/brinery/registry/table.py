"""A table of import strings, then entry points, then an error that says what to install.

Nothing registers itself on import.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial

from brinery.errors import BrineryError, InvalidArgumentError
from brinery.typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
Made = TypeVar("Made")


class BuiltIn(NamedTuple):
    """A name that comes with brinery."""

    path: str
    """Where to import it from: ``module:name``."""
    hint: str = "pip install brinery"
    """The command that installs the library it needs."""


class Registry(Generic[T]):
    """The names of one kind, and the thing that each name means.

    A name is looked up among those that were added, then in the table of built-in ones, then among the entry
    points of installed distributions (group ``brinery.codecs`` for the kind ``codec``).
    """

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, BuiltIn],
        check: Callable[[str, Any], T],
        not_installed: Callable[[str, str, str], Exception] | None = None,
    ) -> None:
        """`check` takes a name and what was imported for it, and returns that or raises.

        `not_installed` takes a name, the command to install it and the reason, and returns the error to
        raise instead of an `ImportError`.
        """
        self.kind = kind
        self.builtin = builtin
        self._check = check
        self._not_installed = not_installed
        self._added: dict[str, T] = {}

    def names(self) -> list[str]:
        """Return all names: added, built in and installed."""
        return sorted({*self._added, *self.builtin, *self._entry_points()})

    def add(self, name: str, thing: Any) -> None:
        """Give a name to a thing, from now on and in this process."""
        self._added[name] = self._check(name, thing)

    def find(self, *names: str) -> T | None:
        """Return the thing that the first known one of the names means, None where none is known."""
        for name in names:
            if name in self._added:
                return self._added[name]
            if name in self.builtin:
                path, hint = self.builtin[name]
                return self._loaded(name, hint, partial(_imported, path))
        points = self._entry_points()
        for name in names:
            if name in points:
                point = points[name]
                distribution = point.dist.name if point.dist else name
                return self._loaded(name, f"pip install --upgrade {distribution}", point.load)
        return None

    def make(self, name: str, make: Callable[..., Made], config: Mapping[str, Any]) -> Made:
        """Return ``make(**config)``; raise `InvalidArgumentError` where it refuses the options."""
        try:
            return make(**config)
        except BrineryError:
            raise
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"the {self.kind} {name!r} does not take the options {dict(config)!r}: {error}"
            ) from error

    def _loaded(self, name: str, hint: str, load: Callable[[], Any]) -> T:
        try:
            found = load()
        except ImportError as error:
            if self._not_installed is None:
                raise
            raise self._not_installed(name, hint, str(error)) from error
        return self._check(name, found)

    def _entry_points(self) -> dict[str, Any]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=f"brinery.{self.kind}s")}


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
