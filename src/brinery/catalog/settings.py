"""The settings that a store was made with and remembers: codec, protocol, layout.

A small JSON object under a dotted name of the backend, written with the first record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from brinery.backend import ABSENT, ANY, Backend, Conflict, Missing, Put
from brinery.errors import SettingsError
from brinery.typing import Any, Final, NamedTuple

NAME: Final = ".settings.json"
FORMAT: Final = 1
_LARGEST: Final = 1 << 20
"""Bytes; settings have some hundred."""
_KEYS: Final = frozenset({"format", "codec", "config", "options", "transform", "identity"})


class Settings(NamedTuple):
    """The remembered settings of a store."""

    codec: str
    config: Mapping[str, Any] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})
    """Settings of one kind of store, such as the layout of a directory."""
    transform: tuple[str, Mapping[str, Any]] | None = None
    """Name and configuration of the transform; None where payloads are stored as they are."""
    identity: str | None = None
    """The identity that seals of this store are bound to, in hexadecimal; None while nothing is sealed."""

    def to_bytes(self) -> bytes:
        """Return the JSON text."""
        value = {
            "format": FORMAT,
            "codec": self.codec,
            "config": dict(self.config),
            "options": dict(self.options),
        }
        if self.transform is not None:
            name, config = self.transform
            value["transform"] = {"name": name, "config": dict(config)}
        if self.identity is not None:
            value["identity"] = self.identity
        return (json.dumps(value, indent=2) + "\n").encode()


def read_settings(backend: Backend) -> Settings | None:
    """Return the settings of the store in `backend`, None if it is new.

    Raise `SettingsError` if they are damaged or of a newer format.
    """
    try:
        data, size, _ = backend.get_tail(NAME, _LARGEST)
    except Missing:
        return None
    if size > _LARGEST:
        raise SettingsError(f"they are damaged ({size} bytes)", backend.where(NAME))
    return _settings_from(data, backend.where(NAME))


def _settings_from(data: bytes, where: str) -> Settings:
    try:
        value = json.loads(data)
        if value["format"] > FORMAT:
            raise SettingsError(
                f"they have format {value['format']}, this brinery reads {FORMAT}",
                where,
                is_newer=True,
            )
        if unknown := sorted(value.keys() - _KEYS):
            raise SettingsError(
                f"they have {unknown[0]!r}, which this brinery does not know", where, is_newer=True
            )
        transform = _transform(value.get("transform"))
        identity = _identity(value.get("identity"))
        found = Settings(value["codec"], value["config"], value["options"], transform, identity)
        if not (isinstance(found.codec, str) and isinstance(found.config, dict)):
            raise TypeError("fields have the wrong types")
        if not isinstance(found.options, dict):
            raise TypeError("fields have the wrong types")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SettingsError(f"they are damaged ({error})", where) from error
    return found


def _transform(value: Any) -> tuple[str, Mapping[str, Any]] | None:
    if value is None:
        return None
    name, config = value["name"], value["config"]
    if not (isinstance(name, str) and isinstance(config, dict)):
        raise TypeError("the transform has the wrong types")
    return name, config


def _identity(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not bytes.fromhex(value):
        raise TypeError("the identity is not in hexadecimal")
    return value


def give_identity(backend: Backend, identity: str) -> str:
    """Give the store an identity, unless it has one; return the one that it has then."""
    while True:
        try:
            data, version = backend.get(NAME)
        except Missing as missing:
            raise SettingsError(
                "they were removed while the store was open", backend.where(NAME)
            ) from missing
        settings = _settings_from(data, backend.where(NAME))
        if settings.identity is not None:
            return settings.identity
        try:
            backend.put(NAME, settings._replace(identity=identity).to_bytes(), version)
        except Conflict:
            continue  # another process was first: its identity counts
        return identity


def write_settings(backend: Backend, settings: Settings, *, overwrite: bool) -> None:
    """Store the settings; without `overwrite`, only where there are none yet."""
    try:
        backend.put(NAME, settings.to_bytes(), ANY if overwrite else ABSENT)
    except Conflict:
        pass  # another process has made the store at the same time


def put_of(backend: Backend, settings: Settings) -> Sequence[Put]:
    """Return the put that makes `settings` those of the store, none where they are already."""
    data = settings.to_bytes()
    try:
        if backend.get(NAME)[0] == data:
            return ()
    except Missing:
        pass
    return (Put(NAME, (data,)),)
