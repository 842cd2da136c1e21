"""Whether others than whoever runs this program can write to a directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import Any


class Openness:
    """Answers `open_to_others` for some directories, each time anew.

    While they are those that were found to be closed, with the same owners and rights, a look at each is
    enough: 2 µs, for each load.
    """

    def __init__(
        self, directories: Sequence[str], within: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """`within` names what is in the first one and looked at as well, until all was found closed."""
        self._directories = directories
        self._within = within
        self._closed: list[Any] | None = None

    def reason(self, *, trusts_group: bool = False) -> str | None:
        """Return in which way others can write there, None where they cannot."""
        if os.name != "posix":
            return None
        state: list[Any] = [os.geteuid(), trusts_group]
        for directory in self._directories:
            try:
                found = os.stat(directory)
            except OSError:
                continue  # what is not there is open to nobody
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
    """Return in which way others can write to a directory or to those `within` it, None if not.

    The directory may be a link: what counts is where it leads.  What is not there is open to nobody.  Root
    may write everywhere, and is not counted.  A group of the user's own, without other members, is
    not counted either; nor, with `trusts_group`, is the group of the directory, if the user is in it, nor
    the owner, if he is.  The answer is of the moment: whoever can change the modes can change them back.
    """
    if os.name != "posix":
        return None
    trusted = _own_group(directory) if trusts_group else None
    found = (_reason(path, trusted) for path in within)
    return _reason(directory, trusted, follow=True) or next(filter(None, found), None)


def _own_group(directory: str) -> int | None:
    """Return the group of a directory, None where this process is not in it."""
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
    # Who owns what is inside could make it because the directory lets him: only its own owner is looked at.
    is_known = trusted is not None and (not follow or _is_member(found.st_uid, trusted))
    if found.st_uid not in (user, 0) and not is_known:
        return f"{path} belongs to the user {found.st_uid}, who is neither you ({user}) nor root"
    if stat.S_ISLNK(found.st_mode):
        return None  # never followed
    if found.st_mode & stat.S_IWOTH:
        return f"everybody can write to {path}"
    is_closed = found.st_gid == trusted or _is_private(found.st_gid, user)
    if found.st_mode & stat.S_IWGRP and not is_closed:
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
    # The group of a user's own, as many systems make it: of the same name, without other members.
    import grp
    import pwd

    try:
        owner, found = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    is_own = owner.pw_gid == group and found.gr_name == owner.pw_name
    return is_own and not set(found.gr_mem) - {owner.pw_name}
