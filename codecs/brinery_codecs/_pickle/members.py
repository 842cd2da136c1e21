"""Members of enumerations, which Pythons pickle in several forms.

===========  ====================================  =====================================================
form         pickled as                            by
===========  ====================================  =====================================================
by value     ``Colour(2)``, ``Rights(3)``          Python 3.10 and before, and from 3.11.5 on
by name      ``getattr(Colour, "BLUE")``           Python 3.11.0 to 3.11.4; classes that ask for it
combined     ``or_(Rights.WRITE, Rights.READ)``,   Python 3.11.0 to 3.11.4
             nested; an integer for bits without
             a name
as a global  ``socket:AF_INET``                    Python 3.11.0 to 3.11.4, for enumerations made of the
                                                   constants of a module; classes that ask for it
===========  ====================================  =====================================================

A reader that restricts the names in payloads admits members in each form if it admits their class.  So it
admits `getattr` and `operator.or_` in every payload: `getattr` for attributes of a class that are admitted by
their own names (see `narrowed`), `or_` for flags of one class.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import Flag

from brinery.evolution.placeholder import is_stand_in
from brinery.typing import Any, Final
from brinery_codecs._pickle.analysis.values import refused

COMBINE: Final = ("_operator", "or_")
"""The function that combines flags, as pickles name it."""

_MOST_BITS: Final = 4_096
"""Bits of flags that are combined: a class keeps each value of its flags that was ever made."""


def combining(is_admitted: Callable[[type], bool]) -> Callable[[Any, Any], Any]:
    """Return an `operator.or_` for flags alone, of one class that is admitted, and integers beside them.

    It raises `TrustError` for any other objects.
    """

    def combine(left: Any, right: Any) -> Any:
        parts = [part for part in (left, right) if not is_stand_in(part)]
        classes = {type(part) for part in parts} - {int}
        if len(classes) > 1 or (len(parts) == 2 and not classes):
            raise refused("it combines objects that are not flags of one class")
        for cls in classes:
            if not issubclass(cls, Flag) or not is_admitted(cls):
                raise refused(
                    f"it combines objects of {cls.__qualname__}, which is not a class of flags that it names"
                )
        if any(_bits(part) > _MOST_BITS for part in parts):
            raise refused(f"it combines flags of more than {_MOST_BITS} bits")
        return operator.or_(left, right)

    return combine


def _bits(part: Any) -> int:
    value = part._value_ if isinstance(part, Flag) else part
    return value.bit_length() if isinstance(value, int) else 0
