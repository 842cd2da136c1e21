"""Loading objects from a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from brinery.graph.loading.load import load
from brinery.persistable import Ref, ref_to
from brinery.session.options import EAGER, LAZY, LoadOptions, Mapped
from brinery.stores.arguments import one_of, required_id, several, wants_placeholders
from brinery.stores.upkeep import Upkeep
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.session.progress import Show
    from brinery.session.session import Session


class Loading(Upkeep):
    """The methods of a store that return objects for IDs."""

    def load(
        self,
        id: str,
        *,
        missing: str = "error",
        lazy: bool | None = None,
        mmap: str | None = None,
        verify: str = "payload",
        progress: Callable[[int, int], Any] | None = None,
    ) -> Any:
        """Return the object `id`, with all that it refers to.

        While the object is alive, each load returns the same object.  With `lazy`, the objects that it refers
        to are read when they are first used; None leaves that to the store.  `missing` says how to load
        objects whose class or codec is missing: "error" raises, "placeholder" returns a `Placeholder`.

        With `mmap`, arrays from 64 kB on are views of files, in a store in a directory: "r" gives read-only
        ones, "c" such that can be changed, in memory (copy on write).  ``verify="payload"`` then checks
        everything but the bytes of these arrays, "all" these, too.  Without `mmap` all is always checked.

        `progress` is called with the number of objects that were decoded and the number of those found so
        far, at most ten times a second; the last time with equal numbers.  Objects that are alive do not
        count.  All records are read before the first is decoded.  An exception from it ends the load.

        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`, and `NotMappableError` for what cannot be mapped, or is alive and not mapped so.
        """
        session = self._session
        options = LAZY if (session.is_lazy if lazy is None else lazy) else EAGER
        # Calls take a twentieth of a load of what is alive.
        if missing != "error" or mmap is not None or verify != "payload":
            options = options._replace(
                placeholders=wants_placeholders(missing), mapped=_mapped(mmap, verify)
            )
        if progress is not None:
            return _loaded(session, [id], options, progress)[0]
        return load(session, [required_id(id)], options)[0]

    def load_many(
        self,
        ids: Iterable[str],
        *,
        missing: str = "error",
        lazy: bool | None = None,
        mmap: str | None = None,
        verify: str = "payload",
        progress: Callable[[int, int], Any] | None = None,
    ) -> list[Any]:
        """Return several objects, read together, in order; the other arguments are those of `load`."""
        session = self._session
        is_lazy = session.is_lazy if lazy is None else lazy
        options = LoadOptions(is_lazy, wants_placeholders(missing), _mapped(mmap, verify))
        return _loaded(session, several("ids", ids), options, progress)

    def ref(self, id: str) -> Ref[Any]:
        """Return a reference to the object `id`, which is loaded when the reference is called.

        Nothing is read.  A save of what refers to it raises `DanglingReferenceError` if there is no record.
        """
        return ref_to(self._session, required_id(id))


def _loaded(
    session: Session, ids: Iterable[str], options: LoadOptions, show: Show | None
) -> list[Any]:
    wanted = [required_id(id_) for id_ in ids]
    if show is None:
        return load(session, wanted, options)
    from brinery.session.progress import Progress

    progress = Progress(show, 0)
    found = load(session, wanted, options._replace(progress=progress))
    progress.end()
    return found


def _mapped(mmap: str | None, verify: str) -> Mapped | None:
    checks_all = one_of("verify", verify, ("payload", "all")) == "all"
    if mmap is None:
        return None
    return Mapped(one_of("mmap", mmap, ("r", "c")) == "c", checks_all)
