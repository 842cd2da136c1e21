"""The reference backend keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brinery.backend import Backend
from brinery.backends.memory import MemoryBackend
from brinery.testing.backend import BackendContract


class TestMemoryBackend(BackendContract):
    """Bytes in a dictionary."""

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        """Give an empty one."""
        backend = MemoryBackend()
        yield backend
        backend.close()

    def test_it_says_that_it_does_not_persist(self, backend: Backend) -> None:
        """Capabilities and location say that the bytes end with the process."""
        assert not backend.capabilities.persistent
        assert backend.location == "memory:"

    def test_two_of_them_share_nothing(self, backend: Backend) -> None:
        """Each is a place of its own."""
        backend.put("Task.1", b"1")
        assert list(MemoryBackend().list()) == []
