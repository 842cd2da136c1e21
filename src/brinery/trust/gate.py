"""The gate: lets records of one store through as far as the trust policy of its opener allows.

Whatever is decoded goes by here first: codec, seal, and whether others can write to the store.
"""

from __future__ import annotations

import os
from typing import Any, Final

from brinery.backend import Backend
from brinery.catalog.settings import Settings, read_settings
from brinery.codec import Codec, Restriction
from brinery.errors import SealError, TrustError
from brinery.evolution.missing_codec import MissingCodec
from brinery.evolution.renames import Renames
from brinery.record.fast_reader import record_as_written
from brinery.record.reader import parse
from brinery.record.record import Metadata, Record
from brinery.record.seal import Seals
from brinery.trust.policy import Trust

_IDENTITY: Final = 16  # bytes


class TrustGate:
    """Applies the trust policy of a store's opener to what is read from the store."""

    def __init__(
        self, trust: Trust, backend: Backend, renames: Renames, settings: Settings | None
    ) -> None:
        """`settings` are those that the store remembers, None for a new one."""
        self.trust = trust
        self.restriction: Restriction | None = trust.restriction(renames.present)
        self._backend = backend
        self._seals: Seals | None = None
        self._admitted: set[tuple[str, bool]] = set()
        # Whether records without a seal are accepted, of any codec.
        self._accepts_plain = not self.is_sealing and trust.codecs is None
        self.identity = settings.identity if settings else None
        self._check_identity()

    def _check_identity(self) -> None:
        check_identity(self.trust, self.identity, self._backend.location)

    # -- seals

    @property
    def is_sealing(self) -> bool:
        """Return whether records are sealed and only sealed ones accepted."""
        return bool(self.trust.key)

    @property
    def seals(self) -> Seals | None:
        """Return what makes and checks seals, None where there is no key.

        Raise `SealError` where the store has no identity yet: then nothing in it is sealed.
        """
        if not self.is_sealing:
            return None
        if self._seals is None:
            if self.identity is None:
                # Somebody else may have sealed the first record since this store was opened.
                settings = read_settings(self._backend)
                self.identity = settings.identity if settings else None
                self._check_identity()
            if self.identity is None:
                raise SealError(
                    "nothing in this store is sealed yet, and it was opened with a key. If you know where "
                    "its records are from, store.reseal(unsealed=True) seals them",
                    path=self._backend.location,
                )
            self._seals = Seals(self.trust.secrets, bytes.fromhex(self.identity))
        return self._seals

    def new_identity(self) -> str:
        """Return an identity for a store that has none."""
        return self.trust.store or os.urandom(_IDENTITY).hex()

    def adopt(self, identity: str | None) -> None:
        """Take the identity that the settings have now."""
        if identity != self.identity:
            self.identity, self._seals = identity, None
            self._check_identity()

    def check_saving(self, names: list[str]) -> None:
        """Raise `TrustError` where what is to be saved by these codecs could not be loaded."""
        for name in names:
            self._check_codec(name)
        if self.identity is not None and not self.is_sealing:
            raise SealError(
                "this store is sealed, and what is saved without a key would be refused by all who have "
                "one: open it with trust=Trust(key=…)",
                path=self._backend.location,
            )

    def check_sealed(self) -> None:
        """Raise `SealError` where the store has no identity: nothing in it is sealed."""
        _ = self.seals

    # -- what is read

    def parsed(
        self, data: bytes, version: Any, id: str | None = None, path: str | None = None
    ) -> Record:
        """Return a record that is whole, sealed if it has to be, and of a codec that is admitted.

        Raise `RecordError` or `TrustError`.
        """
        if self._accepts_plain and (record := record_as_written(data, version, id)) is not None:
            return record
        return parse(data, version, id=id, path=path, seals=self.seals, admit=self._admit)

    def _admit(self, metadata: Metadata) -> None:
        if metadata.content is None and self.trust.codecs is None:
            return
        self._check_codec(metadata.codec, metadata.id)
        if metadata.content is not None and not self.is_sealing and not self.trust.anyone:
            raise SealError(
                "it is sealed, and the store was opened without a key. Open it with trust=Trust(key=…), or "
                'with trust="anyone" to load it whoever has sealed it',
                id=metadata.id,
                codec=metadata.codec,
            )

    def _check_codec(self, name: str, id_: str | None = None) -> None:
        codecs = self.trust.codecs
        if codecs is not None and name not in frozenset(codecs):
            listed = ", ".join(map(repr, sorted(codecs))) or "none"
            raise TrustError(
                f"its codec is {name!r:.80}, and trust admits {listed}. If you trust what that codec does, "
                "add it to trust=Trust(codecs=[…])",
                id=id_,
                codec=name,
                path=None if id_ else self._backend.location,
            )

    def begin_load(self) -> None:
        """Begin to load: what is known of the place is looked at anew."""
        self._admitted.clear()

    def check_codec(self, codec: Codec, metadata: Metadata) -> None:
        """Raise `TrustError` where `codec` may do more than the policy allows."""
        kind = (codec.name, metadata.content is not None and self.is_sealing)
        if kind in self._admitted:
            return
        if type(codec) is MissingCodec:
            return  # nothing is decoded
        capabilities = codec.capabilities
        if not capabilities.safe_to_read:
            if self.restriction is not None and not capabilities.restrictable:
                raise TrustError(
                    f"the codec {codec.name!r} cannot keep to trust=Trust(classes=…). Load it with another "
                    "codec, or leave classes out",
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
                "Take that right away (chmod go-w), or open the store with a key (trust=Trust(key=…), "
                'which seals what is saved), or with trust="anyone" if you trust all who can write there',
                id=metadata.id,
                codec=codec.name,
                path=self._backend.location,
            )


def check_identity(trust: Trust, identity: str | None, path: str) -> None:
    """Raise `SealError` where a store that is sealed has another identity than `trust` asks for."""
    wanted = trust.store
    if wanted is not None and identity is not None and wanted.lower() != identity.lower():
        raise SealError(
            f"the store says that it is {identity[:80]!r}, and trust asks for {wanted!r}: another store "
            "stands in its place, or its settings were changed",
            path=path,
        )
