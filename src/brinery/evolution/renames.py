"""Classes and modules that have moved: old names to new ones.

A name is ``module:qualname`` for a class or function, or ``module`` for all that a module held.  Searched in
this order: the mapping that a store was opened with, the classes that name their old names themselves
(`renamed_from`), and, for names that cannot be imported any more, the names that Python itself has moved and
the entry points of the group ``brinery.renames``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from weakref import WeakValueDictionary

from brinery.errors import InvalidArgumentError
from brinery.typing import Any, Final, TypeVar

RENAME_GROUP = "brinery.renames"
_OF_PYTHON: Final = {"pathlib._local": "pathlib"}
"""What Pythons have moved: 3.13 names its paths so."""

T = TypeVar("T", bound=type)

# One table for the process, as a class has one name in all of it.
_decorated: WeakValueDictionary[str, type] = WeakValueDictionary()


def renamed_from(*names: str) -> Callable[[T], T]:
    """Say, as a decorator, that a class was called `names` (each ``module:qualname``) before.

    A store learns of it when the module of the class is imported, by the program or because an old
    name lies in that module or package; for classes that moved to a module that nothing imports,
    give the store `renames`.  Raise `InvalidArgumentError` for other names.
    """
    for name in names:
        if type(name) is not str or not all(_split(name)):
            raise InvalidArgumentError(f"expected an old name 'module:qualname', got {name!r:.80}")

    def decorate(cls: T) -> T:
        if not isinstance(cls, type):
            raise InvalidArgumentError(f"renamed_from: expected a class, got {cls!r:.80}")
        _decorated.update(dict.fromkeys(names, cls))
        return cls

    return decorate


class Renames:
    """The moved names that one store knows."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Take the mapping of a store; raise `InvalidArgumentError` if it is not one, or has a circle."""
        self.given = _checked(given if given is not None else {}, "renames")

    def present(self, module: str, name: str, *, is_missing: bool = False) -> tuple[str, str]:
        """Return the module and the name under which ``module:name`` is found now.

        `is_missing` says that it cannot be imported as it was.
        """
        if not (self.given or _decorated or is_missing):
            return module, name
        seen = {(module, name)}
        while True:
            following = self._step(module, name, is_missing)
            if following is None or following == (module, name):
                return module, name
            if following in seen:
                chain = " and ".join(sorted(":".join(pair) for pair in seen))
                raise InvalidArgumentError(f"renames lead in a circle: {chain}")
            seen.add(following)
            module, name = following

    def _step(self, module: str, name: str, is_missing: bool) -> tuple[str, str] | None:
        if self.given and (found := _applied(self.given, module, name)):
            return found
        if _decorated and (found := _of_classes(module, name)):
            return found
        return _applied(_installed(), module, name) if is_missing else None


def _of_classes(module: str, name: str) -> tuple[str, str] | None:
    # A class that says what it was called, or what lies in one.
    outer, rest = name, ""
    while outer:
        if (cls := _decorated.get(f"{module}:{outer}")) is not None:
            return cls.__module__, cls.__qualname__ + rest
        outer, _, last = outer.rpartition(".")
        rest = f".{last}{rest}"
    return None


def _applied(table: Mapping[str, str], module: str, name: str) -> tuple[str, str] | None:
    # The longest old name that fits: a nested class, the class around it, the module.
    outer, rest = name, ""
    while outer:
        if (new := table.get(f"{module}:{outer}")) is not None:
            target, qualname = _split(new)
            return target, qualname + rest
        outer, _, last = outer.rpartition(".")
        rest = f".{last}{rest}"
    package, rest = module, ""
    while package:
        if (new := table.get(package)) is not None:
            return new + rest, name
        package, _, last = package.rpartition(".")
        rest = f".{last}{rest}"
    return None


def _split(name: str) -> tuple[str, str]:
    module, _, qualname = name.partition(":")
    return module, qualname


def _checked(table: Any, what: str) -> dict[str, str]:
    if not isinstance(table, Mapping):
        raise InvalidArgumentError(
            f"{what}: expected a mapping of old names to new ones, got {table!r:.80}"
        )
    for old, new in table.items():
        if type(old) is not str or type(new) is not str or not old or not new:
            raise InvalidArgumentError(
                f"{what}: expected two names, got {old!r:.80} and {new!r:.80}"
            )
        if (":" in old) != (":" in new) or old.endswith(":") or new.endswith(":"):
            raise InvalidArgumentError(
                f"{what}: expected 'module:qualname' or 'module' for both, got {old!r} and {new!r}"
            )
    for old in table:
        seen, name = {old}, table[old]
        while name in table and name != table[name]:
            if name in seen:
                raise InvalidArgumentError(f"{what}: {old!r} leads in a circle")
            seen.add(name)
            name = table[name]
    return dict(table)


@functools.cache
def _installed() -> dict[str, str]:
    # Looked up once: installed distributions do not change under a running program.
    from importlib.metadata import entry_points

    found = dict(_OF_PYTHON)
    for point in entry_points(group=RENAME_GROUP):
        found.update(_checked(point.load(), f"the entry point {point.name!r} of {RENAME_GROUP}"))
    return found
