"""Whether others than whoever runs this program can write to a directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from typing import Any


class Openness:
    """Answers `open_to_others` for one directory, each time anew.

    While the directory is the one that was found to be closed, with the same owner and rights, a look at
    it is enough: 2 µs, for each load.
    """

    def __init__(self, directory: str, within: Callable[[], Iterable[str]] = tuple) -> None:
        """`within` names what is looked at as well, until all was found to be closed."""
        self._directory = directory
        self._within = within
        self._closed: tuple[Any, ...] | None = None

    def reason(self) -> str | None:
        """Return in which way others can write there, None where they cannot."""
        if os.name != "posix":
            return None
        try:
            found = os.stat(self._directory)
        except OSError:
            return None  # what is not there is open to nobody
        rights = found.st_mode, found.st_uid, found.st_gid, os.geteuid()
        state = (*rights, found.st_ino, found.st_dev)
        if state == self._closed:
            return None
        reason = open_to_others(self._directory, self._within())
        self._closed = state if reason is None else None
        return reason


def open_to_others(directory: str, within: Iterable[str] = ()) -> str | None:
    """Return in which way others can write to a directory or to those `within` it, None if not.

    The directory may be a link: what counts is where it leads.  What is not there is open to nobody.  Root
    may write everywhere, and is not counted.  A group of the user's own, without other members, is
    not counted either.  The answer is of the moment: whoever can change the modes can change them back.
    """
    if os.name != "posix":
        return None
    return _reason(directory, follow=True) or next(filter(None, map(_reason, within)), None)


def _reason(path: str, follow: bool = False) -> str | None:
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return None
    user = os.geteuid()
    if found.st_uid not in (user, 0):
        return f"{path} belongs to the user {found.st_uid}, who is neither you ({user}) nor root"
    if stat.S_ISLNK(found.st_mode):
        return None  # never followed
    if found.st_mode & stat.S_IWOTH:
        return f"everybody can write to {path}"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, user):
        return f"the group {found.st_gid} can write to {path}"
    return None


def _is_private(group: int, user: int) -> bool:
    # The group of a user's own, as many systems make it: of the same name, without other members.
    import grp
    import pwd

    try:
        owner, found = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    is_own = owner.pw_gid == group and found.gr_name == owner.pw_name
    return is_own and not set(found.gr_mem) - {owner.pw_name}
