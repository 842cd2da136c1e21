"""Staged files that dead writers left, and their removal."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from contextlib import suppress

from brinery.backends.directory.journal import JOURNAL, UNDO
from brinery.backends.directory.lock_state import host
from brinery.typing import Final

_STAGED: Final = re.compile(
    r"[A-Za-z0-9-]+-[0-9]+-[0-9a-f]{12}(?:-r?[0-9]+(?:\.old)?|-journal|\.journal|\.undo)"
)

OLD: Final = 3600.0
"""Seconds after which a commit that writes no more files counts as dead."""


def sweep(staging: str) -> None:
    """Remove the files of commits that have not grown for an hour, and whose process is dead.

    For processes on other machines, only the age decides.  Files that a journal needs stay, and files
    that are not named like staged ones: the directory may have been replaced by a link.  A file that
    cannot be removed stays: it does no harm.
    """
    with suppress(OSError):
        names = [name for name in os.listdir(staging) if _STAGED.fullmatch(name)]
        tokens: dict[str, list[str]] = defaultdict(list)
        for name in names:
            tokens[name.partition(".")[0].rpartition("-")[0]].append(name)
        for token, files in tokens.items():
            needed = {f"{token}{JOURNAL}", f"{token}{UNDO}"} & set(names)
            if token and not needed and not _is_alive(token) and _is_old(staging, files):
                for name in files:
                    with suppress(OSError):
                        os.unlink(f"{staging}/{name}")


def _is_alive(token: str) -> bool:
    where, pid = token.split("-")[:-2], token.split("-")[-2:-1]
    if os.name == "nt" or "-".join(where) != host() or not pid or not pid[0].isdecimal():
        return False
    try:
        os.kill(int(pid[0]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _is_old(staging: str, names: list[str]) -> bool:
    before = time.time() - OLD
    return all(os.lstat(f"{staging}/{name}").st_ctime < before for name in names)
