"""Whether decoding a pickle may run code that looks at the persistable objects in it.

The pickle is decoded with stand-ins for everything that it names.  So nothing of that is imported or
called, and the time is that of the unpickler in C.
"""

from __future__ import annotations

import copyreg
import dataclasses
import pickle
import sys
from collections.abc import Iterable
from io import BytesIO

from brinery.codec import Buffer
from brinery.typing import Any, Final
from brinery_codecs._pickle.openings import HARMLESS, may_extend

_OWN: Final = frozenset({"external", "new_root", "root", "hashable_root"})
_SLOTS_OF_DATACLASS: Final = getattr(dataclasses, "_dataclass_setstate", None)
_QUIET: Final = {
    "copyreg": {"_reconstructor", "__newobj__", "__newobj_ex__"},
    "_codecs": {"encode"},
    "pathlib": {"Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"},
    "builtins": {"object", "NotImplemented", "Ellipsis"},
    "brinery_codecs.functions": {
        *("make_code", "make_cell", "fill_cell", "make_function", "fill_function"),
    },
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.numeric": {"_frombuffer"},
}
"""Names whose calls look at no object that they are given, but at its hash."""


class _Unused:
    """Refuses anything that would look at the object in whose place it is."""

    def _refused(self, *_: Any) -> Any:
        raise LookupError

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __format__ = __reduce_ex__ = _refused
    __index__ = __int__ = __float__ = __complex__ = __bytes__ = __getitem__ = __contains__ = (
        _refused
    )


class _Target(_Unused):
    """Takes the place of a persistable object."""

    __hash__ = object.__hash__


class _StandIn(_Unused, list[Any]):
    """Takes the place of whatever else a pickle names or makes."""

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        return list.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def add(self, _: Any) -> None:
        """Do nothing."""


def _target(id: str) -> _Target:
    return _Target()


class _Trial(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "brinery.reference":
            if name in _OWN:
                return _target if name == "external" else _StandIn
        elif name in HARMLESS.get(module, ()):
            return super().find_class(module, name)
        elif name in _QUIET.get(module, ()) or _is_quiet_class(module, name):
            return _StandIn
        raise LookupError


def _is_quiet_class(module: str, name: str) -> bool:
    # One that is not imported yet is found when the record is decoded, and then runs no code either.
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        return False
    cls: Any = found
    return (
        cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and cls.__new__ is object.__new__
        and cls.__getattribute__ is object.__getattribute__
        and not hasattr(cls, "__getattr__")
        and (cls.__hash__ is None or cls.__hash__ is object.__hash__)
        and _sets_state_quietly(cls)
    )


def _sets_state_quietly(cls: Any) -> bool:
    set_state = getattr(cls, "__setstate__", None)
    if set_state is not None:
        return set_state is _SLOTS_OF_DATACLASS
    # Slots are set as attributes.
    return cls.__setattr__ is object.__setattr__ or not copyreg._slotnames(cls)  # type: ignore[attr-defined]


def may_run_code(source: Buffer, buffers: Iterable[Buffer] = ()) -> bool:
    """Return whether decoding a pickle may run code of the user's, which looks at what it refers to."""
    if may_extend(source):
        return True
    try:
        _Trial(BytesIO(source), buffers=buffers).load()
    except Exception:  # noqa: BLE001 - it names something else, or is damaged
        return True
    return False
