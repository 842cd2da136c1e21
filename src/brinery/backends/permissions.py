"""Whether other users can write to a directory."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence

from brinery.typing import Any, Final

CHECK_FOR: Final = 1.0
"""Seconds for which the answer holds that no other user can write."""


class PermissionCheck:
    """Answers `open_to_others` for some directories, as they were at most a second ago.

    Looking at each load would take a quarter of its time.  As long as the directories have the owners and
    rights with which no other user could write, one stat of each is enough.
    """

    def __init__(
        self, directories: Sequence[str], within: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """`within` names files in the first directory that are checked, too, until all are found closed."""
        self._directories = directories
        self._within = within
        self._closed: list[Any] | None = None
        self._looked = -CHECK_FOR

    def reason(self, *, trusts_group: bool = False) -> str | None:
        """Return why other users can write there, or None if they cannot."""
        if os.name != "posix":
            return None
        asked = [os.geteuid(), trusts_group]
        now = time.monotonic()
        if (
            self._closed is not None
            and now - self._looked < CHECK_FOR
            and self._closed[:2] == asked
        ):
            return None
        self._looked = now
        state: list[Any] = asked
        for directory in self._directories:
            try:
                found = os.stat(directory)
            except OSError:
                continue  # nobody can write to a missing directory
            rights = found.st_mode, found.st_uid, found.st_gid
            state.append((*rights, found.st_ino, found.st_dev))
        if state == self._closed:
            return None
        within: Iterable[str] = self._within()
        for directory in self._directories:
            reason = open_to_others(directory, within, trusts_group=trusts_group)
            if reason is not None:
                self._closed = None
                return reason
            within = ()
        self._closed = state
        return None


def open_to_others(
    directory: str, within: Iterable[str] = (), *, trusts_group: bool = False
) -> str | None:
    """Return why other users can write to a directory or to those `within` it, or None if they cannot.

    The directory may be a link, which is followed.  Missing paths are open to nobody.  Root can write
    everywhere, and does not count.  A group without other members does not count either; nor, with
    `trusts_group`, does the group of the directory if the user is in it, nor the owner if he is in it.
    The answer holds for this moment only: a user who can change the modes can change them back.
    """
    if os.name != "posix":
        return None
    trusted = _own_group(directory) if trusts_group else None
    found = (_reason(path, trusted) for path in within)
    return _reason(directory, trusted, follow=True) or next(filter(None, found), None)


def _own_group(directory: str) -> int | None:
    """Return the group of a directory, or None if this process is not in it."""
    try:
        group = os.stat(directory).st_gid
    except OSError:
        return None
    return group if group in (os.getegid(), *os.getgroups()) else None


def _reason(path: str, trusted: int | None, follow: bool = False) -> str | None:
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return None
    user = os.geteuid()
    # Owners of files inside could make them because the directory let them: check only its own owner.
    is_known = trusted is not None and (not follow or _is_member(found.st_uid, trusted))
    if found.st_uid not in (user, 0) and not is_known:
        return f"{path} belongs to the user {found.st_uid}, who is neither you ({user}) nor root"
    if stat.S_ISLNK(found.st_mode):
        return None  # never followed
    if found.st_mode & stat.S_IWOTH:
        return f"everybody can write to {path}"
    # The databases of users and groups are only asked where that matters.
    is_open = found.st_mode & stat.S_IWGRP and found.st_gid != trusted
    if is_open and not _is_private(found.st_gid, user):
        return f"the group {found.st_gid} can write to {path}"
    return None


def _is_member(user: int, group: int) -> bool:
    import pwd

    try:
        owner = pwd.getpwuid(user)
        return group in os.getgrouplist(owner.pw_name, owner.pw_gid)
    except (KeyError, OSError):
        return False


def _is_private(group: int, user: int) -> bool:
    # A private group, as many systems make for each user: of the same name, without other members.
    import grp
    import pwd

    try:
        owner, found = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    is_own = owner.pw_gid == group and found.gr_name == owner.pw_name
    return is_own and not set(found.gr_mem) - {owner.pw_name}
