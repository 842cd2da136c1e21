"""A contender whose library nobody has."""

from __future__ import annotations

import a_library_that_nobody_has  # type: ignore[import-not-found]

Peer = a_library_that_nobody_has.Peer
