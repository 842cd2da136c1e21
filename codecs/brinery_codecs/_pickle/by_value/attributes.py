"""The attributes of a class that belong to it, rather than to the way in which Python makes classes."""

from __future__ import annotations

import enum

from brinery.typing import Any, Final
from brinery_codecs.functions import is_made_again

_OF_ENUMERATIONS: Final = (frozenset(vars(enum.Flag)) - {"__doc__", "__annotations__"}) | {
    "__new_member__",
    "_all_bits_",
    "_boundary_",
    "_flag_mask_",
    "_generate_next_value_",
    "_hashable_values_",
    "_inverted_",
    "_member_map_",
    "_member_names_",
    "_member_type_",
    "_new_member_",
    "_singles_mask_",
    "_unhashable_values_",
    "_unhashable_values_map_",
    "_use_args_",
    "_value2member_map_",
    "_value_repr_",
}


def own_attributes(cls: type) -> dict[str, Any]:
    """Return the attributes of a class that its statement and its program gave it.

    Without those that making the class again gives it: slots, members of an enumeration, an ABC's cache.
    """
    attributes = {
        name: value for name, value in vars(cls).items() if not is_made_again(name, value)
    }
    if isinstance(cls, enum.EnumType):
        attributes = {
            name: value
            for name, value in attributes.items()
            if name not in cls.__members__ and (name not in _OF_ENUMERATIONS or is_own(value, cls))
        }
    return attributes


def is_own(value: Any, cls: type) -> bool:
    """Return whether an attribute is a function that the statement of a class has defined."""
    function = getattr(value, "__func__", value)
    function = getattr(function, "fget", None) or function
    return getattr(function, "__qualname__", "").startswith(f"{cls.__qualname__}.")
