"""The classes by value that this process has, by the keys under which records know them.

The references are weak: a class that was loaded ends with its last object.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Collection, Iterator
from itertools import count

from brinery_codecs._pickle.by_value.content import UNSURE

Content = tuple[str, str, str]
"""Module, qualified name and digest: a key without its number."""


class LivingClasses:
    """Classes by content and number."""

    def __init__(self) -> None:
        self._unsure: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()
        self._numbered: dict[Content, dict[int, weakref.ref[type]]] = {}

    def digest_of_its_own(self, cls: type, digest: str) -> str:
        """Return a digest that no other class has, for a class of which the digest does not tell all."""
        known = self._unsure.get(cls)
        if known is None or not known.startswith(digest):
            known = self._unsure[cls] = digest + secrets.token_hex(8)
        return known

    def get(self, content: Content, number: int) -> type | None:
        """Return the class of a key, None if the process has none."""
        reference = self._numbered.get(content, {}).get(number)
        return None if reference is None else reference()

    def equal(self, content: Content) -> Iterator[type]:
        """Yield all classes of a content."""
        for reference in list(self._numbered.get(content, {}).values()):
            if (cls := reference()) is not None:
                yield cls

    def number_of(self, content: Content, cls: type) -> int | None:
        """Return the number of a class among those of its content, None if it has none yet."""
        for number, reference in list(self._numbered.get(content, {}).items()):
            if reference() is cls:
                return number
        return None

    def free_number(self, content: Content, taken: Collection[int]) -> int:
        """Return the lowest number that no living class has, and that is not among those taken."""
        numbered = self._numbered.get(content, {})
        return next(
            number
            for number in count()
            if number not in taken and (number not in numbered or numbered[number]() is None)
        )

    def enter(self, content: Content, number: int, cls: type) -> None:
        """Remember the class of a key; another one that had the key gives it up."""
        if UNSURE in content[2]:
            self._unsure[cls] = content[2]
        numbered = self._numbered.setdefault(content, {})

        def forget(reference: weakref.ref[type]) -> None:
            if numbered.get(number) is reference:
                del numbered[number]
                if not numbered and self._numbered.get(content) is numbered:
                    del self._numbered[content]

        numbered[number] = weakref.ref(cls, forget)


LIVING = LivingClasses()
"""Those of this process, whatever store wrote or read them."""
