"""Ghosts for the references of a record, and what reads their records when they are used.

A record names the class of each object that it refers to, so a ghost is made without a look at that object's
record.  When it wakes, that record decides.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from types import FunctionType, ModuleType, NoneType
from weakref import WeakSet

from brinery.backends.overlay import Overlay
from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    ClosedError,
    DanglingReferenceError,
    NotFoundError,
    StaleReferenceError,
    StoreBusyError,
)
from brinery.evolution.lookup import ClassLookup
from brinery.graph.ghost import ghost_class
from brinery.graph.loading.met import USUAL, HowMet, Met
from brinery.ids import name_of
from brinery.record.record import Groups
from brinery.reference import set_class
from brinery.session.active import ACTIVE
from brinery.session.entry import Asleep, Ghost
from brinery.session.identity import NOTHING
from brinery.session.options import EAGER, LAZY, LoadOptions, Mapped
from brinery.session.session import Session
from brinery.typing import Any, Final

id_of_object = id
_MOST_WHOLE: Final = 1000
_MOMENT: Final = 0.05
"""Seconds to wait for the end of a call, before a look whether there is a transaction."""
WAIT: Final = 60.0
"""Seconds that the use of a ghost waits for calls of other threads to the store."""


Referring = tuple[str, Groups, Codec]
"""The ID of a record, its references, and its codec."""


class Ghosts:
    """The ghosts of one session."""

    def __init__(self, session: Session, read: Callable[..., Any]) -> None:
        """Prepare for the ghosts of a session; `read` is that of `brinery.graph.loading.load`."""
        self._session = session
        self._read = read
        self.identity = session.identity
        """The living objects, also when the session is closed."""
        self._classes: dict[int, tuple[type, type | None]] = {}
        """By the `id()` of classes: these, and the classes of their ghosts; others may be equal to them."""
        self._real: dict[int, type] = {}
        """By the `id()` of the classes of ghosts: the classes of the objects that these become."""
        self._found: dict[str, tuple[type, type | None]] = {}
        self.fillings: WeakSet[Any] = WeakSet()
        """The `Filling` of each load of the thread that holds the lock."""
        self.bytes_read = 0
        """Of the records of all lazy loads."""
        self._whole: dict[int, tuple[Any, int]] = {}
        """By the `id()` of objects that reached no ghosts: their entries, and the count of ghosts then."""

    def is_filling(self, obj: Any) -> bool:
        """Return whether a load of the thread that holds the lock fills a ghost."""
        return any(id_of_object(obj) in each.keys for each in self.fillings)

    # -- making

    @staticmethod
    def how(placeholders: bool, mapped: Mapped | None) -> HowMet:
        """Return how the ghosts of a load are to be read."""
        return HowMet(placeholders, mapped) if placeholders or mapped else USUAL

    def attach(
        self,
        record: Referring,
        objects: dict[str, Any],
        known: Sequence[Mapping[str, Any]] = (),
        how: HowMet = USUAL,
    ) -> list[str]:
        """Add an object for each reference of a record to `objects`: a living one, or a ghost.

        Leave out those that are in one of `known`.  The ghosts wake as `how` says.  Return the IDs of objects
        that cannot be ghosts.
        """
        referrer, groups, codec = record
        identity = self._session.identity
        by_value = codec.capabilities.classes_by_value
        may_import = not codec.capabilities.safe_to_read
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
            # A class of a script may be in the records themselves, and differ from that of this script.
            in_record = by_value and class_name.startswith("__main__:")
            ghost = None if in_record else self.class_named(class_name, may_import=may_import)
            if ghost is None:
                whole += new
            else:
                met = Met(referrer, new, identity.current, how)
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

    def class_named(self, name: str, *, may_import: bool) -> type | None:
        """Return the class of ghosts of the class `module:qualname`; None if it has none, or is not found.

        Only with `may_import` is its module imported: a record whose codec runs no code names any it likes.
        """
        module, _, qualname = name.partition(":")
        if name in self._found:
            cls, ghost = self._found[name]
            if getattr(sys.modules.get(module), qualname, None) is cls:
                return ghost
        try:
            lookup = ClassLookup(self._session.renames, self._session.caches.missing_classes)
            found = lookup.find(module, qualname, self._import if may_import else self._imported)
        except Exception:  # noqa: BLE001 - the load of the record says what is wrong
            return None
        if not isinstance(found, type):
            return None
        ghost = self.class_of(found)
        self._found[name] = found, ghost
        return ghost

    def is_ghost_class(self, cls: type) -> bool:
        """Return whether the objects of a class are ghosts of this session."""
        return id_of_object(cls) in self._real

    def class_of(self, cls: type) -> type | None:
        """Return the class of ghosts of a class; None if it has none."""
        known = self._classes.get(id_of_object(cls))
        if known is None:
            known = cls, ghost_class(cls, self.wake)
            self._classes[id_of_object(cls)] = known
            if known[1] is not None:
                self._real[id_of_object(known[1])] = cls
        return known[1]

    def _import(self, module: str, qualname: str) -> Any:
        restriction = self._session.gate.restriction
        if restriction is not None and not restriction.admits(module, qualname):
            raise ImportError(qualname)
        import_module(module)
        return self._imported(module, qualname)

    def _imported(self, module: str, qualname: str) -> Any:
        restriction = self._session.gate.restriction
        found: Any = sys.modules.get(module)
        for part in qualname.split("."):
            found = getattr(found, part)
        if restriction is not None and not restriction.admits_object(module, qualname, found):
            raise ImportError(qualname)
        return found

    def has_to_fill(self, id: str) -> bool:
        """Return whether the living object `id` is a ghost that no load fills already."""
        ghost = self.identity.ghost(id)
        return ghost is not NOTHING and not self.is_filling(ghost)

    # -- waking

    def wake(self, obj: Any) -> bool:
        """Fill a ghost; return whether the object is to be used as it is.

        So it is while this thread fills it, and for subclasses that code of the user made.  Raise what a load
        raises; the object is a ghost then as before.
        """
        session = self._session
        real = self._real.get(id_of_object(type(obj)))
        if real is None:
            return True
        entry = self.identity.entry(obj)
        if type(entry) is Asleep:
            self.identity.sleepers.end_sleep(obj, entry, real)
            return False
        with self._locked(obj):
            if self.is_filling(obj):
                return True
            entry = self.identity.entry(obj)
            if type(entry) is not Ghost:
                # Another thread was faster; or code of the user made it by its class.
                set_class(obj, real)
                return False
            if session.is_closed:
                raise ClosedError(session.base.location, id=entry.id)
            self._wake(obj, entry)
        return False

    @contextmanager
    def _locked(self, obj: Any) -> Iterator[None]:
        """Keep other threads from calling the store.

        In a transaction of another thread, which may wait for this one, a ghost is read between its calls.
        """
        session, until = self._session, time.monotonic() + WAIT
        with ExitStack() as held:
            while not session.lock.acquire(timeout=_MOMENT):
                if session.outermost is not None:
                    break
                if time.monotonic() > until:
                    raise StoreBusyError(session.base.location, WAIT, id=self._id_of(obj))
            else:
                held.callback(session.lock.release)
            if not session.call_lock.acquire(timeout=max(0.0, until - time.monotonic())):
                raise StoreBusyError(session.base.location, WAIT, id=self._id_of(obj))
            held.callback(session.call_lock.release)
            yield

    def _id_of(self, obj: Any) -> str | None:
        entry = self.identity.entry(obj)
        return None if entry is None else entry.id

    def _wake(self, obj: Any, entry: Ghost) -> None:
        met, id_, identity = entry.met, entry.id, self.identity
        assert isinstance(met, Met)
        with identity.generation(met.generation):
            present = identity.get(id_)
            if present is NOTHING:  # its record was removed, or is to be read again
                identity.put_back(entry)
            elif present is not obj:
                raise StaleReferenceError(id_, met.referrer, "belongs to another object now")
            try:
                self._read_with_others(id_, met, entry.position)
            except NotFoundError as error:
                if error.id != id_:
                    raise
                raise self._dangling(id_, met.referrer) from None
            except BrineryError as error:
                error.add_note(
                    f"It was first used through {met.referrer!r}, which was loaded lazily."
                )
                raise
        if self.is_ghost_class(type(obj)):
            raise StaleReferenceError(id_, met.referrer, "is being loaded around this use")
        if self._session.outermost is not None:
            self.expect_unchanged([obj])

    def _read_with_others(self, id_: str, met: Met, position: int) -> None:
        session, identity = self._session, self.identity
        others = [each for each in met.beside(position) if identity.ghost(each) is not NOTHING]
        if others:
            before = self.bytes_read
            with suppress(BrineryError):  # it may come from any of them
                self._read(session, [id_, *others], LAZY._replace(mapped=met.how.mapped))
                met.note_size(self.bytes_read - before)
                return
        self._read(session, [id_], LoadOptions(True, *met.how))

    def _dangling(self, id_: str, referrer: str) -> DanglingReferenceError:
        from brinery.graph.loading.fetch import Fetcher, path_of

        path = None
        with suppress(BrineryError):
            path = path_of(id_, Fetcher(self._session).fetch_one(referrer))
        return DanglingReferenceError(id_, referrer, self._session.backend.location, path)

    def expect_unchanged(self, objects: Iterable[Any]) -> None:
        """Let the transaction fail if the records of objects that were read in it change until its end."""
        overlay = self._session.backend
        assert isinstance(overlay, Overlay)
        for obj in objects:
            entry = self.identity.entry(obj)
            if entry is not None and type(entry) is not Ghost:
                overlay.expect_unchanged(name_of(entry.id), entry.version)

    def wake_all(self, objects: Sequence[Any], options: LoadOptions = EAGER) -> None:
        """Wake every ghost that objects reach, and whatever those reach.

        They wake mapped as the options say, or if these do not map as they were met.
        """
        mapped, progress = options.mapped, options.progress
        if not self.identity.ghost_keys or self._are_whole(objects):
            return
        roots = objects
        seen: dict[int, Any] = {}
        while found := reached_ghosts(objects, self._real, seen):
            for met, ids in self._by_met(found):
                with self.identity.generation(met.generation):
                    how = LoadOptions(mapped=mapped or met.how.mapped, progress=progress)
                    self._read(self._session, ids, how)
            objects = found
        if len(self._whole) > _MOST_WHOLE:
            self._whole.clear()
        for obj in roots:
            self._whole[id_of_object(obj)] = self.identity.entry(obj), self.identity.ghosts_made

    def _are_whole(self, objects: Iterable[Any]) -> bool:
        # Without new ghosts, what was whole is whole.
        made = self.identity.ghosts_made
        for obj in objects:
            entry, count = self._whole.get(id_of_object(obj), (None, -1))
            if count != made or entry is None or entry is not self.identity.entry(obj):
                return False
        return True

    def _by_met(self, ghosts: Iterable[Any]) -> Iterator[tuple[Met, list[str]]]:
        # The IDs of ghosts that can be read together; others are woken one by one.
        found: dict[Any, tuple[Met, list[str]]] = {}
        for ghost in ghosts:
            entry = self.identity.entry(ghost)
            if type(entry) is not Ghost or entry.met.generation.get(entry.id) is not entry:
                self.wake(ghost)
                continue
            met = entry.met
            assert isinstance(met, Met)
            key = id_of_object(met.generation), met.how
            found.setdefault(key, (met, []))[1].append(entry.id)
        yield from found.values()


def reached_ghosts(
    objects: Iterable[Any], ghosts: Container[int], seen: dict[int, Any]
) -> list[Any]:
    """Return the objects of classes with one of these `id()` that others reach, without a look past them.

    `seen` keeps what was looked at, for further calls.
    """
    found: dict[int, Any] = {}
    wave = [*objects]
    while wave:
        following: list[Any] = []
        for obj in wave:
            key, cls = id(obj), type(obj)
            if id(cls) in ghosts:
                found[key] = obj
            elif key not in seen:
                seen[key] = obj
                if cls is FunctionType:
                    # Not its module.
                    following += (obj.__closure__, obj.__defaults__, obj.__kwdefaults__, vars(obj))
                elif cls not in _ENDS and not issubclass(cls, (type, Session, ModuleType)):
                    following.append(obj)
        wave = gc.get_referents(*following)
    return [*found.values()]


_ENDS: Final = frozenset({int, float, str, bytes, bool, NoneType})
"""Types whose objects reach nothing that is stored."""
