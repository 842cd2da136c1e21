"""Ghosts for the references of a record, and what reads their records when they are used.

A record names the class of each object that it refers to, so a ghost is made without a look at that object's
record.  When it wakes, that record decides.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import FunctionType, ModuleType, NoneType

from brinery.errors import (
    BrineryError,
    ClosedError,
    DanglingReferenceError,
    NotFoundError,
    StaleReferenceError,
)
from brinery.evolution.lookup import ClassLookup
from brinery.graph.ghost import ghost_class, set_class
from brinery.record.record import Groups
from brinery.session.active import ACTIVE
from brinery.session.entry import Ghost
from brinery.session.identity import NOTHING
from brinery.session.options import Mapped
from brinery.session.session import Session
from brinery.typing import Any, Final

id_of_object = id
_MOST_AT_ONCE: Final = 1024
"""Most ghosts to wake together."""


class Met:
    """The ghosts of one class that one record refers to, in the order in which its payload does.

    If they are used in that order, more and more of them are woken at once.
    """

    __slots__ = ("ids", "mapped", "next", "referrer", "window")

    def __init__(self, referrer: str, ids: Sequence[str], mapped: Mapped | None = None) -> None:
        self.referrer = referrer
        self.ids = ids
        self.mapped = mapped
        """How their large arrays are to be mapped, as those of the referrer; None for not at all."""
        self.next = 0
        """The position at which a use continues the last ones."""
        self.window = 1

    def beside(self, position: int) -> Sequence[str]:
        """Return the IDs after the one at a position that are to be woken with it."""
        # Twice in a row is a pattern; a few left out, which were alive already, do not end it.
        if self.next <= position <= self.next + self.window and self.next:
            self.window = min(2 * self.window, _MOST_AT_ONCE)
        else:
            self.window = 1
        self.next = position + self.window
        return self.ids[position + 1 : position + self.window]


class Ghosts:
    """The ghosts of one session."""

    def __init__(self, session: Session, load: Callable[..., Any]) -> None:
        """Prepare for the ghosts of a session; `load` is that of `brinery.graph.loading.load`."""
        self._session = session
        self._load = load
        self.identity = session.identity
        """The living objects, also when the session is closed."""
        self._classes: dict[type, type | None] = {}
        self._real: dict[type, type] = {}
        """The classes of the objects that ghosts become, by their classes as ghosts."""
        self._found: dict[str, tuple[type, type | None]] = {}
        self.filling: set[int] = set()
        """The `id()` of ghosts that the load which holds the lock fills."""

    # -- making

    def attach(
        self,
        referrer: str,
        groups: Groups,
        objects: dict[str, Any],
        known: Sequence[Mapping[str, Any]],
        mapped: Mapped | None = None,
    ) -> list[str]:
        """Add an object for each reference of a record to `objects`: a living one, or a ghost.

        Leave out those that are in one of `known`.  The ghosts wake `mapped`.  Return the IDs of objects that
        cannot be ghosts.
        """
        identity = self._session.identity
        whole: list[str] = []
        pairs = iter(groups)
        for class_name in pairs:
            ids = next(pairs)
            for each in known:
                if not each.keys().isdisjoint(ids):
                    ids = [id_ for id_ in ids if id_ not in each]
            new = identity.add_living(ids, objects)
            if new and ACTIVE.decoders:
                new = self._without_open(new, objects)
            if not new:
                continue
            ghost = self.class_named(class_name)
            if ghost is None:
                whole += new
            else:
                met = Met(referrer, new, mapped)
                identity.enter_ghosts(new, ghost, met, 0, objects)
        return whole

    def _without_open(self, ids: Sequence[str], objects: dict[str, Any]) -> list[str]:
        # What a load around this one is filling is referred to as it is.
        left = []
        for id_ in ids:
            found = (each.links.objects.get(id_, NOTHING) for each in self._session.outer_loaders())
            objects[id_] = next((each for each in found if each is not NOTHING), NOTHING)
            if objects[id_] is NOTHING:
                del objects[id_]
                left.append(id_)
        return left

    def class_named(self, name: str) -> type | None:
        """Return the class of ghosts of the class `module:qualname`; None if it has none, or is not found."""
        module, _, qualname = name.partition(":")
        if name in self._found:
            cls, ghost = self._found[name]
            if getattr(sys.modules.get(module), qualname, None) is cls:
                return ghost
        try:
            lookup = ClassLookup(self._session.renames, self._session.caches.missing_classes)
            found = lookup.find(module, qualname, self._look_up)
        except Exception:  # noqa: BLE001 - the load of the record says what is wrong
            return None
        if not isinstance(found, type):
            return None
        ghost = self.class_of(found)
        self._found[name] = found, ghost
        return ghost

    def is_ghost_class(self, cls: type) -> bool:
        """Return whether the objects of a class are ghosts of this session."""
        return cls in self._real

    def class_of(self, cls: type) -> type | None:
        """Return the class of ghosts of a class; None if it has none."""
        if cls not in self._classes:
            self._classes[cls] = found = ghost_class(cls, self.wake)
            if found is not None:
                self._real[found] = cls
        return self._classes[cls]

    def _look_up(self, module: str, qualname: str) -> Any:
        restriction = self._session.gate.restriction
        if restriction is not None and not restriction.admits(module, qualname):
            raise ImportError(qualname)
        found: Any = sys.modules.get(module) or import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
        if restriction is not None and not restriction.admits_object(module, qualname, found):
            raise ImportError(qualname)
        return found

    def has_to_fill(self, id: str) -> bool:
        """Return whether the living object `id` is a ghost that no load fills already."""
        ghost = self.identity.ghost(id)
        return ghost is not NOTHING and id_of_object(ghost) not in self.filling

    # -- waking

    def wake(self, obj: Any) -> bool:
        """Fill a ghost; return whether this thread is filling it already.

        Raise what a load raises; the object is a ghost then as before.
        """
        session = self._session
        with session.lock:
            if id(obj) in self.filling:
                return True
            entry = self.identity.entry(obj)
            if type(entry) is not Ghost:
                self._disown(obj)
                return False
            if session.is_closed:
                raise ClosedError(session.base.location, id=entry.id)
            self._wake(obj, entry)
        return False

    def _disown(self, obj: Any) -> None:
        # Another thread was faster; or code of the user made it by its class, and it is an ordinary object.
        real = self._real.get(type(obj))
        if real is not None:
            set_class(obj, real)

    def _wake(self, obj: Any, entry: Ghost) -> None:
        session, met, id_ = self._session, entry.met, entry.id
        assert isinstance(met, Met)
        if entry.is_replaced:
            raise StaleReferenceError(id_, met.referrer, "belongs to another object now")
        identity = session.identity
        others = [
            each for each in met.beside(entry.position) if identity.ghost(each) is not NOTHING
        ]
        # It may have been loaded again since, as another object.
        former = identity.put_instead(entry)
        try:
            if others:
                with suppress(BrineryError):  # it may come from any of them
                    self._load(session, [id_, *others], lazy=True, mapped=met.mapped)
                    return
            self._load(session, [id_], lazy=True, mapped=met.mapped)
        except NotFoundError as error:
            if error.id != id_:
                raise
            raise self._dangling(id_, met.referrer) from None
        except BrineryError as error:
            error.add_note(f"It was first used through {met.referrer!r}, which was loaded lazily.")
            raise
        finally:
            if former is not None:
                identity.put_instead(former)

    def _dangling(self, id_: str, referrer: str) -> DanglingReferenceError:
        from brinery.graph.loading.fetch import Fetcher, path_of

        path = None
        with suppress(BrineryError):
            path = path_of(id_, Fetcher(self._session).fetch_one(referrer))
        return DanglingReferenceError(id_, referrer, self._session.backend.location, path)

    def wake_all(self, objects: Iterable[Any], mapped: Mapped | None = None) -> None:
        """Wake every ghost that objects reach, and whatever those reach.

        They wake `mapped`, or if that is None as they were met.
        """
        identity = self.identity
        while found := _reached_ghosts(objects, self._real):
            ids: dict[Mapped | None, list[str]] = {}
            for ghost in found:
                entry = identity.entry(ghost)
                if type(entry) is Ghost and identity.get(entry.id) is ghost:
                    assert isinstance(entry.met, Met)
                    ids.setdefault(mapped or entry.met.mapped, []).append(entry.id)
                else:
                    self.wake(ghost)
            for how, some in ids.items():
                self._load(self._session, some, mapped=how)


def _reached_ghosts(objects: Iterable[Any], ghosts: Container[type]) -> list[Any]:
    """Return the objects of these classes that others reach, without a look past them."""
    seen: set[int] = set()
    found: list[Any] = []
    wave = [*objects]
    while wave:
        following: list[Any] = []
        for obj in wave:
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            cls = type(obj)
            if cls in ghosts:
                found.append(obj)
            elif cls is FunctionType:
                # Not its module.
                following += (obj.__closure__, obj.__defaults__, obj.__kwdefaults__, vars(obj))
            elif cls not in _ENDS and not issubclass(cls, (type, Session, ModuleType)):
                following.append(obj)
        wave = gc.get_referents(*following)
    return found


_ENDS: Final = frozenset({int, float, str, bytes, bool, NoneType, Session})
"""Types whose objects reach nothing that is stored."""
