"""The names of one record that is old or decoded in two steps: other records of the load have other needs."""

from __future__ import annotations

from collections.abc import Callable

from brinery.codec import ReadLinks
from brinery.typing import Any
from brinery_codecs._pickle.finders import FindClass
from brinery_codecs._pickle.names import NEW, Names
from brinery_codecs._pickle.narrowed import AttributesByName, narrowed


class Upgrading:
    """The names of a record that has states of older versions of classes."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.restriction = names.restriction
        self.upgrades: dict[Any, Callable[[Any], Any]] = {}

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._names[key]

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`, and note how to upgrade it."""
        found, upgrade = self._names.look_up(find_class, module, name)
        if upgrade is not None:
            self.upgrades[found] = upgrade
        narrower = narrowed(self, module, name, found)
        return found if narrower is None else narrower

    def attributes(self) -> AttributesByName:
        """Return the function that payloads get in place of `getattr`."""
        return AttributesByName(self)

    def may_combine(self, cls: type) -> bool:
        """Return whether a reader that restricts names admits the class of flags."""
        return self._names.may_combine(cls)


class Suspended(BaseException):
    """The root is constructed.  Not an `Exception`: user code must not catch it."""


class InexactError(BaseException):
    """The root's arguments hold objects that its state may refer to as well."""


class Beginning:
    """The names of a pickle that is decoded until its root is constructed.

    Decoding it again from the start makes the arguments of the constructor a second time.  That does
    no harm where they are atoms, classes and persistable objects; otherwise `InexactError` is raised,
    unless `exact` says that the unpickler can go on from where it stopped.
    """

    def __init__(self, names: Names | Upgrading, links: ReadLinks, *, exact: bool) -> None:
        self._names = names
        self._links = links
        self._exact = exact
        self._is_past = False
        self._roots = {
            ("brinery.reference", "root"): self._root,
            ("brinery.reference", "new_root"): self._new_root,
            ("brinery.reference", "hashable_root"): self._hashable_root,
        }

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._roots[key] if key in self._roots else self._names[key]

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`."""
        return self._names.find(find_class, module, name)

    def _new_root(self, *args: Any) -> Any:
        return self._hashable_root(None, NEW, *args)

    def _root(self, constructor: Any, *args: Any) -> Any:
        return self._hashable_root(None, constructor, *args)

    def _hashable_root(self, early: Any, constructor: Any, *args: Any) -> Any:
        if not self._exact and not all(map(self._is_same_again, args)):
            raise InexactError
        obj = self._links.construct(early, constructor, args)
        if self._is_past:
            # An object that its own arguments refer to is constructed twice; the first one counts.
            return obj
        self._is_past = True
        raise Suspended(obj)

    def _is_same_again(self, value: Any) -> bool:
        # The tuple that a tuple's constructor takes is made for the purpose; those inside are not.
        items = value if type(value) is tuple else (value,)
        return all(
            cls in _ATOMS or issubclass(cls, type) or self._links.is_external_type(cls)
            for cls in map(type, items)
        )


_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
