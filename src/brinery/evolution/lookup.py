"""The class or function that a payload names, under its present name."""

from __future__ import annotations

import copyreg
from collections.abc import Callable

from brinery.evolution.placeholder import PlaceholderType, missing_class, reconstruct
from brinery.evolution.renames import Renames
from brinery.typing import Any

LookUp = Callable[[str, str], Any]


class ClassLookup:
    """Finds globals under their present names; with `placeholders`, missing ones get a placeholder."""

    def __init__(
        self, renames: Renames, missing_classes: dict[Any, Any], *, placeholders: bool = False
    ) -> None:
        self.renames = renames
        self.missing_classes = missing_classes
        self.placeholders = placeholders
        self.was_renamed = False
        """Whether the global that was found last has another name now."""

    def find(self, module: str, name: str, look_up: LookUp, version: int = 1) -> Any:
        """Return the global that was called `name` of `module`.

        `version` is that of the class in the record, for its placeholder.  `look_up` imports a
        present name.  Raise `ImportError` or `AttributeError`.
        """
        present = self.renames.present(module, name)
        try:
            found = look_up(*present)
        except (ImportError, AttributeError) as error:
            # The attempt may have imported a class that says that it was called so.
            later = self.renames.present(module, name, is_missing=True)
            if later == present:
                self.was_renamed = False
                if not self.placeholders:
                    _raise_if_renamed(error, (module, name), present)
                    raise
                return missing_class(module, name, self.missing_classes, version)
            present = later
            found = self._found(module, name, present, look_up, version)
        self.was_renamed = present != (module, name)
        if self.placeholders and found is copyreg._reconstructor:  # type: ignore[attr-defined]
            return reconstruct
        return found

    def _found(
        self, module: str, name: str, present: tuple[str, str], look_up: LookUp, version: int
    ) -> Any:
        try:
            return look_up(*present)
        except (ImportError, AttributeError) as error:
            if not self.placeholders:
                _raise_if_renamed(error, (module, name), present)
                raise
            return missing_class(module, name, self.missing_classes, version)


def _raise_if_renamed(error: Exception, old: tuple[str, str], present: tuple[str, str]) -> None:
    # The error names the present name, which the rename leads to, and not the old one.
    if present != old:
        reason = f"it was renamed to {':'.join(present)}, which is not found: {error}"
        raise ImportError(reason) from error


def is_missing(found: Any) -> bool:
    """Return whether a global that was found is the placeholder of a missing one."""
    return type(found) is PlaceholderType
