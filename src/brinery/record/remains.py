"""What is left of a record that has lost its end, for files whose name does not show that they are records.

Only the end of a record marks it as one.  After a power cut a file may be empty, zero, or cut off anywhere;
then its first and its last bytes have to do.
"""

from __future__ import annotations

import re

from brinery.typing import Final

WINDOW: Final = 1 << 16
"""Bytes at the beginning and at the end of a file that are looked at."""

# The beginning of a kind: a map of six or more pairs, of which the class is the first.
KIND_START: Final = rb"[\x86-\x8f]\xa5class[\xa0-\xbf\xd9-\xdb]"

_TAR: Final = slice(257, 262)


def is_cut_off_pickle(head: bytes, end: bytes) -> bool:
    """Return whether bytes begin as a pickle of the protocols 2 to 5 and do not end as one."""
    return head[:1] == b"\x80" and b"\x02" <= head[1:2] <= b"\x05" and end[-1:] != b"."


def is_remains(head: bytes, end: bytes, size: int) -> bool:
    """Return whether a file that does not end as a record looks like one that lost its end.

    `head` and `end` are its first and its last bytes, `WINDOW` of each or all.  An empty file and one of
    zeros count: these are left where a power cut came before the data.  So does a file that begins as a
    pickle and does not end as one, and a file that has the beginning of a kind once, close to its end.
    (An archive of records has that beginning many times.)
    """
    if not (head.strip(b"\0") or end.strip(b"\0")):
        return True
    whole = head + end[max(0, len(head) + len(end) - size) :]
    starts = [found.start() for found in re.finditer(KIND_START, whole)][:2]
    if len(starts) == 1 and head[_TAR] != b"ustar" and len(whole) - starts[0] <= WINDOW:
        return True
    return is_cut_off_pickle(head, end)
