"""URL schemes to stores."""

from __future__ import annotations

from collections.abc import Callable

from brinery.errors import InvalidArgumentError, UnknownSchemeError
from brinery.registry.table import BuiltIn, Registry
from brinery.typing import Any, Final
from brinery.url import Url

SQL_SCHEMES: Final = (
    "sqlite",
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "oracle",
    "mssql",
)
"""The schemes of databases; what follows a ``+`` names the driver."""

StoreConstructor = Callable[..., Any]


def _checked(scheme: str, found: Any) -> StoreConstructor:
    if not callable(found):
        raise InvalidArgumentError(
            f"expected a callable as the constructor for the scheme {scheme!r}, got {found!r}"
        )
    constructor: StoreConstructor = found
    return constructor


# The schemes that `register` adds are kept here: one table for the process, as the URLs are the same in all
# of it.
_STORES: Final = Registry(
    "store",
    {
        "file": BuiltIn("brinery.stores.filesystem:make_filesystemstore"),
        "memory": BuiltIn("brinery.stores.memory:make_memorystore"),
        **dict.fromkeys(SQL_SCHEMES, BuiltIn("brinery.stores.sql:make_sqlstore")),
    },
    _checked,
)


def register(scheme: str, constructor: StoreConstructor) -> None:
    """Make `make_store` call ``constructor(url, **options)`` for URLs of `scheme`.

    `url` is a `Url`.  A scheme of brinery's own is replaced.  A distribution may register without being
    imported, by an entry point of the group ``brinery.stores``.
    """
    _STORES.add(scheme, constructor)


def make_store(url: Any, **options: Any) -> Any:
    """Return the store at a URL or path.

    The part of the scheme before a ``+`` chooses the kind of store.  Options may be in the URL's
    query (``file:///srv/jobs?codec=dill``); keyword arguments win.  Raise `UrlError`,
    `UnknownSchemeError`.
    """
    parsed = Url(url)
    constructor = _STORES.find(parsed.scheme, parsed.scheme.split("+")[0])
    if constructor is None:
        raise UnknownSchemeError(parsed.without_secrets(), parsed.scheme, _STORES.names())
    return constructor(parsed, **options)
