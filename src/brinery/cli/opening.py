"""The argument STORE of commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import click

from brinery.errors import BrineryError
from brinery.registry.stores import SQL_SCHEMES, make_store
from brinery.stores.filesystem import FilesystemStore
from brinery.stores.store import Store
from brinery.trust.policy import Trust
from brinery.url import Url


def store_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument STORE, as the parameter `place` of its function."""
    return click.argument("place", metavar="STORE")(function)


def rename_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --rename, as the parameter `renames` of its function."""
    return click.option(
        "--rename",
        "renames",
        multiple=True,
        metavar="OLD=NEW",
        help="Find a moved class or module under its new name; may be repeated.",
    )(function)


def pairs_of(renames: Iterable[str]) -> dict[str, str]:
    """Return the values of --rename as the `renames` of a store."""
    return dict(map(_pair, renames))


def _pair(rename: str) -> tuple[str, str]:
    old, _, new = rename.partition("=")
    if not (old and new):
        raise click.BadParameter(f"expected OLD=NEW, got {rename!r}", param_hint="--rename")
    return old, new


def check_place(place: str) -> None:
    """Raise `UsageError` for a wrong URL, or a directory that does not exist.  Nothing is opened."""
    try:
        url = Url(place)
        path = url.local_path() if url.scheme == "file" else None
    except BrineryError as error:
        raise click.UsageError(str(error)) from error
    if path is not None and not os.path.isdir(path):
        raise click.UsageError(f"no directory {path!r}")


def open_store(
    place: str, *, is_new: bool = False, is_for_bytes: bool = False, **options: Any
) -> Store:
    """Open a store.  Unless it may be new, raise `UsageError` if there is none.

    With `is_for_bytes` nothing will be decoded, and the codec of the store need not be installed.
    """
    if is_for_bytes:
        options = {"codec": "pickle", "compress": "none", **options}
    if not is_new and _is_sql(place):
        options = {"create": False, **options}
    options = {"trust": Trust.from_environment(), **options}
    try:
        store = make_store(place, **options)
    except BrineryError as error:
        raise click.UsageError(str(error)) from error
    if isinstance(store, FilesystemStore) and not (is_new or os.path.isdir(store.directory)):
        # A store makes its directory on the first save; a command that reads needs an existing one.
        raise click.UsageError(f"no directory {store.directory!r}")
    if not isinstance(store, Store):
        raise click.UsageError(f"{place!r}: expected a brinery.Store, got {type(store).__name__}")
    return store


def _is_sql(place: str) -> bool:
    # Opening a database makes its tables, and an SQLite file; a command that reads must not do that.
    try:
        scheme = Url(place).scheme.partition("+")[0]
    except BrineryError:
        return False
    return scheme in SQL_SCHEMES
