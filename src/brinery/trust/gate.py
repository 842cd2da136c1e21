"""The gate: admits the records of one store that the trust policy of its opener allows.

Before a record is decoded, the gate checks its codec, its seal, and whether others can write to the store.
"""

from __future__ import annotations

import os

from brinery.backend import Backend, Ranges
from brinery.catalog.settings import Settings, read_settings
from brinery.codec import Codec, Restriction
from brinery.errors import SealError, TrustError
from brinery.evolution.missing_codec import MissingCodec
from brinery.evolution.renames import Renames
from brinery.record.end import end_size
from brinery.record.format import TAIL_SIZE
from brinery.record.reader import parse, parse_end, record_as_written
from brinery.record.record import Metadata, Record
from brinery.record.seal import Seals
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.record.parts import LargeRecord

_IDENTITY: Final = 16  # bytes


class TrustGate:
    """Applies the trust policy of a store's opener to the records that are read from the store."""

    def __init__(
        self, trust: Trust, backend: Backend, renames: Renames, settings: Settings | None
    ) -> None:
        """Prepare a gate; `settings` are those that the store remembers, None for a new store."""
        self.trust = trust
        self.restriction: Restriction | None = trust.restriction(renames.present)
        self._backend = backend
        self._seals: Seals | None = None
        self._admitted: set[tuple[str, bool]] = set()
        self.accepts_plain = not self.is_sealing and trust.codecs is None
        """Whether records without a seal, and of any codec, are accepted."""
        self.identity = settings.identity if settings else None
        self._check_identity()

    def _check_identity(self) -> None:
        check_identity(self.trust, self.identity, self._backend.location)

    # -- seals

    @property
    def is_sealing(self) -> bool:
        """Return whether records are sealed when written, and only sealed records are accepted."""
        return bool(self.trust.key)

    @property
    def seals(self) -> Seals | None:
        """Return the seals of the store, None without a key.

        Raise `SealError` if the store has no identity yet: then nothing in it is sealed.
        """
        if not self.is_sealing:
            return None
        if self._seals is None:
            if self.identity is None:
                # Another process may have sealed the first record since this store was opened.
                settings = read_settings(self._backend)
                self.identity = settings.identity if settings else None
                self._check_identity()
            if self.identity is None:
                raise SealError(
                    "expected sealed records, because the store was opened with a key; nothing in it is "
                    "sealed yet. If you know where its records are from, store.reseal(unsealed=True) "
                    "seals them",
                    path=self._backend.location,
                )
            self._seals = Seals(self.trust.secrets, bytes.fromhex(self.identity))
        return self._seals

    def new_identity(self) -> str:
        """Return an identity for a store that has none."""
        return self.trust.store or os.urandom(_IDENTITY).hex()

    def adopt(self, identity: str | None) -> None:
        """Use the identity in the present settings."""
        if identity != self.identity:
            self.identity, self._seals = identity, None
            self._check_identity()

    def check_saving(self, names: list[str]) -> None:
        """Raise `TrustError` if records that these codecs write could not be loaded again."""
        for name in names:
            self._check_codec(name)
        if self.identity is not None and not self.is_sealing:
            raise SealError(
                "this store is sealed, and everyone with a key would refuse a record saved without one: "
                "open it with trust=Trust(key=…)",
                path=self._backend.location,
            )

    def check_sealed(self) -> None:
        """Raise `SealError` if the store has no identity, that is, if nothing in it is sealed."""
        _ = self.seals

    # -- reading

    def parsed(
        self, data: bytes, version: Any, id: str | None = None, path: str | None = None
    ) -> Record:
        """Return a record that is undamaged, sealed if it must be, and of an admitted codec.

        Raise `RecordError` or `TrustError`.
        """
        if self.accepts_plain and (record := record_as_written(data, version, id)) is not None:
            return record
        return parse(data, version, id=id, path=path, seals=self.seals, admit=self._admit)

    def opened(self, ranges: Ranges, id: str, path: str) -> LargeRecord:
        """Return a record that is read in parts: admitted, and sealed if it must be.

        Raise `RecordError` or `TrustError`.
        """
        from brinery.record.parts import LargeRecord

        end = ranges.read(max(0, ranges.size - TAIL_SIZE), ranges.size)
        needed = end_size(end, ranges.size, id=id, path=path)
        end = ranges.read(ranges.size - needed, ranges.size)
        metadata, content = parse_end(end, ranges.size, id, path, self.seals)
        self._admit(metadata)
        return LargeRecord(ranges, metadata, path, content)

    def _admit(self, metadata: Metadata) -> None:
        if metadata.content is None and self.trust.codecs is None:
            return
        self._check_codec(metadata.codec, metadata.id)
        if metadata.content is not None and not self.is_sealing and not self.trust.anyone:
            raise SealError(
                "it is sealed, and the store was opened without a key. Open it with trust=Trust(key=…), or "
                'with trust="anyone" to load it without a check of the seal',
                id=metadata.id,
                codec=metadata.codec,
            )

    def _check_codec(self, name: str, id_: str | None = None) -> None:
        codecs = self.trust.codecs
        if codecs is not None and name not in frozenset(codecs):
            listed = ", ".join(map(repr, sorted(codecs))) or "none"
            raise TrustError(
                f"expected a codec that trust admits ({listed}), got {name!r:.80}. If you trust that codec, "
                "add it to trust=Trust(codecs=[…])",
                id=id_,
                codec=name,
                path=None if id_ else self._backend.location,
            )

    def begin_load(self) -> None:
        """Begin a load: forget the admitted codecs, so that the place is checked again."""
        self._admitted.clear()

    def check_codec(self, codec: Codec, metadata: Metadata) -> None:
        """Raise `TrustError` if `codec` may do more than the policy allows."""
        kind = (codec.name, metadata.content is not None and self.is_sealing)
        if kind in self._admitted:
            return
        if type(codec) is MissingCodec:
            return  # nothing is decoded
        capabilities = codec.capabilities
        if not capabilities.safe_to_read:
            if self.restriction is not None and not capabilities.restrictable:
                raise TrustError(
                    f"the codec {codec.name!r} cannot restrict itself to trust=Trust(classes=…). Leave "
                    "classes out, or recode the store with a codec that can",
                    id=metadata.id,
                    codec=codec.name,
                )
            if not kind[1] and not self.trust.anyone:
                self._check_place(codec, metadata)
        self._admitted.add(kind)

    def _check_place(self, codec: Codec, metadata: Metadata) -> None:
        reason = self._backend.is_open_to_others()
        if reason is not None:
            raise TrustError(
                f"{reason}, and a record of the codec {codec.name!r} can run any code when it is loaded. "
                "Remove that right (chmod go-w), or open the store with a key (trust=Trust(key=…), which "
                'seals the records), or with trust="anyone" if you trust everyone who can write there',
                id=metadata.id,
                codec=codec.name,
                path=self._backend.location,
            )


def check_identity(trust: Trust, identity: str | None, path: str) -> None:
    """Raise `SealError` if a sealed store has another identity than `trust` names."""
    wanted = trust.store
    if wanted is not None and identity is not None and wanted.lower() != identity.lower():
        raise SealError(
            f"expected the store {wanted!r}, as trust says, got {identity[:80]!r}: another store is in its "
            "place, or its settings were changed",
            path=path,
        )
