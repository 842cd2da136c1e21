"""The backend that a caller names: by a store, a backend, a URL or a path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from brinery.backend import Backend
from brinery.backends.directory.backend import DirectoryBackend
from brinery.catalog.settings import read_settings
from brinery.errors import InvalidArgumentError, SettingsError, StorageError
from brinery.record.outline import check_outline
from brinery.registry.stores import SQL_SCHEMES, make_store
from brinery.url import Url


@contextmanager
def opened(place: Any, mode: Literal["rw", "r"] = "rw") -> Iterator[Backend]:
    """Give the backend of `place`, and close it at the end if it was opened here, with `mode`.

    A directory is opened without its codec, which need not be installed, and also where its settings
    are damaged.  Raise what `make_store` does.
    """
    held = place if isinstance(place, Backend) else getattr(place, "backend", None)
    if isinstance(held, Backend):
        yield held
        return
    url = Url(place)
    if url.scheme == "file":
        yield _directory(url, mode)
        return
    # Stores of other distributions may have no modes.
    options = {"mode": mode} if mode == "r" and url.scheme.partition("+")[0] in SQL_SCHEMES else {}
    store = make_store(url, **options)
    try:
        if not isinstance(getattr(store, "backend", None), Backend):
            raise InvalidArgumentError(
                f"expected the place of a store of brinery, got {place!r:.80}"
            )
        yield store.backend
    finally:
        store.close()


def options_of(backend: Backend) -> Mapping[str, Any]:
    """Return the options of `backend` that the settings of its store remember; see `Settings.options`."""
    if isinstance(backend, DirectoryBackend):
        return {"layout": backend.layout, "shared": backend.shared}
    return {}


def _directory(url: Url, mode: Literal["rw", "r"]) -> DirectoryBackend:
    path = url.local_path()
    given: dict[str, Any] = url.options()
    mode = "r" if mode == "r" else given.get("mode", mode)
    options = {**_remembered(DirectoryBackend(path, mode=mode)), **given}
    return DirectoryBackend(
        path,
        layout=options.get("layout") or "flat",
        shared=options.get("shared") or "private",
        durability=options.get("durability", "full"),
        mode=mode,
        check_outline=check_outline,
    )


def _remembered(backend: Backend) -> Mapping[str, Any]:
    try:
        settings = read_settings(backend)
    except (SettingsError, StorageError):
        return {}  # an operation that needs the settings reads them again, and raises
    return settings.options if settings else {}
