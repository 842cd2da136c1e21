"""What codecs ask while a load finds the classes of its objects: renamed, upgraded, missing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from brinery.errors import DecodeError
from brinery.evolution.lookup import ClassLookup, LookUp, is_missing
from brinery.evolution.placeholder import missing_class
from brinery.evolution.upgrades import upgrade_from, version_of
from brinery.graph.loading.fetch import FetchedRecord
from brinery.graph.loading.outcome import MISSING, RENAMED, UPGRADED
from brinery.persistable import is_persistable_type
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.graph.loading.early import EarlyAttributes


class Links:
    """What all codecs of a load ask; a `Decoder` answers the rest of `ReadLinks`."""

    # Few loads need these: making them would take 5 % of the time of a small load.  They stay empty here.
    given_early: dict[str, EarlyAttributes] = {}  # noqa: RUF012
    _open: set[str] = set()  # noqa: RUF012
    _upgrades: dict[tuple[str, type], Callable[[Any], Any]] = {}  # noqa: RUF012
    ghosts: Mapping[str, Any] = {}
    """The ghosts that this load fills, by ID."""
    filling: Any = None
    """The `Filling` of these."""
    failed_inside = False
    """Whether a load by a hook of its objects has failed."""

    def __init__(self, session: Session, *, placeholders: bool) -> None:
        self.restriction = session.gate.restriction
        self.cache = session.caches.codecs
        self.batch: dict[Any, Any] = {}
        self.is_external_type = is_persistable_type
        self.current = ""
        """The ID of the record that is being decoded."""
        self.read: dict[str, FetchedRecord] = {}
        """The records of this load, by ID, if any is decoded in order."""
        self.objects: dict[str, Any] = {}
        """The objects that there are so far, by ID."""
        self.complete: dict[str, Any] = {}
        """The objects that there were before, or that others have decoded, by ID."""
        self.pending: set[str] = set()
        """The IDs of `read` that are still to be decoded."""
        self.evolved: dict[str, set[str]] = {}
        """What was renamed, upgraded or missing, by the ID of the record."""
        self._placeholders = placeholders
        self._missing_classes = session.caches.missing_classes
        self._lookup = ClassLookup(
            session.renames, session.caches.missing_classes, placeholders=placeholders
        )
        self._with_versions: set[str] = set()
        self._is_particular = False
        self._begun: dict[str, Callable[[], Any]] = {}

    def is_open(self, id: str) -> bool:
        """Return whether the object `id` is being decoded."""
        return id in self._open or id == self.current

    def end(self) -> None:
        """Drop what refers back to this object, so that nothing waits for the collector."""
        self.batch.clear()
        self._begun.clear()

    def find(self, module: str, name: str, look_up: LookUp) -> Any:
        """Return a global under its present name, or its placeholder; see `ReadLinks`."""
        version = 1
        if self._with_versions:
            versions = self.read[self.current].record.metadata.versions
            version = versions.get(f"{module}:{name}", 1)
        found = self._lookup.find(module, name, look_up, version)
        if is_missing(found):
            self._note(MISSING)
        elif self._lookup.was_renamed:
            self._note(RENAMED)
        return found

    def is_lasting(self, module: str, name: str) -> bool:
        """Return whether every record of this load that names this global gets the same answer."""
        return not (
            self._is_particular
            or self._lookup.was_renamed
            or (self._with_versions and f"{module}:{name}" in self._with_versions)
        )

    def _note(self, what: str) -> None:
        self.evolved.setdefault(self.current, set()).add(what)

    def upgrader(self, module: str, name: str, cls: Any) -> Callable[[Any], Any] | None:
        """Return a function that upgrades this record's states of a class; see `ReadLinks`."""
        self._is_particular = is_missing(cls)
        if not isinstance(cls, type) or self._is_particular:
            return None
        if not self._with_versions and version_of(cls) == 1:
            return None
        written = f"{module}:{name}"
        if version_of(cls) == 1 and written not in self._with_versions:
            return None
        self._is_particular = True
        read = self.read[self.current]
        try:
            upgrade = upgrade_from(cls, read.record.metadata.versions.get(written, 1))
        except LookupError as error:
            raise DecodeError(str(error), codec=read.codec.name) from error
        if upgrade is None:
            return None
        self._note(UPGRADED)
        if not self._upgrades:
            self._upgrades = {}
        self._upgrades[self.current, cls] = upgrade
        return functools.partial(self._upgraded, cls, upgrade)

    def _upgraded(self, cls: type, upgrade: Callable[[Any], Any], state: Any) -> Any:
        made = upgrade(state)
        early = self.given_early.get(self.current)
        if early is not None and type(early.obj) is cls:
            early.drop()  # also of an object that takes no hook for its state
        return made

    def note_version(self, cls: type) -> Callable[[], None] | None:
        """Return a function for a class with versions, as a save does; it notes nothing."""
        return None if version_of(cls) == 1 else lambda: None

    @property
    def takes_placeholders(self) -> bool:
        """Return whether a part that cannot be made gets a placeholder."""
        return self._placeholders

    def placeholder_of(self, module: str, qualname: str) -> type | None:
        """Return the class of placeholders for objects that their class refuses to make."""
        if not self._placeholders:
            return None
        versions = self.read[self.current].record.metadata.versions
        self._note(MISSING)
        return missing_class(
            module, qualname, self._missing_classes, versions.get(f"{module}:{qualname}", 1)
        )
