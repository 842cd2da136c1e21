"""dill: nearly everything that Python has, by value where it cannot be imported."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from dataclasses import replace
from types import CellType, CodeType, FunctionType
from typing import Any, ClassVar

from brinery.codec import Buffer, Capabilities, Sink
from brinery.placeholder import PlaceholderType
from brinery_codecs._family import PickleFamily, Session, Take
from brinery_codecs._reading import Beginning, Names, Upgrading, open_source
from brinery_codecs.functions import FunctionReducer, is_importable_function, reduce_cell
from brinery_codecs.shared_classes import canonical_class, is_importable, shared_class

_was_imported = "dill" in sys.modules

import dill  # noqa: E402

# Importing dill registers its types with the standard library's pure-Python pickler, for the whole
# process.  Take that back, unless the program imported dill itself: its pickler has its own table.
if not _was_imported:
    dill.extend(use_dill=False)


class DillCodec(PickleFamily):
    """All that cloudpickle keeps and more, at the speed of a pickler in Python.

    `recurse`, `byref` and `fmode` are dill's own options.  `recurse` is on unless asked otherwise: a
    function then takes along the globals that it uses, so that it can be called in another process,
    which is what a store is for.  With dill's own default it would look for them in the ``__main__``
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
        self.capabilities = replace(self.capabilities, classes_by_value=not self.byref)

    @property
    def version(self) -> str:
        """Return the version of dill."""
        return str(dill.__version__)

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make this codec again."""
        options = {"recurse": self.recurse, "byref": self.byref, "fmode": self.fmode}
        return {**super().config(), **options}

    def _pickler(self, sink: Sink, session: Session, take: Take | None) -> Any:
        return _Pickler(sink, self, session, take)

    def _unpickler(
        self, source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
    ) -> Any:
        return _Unpickler(source, names, buffers)


class _Pickler(dill.Pickler):  # type: ignore[misc]
    def __init__(self, sink: Sink, codec: DillCodec, session: Session, take: Take | None) -> None:
        super().__init__(
            sink,
            codec.protocol,
            byref=codec.byref,
            fmode=codec.fmode,
            recurse=codec.recurse,
            buffer_callback=take,
        )
        self._table = session.table
        self._classes = session.classes
        self._is_canonical = session.is_canonical
        self._by_value = not codec.byref
        self._reduce_function = FunctionReducer()
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
            return self._reduce_class if self._by_value else None
        if self._recurse and cls is FunctionType:
            return self._function
        if self._recurse and cls is CellType:
            return reduce_cell
        reduce = self._table[cls]
        if _is_array(cls) or (self._is_canonical and cls is CodeType):
            return reduce
        return reduce if self._table.is_own(cls) else None

    def _reduce_class(self, cls: type) -> Any:
        if is_importable(cls):
            return NotImplemented
        described = self._classes.describe(cls)
        if described is not None:
            return shared_class, described
        # dill constructs a class whole, and so cannot write one whose attributes lead back to it.
        # cloudpickle constructs it empty and fills it.
        import cloudpickle

        reduction = cloudpickle.Pickler(io.BytesIO()).reducer_override(cls)
        return canonical_class(reduction) if self._is_canonical else reduction

    def _function(self, function: FunctionType) -> Any:
        if is_importable_function(function):
            return NotImplemented
        return self._reduce_function(function)


def _is_array(cls: type) -> bool:
    # dill's way with arrays and their types loses the byte order; numpy's own, at protocol 5, does not.
    numpy = sys.modules.get("numpy")
    return numpy is not None and (cls is numpy.ndarray or issubclass(cls, numpy.dtype))


class _Unpickler(dill.Unpickler):  # type: ignore[misc]
    def __init__(
        self, source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
    ) -> None:
        # Unless told to ignore it, dill gives the object the class of that name in `__main__`.
        super().__init__(open_source(source), ignore=True, buffers=buffers)
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module, name]
        except KeyError:
            return self._names.find(super().find_class, module, name)
