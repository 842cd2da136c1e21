"""Who writes records: the user, the machine and the program of this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def provenance() -> Mapping[str, str]:
    """Return `user`, `host` and `program` as the kinds of records have them.

    The arguments of the program are left out: they may have secrets.
    """
    import socket

    return {"user": _user(), "host": socket.gethostname(), "program": _program()}


def _user() -> str:
    # `getpass.getuser` would believe the environment.
    try:
        import pwd
    except ImportError:  # Windows
        import getpass

        return getpass.getuser()
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _program() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return os.path.abspath(path or sys.executable or "python")
