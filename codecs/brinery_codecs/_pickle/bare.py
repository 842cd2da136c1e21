"""Objects that pickle would write and never read again, or read without a part of them.

An unpickler makes an exception by calling its class with `args`, which an `__init__` of its own need not
take.  And it asks an object without attributes for `__setstate__`, which a `__getattr__` may answer by asking
for an attribute, and so for ever.

The reductions of Python leave out the cause and context of an exception, and those of some classes in C the
attributes that a subclass has.
"""

from __future__ import annotations

import copyreg
import operator
import sys
from collections.abc import Callable

from brinery.typing import Any, Final

Reducer = Callable[[Any], Any]

_NEW: Final = copyreg.__newobj__  # type: ignore[attr-defined]
_slot_names: Final = copyreg._slotnames  # type: ignore[attr-defined]
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_MADE_BY_NEW: Final = BaseException.__basicsize__
"""The size of exceptions whose `__new__` sets all that they have besides attributes."""


class OverlapError(BaseException):
    """Arrays of a record share memory.  Not an `Exception`: user code must not catch it."""


def is_array(cls: type) -> bool:
    """Return whether a class is that of arrays of numpy, or a subclass."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, getattr(numpy, "ndarray", ()))


def exception_reducer(cls: type) -> Reducer | None:
    """Return the reducer of exceptions; None for any other class, and for one that has a `__reduce__`.

    Those with an `__init__` of their own are made by `__new__`, which sets `args`; all else is in their
    state.  Those that have more than that are made by a call as ever, and refused if their class does not
    take `args`.
    """
    if not issubclass(cls, BaseException) or cls in copyreg.dispatch_table:
        return None
    if _is_python(cls, "__reduce__", "__reduce_ex__"):
        return None
    if not _is_python(cls, "__init__") or _is_python(cls, "__new__"):
        return _linked(cls, operator.methodcaller("__reduce__"))
    in_c = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    if in_c.__basicsize__ != _MADE_BY_NEW or _slot_names(cls):
        return _linked(cls, _checked(cls))

    def reduce_exception(error: Any) -> Any:
        _, args, *state = error.__reduce__()
        return (_NEW, (cls, *args), *state)

    return _linked(cls, reduce_exception)


def _linked(cls: type, reduce: Reducer) -> Reducer:
    # Python leaves out the cause, the context and the slots of an exception; its `__setstate__` takes them.
    slots = _slot_names(cls)

    def reduce_linked(error: Any) -> Any:
        reduction = reduce(error)
        is_alone = error.__context__ is error.__cause__ is None
        if is_alone and not slots and not error.__suppress_context__:
            return reduction
        links = {name: each for name in _LINKS if _is_set(each := getattr(error, name))}
        links |= {name: getattr(error, name) for name in slots if hasattr(error, name)}
        if not links:
            return reduction
        constructor, args, *rest = reduction
        state = rest[0] if rest else None
        if _is_python(cls, "__setstate__") or type(state) not in (dict, type(None)):
            raise TypeError(
                f"the __setstate__ of {cls.__module__}.{cls.__qualname__} does not take the cause and the "
                "context of the error: set both to None, or give the class a __reduce__"
            )
        links["__suppress_context__"] = error.__suppress_context__  # which a cause would set
        return (constructor, args, {**(state or {}), **links})

    return reduce_linked


def _is_set(link: Any) -> bool:
    return link is not None and link is not False


_LINKS: Final = ("__cause__", "__context__", "__suppress_context__")


def reducer_of_attributes(cls: type, reduce: Reducer) -> Reducer | None:
    """Return the reducer of a subclass whose base leaves out its attributes, as datetime does; else None."""
    if cls in copyreg.dispatch_table or _is_python(cls, "__setstate__", "__getstate__"):
        return None
    names = _slot_names(cls)
    names_of_reduction = ("__reduce_ex__", "__reduce__")
    reduces, name = next(
        (base, name)
        for name in names_of_reduction
        for base in cls.__mro__
        if name in vars(base) and (base, name) != (object, "__reduce_ex__")
    )
    if reduces in (object, cls) or not (cls.__dictoffset__ or names):
        return None
    if _is_python(cls, name):
        if reduces.__module__ not in _WITHOUT_ATTRIBUTES:
            return None
    elif reduces.__dictoffset__ and not names:
        return None  # it has attributes itself, and so knows of them

    def reduce_whole(obj: Any) -> Any:
        reduction = reduce(obj)
        if type(reduction) is not tuple or (len(reduction) > 2 and reduction[2] is not None):
            return reduction
        attributes = getattr(obj, "__dict__", None) or None
        slots = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
        state = (attributes, slots) if slots else attributes
        return reduction if state is None else (*reduction[:2], state, *reduction[3:])

    return reduce_whole


_WITHOUT_ATTRIBUTES: Final = frozenset({"collections", "fractions", "ipaddress"})
"""Modules of classes whose reduction, in Python, is that of an object without attributes."""


def _is_python(cls: type, *names: str) -> bool:
    return any(hasattr(getattr(cls, name, None), "__code__") for name in names)


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
