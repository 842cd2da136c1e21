"""Where a case saves: into new stores in memory, or into one store at a place of the user's."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from typing import Any

from brinery.codec import Codec
from brinery.errors import InvalidArgumentError, StorageError, storage_error
from brinery.registry.stores import make_store
from brinery.stores.memory import MemoryStore
from brinery.stores.store import Store
from brinery.url import Url

_TABLE = "brinery_bench"


class Memory:
    """New stores in memory."""

    def __init__(self, codec: Codec, compress: str | None) -> None:
        self._codec = codec
        self._compress = compress

    def new(self) -> Store:
        """Return an empty store."""
        return MemoryStore(codec=self._codec, compress=self._compress)

    def again(self, saved: Store) -> Store:
        """Return a store with the same records, and no objects."""
        # With this codec object: it may not be registered.
        return Store(saved.backend, codec=self._codec, compress=self._compress)

    def end(self) -> None:
        """Do nothing: the stores are in memory."""


class Place:
    """One store at a place, which is emptied for each save and removed at the end."""

    def __init__(self, url: str, codec: Codec, compress: str | None) -> None:
        self._files: str | None = None
        self._store: Store = make_store(self._own(Url(url)), codec=codec, compress=compress)

    def _own(self, url: Url) -> Any:
        # Never the store of the user itself.
        if url.scheme == "file":
            self._files = _directory(url.path)
            return os.path.join(self._files, "store")
        if url.scheme.partition("+")[0] == "sqlite":
            self._files = _directory(os.path.dirname(url.path.removeprefix("/")) or ".")
            name = os.path.basename(url.path) or "bench.db"
            return f"sqlite:///{os.path.join(self._files, name)}"
        if url.fragment:
            raise InvalidArgumentError(
                f"--to: expected a database, got a table of one: {url.without_secrets()}. The "
                f"benchmark makes a table {_TABLE} of its own"
            )
        return Url(f"{url}#table={_TABLE}")

    def new(self) -> Store:
        """Empty the store, and return it."""
        self._store.clear()
        return self._store

    def again(self, saved: Store) -> Store:
        """Return the store, without its objects."""
        saved.invalidate_cache()
        return saved

    def end(self) -> None:
        """Remove what was stored; an empty table stays in a database server."""
        with suppress(StorageError):
            self._store.clear()
        self._store.close()
        if self._files is not None:
            shutil.rmtree(self._files, ignore_errors=True)


def _directory(parent: str) -> str:
    try:
        os.makedirs(parent or ".", exist_ok=True)
        return tempfile.mkdtemp(prefix="brinery-bench-", dir=parent or ".")
    except OSError as error:
        raise storage_error("make a directory for the benchmark", error) from error
