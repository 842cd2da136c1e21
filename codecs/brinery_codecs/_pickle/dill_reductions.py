"""The reductions of dill for its types, in a form for a pickler in C.

dill's pickler is in Python, and each type that it knows has a function there that writes the opcodes.  Nearly
all of them make one call of `save_reduce`, or write one global.  Here such a function runs against a pickler
that writes nothing and remembers that call.  If it does anything else, `NotExactError` is raised, and dill
has to write the record itself.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from types import FunctionType

import dill
from dill import _dill

from brinery.typing import Any, Final
from brinery_codecs._pickle.by_value.companions import BY_VALUE
from brinery_codecs._pickle.by_value.importable import is_importable
from brinery_codecs._pickle.by_value.locks import LOCKS
from brinery_codecs._pickle.reducers import Reducer

Save = Callable[[Any, Any], None]

OWN_REDUCERS: Final[Mapping[type, Reducer]] = {**BY_VALUE, **LOCKS}
"""Those that dill would write otherwise; they hold for functions that brinery writes, too."""

_ONE_GLOBAL: Final = 2  # lines: module and name


class NotExactError(Exception):
    """Only dill's own pickler can write an object."""


class DillReducers(dict[type, Reducer]):
    """The reducers of the types that dill treats in its own way, each found when it is asked for."""

    def __init__(self, *, byref: bool, fmode: int, recurse: bool) -> None:
        super().__init__()
        self._recorder = _Recorder(byref=byref, fmode=fmode, recurse=recurse)

    def get(self, cls: type, default: Any = None) -> Any:
        """Return the reducer of a type, `default` if the type needs none."""
        if cls in OWN_REDUCERS:
            return OWN_REDUCERS[cls]
        if cls in (dict, FunctionType) or is_array(cls):
            return default
        if _is_array_subclass(cls):
            save: Save | None = dill.Pickler.save  # it has dill register the type first
        else:
            save = dill.Pickler.dispatch.get(cls)
        if save is None or save in (_dill.pickle_dispatch_copy.get(cls), _SAVE_ALIAS):
            return default
        return lambda obj: self._recorder.reduction(obj, save)

    def reduce_class(self, cls: type) -> Any:
        """Return the reduction of a class that has no importable name."""
        check_is_whole(cls)
        return self._recorder.reduction(cls, _dill.save_type)


def check_is_whole(cls: type) -> None:
    """Raise PicklingError for a named tuple that cannot be imported: dill would leave out its methods."""
    if cls.__bases__ == (tuple,) and hasattr(cls, "_fields") and not is_importable(cls):
        raise pickle.PicklingError(
            f"{cls.__module__}.{cls.__qualname__} cannot be imported, and byref=True writes classes by name"
        )


# It does the same as the pickler in C.
_SAVE_ALIAS: Final = getattr(_dill, "save_generic_alias", None)


def is_array(cls: type) -> bool:
    """Return whether a type is one of numpy's whose own reduction is better than dill's.

    dill's way with arrays and their types loses the byte order; numpy's own, at protocol 5, does not.
    """
    numpy = sys.modules.get("numpy")
    return numpy is not None and (cls is numpy.ndarray or issubclass(cls, numpy.dtype))


def _is_array_subclass(cls: type) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, numpy.ndarray)


class _Recorder(dill.Pickler):  # type: ignore[misc]
    """A pickler of dill that writes nothing and remembers one reduction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(io.BytesIO(), pickle.HIGHEST_PROTOCOL, **options)
        self.write = self._take
        self._target: Any = None
        self._found: Any = None
        self._strings: list[str] = []

    def reduction(self, obj: Any, save: Save) -> Any:
        """Return the reduction or the name of a global that `save` writes for `obj`."""
        self._target, self._found, self._strings = obj, None, []
        self.memo.clear()
        self._postproc.clear()
        try:
            save(self, obj)
            if self._found is None:
                raise NotExactError
            return self._found
        finally:
            self._target = self._found = None

    def save_reduce(self, *reduction: Any, obj: Any = None, **more: Any) -> None:
        if obj is not self._target or self._found is not None or more:
            raise NotExactError
        self._found = reduction

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if self._found is None and obj is self._target and type(obj) is not str:
            super().save(obj, save_persistent_id)
        elif type(obj) is str:
            self._strings.append(obj)  # the module or the name of a global
        else:
            raise NotExactError

    def memoize(self, obj: Any) -> None:
        if obj is not self._target:
            raise NotExactError

    def _take(self, data: bytes) -> None:
        lines = bytes(data).splitlines()
        if self._found is not None:
            raise NotExactError
        if data == pickle.STACK_GLOBAL and len(self._strings) == _ONE_GLOBAL:
            self._found = self._strings[1]
        elif data[:1] == pickle.GLOBAL and len(lines) == _ONE_GLOBAL:
            self._found = lines[1].decode()
        else:
            raise NotExactError
