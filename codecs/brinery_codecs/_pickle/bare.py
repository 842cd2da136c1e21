"""Objects that pickle would write and never read again, because it makes them bare first.

An unpickler makes an exception by calling its class with `args`, which an `__init__` of its own need not
take.  And it asks an object without attributes for `__setstate__`, which a `__getattr__` may answer by asking
for an attribute, and so for ever.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable

from brinery.typing import Any, Final

Reducer = Callable[[Any], Any]

_NEW: Final = copyreg.__newobj__  # type: ignore[attr-defined]
_slot_names: Final = copyreg._slotnames  # type: ignore[attr-defined]
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_MADE_BY_NEW: Final = BaseException.__basicsize__
"""The size of exceptions whose `__new__` sets all that they have besides attributes."""


def exception_reducer(cls: type) -> Reducer | None:
    """Return the reducer of exceptions with an `__init__` of their own; None for any other class.

    They are made by `__new__`, which sets `args`; all else is in their state.  Those that have more than that
    are made by a call as ever, and refused if their class does not take `args`.
    """
    if not issubclass(cls, BaseException) or cls in copyreg.dispatch_table:
        return None
    if not _is_python(cls, "__init__") or any(
        _is_python(cls, name) for name in ("__new__", "__reduce__", "__reduce_ex__")
    ):
        return None
    in_c = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    if in_c.__basicsize__ != _MADE_BY_NEW or _slot_names(cls):
        return _checked(cls)

    def reduce_exception(error: Any) -> Any:
        _, args, *state = error.__reduce__()
        return (_NEW, (cls, *args), *state)

    return reduce_exception


def _is_python(cls: type, name: str) -> bool:
    return hasattr(getattr(cls, name), "__code__")


def _checked(cls: type) -> Reducer:
    import inspect  # 20 ms

    made: Any = cls
    signature = inspect.signature(made.__init__)

    def reduce_exception(error: Any) -> Any:
        reduction: Any = error.__reduce__()
        try:
            signature.bind(error, *reduction[1])
        except TypeError as reason:
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__} could not be loaded: it would be made by "
                f"{cls.__qualname__}(*args), and its __init__ does not take its args, {reduction[1]!r:.80}: "
                f"{reason}. Pass all arguments to super().__init__, or give the class a __reduce__"
            ) from None
        return reduction

    return reduce_exception


def check_bare(cls: type) -> None:
    """Raise TypeError for a class whose bare objects cannot be asked for an attribute.

    Called once for each class.
    """
    if not hasattr(cls, "__getattr__") or hasattr(cls, "__setstate__"):
        return
    if cls in copyreg.dispatch_table or any(
        getattr(cls, name) is not getattr(object, name)
        for name in ("__new__", "__reduce__", "__reduce_ex__")
    ):
        return
    if _asks_for_ever(cls):
        raise TypeError(
            f"{cls.__module__}.{cls.__qualname__} could not be loaded: its __getattr__ calls itself for ever "
            "on an object that has no attributes yet. Let it raise AttributeError for names that begin with "
            "two underscores, or give the class a __setstate__"
        )


def _asks_for_ever(cls: type) -> bool:
    try:
        getattr(object.__new__(cls), "__setstate__", None)
    except RecursionError:
        return True
    except Exception:  # noqa: BLE001 - whatever else it raises for a bare object, loading raises it, too
        return False
    return False
