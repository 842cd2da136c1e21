"""Classes by value in a load: which class of the process a record means, and when to make one."""

from __future__ import annotations

from brinery.codec import ReadLinks
from brinery.typing import Any
from brinery_codecs._pickle.by_value.content import digest_of_class
from brinery_codecs._pickle.by_value.importable import found_as
from brinery_codecs._pickle.by_value.living import LIVING, Content
from brinery_codecs._pickle.by_value.reducer import content_of
from brinery_codecs.classes import MAIN, Key, fill_class, make_class


class ClassReader:
    """Finds or makes the classes of one load.

    A class that the process has is taken as it is.  A class that is made gets its attributes from the first
    record that has it, and keeps them, whatever other records say.
    """

    def __init__(self, links: ReadLinks) -> None:
        self._links = links
        self._found: dict[Key, type] = {}
        self._made: dict[type, tuple[Key, str]] = {}
        self._digests: dict[type, str] = {}

    def make(self, key: Key, *arguments: Any) -> type:
        """Return the class of a key: one that exists, or one that `make_class` makes."""
        found = self._found.get(key)
        if found is None:
            found = self._living(key)
            if found is None:
                found = make_class(key, *arguments)
                self._made[found] = key, self._links.current
            self._found[key] = found
        return found

    def fill(self, cls: type, state: Any) -> None:
        """Set the attributes of a class that this load has made; leave any other as it is."""
        made = self._made.get(cls)
        # A record may be decoded twice in one load.  The class stays the same then, and its methods share
        # their variables with what is decoded last.
        if made is not None and made[1] == self._links.current:
            fill_class(cls, state)
            *content, number = made[0]
            LIVING.enter((content[0], content[1], content[2]), number, cls)

    def _living(self, key: Key) -> type | None:
        module, qualname, digest, number = key
        content = (module, qualname, digest)
        named = found_as(module or MAIN, qualname) if number == 0 else None
        known = LIVING.get(content, number)
        if isinstance(named, type) and (named is known or self._content(named) == content):
            known = named
        # Two classes that were alive together stay two.
        taken = {cls for found, cls in self._found.items() if found[:3] == content}
        if known is None or known not in taken:
            return known
        return next((cls for cls in LIVING.equal(content) if cls not in taken), None)

    def _content(self, cls: type) -> Content | None:
        try:
            digest = self._digests.get(cls)
            if digest is None:
                digest = self._digests[cls] = digest_of_class(cls)
        except Exception:  # noqa: BLE001 - a class that cannot be looked through is not the one we look for
            return None
        return content_of(cls, digest)
