"""dill: nearly everything that Python has, by value where it cannot be imported."""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections.abc import Sequence
from types import CellType, FunctionType

from brinery.codec import Buffer, Capabilities, ReadLinks, Sink
from brinery.errors import is_too_deep
from brinery.evolution.placeholder import PlaceholderType
from brinery.typing import Any, ClassVar
from brinery_codecs._pickle.by_value.importable import (
    has_its_name,
    is_importable,
    is_importable_function,
)
from brinery_codecs._pickle.deep import DeepPickler
from brinery_codecs._pickle.family import PickleFamily
from brinery_codecs._pickle.names import Names
from brinery_codecs._pickle.targets import Pieces, Target
from brinery_codecs._pickle.write_state import WriteState

_was_imported = "dill" in sys.modules

import dill  # noqa: E402

# Importing dill registers its types with the standard library's pure-Python pickler, for the whole
# process.  Take that back, unless the program imported dill itself: its pickler has its own table.
if not _was_imported:
    dill.extend(use_dill=False)

from brinery_codecs._pickle.dill_reductions import (  # noqa: E402
    OWN_REDUCERS,
    DillReducers,
    NotExactError,
    check_is_whole,
    is_array,
)


class DillCodec(PickleFamily):
    """All that cloudpickle keeps and more, with the pickler in C for all that is data.

    `recurse`, `byref` and `fmode` are dill's own options.  `recurse` is on unless asked otherwise: a
    function then takes along the globals that it uses, so that it can be called in another process,
    as a store needs it.  With dill's own default it would look for them in the ``__main__``
    of the reader.
    """

    name = "dill"
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
    options: ClassVar[dict[str, type]] = {"recurse": bool, "byref": bool, "fmode": int}

    def __init__(
        self,
        protocol: int | None = None,
        *,
        recurse: bool = True,
        byref: bool = False,
        fmode: int = 0,
    ) -> None:
        super().__init__(protocol)
        self.recurse = bool(recurse)
        self.byref = bool(byref)
        self.fmode = int(fmode)
        self.capabilities = self.capabilities._replace(
            classes_by_value=not self.byref,
            out_of_band=self.capabilities.out_of_band and self.recurse,
        )

    @property
    def version(self) -> str:
        """Return the version of dill."""
        return str(dill.__version__)

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make this codec again."""
        options = {"recurse": self.recurse, "byref": self.byref, "fmode": self.fmode}
        return {**super().config(), **options}

    def _reducers(self) -> DillReducers:
        return DillReducers(byref=self.byref, fmode=self.fmode, recurse=self.recurse)

    def _names(self, links: ReadLinks) -> Names:
        names = super()._names(links)
        # The names that dill writes for the globals of the main module.
        names.setdefault(("__builtin__", "__main__"), vars(sys.modules["__main__"]))
        names.setdefault(("builtins", "__main__"), vars(sys.modules["__main__"]))
        return names

    def _write(self, obj: Any, sink: Pieces, state: WriteState) -> None:
        refusal: Exception | None = None
        if self.recurse:
            try:
                super()._write(obj, sink, state)
                return
            except Exception as error:
                if is_too_deep(error) or isinstance(error, MemoryError):
                    raise
                refusal = error
            sink.pieces.clear()
        try:
            # dill's own pickler may succeed; if it refuses the object, its error is raised.
            pickler = _Pickler(sink, self, state)
            pickler.dump(obj)
            super()._check(pickler, sink.pieces)
            return
        except Exception as error:
            if refusal is None or not is_too_deep(error):
                raise
        # dill's error would say that the object is too deep, but only dill's own pickler is limited so.
        raise refusal

    def _check(self, pickler: Any, pieces: Sequence[Buffer]) -> None:
        super()._check(pickler, pieces)
        # dill writes the dictionary of a module by name, and a pickler in C has no hook for
        # dictionaries.  That of a module holds a loader and a spec, and so names their module.  Only
        # then are all objects that were written looked through, which takes as long as writing them.
        if any(
            type(piece) is bytes and mark in piece
            for piece in pieces
            for mark in _MARKS_OF_A_MODULE
        ):
            written = pickler.memo.copy()
            if any(id(vars(module)) in written for module in list(sys.modules.values())):
                raise NotExactError

    def _pickler(self, target: Target, state: WriteState) -> _FastPickler:
        return _FastPickler(target, self, state)

    def _deep_pickler(self, sink: Sink, state: WriteState) -> DeepPickler:
        # Another pickler, which writes nothing, reduces functions and classes.
        override = _FastPickler(Sink(), self, state).reducer_override
        return DeepPickler(sink, self.protocol, state.table, override)


# The name of the module of loaders and specs, as protocols from 4 on and those before write it.
_MARKS_OF_A_MODULE = (b"\x11_frozen_importlib", b"\x1a_frozen_importlib", b"c_frozen_importlib")


class _FastPickler(pickle.Pickler):
    """Walks the data in C; `DillReducers` gets from dill the reductions of dill's own types."""

    def __init__(self, target: Target, codec: DillCodec, state: WriteState) -> None:
        # Before the base class is set up: the C pickler reads this attribute once, at the start.
        self.dispatch_table = state.table
        super().__init__(target, codec.protocol)
        self._note_library = state.table.note_library
        self._without_version = state.table.without_version
        self._by_value = not codec.byref
        self._dill = codec._reducers()
        self._reduce_function, self._reduce_class = state.by_value()

    def reducer_override(self, obj: Any) -> Any:
        cls = type(obj)
        if cls in self.dispatch_table:
            return NotImplemented
        if cls is FunctionType:
            if not is_importable_function(obj):
                return self._reduce_function(obj)
            if obj.__module__ not in self._without_version:
                self._note_library(obj.__module__)
            return NotImplemented
        if issubclass(cls, type):
            if cls in copyreg.dispatch_table:
                return NotImplemented  # a metaclass whose classes have a reduction of their own
            if self._by_value and not is_importable(obj):
                return self._reduce_class(obj)
            if obj.__module__ not in self._without_version:
                self._note_library(obj.__module__)
            if has_its_name(obj) or obj in _SINGLETON_TYPES:
                return NotImplemented
            return self._dill.reduce_class(obj)
        return NotImplemented


_SINGLETON_TYPES = frozenset({type(None), type(NotImplemented), type(...)})


class _Pickler(dill.Pickler):  # type: ignore[misc]
    def __init__(self, sink: Sink, codec: DillCodec, state: WriteState) -> None:
        super().__init__(
            sink,
            codec.protocol,
            byref=codec.byref,
            fmode=codec.fmode,
            recurse=codec.recurse,
        )
        self._table = state.table
        self._by_value = not codec.byref
        self._reduce_function, self._class_reducer = state.by_value()
        self._reducers: dict[type, Any] = {}

    def reducer_override(self, obj: Any) -> Any:
        # The pure-Python pickler asks for every object, atoms included: one lookup for most.
        try:
            reduce = self._reducers[type(obj)]
        except KeyError:
            reduce = self._reducers[type(obj)] = self._reducer(type(obj))
        return NotImplemented if reduce is None else reduce(obj)

    def _reducer(self, cls: type) -> Any:
        if cls is PlaceholderType:
            return self._table[cls]
        if issubclass(cls, type):
            if cls in copyreg.dispatch_table:
                return None
            return self._reduce_class if self._by_value else self._name_class
        if cls is FunctionType:
            return self._function if self._recurse else None
        if cls in OWN_REDUCERS and (self._recurse or cls is not CellType):
            return OWN_REDUCERS[cls]
        reduce = self._table[cls]
        if is_array(cls):
            return reduce
        return reduce if self._table.is_own(cls) else None

    def _name_class(self, cls: type) -> Any:
        check_is_whole(cls)
        return NotImplemented

    def _reduce_class(self, cls: type) -> Any:
        return NotImplemented if is_importable(cls) else self._class_reducer(cls)

    def _function(self, function: FunctionType) -> Any:
        if is_importable_function(function):
            return NotImplemented
        return self._reduce_function(function)
