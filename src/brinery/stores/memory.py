"""A store in memory."""

from __future__ import annotations

from typing import Any

from brinery.backends.memory import MemoryBackend
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError
from brinery.ids import IdFactory
from brinery.registry.codecs import CodecArgument
from brinery.stores.store import Store
from brinery.transform import Transform
from brinery.url import Url


class MemoryStore(Store):
    """A store that exists in this process only: for tests and experiments."""

    def __init__(
        self,
        idfactory: IdFactory | None = None,
        protocol: int | None = DEFAULT_PROTOCOL,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        **extra: Any,
    ) -> None:
        if extra.pop("mode", "rw") != "rw":
            raise InvalidArgumentError(
                "mode: expected 'rw', because a store in memory begins empty: it has nothing to read"
            )
        super().__init__(
            MemoryBackend(), idfactory, protocol, codec=codec, compress=compress, **extra
        )


def make_memorystore(url: Any = "memory:", **options: Any) -> MemoryStore:
    """Return a new `MemoryStore` with the options in a URL (``memory:?codec=dill``)."""
    return MemoryStore(**{**Url(url).options(), **options})
