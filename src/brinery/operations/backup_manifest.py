"""The manifest of a backup, under a dotted name of its backend."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Final

from brinery.backend import ABSENT, Backend, Expect, Missing, Put, Version
from brinery.errors import BackupError

NAME: Final = ".backup"
_FORMAT: Final = 1
_LARGEST: Final = 1 << 20
"""Bytes; a manifest has some hundred."""


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """The description of a backup, stored in the backup itself."""

    is_finished: bool
    time: float | None
    """When it was last finished, in seconds since the epoch; None for never."""
    records: int = 0
    digest: str = ""
    """Of the names and fingerprints of all its records."""

    def put(self, expect: Version | Expect) -> Put:
        """Return a put that writes the manifest; its bytes differ each time."""
        value = {
            "format": _FORMAT,
            "finished": self.is_finished,
            "time": self.time,
            "records": self.records,
            "digest": self.digest,
            "nonce": os.urandom(16).hex(),
        }
        return Put(NAME, (json.dumps(value).encode(),), expect)


def read_manifest(backend: Backend) -> tuple[BackupManifest | None, Version | Expect]:
    """Return the manifest, and the version that a put of the next one has to expect.

    A backup with a damaged manifest counts as not finished.  Raise `BackupError` for a newer format.
    """
    try:
        data, size, version = backend.get_tail(NAME, _LARGEST)
    except Missing:
        return None, ABSENT
    try:
        if size > _LARGEST:
            raise ValueError(f"a manifest of {size} bytes")
        value = json.loads(data)
        format_ = int(value["format"])
        manifest = BackupManifest(
            value["finished"] is True,
            None if value["time"] is None else float(value["time"]),
            int(value["records"]),
            str(value["digest"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return BackupManifest(is_finished=False, time=time.time()), version
    if format_ > _FORMAT:
        reason = f"expected format {_FORMAT} or older, got {format_}: upgrade brinery"
        raise BackupError("use", reason, backend.location)
    return manifest, version
