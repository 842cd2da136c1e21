"""The argument STORE of commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from brinery.errors import BrineryError
from brinery.filesystem import FilesystemStore
from brinery.registry import make_store
from brinery.store import Store
from brinery.trust import Trust


def store_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument STORE, as the parameter `place` of its function."""
    return click.argument("place", metavar="STORE")(function)


def open_store(place: str, **options: Any) -> Store:
    """Open a store that is there already; a place where there is none is wrong usage."""
    try:
        store = make_store(place, trust=Trust.from_environment(), **options)
    except BrineryError as error:
        raise click.UsageError(str(error)) from error
    if isinstance(store, FilesystemStore) and not os.path.isdir(store.directory):
        # A store makes its directory on the first save; a command that reads needs one.
        raise click.UsageError(f"there is no directory {store.directory!r}")
    if not isinstance(store, Store):
        raise click.UsageError(
            f"{place!r} opens a {type(store).__name__}, which is no brinery.Store"
        )
    return store
