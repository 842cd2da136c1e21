"""The libraries that speak to databases, imported on use, and how to install those that are missing."""

from __future__ import annotations

from contextlib import contextmanager

from brinery.errors import DriverNotInstalledError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_INSTALLED_BY: Final = {
    "sqlalchemy": "pip install 'brinery[sql]'",
    "psycopg": "pip install 'brinery[postgres]'",
    "MySQLdb": "pip install mysqlclient",
    "mariadb": "pip install mariadb",
    "pysqlcipher3": "pip install sqlcipher3",
}


@contextmanager
def installed() -> Iterator[None]:
    """Raise `DriverNotInstalledError`, which names the command to run, where an import fails inside."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        command = _INSTALLED_BY.get(module, f"pip install {module}")
        raise DriverNotInstalledError(module, command) from error
