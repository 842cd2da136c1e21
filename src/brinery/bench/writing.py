"""Writing results to files, wholly or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from brinery.errors import InvalidArgumentError, storage_error


def check_writable(path: str | Path) -> None:
    """Raise InvalidArgumentError where a result could not be written, before hours went into it."""
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise InvalidArgumentError(f"{str(path)!r} is a directory: name a file in it")
    if not folder.is_dir():
        raise InvalidArgumentError(
            f"there is no directory {str(folder)!r} to write {target.name!r} to"
        )
    if not os.access(folder, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise InvalidArgumentError(f"{str(path)!r} may not be written to")


def write_atomically(path: str | Path, text: str) -> None:
    """Write a file through a temporary one beside it; raise InvalidArgumentError or StorageError."""
    check_writable(path)
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise storage_error("write", error, path=str(path)) from error
