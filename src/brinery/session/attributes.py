"""Attributes of an object that are read and set without the user's code."""

from __future__ import annotations

from brinery.typing import Any, Final

UNSET: Final = object()


def own_attribute(obj: Any, name: str) -> Any:
    """Return an attribute that the object itself has, in its dict or in a slot; `UNSET` if it has none.

    Not one of its class.
    """
    for cls in type(obj).__mro__:
        slot = cls.__dict__.get(name)
        if slot is not None and hasattr(type(slot), "__set__"):
            try:
                return slot.__get__(obj, type(obj))
            except AttributeError:
                return UNSET
    try:
        return object.__getattribute__(obj, "__dict__").get(name, UNSET)
    except AttributeError:
        return UNSET


def set_own_attribute(obj: Any, name: str, value: Any) -> None:
    """Set an attribute, or remove it for `UNSET`; do nothing if the object cannot hold it."""
    try:
        if value is UNSET:
            object.__delattr__(obj, name)
        else:
            object.__setattr__(obj, name, value)
    except (AttributeError, TypeError):
        pass
