"""The backend of what a caller names: a store, a backend, a URL or a path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brinery.backend import Backend
from brinery.backends.directory import DirectoryBackend
from brinery.errors import InvalidArgumentError, SettingsError
from brinery.registry import make_store
from brinery.settings import read_settings
from brinery.url import Url


@contextmanager
def opened(place: Any) -> Iterator[Backend]:
    """Give the backend of `place`, and close it at the end if it was opened here.

    A directory is opened without its codec, which need not be installed, and also where its settings
    are damaged.  Raise what `make_store` does.
    """
    held = place if isinstance(place, Backend) else getattr(place, "backend", None)
    if isinstance(held, Backend):
        yield held
        return
    url = Url(place)
    if url.scheme == "file":
        yield _directory(url)
        return
    store = make_store(url)
    try:
        if not isinstance(getattr(store, "backend", None), Backend):
            raise InvalidArgumentError(f"{place!r:.80} opens what has no backend of brinery")
        yield store.backend
    finally:
        store.close()


def _directory(url: Url) -> DirectoryBackend:
    path = url.local_path()
    options: dict[str, Any] = {**url.options()}
    layout = options.get("layout") or _layout_of(DirectoryBackend(path))
    return DirectoryBackend(path, layout=layout, durability=options.get("durability", "full"))


def _layout_of(backend: Backend) -> Any:
    try:
        settings = read_settings(backend)
    except SettingsError:
        return "flat"
    return (settings.options.get("layout") if settings else None) or "flat"
