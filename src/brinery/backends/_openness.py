"""Whether others than whoever runs this program can write to a directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable


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
