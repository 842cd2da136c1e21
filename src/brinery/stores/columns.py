"""Functions that take a value out of an object, for the columns of `extra_fields`.

Modelled on GC3Pie's `gc3libs.persistence.accessors`:

>>> from types import SimpleNamespace
>>> job = SimpleNamespace(state="DONE", outputs=["a.txt"], limits={"hours": 8})
>>> GET.state(job), GET.outputs[0](job), GET.limits["hours"](job)
('DONE', 'a.txt', 8)
>>> GetValue(default="?").outputs[5](job)
'?'
"""

from __future__ import annotations

from brinery.typing import Any, Final

_NO_DEFAULT: Final = object()


class GetValue:
    """Takes attributes and items out of an object, one after the other.

    Each attribute and each item returns a new `GetValue` with one more step; calling it with an object
    walks the steps.  If an attribute, a key or an index is missing, the call returns the `default`;
    without a default it raises `AttributeError`, `KeyError`, `IndexError` or `TypeError`.
    """

    __slots__ = ("_default", "_steps")

    def __init__(
        self, default: Any = _NO_DEFAULT, _steps: tuple[tuple[bool, Any], ...] = ()
    ) -> None:
        self._default = default
        self._steps = _steps

    def __getattr__(self, name: str) -> GetValue:
        if name.startswith("__"):  # copy and pickle look for these
            raise AttributeError(name)
        return GetValue(self._default, (*self._steps, (False, name)))

    def __getitem__(self, key: Any) -> GetValue:
        return GetValue(self._default, (*self._steps, (True, key)))

    def __call__(self, obj: Any) -> Any:
        """Return the value in `obj`."""
        try:
            for is_item, step in self._steps:
                obj = obj[step] if is_item else getattr(obj, step)
        except (AttributeError, LookupError, TypeError):
            if self._default is _NO_DEFAULT:
                raise
            return self._default
        return obj

    def __reduce__(self) -> tuple[Any, ...]:
        if self._default is _NO_DEFAULT:
            return _without_default, (self._steps,)
        return GetValue, (self._default, self._steps)

    def __repr__(self) -> str:
        steps = "".join(f"[{step!r}]" if is_item else f".{step}" for is_item, step in self._steps)
        start = "GET" if self._default is _NO_DEFAULT else f"GetValue(default={self._default!r})"
        return start + steps


def _without_default(steps: tuple[tuple[bool, Any], ...]) -> GetValue:
    return GetValue(_NO_DEFAULT, steps)


GET: Final = GetValue()
"""The start of an accessor without a default: ``GET.outputs[0]``."""
