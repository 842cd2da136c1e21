"""Network file systems, and which paths are on one.

SQLite's write-ahead log needs memory that all processes share, which no network file system gives:
https://sqlite.org/wal.html, "All processes using a database must be on the same host computer".
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MOUNTS: Final = "/proc/self/mountinfo"

_NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "9p", "coda", "davfs"),
        *("glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.davfs2"),
    }
)


def network_of(path: str, mounts: str | None = None) -> str | None:
    """Return the type of the file system of `path` if that is on the network, else None.

    `mounts` is text in the form of ``/proc/self/mountinfo`` (proc(5)), which is read by default.  Where
    there is no such file, return None.
    """
    if mounts is None:
        try:
            with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return None
    path, best, kind = os.path.realpath(path), "", None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        if not dash or len(before.split()) < 5 or not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # The last of several mounts on one point is the one that is seen.
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind if kind in _NETWORK else None
