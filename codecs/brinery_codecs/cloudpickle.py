"""cloudpickle: lambdas, closures, and classes that cannot be imported, at the C pickler's speed."""

from __future__ import annotations

import copyreg
import sys
import types
from collections import ChainMap
from collections.abc import MutableMapping
from io import TextIOWrapper
from pickle import PicklingError
from types import FunctionType

import cloudpickle

from brinery.codec import Capabilities, Sink
from brinery.typing import Any, ClassVar
from brinery_codecs._pickle.by_value.companions import BY_VALUE
from brinery_codecs._pickle.by_value.importable import (
    has_its_name,
    is_importable,
    is_importable_function,
    is_made_in_c,
)
from brinery_codecs._pickle.deep import DeepPickler
from brinery_codecs._pickle.family import PickleFamily
from brinery_codecs._pickle.reducers import Reducer
from brinery_codecs._pickle.targets import Target
from brinery_codecs._pickle.write_state import WriteState


def _reduce_file(file: TextIOWrapper) -> Any:
    # cloudpickle would write a StringIO with the content instead, which is not a file.
    if file is sys.stdout or file is sys.stderr:
        return cloudpickle.Pickler.dispatch_table[TextIOWrapper](file)
    raise PicklingError(
        "cloudpickle keeps the content of an open file and not the file: "
        "store the content, the path, or use the codec dill"
    )


def _refuse_view(view: memoryview) -> Any:
    # cloudpickle would write bytes instead.
    raise PicklingError("cloudpickle keeps a memoryview as bytes: store bytes(view)")


class CloudpickleCodec(PickleFamily):
    """All that pickle keeps, and functions and classes by value."""

    name = "cloudpickle"
    capabilities = Capabilities(
        references=True,
        cycles=True,
        shared_identity=True,
        instances=True,
        closures=True,
        classes_by_value=True,
        plain_pickle=True,
        restrictable=True,
        out_of_band=True,
    )
    special: ClassVar[MutableMapping[type, Reducer]] = ChainMap(
        {**BY_VALUE, TextIOWrapper: _reduce_file, memoryview: _refuse_view},
        cloudpickle.Pickler.dispatch_table,
    )

    @property
    def version(self) -> str:
        """Return the version of cloudpickle."""
        return str(cloudpickle.__version__)

    def _writes_by_name(self, cls: type) -> bool:
        return is_importable(cls) and not _is_by_value(cls.__module__)

    def _pickler(self, target: Target, state: WriteState) -> _Pickler:
        return _Pickler(target, self.protocol, state)

    def _deep_pickler(self, sink: Sink, state: WriteState) -> DeepPickler:
        # Another pickler, which writes nothing, reduces functions and classes.
        override = _Pickler(Sink(), self.protocol, state).reducer_override
        return DeepPickler(sink, self.protocol, state.table, override)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, target: Target, protocol: int, state: WriteState) -> None:
        # Before the base class is set up: the C pickler reads this attribute once, at the start.
        self.dispatch_table = state.table
        super().__init__(target, protocol=protocol)
        self._is_persistable = state.table.is_persistable
        self._note_library = state.table.note_library
        self._without_version = state.table.without_version
        self._reduce_function, self._reduce_class = state.by_value()

    def reducer_override(self, obj: Any) -> Any:
        cls = type(obj)
        if cls in self.dispatch_table:
            return NotImplemented
        if cls is FunctionType:
            by_reference = is_importable_function(obj) and not _is_by_value(obj.__module__)
            if not by_reference:
                return self._reduce_function(obj)
            if obj.__module__ not in self._without_version:
                self._note_library(obj.__module__)
            return NotImplemented
        if issubclass(cls, type):
            if cls in copyreg.dispatch_table:
                return NotImplemented  # a metaclass whose classes have a reduction of their own
            if not is_importable(obj) or (_is_by_value(obj.__module__) and not is_made_in_c(obj)):
                return self._reduce_class(obj)
            if obj.__module__ not in self._without_version:
                self._note_library(obj.__module__)
            # Those of C code that have another name than their own, such as MappingProxyType, are left to
            # cloudpickle.  For all others that cannot be imported let pickle say so.
            return super().reducer_override(obj) if obj in _BUILT_IN else NotImplemented
        if self._is_persistable(cls):
            # The table has its reducer; no method of the object itself may be called.
            return NotImplemented
        return super().reducer_override(obj)


_BUILT_IN = frozenset(
    {type(None), type(...), type(NotImplemented)}
    | {cls for cls in vars(types).values() if type(cls) is type and not has_its_name(cls)}
)


def _is_by_value(module: str) -> bool:
    # Whether `cloudpickle.register_pickle_by_value` was called for the module.
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(f"{name}.") for name in registered)
