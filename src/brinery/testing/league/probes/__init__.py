"""The probes of the league, by family: values, kinds, sharing, cycles, functions and classes, arrays."""

from __future__ import annotations

from typing import Final

from brinery.testing.league.probe import Probes
from brinery.testing.league.probes import (
    arrays,
    cycles,
    functions,
    instances,
    kinds,
    sharing,
    values,
)

PROBES: Final[Probes] = {
    "Plain data": values.PLAIN,
    "Numbers, text and dates at their limits": values.LIMITS,
    "Other types of the standard library": values.OTHERS,
    "Subclasses": kinds.PROBES,
    "Instances": instances.PROBES,
    "Sharing": sharing.PROBES,
    "Cycles and depth": cycles.PROBES,
    "Functions and classes": functions.PROBES,
    "Arrays and tables": arrays.PROBES,
}
"""All probes, by family."""
