"""A store in memory."""

from __future__ import annotations

from brinery.backends.memory import MemoryBackend
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError
from brinery.ids import IdFactory
from brinery.record.payload import MAX_EXPANDED
from brinery.registry.codecs import CodecArgument
from brinery.stores.options import StoreOptions
from brinery.stores.store import Store
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.typing import Any
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
        max_expanded: int = MAX_EXPANDED,
        trust: Trust | str | None = None,
        lazy: bool | None = None,
        provenance: bool | None = None,
        **extra: Any,
    ) -> None:
        renames = extra.pop("renames", None)
        if extra.pop("mode", "rw") != "rw":
            raise InvalidArgumentError(
                "mode: expected 'rw', because a store in memory begins empty: it has nothing to read"
            )
        options = StoreOptions(
            idfactory,
            protocol,
            codec,
            compress,
            max_expanded,
            renames,
            trust,
            lazy,
            provenance,
            extra,
        )
        self._begin(MemoryBackend(), options)


def make_memorystore(url: Any = "memory:", **options: Any) -> MemoryStore:
    """Return a new `MemoryStore` with the options in a URL (``memory:?codec=dill``)."""
    return MemoryStore(**{**Url(url).options(), **options})
