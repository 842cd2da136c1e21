"""Loading objects from a store."""

from __future__ import annotations

from collections.abc import Iterable

from brinery.graph.loading.load import load
from brinery.session.options import Mapped
from brinery.stores.arguments import one_of, required_id, several, wants_placeholders
from brinery.stores.upkeep import Upkeep
from brinery.typing import Any


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
    ) -> Any:
        """Return the object `id`, with all that it refers to.

        While the object is alive, each load returns the same object.  With `lazy`, the objects that it refers
        to are read when they are first used; None leaves that to the store.  `missing` says how to load
        objects whose class or codec is missing: "error" raises, "placeholder" returns a `Placeholder`.

        With `mmap`, arrays from 64 kB on are views of files, in a store in a directory: "r" gives read-only
        ones, "c" such that can be changed, in memory (copy on write).  ``verify="payload"`` then checks
        everything but the bytes of these arrays, "all" these, too.  Without `mmap` all is always checked.

        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`, and `NotMappableError` for what cannot be mapped, or is alive and not mapped so.
        """
        session = self._session
        is_lazy = session.is_lazy if lazy is None else lazy
        placeholders = wants_placeholders(missing)
        mapped = None
        if mmap is not None or verify != "payload":
            mapped = _mapped(
                mmap, verify
            )  # a call less takes a twentieth of a load of what is alive
        wanted = [required_id(id)]
        return load(session, wanted, placeholders=placeholders, lazy=is_lazy, mapped=mapped)[0]

    def load_many(
        self,
        ids: Iterable[str],
        *,
        missing: str = "error",
        lazy: bool | None = None,
        mmap: str | None = None,
        verify: str = "payload",
    ) -> list[Any]:
        """Return several objects, read together, in order; the other arguments are those of `load`."""
        wanted = [required_id(id_) for id_ in several("ids", ids)]
        session = self._session
        is_lazy = session.is_lazy if lazy is None else lazy
        placeholders = wants_placeholders(missing)
        mapped = _mapped(mmap, verify)
        return load(session, wanted, placeholders=placeholders, lazy=is_lazy, mapped=mapped)


def _mapped(mmap: str | None, verify: str) -> Mapped | None:
    checks_all = one_of("verify", verify, ("payload", "all")) == "all"
    if mmap is None:
        return None
    return Mapped(one_of("mmap", mmap, ("r", "c")) == "c", checks_all)
