"""How the codecs of the pickle family write external references and the root.

Both are ordinary reductions (see `brinery.reference`), because a hook that the C pickler calls for every
object costs more than the pickling itself.  The C pickler does look up each instance's type in its
`dispatch_table`, so the decision is taken there, once for each type: an ordinary type gets a C callable
that does the same as the pickler would have done.  Measured on 250,000 syntax-tree nodes against a bare
pickler: 1.02, where `reducer_override` costs 1.10 to 1.18 and `persistent_id` 1.5 to 2.4.
"""

from __future__ import annotations

import copyreg
import operator
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from brinery.codec import WriteLinks
from brinery.evolution.placeholder import Placeholder, PlaceholderType, reduce_missing
from brinery.reference import external, hashable_root, new_root, root
from brinery.typing import Any
from brinery_codecs._pickle.bare import (
    check_bare,
    exception_reducer,
    is_array,
    reducer_of_attributes,
)

Reducer = Callable[[Any], Any]
Note = Callable[[], None]

_HashInC: Any = type(object.__hash__)
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...)})
_FOLDED = 4
"""The first protocol at which times keep their fold; every protocol can write that reduction."""
_NEW = copyreg.__newobj__  # type: ignore[attr-defined]


_ALWAYS: Mapping[type, Reducer] = {PlaceholderType: reduce_missing}


class ReducerTable(dict[type, Reducer]):
    """A pickler's dispatch table that finds out about each type when it is first met.

    `special` holds the reducers that a codec has for types of its own.
    """

    def __init__(
        self, links: WriteLinks, protocol: int, special: Mapping[type, Reducer] | None = None
    ) -> None:
        super().__init__(_ALWAYS)
        self.is_persistable = links.is_external_type
        self._links = links
        self.arrays: Any = None
        """The arrays of the current record, from the first that is met."""
        self.reductions: dict[int, tuple[Any, tuple[str]]] = {}
        """The references to objects that this save has met, by `id()`."""
        self._note_version = links.note_version
        self._noted: set[type] = set()
        self._library = links.note_library
        self._of_libraries: dict[type, tuple[Reducer, Sequence[Note]]] = {}
        self.met: list[type] = []
        """Types that the current record has noted; the next one has to note them again."""
        self.without_version: set[str | None] = set()
        """Modules about which `note_library` need not be asked again."""
        self._protocol = protocol
        self._special = {} if special is None else special
        self._plain = operator.methodcaller("__reduce_ex__", protocol)

    def __missing__(self, cls: type) -> Reducer:
        if issubclass(cls, type):
            # The table is asked for classes with a metaclass, too.  Those are written by name, unless
            # the metaclass has a reducer.
            self[cls] = copyreg.dispatch_table[cls]
            return self[cls]
        if (known := self._of_libraries.get(cls)) is not None:
            return self._met_in_record(cls, *known)
        reducer = self._special.get(cls) or copyreg.dispatch_table.get(cls) or self._reducer(cls)
        check_bare(cls)
        libraries = self._libraries(cls)
        if is_array(cls):
            from brinery_codecs._arrays.reduction import Arrays  # few records have any

            self.arrays = self.arrays or Arrays()
            own = self.arrays.reducer(cls, reducer)
        else:
            own = exception_reducer(cls) or reducer_of_attributes(cls, reducer)
        if own is not None:
            reducer = own
            self._noted.add(cls)
        if self.is_persistable(cls):
            reducer = self._persistable_reducer(cls, _noting_all(libraries, reducer))
            libraries = ()
        elif cls is ModuleType:
            reducer = self._noting_module(reducer)
        if (note := self._note_version(cls)) is not None:
            reducer = _noting(note, reducer)
            self._noted.add(cls)
        if libraries or is_array(cls):
            self._of_libraries[cls] = reducer, libraries
            return self._met_in_record(cls, reducer, libraries)
        self[cls] = reducer
        return reducer

    def _reducer(self, cls: type) -> Reducer:
        owner = getattr(cls.__reduce_ex__, "__objclass__", object)
        if self._protocol < _FOLDED and owner.__module__ == "datetime":
            return operator.methodcaller("__reduce_ex__", _FOLDED)
        return self._plain

    def renew(self) -> None:
        """Forget all objects, and what was found out about types."""
        self.clear()
        self.update(_ALWAYS)
        for found in (self._noted, self._of_libraries, self.met, self.reductions):
            found.clear()
        self.without_version.clear()
        self.arrays = None

    def notes(self, cls: type) -> Sequence[Note]:
        """Return what is to be called for each object of a class: it notes its libraries and version."""
        version = self._note_version(cls)
        libraries = self._libraries(cls)
        return libraries if version is None else [*libraries, version]

    def begin(self) -> None:
        """Prepare for the next record."""
        for cls in self.met:
            del self[cls]
        self.met.clear()
        if self.arrays is not None:
            self.arrays.begin()

    def note_library(self, module: Any) -> None:
        """Note that the current record names something of a module."""
        if type(module) is not str:
            return
        if (note := self._library(module)) is not None:
            note()
        else:
            self.without_version.add(module)

    def _met_in_record(self, cls: type, reducer: Reducer, libraries: Sequence[Note]) -> Reducer:
        # A type that is new to the current record; a check for each of its objects would cost too much.
        for note in libraries:
            note()
        self[cls] = reducer
        self.met.append(cls)
        return reducer

    def _libraries(self, cls: type) -> Sequence[Note]:
        # Those of the bases, too: a class of ``__main__`` may owe all that it is to a library.
        found: list[Note] = []
        for base in cls.__mro__[:-1]:
            module = base.__module__
            if type(module) is str and (note := self._library(module)) is not None:
                found.append(note)
        return found

    def _noting_module(self, reduce: Reducer) -> Reducer:
        def reduce_module(module: ModuleType) -> Any:
            self.note_library(module.__name__)
            return reduce(module)

        return reduce_module

    def _persistable_reducer(self, cls: type, reduce: Reducer) -> Reducer:
        """Return the reducer for persistable objects of a class: a reference, or the root in full."""
        needs_early = hashes_by_value(cls)
        links, reductions, met, external_id = (
            self._links,
            self.reductions,
            self._links.met,
            self._links.external,
        )

        def reduce_persistable(obj: Any) -> Any:
            key = id(obj)
            if key in reductions and obj is not links.root:
                known = reductions[key]
                met(known[1][0])
                return known
            reference = external_id(obj)
            if reference is not None:
                known = reductions[key] = external, (reference,)
                return known
            reduction = reduce(obj)
            if type(reduction) is str:  # a global
                return reduction
            constructor, args, *rest = reduction
            if needs_early and rest and rest[0] is not None:
                early = _early_attributes(obj, rest[0])
                return (hashable_root, (early, constructor, *args), *rest)
            if constructor is _NEW:
                return (new_root, args, *rest)
            return (root, (constructor, *args), *rest)

        return reduce_persistable

    def is_own(self, cls: type) -> bool:
        """Return whether the reducer of `cls`, which is in the table, differs from that of pickle."""
        return self.is_persistable(cls) or cls in self._noted or issubclass(cls, Placeholder)


def _noting_all(notes: Sequence[Note], reduce: Reducer) -> Reducer:
    if not notes:
        return reduce

    def reduce_noted(obj: Any) -> Any:
        for note in notes:
            note()
        return reduce(obj)

    return reduce_noted


def _noting(note: Note, reduce: Reducer) -> Reducer:
    def reduce_noted(obj: Any) -> Any:
        reduction = reduce(obj)
        if type(reduction) is tuple and reduction[0] is not external:
            note()
        return reduction

    return reduce_noted


def hashes_by_value(cls: type) -> bool:
    """Return whether the hash of an object may need its attributes: not if it is made in C."""
    return cls.__hash__ is not None and type(cls.__hash__) is not _HashInC


def _early_attributes(obj: Any, state: Any) -> dict[str, Any]:
    # The attributes that the hash of an object may need before its state is restored.
    cls = type(obj)
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        found = {**(state[0] or {}), **state[1]} if type(state[0]) in (dict, type(None)) else {}
    elif type(state) is dict:
        found = state
    elif hasattr(cls, "__dataclass_fields__"):
        import dataclasses

        names = (field.name for field in dataclasses.fields(cls))
        found = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
    else:
        return {}
    return {key: value for key, value in found.items() if type(key) is str and _is_plain(value)}


def _is_plain(value: Any, depth: int = 3) -> bool:
    cls = type(value)
    if cls in _ATOMS:
        return True
    if cls is tuple or cls is frozenset:
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    return cls.__module__ in _PLAIN_MODULES and cls.__hash__ is not object.__hash__  # type: ignore[comparison-overlap]


# Immutable values that hash by their content and never refer to a persistable object.
_PLAIN_MODULES = frozenset({"datetime", "decimal", "fractions", "uuid", "pathlib", "ipaddress"})
