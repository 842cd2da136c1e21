"""Which globals a payload may name."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Iterable
from enum import Enum, EnumType
from types import ModuleType

from brinery.errors import InvalidArgumentError
from brinery.typing import Any, Final

_MODULE: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PATTERN: Final = rf"{_MODULE}\.\*|{_MODULE}:{_MODULE}"

VALUES: Final = (
    *(f"_codecs:{name}" for name in ("encode",)),
    *(
        f"builtins:{name}"
        for name in (
            *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
            *("object", "set", "slice", "str", "tuple", "Ellipsis", "NotImplemented"),
            *("ArithmeticError", "AssertionError", "AttributeError", "EOFError", "Exception"),
            *("ImportError", "IndexError", "KeyError", "KeyboardInterrupt", "LookupError"),
            *("MemoryError", "NotImplementedError", "OSError", "OverflowError", "RecursionError"),
            *("RuntimeError", "StopIteration", "TimeoutError", "TypeError", "UnicodeError"),
            *("ValueError", "ZeroDivisionError", "FileNotFoundError", "PermissionError"),
        )
    ),
    *(f"collections:{name}" for name in ("Counter", "OrderedDict", "defaultdict", "deque")),
    *(f"datetime:{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    "decimal:Decimal",
    "fractions:Fraction",
    *(
        f"ipaddress:{name}"
        for name in (
            *("IPv4Address", "IPv4Interface", "IPv4Network"),
            *("IPv6Address", "IPv6Interface", "IPv6Network"),
        )
    ),
    *(
        f"{module}:{name}"
        for module in ("pathlib", "pathlib._local")
        for name in (
            *("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"),
        )
    ),
    "types:SimpleNamespace",
    "uuid:SafeUUID",
    "uuid:UUID",
    "zoneinfo:ZoneInfo",
    "zoneinfo:ZoneInfo._unpickle",
)
"""Values of the standard library, which a policy with `classes` always admits."""

NUMPY: Final = (
    "numpy:broadcast_to",
    "numpy:dtype",
    "numpy:ndarray",
    *(
        f"numpy.{core}.{name}"
        for core in ("core", "_core")
        for name in ("multiarray:_reconstruct", "multiarray:scalar", "numeric:_frombuffer")
    ),
)
"""Globals that pickles of numpy arrays and scalars name; put them among `Trust.classes`."""


class ClassRestriction:
    """The part `classes` of a policy, as codecs ask for it."""

    def __init__(self, patterns: Iterable[Any], present: Any) -> None:
        """Take the patterns of a policy, and what maps an old name to that of today."""
        given = tuple(patterns)
        self._named = {pattern for pattern in given if ":" in pattern}
        self._exact = {*VALUES, *self._named}
        self._packages = tuple(pattern[:-2] for pattern in given if ":" not in pattern)
        self._present = present

    def admits(self, module: str, qualname: str) -> bool:
        """Return whether a payload may name this global, under its old name or its present one."""
        if self._may_stand(module, qualname):
            return True
        return self._may_stand(*self._present(module, qualname))

    def _may_stand(self, module: str, qualname: str) -> bool:
        # A member of an enumeration is named as an attribute of its class, or of the module of that.
        outer = qualname.rpartition(".")[0]
        return (
            f"{module}:{qualname}" in self._exact
            or self._is_of_a_package(module)
            or f"{module}:{outer}" in self._exact
            or (not outer and self._is_member(module, qualname))
        )

    def _is_of_a_package(self, module: str) -> bool:
        # To import a package's __main__, or a name below it, is to run its program.
        has_program = "__main__" in module.split(".")
        return any(
            module == name or (module.startswith(f"{name}.") and not has_program)
            for name in self._packages
        )

    def _is_member(self, module: str, name: str) -> bool:
        # Of an enumeration that is admitted, as far as that is known without an import.
        if not any(pattern.startswith(f"{module}:") for pattern in self._named):
            return False
        if module not in sys.modules:
            return True  # `admits_object` decides
        found = vars(sys.modules[module]).get(name)
        return isinstance(found, Enum) and self._has(type(found), self._named)

    def _has(self, cls: type, names: Container[str]) -> bool:
        own = cls.__module__
        return isinstance(own, str) and (
            f"{own}:{cls.__qualname__}" in names or self._is_of_a_package(own)
        )

    def admits_object(self, module: str, qualname: str, found: Any) -> bool:
        """Return whether the object under an admitted name may be used.

        A module never may.  If the name is admitted by its package, classes that the package defines may,
        and members of its enumerations: not its functions, and nothing that it has imported.
        """
        if isinstance(found, ModuleType):
            return False
        if f"{module}:{qualname}" in self._exact:
            return True
        if isinstance(found, type):
            # None of `VALUES` under another name than its own: what these are called with is looked at.
            return self._has(found, self._named)
        return isinstance(found, Enum) and self._has(type(found), self._exact)

    def is_enumeration(self, module: str, qualname: str) -> bool | None:
        """Return whether an enumeration has a name; None if its module is not imported yet."""
        module, qualname = self._present(module, qualname)
        first, *others = qualname.split(".")
        if module not in sys.modules or first not in vars(sys.modules[module]):
            return None
        found = vars(sys.modules[module])[first]
        for name in others:
            found = getattr(found, name, None)
        return isinstance(found, EnumType)


def pattern_of(given: Any) -> str:
    """Return a class or package of `Trust.classes` as text; raise `InvalidArgumentError`."""
    text = given
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(x, str) for x in given):
        text = ":".join(given)
    if not isinstance(text, str) or not re.fullmatch(_PATTERN, text):
        raise InvalidArgumentError(
            f"expected a class 'module:qualname', or a package 'package.*', got {given!r:.80}"
        )
    return text
