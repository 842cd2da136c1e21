"""The trust policy: what whoever opens a store accepts from it.

A policy comes from the opener alone: as an argument, or for command-line tools from the environment.  It
is never read from a store, and never taken from a URL.  `docs/security.md` says what each part stops.
"""

from __future__ import annotations

import importlib
import os
import re
import stat
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any, ClassVar, Final, NoReturn

from brinery.errors import InvalidArgumentError, TrustError

ANYONE: Final = "anyone"
_LEAST_KEY: Final = 16
_MODULE: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PACKAGE: Final = re.compile(rf"({_MODULE})\.\*")
_EXACT: Final = re.compile(rf"{_MODULE}:{_MODULE}")
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")

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
    "numpy:dtype",
    "numpy:ndarray",
    *(
        f"numpy.{core}.{name}"
        for core in ("core", "_core")
        for name in ("multiarray:_reconstruct", "multiarray:scalar", "numeric:_frombuffer")
    ),
)
"""What pickles of numpy arrays and scalars name; put it among `Trust.classes`."""


class _Key:
    """A secret that shows in no repr and goes into no pickle."""

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return "<key>"

    def __copy__(self) -> _Key:
        return self

    def __deepcopy__(self, memo: object) -> _Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TrustError(
            "a key is not pickled: open the store in the other process with trust=Trust(key=…) there"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """What is accepted from a store; each part that is left out accepts what there is.

    `codecs`
        Names of the codecs that may be decoded.  A record of another one is refused before its
        payload is checked, expanded or decoded.
    `classes`
        What pickles may name: ``"module:qualname"`` or a pair ``(module, qualname)`` for one class or
        function, ``"package.*"`` for the classes of a package or module and what lies in it.  `VALUES`
        are always admitted, and nothing else is: ``classes=()`` admits only these.
    `key`
        A secret of at least 16 bytes, or several: the first seals what is saved, any may have sealed
        what is loaded.  A record without a seal is refused.
    `store`
        The identity that a sealed store must have (`Store.identity`).
    `anyone`
        Accept pickles from a directory that others can write to, and sealed records without a key.

    Raise `InvalidArgumentError` for what cannot be meant.
    """

    VALUES: ClassVar[tuple[str, ...]] = VALUES
    NUMPY: ClassVar[tuple[str, ...]] = NUMPY

    codecs: Iterable[str] | None = None
    classes: Iterable[str | tuple[str, str]] | None = None
    key: Any = field(default=None, repr=False)
    store: str | None = None
    anyone: bool = False

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        if self.codecs is not None:
            names = frozenset(_strings("codecs", self.codecs))
            set_(self, "codecs", names)
        if self.classes is not None:
            set_(self, "classes", tuple(_pattern(each) for each in _several(self.classes)))
        if self.key is not None:
            set_(self, "key", _keys(self.key))
        if self.store is not None and not (
            isinstance(self.store, str) and _HEXADECIMAL.fullmatch(self.store)
        ):
            raise InvalidArgumentError(f"store is a Store.identity, not {self.store!r:.60}")

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Return the keys as bytes; the first one seals."""
        return tuple(key.secret for key in self.key or ())

    @classmethod
    def of(cls, trust: Any) -> Trust:
        """Return the policy that an argument of a store asks for."""
        if trust is None:
            return cls()
        if isinstance(trust, Trust):
            return trust
        if isinstance(trust, str) and trust == ANYONE:
            return cls(anyone=True)
        raise InvalidArgumentError(f'trust is a Trust or "anyone", not {type(trust).__name__}')

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Trust:
        """Return the policy that the environment asks for, as the command ``brinery`` does.

        ``BRINERY_TRUST`` may be ``anyone``; ``BRINERY_TRUST_CODECS`` and ``BRINERY_TRUST_CLASSES`` are
        lists with commas; ``BRINERY_TRUST_KEY`` has keys in hexadecimal, with commas, and
        ``BRINERY_TRUST_KEY_FILE`` names a file of them, one a line, which nobody else may read;
        ``BRINERY_TRUST_STORE`` is the identity of the store.
        """
        found = os.environ if environment is None else environment
        anyone = found.get("BRINERY_TRUST", "")
        if anyone not in ("", ANYONE):
            raise InvalidArgumentError(f'BRINERY_TRUST={anyone!r:.60}: say "anyone" or nothing')
        texts = _listed(found.get("BRINERY_TRUST_KEY")) or []
        if file := found.get("BRINERY_TRUST_KEY_FILE"):
            texts += _lines(file)
        return cls(
            codecs=_listed(found.get("BRINERY_TRUST_CODECS")),
            classes=_listed(found.get("BRINERY_TRUST_CLASSES")),
            key=[_unhexed(text) for text in texts] or None,
            store=found.get("BRINERY_TRUST_STORE") or None,
            anyone=bool(anyone),
        )

    def restriction(self, present: Any) -> ClassRestriction | None:
        """Return what payloads may name; `present` maps old names to those of today."""
        return None if self.classes is None else ClassRestriction(self.classes, present)


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
        """Tell whether a payload may name this global, under its old name or that of today."""
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
        return any(
            # To import a package's __main__ is to run its program.
            module == name or (module.startswith(f"{name}.") and not module.endswith(".__main__"))
            for name in self._packages
        )

    def _is_member(self, module: str, name: str) -> bool:
        # Only a module of which a class is admitted is looked at: that may be imported.
        if not any(pattern.startswith(f"{module}:") for pattern in self._named):
            return False
        try:
            found = vars(importlib.import_module(module)).get(name)
        except (Exception, SystemExit):  # noqa: BLE001 - a module may raise anything
            return False
        return isinstance(found, Enum) and self._has(type(found), self._named)

    def _has(self, cls: type, names: Container[str]) -> bool:
        own = cls.__module__
        return isinstance(own, str) and (
            f"{own}:{cls.__qualname__}" in names or self._is_of_a_package(own)
        )

    def admits_object(self, module: str, qualname: str, found: Any) -> bool:
        """Tell whether what stands under an admitted name may be used.

        A module never is.  Under the name of a package, classes that it defines are, and members of its
        enumerations: not its functions, and nothing that it has imported.
        """
        if isinstance(found, ModuleType):
            return False
        if f"{module}:{qualname}" in self._exact:
            return True
        if isinstance(found, type):
            # None of `VALUES` under another name than its own: what these are called with is looked at.
            return self._has(found, self._named)
        return isinstance(found, Enum) and self._has(type(found), self._exact)


def _several(values: Any) -> Iterable[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"several are meant, as in a list, not {values!r:.60}")
    return values


def _strings(name: str, values: Any) -> list[str]:
    found = list(_several(values))
    for value in found:
        if not isinstance(value, str) or not value:
            raise InvalidArgumentError(f"{name} are names, not {value!r:.60}")
    return found


def _pattern(given: Any) -> str:
    text = given
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(x, str) for x in given):
        text = ":".join(given)
    if not isinstance(text, str) or not (_PACKAGE.fullmatch(text) or _EXACT.fullmatch(text)):
        raise InvalidArgumentError(
            f"a class is 'module:qualname', or 'package.*' for a whole package, not {given!r:.80}"
        )
    return text


def _keys(given: Any) -> tuple[_Key, ...]:
    several = [given] if isinstance(given, (bytes, bytearray, memoryview)) else given
    if isinstance(several, str) or not isinstance(several, Iterable):
        # Not shown: it may be a secret all the same.
        raise InvalidArgumentError(f"a key is bytes, or several are, not {type(given).__name__}")
    found = []
    for each in several:
        if isinstance(each, _Key):
            found.append(each)
            continue
        if not isinstance(each, (bytes, bytearray, memoryview)):
            raise InvalidArgumentError(f"a key is bytes, not {type(each).__name__}")
        secret = bytes(each)
        if len(secret) < _LEAST_KEY:
            raise InvalidArgumentError(
                f"a key of {len(secret)} bytes can be guessed: take secrets.token_bytes(32)"
            )
        found.append(_Key(secret))
    if not found:
        raise InvalidArgumentError("key has no keys: leave it out, or give one")
    return tuple(found)


def _listed(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [item.strip() for item in text.split(",") if item.strip()]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read().split()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"cannot read the keys in {path}: {error}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidArgumentError(f"others can read the keys in {path}: chmod 600 {path}")
    if not lines:
        raise InvalidArgumentError(f"there are no keys in {path}: write one in hexadecimal")
    return lines


def _unhexed(text: str) -> bytes:
    if not _HEXADECIMAL.fullmatch(text):
        raise InvalidArgumentError("a key in the environment or a key file is in hexadecimal")
    return bytes.fromhex(text)
