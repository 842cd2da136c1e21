"""The classes of `benchmarks.nets` for ZODB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persistent import Persistent

from benchmarks.nets import JobState


class Job(Persistent, JobState):
    """A job of a net, or one that stands alone."""


class Net(Persistent):
    """The container."""

    jobs: Sequence[Any] = ()
