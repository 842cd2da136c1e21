"""States of older versions of a class, brought up to date.

A class has version 1, and with each function that `upgrades` registers for it the version that this leads to.
The metadata of a record list the versions of those classes of its objects that are past version 1; the
payload knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from brinery.errors import InvalidArgumentError
from brinery.evolution.placeholder import PlaceholderType
from brinery.typing import Any, TypeVar

Upgrade = Callable[[Any], Any]
F = TypeVar("F", bound=Upgrade)

# One table for the process, as a class has one version in all of it.
_steps: WeakKeyDictionary[type, dict[int, Upgrade]] = WeakKeyDictionary()


def upgrades(cls: type, *, to: int) -> Callable[[F], F]:
    """Register, as a decorator, the function that turns a state of version ``to - 1`` of `cls` into `to`.

    The function receives the old state as it was pickled (for most classes a dict of attributes; None for
    an object that had none), and returns the new one.  It is for objects of exactly this class.
    Raise `InvalidArgumentError` where `to` is less than 2 or was registered before.
    """
    if not isinstance(cls, type):
        raise InvalidArgumentError(f"upgrades: expected a class, got {cls!r:.80}")
    if type(to) is not int or to < 2:
        raise InvalidArgumentError(f"upgrades: expected to=2 or more, got {to!r:.20}")

    def decorate(function: F) -> F:
        known = _steps.setdefault(cls, {})
        if known.setdefault(to, function) is not function:
            raise InvalidArgumentError(
                f"{cls.__module__}:{cls.__qualname__} has an upgrade to version {to} already: "
                f"{known[to]!r}"
            )
        return function

    return decorate


def version_of(cls: type) -> int:
    """Return the version of a class: the highest that an upgrade leads to, or 1.

    A placeholder has the version that its record has of the missing class.
    """
    if type(cls) is PlaceholderType:
        return cls.version
    return max(_steps.get(cls, ()), default=1) if _steps else 1


def upgrade_from(cls: type, version: int) -> Upgrade | None:
    """Return the function that upgrades states of `version` of `cls`; None if that is the present version.

    Raise `LookupError`, with the reason, if a step is missing or the version is newer.
    """
    present = version_of(cls)
    if version == present:
        return None
    name = f"{cls.__module__}:{cls.__qualname__}"
    if version > present:
        raise LookupError(
            f"it was written with version {version} of {name}, and this program knows versions up to "
            f"{present}: update the program"
        )
    known = _steps[cls]
    missing = [number for number in range(version + 1, present + 1) if number not in known]
    if missing:
        raise LookupError(
            f"it was written with version {version} of {name}, the present one is {present}, and no "
            f"upgrade leads to version {missing[0]}: write one with @upgrades({cls.__qualname__}, "
            f"to={missing[0]})"
        )
    steps = [known[number] for number in range(version + 1, present + 1)]

    def upgrade(state: Any) -> Any:
        for step in steps:
            state = step(state)
        return state

    return upgrade
