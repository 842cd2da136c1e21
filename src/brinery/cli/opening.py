"""The argument STORE of commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal

import click

from brinery.errors import BrineryError
from brinery.registry.stores import SQL_SCHEMES, make_store
from brinery.stores.store import Store
from brinery.trust.policy import Trust
from brinery.url import Url

Use = Literal["read", "write", "make"]


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
        raise click.UsageError(f"expected a store, and there is no directory {path!r}")


def open_store(
    place: str, *, use: Use = "read", is_for_bytes: bool = False, **options: Any
) -> Store:
    """Open a store to read it, to write to it, or to make it where there is none.

    Raise `UsageError`.  With `is_for_bytes` nothing will be decoded, and the codec of the store need not be
    installed.
    """
    if use != "make":
        check_place(place)
    if is_for_bytes:
        options = {"codec": "pickle", "compress": "none", **options}
    scheme = _scheme(place)
    if use == "read" and scheme in ("file", *SQL_SCHEMES):
        options = {"mode": "r", **options}
    elif use == "write" and scheme in SQL_SCHEMES:
        options = {"create": False, **options}
    options = {"trust": Trust.from_environment(), **options}
    try:
        store = make_store(place, **options)
    except BrineryError as error:
        raise click.UsageError(str(error)) from error
    if not isinstance(store, Store):
        raise click.UsageError(f"{place!r}: expected a brinery.Store, got {type(store).__name__}")
    return store


def is_database(place: str) -> bool:
    """Return whether a place is the URL of a database."""
    return _scheme(place) in SQL_SCHEMES


def _scheme(place: str) -> str:
    try:
        return Url(place).scheme.partition("+")[0]
    except BrineryError:
        return ""  # opening it says why
