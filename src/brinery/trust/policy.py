"""The trust policy: what the reader of a store accepts from it.

A policy comes only from the program that opens a store: as an argument, or for command-line tools from the
environment.  It is never read from a store, and never taken from a URL.  `docs/security.md` says what each
part stops.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping

from brinery.errors import InvalidArgumentError
from brinery.trust.keys import HEXADECIMAL, bytes_of, keys_of, lines_of
from brinery.trust.restriction import NUMPY, VALUES, ClassRestriction, pattern_of
from brinery.typing import Any, ClassVar, Final

ANYONE: Final = "anyone"


class Trust:
    """What a reader accepts from a store; a part that is left out accepts everything.

    `codecs`
        Names of the codecs that may be decoded.  A record of another one is refused before its
        payload is checked, expanded or decoded.
    `classes`
        The globals that pickles may name: ``"module:qualname"`` or a pair ``(module, qualname)`` for one
        class or function, ``"package.*"`` for the classes of a package or module and all below it.  `VALUES`
        are always admitted, and nothing else is: ``classes=()`` admits only these.
    `key`
        A secret of at least 16 bytes, or several: the first seals what is saved, any may have sealed
        what is loaded.  A record without a seal is refused.
    `store`
        The identity that a sealed store must have (`Store.identity`).
    `anyone`
        Accept pickles from a directory that others can write to, and sealed records without a key.

    Raise `InvalidArgumentError` for a part of the wrong kind.
    """

    VALUES: ClassVar[tuple[str, ...]] = VALUES
    NUMPY: ClassVar[tuple[str, ...]] = NUMPY

    __slots__ = ("anyone", "classes", "codecs", "key", "store")

    anyone: bool
    classes: Iterable[str] | None
    codecs: Iterable[str] | None
    key: Any
    store: str | None

    def __init__(
        self,
        codecs: Iterable[str] | None = None,
        classes: Iterable[str | tuple[str, str]] | None = None,
        key: Any = None,
        store: str | None = None,
        anyone: bool = False,
    ) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("codecs", None if codecs is None else frozenset(_strings("codecs", codecs)))
        set_("classes", None if classes is None else tuple(map(pattern_of, _several(classes))))
        set_("key", None if key is None else keys_of(key))
        if store is not None and not (isinstance(store, str) and re.fullmatch(HEXADECIMAL, store)):
            raise InvalidArgumentError(f"store: expected a Store.identity, got {store!r:.60}")
        set_("store", store)
        set_("anyone", anyone)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a policy does not change: make another one, with {name}=…")

    def __reduce__(self) -> tuple[Any, ...]:
        return Trust, (self.codecs, self.classes, self.key, self.store, self.anyone)

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}" for name in ("codecs", "classes", "store", "anyone")
        )
        return f"Trust({', '.join(shown)})"

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
        raise InvalidArgumentError(
            f'trust: expected a Trust or "anyone", got {type(trust).__name__}'
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Trust:
        """Return the policy that the environment asks for, as the command ``brinery`` does.

        ``BRINERY_TRUST`` may be ``anyone``; ``BRINERY_TRUST_CODECS`` and ``BRINERY_TRUST_CLASSES`` are
        lists with commas; ``BRINERY_TRUST_KEY`` has keys in hexadecimal, with commas, and
        ``BRINERY_TRUST_KEY_FILE`` names a file of them, one a line, that other users cannot read;
        ``BRINERY_TRUST_STORE`` is the identity of the store.
        """
        found = os.environ if environment is None else environment
        anyone = found.get("BRINERY_TRUST", "")
        if anyone not in ("", ANYONE):
            raise InvalidArgumentError(
                f'BRINERY_TRUST: expected "anyone" or nothing, got {anyone!r:.60}'
            )
        texts = _listed(found.get("BRINERY_TRUST_KEY")) or []
        if file := found.get("BRINERY_TRUST_KEY_FILE"):
            texts += lines_of(file)
        return cls(
            codecs=_listed(found.get("BRINERY_TRUST_CODECS")),
            classes=_listed(found.get("BRINERY_TRUST_CLASSES")),
            key=[bytes_of(text) for text in texts] or None,
            store=found.get("BRINERY_TRUST_STORE") or None,
            anyone=bool(anyone),
        )

    def admitting(self, names: Iterable[str]) -> Trust:
        """Return a policy that admits these classes and packages, too; with "anyone" it admits all.

        A policy that admitted everything so far admits only these, and `VALUES`.
        """
        given = tuple(names)
        if self.anyone or ANYONE in given:
            return Trust(self.codecs, None, self.key, self.store, anyone=True)
        classes = (*(self.classes or ()), *given)
        return Trust(self.codecs, classes, self.key, self.store, self.anyone)

    @property
    def is_about_imports(self) -> bool:
        """Return whether the policy says what payloads may import, or whose payloads may import anything."""
        return self.anyone or self.classes is not None or self.key is not None

    def restriction(self, present: Any) -> ClassRestriction | None:
        """Return which globals payloads may name; `present` maps old names to present ones."""
        return None if self.classes is None else ClassRestriction(self.classes, present)


def _several(values: Any) -> Iterable[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"expected several names, as in a list, got {values!r:.60}")
    return values


def _strings(name: str, values: Any) -> list[str]:
    found = list(_several(values))
    for value in found:
        if not isinstance(value, str) or not value:
            raise InvalidArgumentError(f"{name}: expected names, got {value!r:.60}")
    return found


def _listed(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [item.strip() for item in text.split(",") if item.strip()]
