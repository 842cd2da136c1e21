"""Attributes that an object gets before its state, because its hash needs them.

An object that hashes by value may be a key inside its own record, or in a record that refers back to it.  It
then has to have the attributes of its hash before its state can be decoded.  Its state must find it as it was
without them: an attribute that the state does not have would stay, and the order of the others would change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from brinery.session.attributes import UNSET, own_attribute, set_own_attribute
from brinery.typing import Any, Final

_SET_STATE: Final = "__setstate__"


class EarlyAttributes:
    """The early attributes of one object, which has them until its state is set."""

    def __init__(
        self, obj: Any, attributes: Mapping[str, Any], upgrade: Callable[[Any], Any] | None
    ) -> None:
        """Prepare `attributes` of a state; `upgrade` is that of the states of this class, if it is old."""
        self.obj = obj
        self._attributes = attributes if upgrade is None else _upgraded(attributes, upgrade)
        self._former: dict[str, Any] = {}
        self._hash: int | None = None

    def set(self) -> None:
        """Give the object its early attributes, unless it has them."""
        if self._former:
            return
        obj = self.obj
        for name, value in self._attributes.items():
            if name != _SET_STATE:  # a payload must not choose what is called
                self._former[name] = own_attribute(obj, name)
                object.__setattr__(obj, name, value)
        # Unpicklers call it with the state.  An object without a dict takes no such attribute: its state has
        # the slots that were set early, unless an upgrade removes them, which calls `drop` first.
        if own_attribute(obj, "__dict__") is not UNSET:
            self._former[_SET_STATE] = own_attribute(obj, _SET_STATE)
            set_own_attribute(obj, _SET_STATE, self._set_state)
        with suppress(Exception):  # it needs more than the early attributes
            self._hash = hash(obj)

    def drop(self) -> None:
        """Make the object as it was before `set`."""
        for name, value in self._former.items():
            set_own_attribute(self.obj, name, value)
        self._former = {}

    def end(self) -> None:
        """Take back the hook for the state if nobody has called it: a reducer may set the state by itself."""
        if _SET_STATE in self._former:
            set_own_attribute(self.obj, _SET_STATE, self._former.pop(_SET_STATE))

    def keeps_hash(self) -> bool:
        """Return whether the complete object has the hash that it had with its early attributes."""
        try:
            return self._hash is None or self._hash == hash(self.obj)
        except Exception:  # noqa: BLE001 - of the user's code
            return False

    def _set_state(self, state: Any) -> None:
        self.drop()
        obj = self.obj
        if (set_state := getattr(obj, _SET_STATE, None)) is not None:
            set_state(state)
            return
        # As unpicklers do it.
        slots = None
        if type(state) is tuple and len(state) == 2:
            state, slots = state
        for name, value in (state or {}).items():
            obj.__dict__[sys.intern(name) if type(name) is str else name] = value
        for name, value in (slots or {}).items():
            setattr(obj, name, value)


def _upgraded(attributes: Mapping[str, Any], upgrade: Callable[[Any], Any]) -> Mapping[str, Any]:
    # The hash needs those of the present version.  The upgrade may need more of the state than there is.
    with suppress(Exception):
        made = upgrade(dict(attributes))
        if isinstance(made, tuple) and len(made) == 2:
            made = {**(made[0] or {}), **made[1]}
        if isinstance(made, Mapping):
            return made
    return attributes
