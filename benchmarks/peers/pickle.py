"""The bare pickle: a file per object, under a temporary name and renamed; with and without fsync."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.peers.peer import DISK, KILL, Peer


class Renamed(Peer):
    title, durability = "pickle + rename", KILL
    source = "rename(2) replaces a file atomically; nothing is flushed"
    # https://docs.python.org/3/library/pickle.html#examples: pickle.dump(data, f,
    # pickle.HIGHEST_PROTOCOL); os.replace: "the renaming will be an atomic operation".
    advice = "pickle.HIGHEST_PROTOCOL; os.replace of a complete file"
    durable = False

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def save_all(self, objects: Mapping[str, Any]) -> None:
        for key, obj in objects.items():
            self._write(key, obj)
        self._flush()
        for key in objects:
            os.replace(f"{self.directory}/{key}.tmp", f"{self.directory}/{key}")
        self._flush_directory()

    def save(self, key: str, obj: Any) -> None:
        self._write(key, obj, self.durable)
        os.replace(f"{self.directory}/{key}.tmp", f"{self.directory}/{key}")
        self._flush_directory()

    def _write(self, key: str, obj: Any, durable: bool = False) -> None:
        with open(f"{self.directory}/{key}.tmp", "wb") as file:
            pickle.dump(obj, file, pickle.HIGHEST_PROTOCOL)
            if durable:
                file.flush()
                os.fsync(file.fileno())

    def load(self, key: str) -> Any:
        with open(f"{self.directory}/{key}", "rb") as file:
            return pickle.load(file)

    def keys(self) -> Iterable[str]:
        return os.listdir(self.directory)

    def delete(self, key: str) -> None:
        os.remove(f"{self.directory}/{key}")
        self._flush_directory()

    def _flush(self) -> None:
        if self.durable:
            os.sync()

    def _flush_directory(self) -> None:
        if self.durable:
            fd = os.open(self.directory, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


class Flushed(Renamed):
    title, durability, durable = "pickle + fsync + rename", DISK, True
    source = "fsync(2) of the file before and of the directory after the rename"
    # os.sync() waits, on Linux, until everything is written: one flush in place of one per file.
    advice = Renamed.advice + "; for many objects one os.sync() before all renames"


class Bare(Flushed):
    title = "bare files + pickle"
    advice = "open, write, fsync, rename, fsync of the directory; open, read, pickle.loads"

    def load(self, key: str) -> Any:
        with open(f"{self.directory}/{key}", "rb") as file:
            return pickle.loads(file.read())
