"""Files that are written wholly or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from brinery.errors import InvalidArgumentError, storage_error


def check_writable(path: str | Path) -> None:
    """Raise `InvalidArgumentError` if a file could not be written; called before hours of measuring."""
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise InvalidArgumentError(f"{str(path)!r} is a directory: name a file in it")
    if not folder.is_dir():
        raise InvalidArgumentError(
            f"no directory {str(folder)!r} for {target.name!r}: make it, or name another file"
        )
    if not os.access(folder, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise InvalidArgumentError(f"no permission to write {str(path)!r}: name another file")


def write_atomically(path: str | Path, text: str) -> None:
    """Write a file through a temporary one beside it.

    Raise `InvalidArgumentError`, `StorageError`.
    """
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
