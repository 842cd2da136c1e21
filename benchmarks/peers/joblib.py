"""joblib: dump and load, a file per object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import joblib

from benchmarks.peers.peer import KILL, Peer


class Joblib(Peer):
    title, packages, durability = "joblib.dump", ("joblib",), KILL
    source = "joblib/numpy_pickle.py, dump: open, write, close; no fsync"
    # https://joblib.readthedocs.io/en/stable/persistence.html: dump and load with a file name; joblib.dump:
    # compression "can significantly slow down loading", and is off by default.
    advice = "joblib.dump(obj, filename), not compressed; joblib.load(filename)"
    notes = {
        "update_some": "the file is overwritten in place: a crash in the middle leaves half of it"
    }

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def save_all(self, objects: Mapping[str, Any]) -> None:
        for key, obj in objects.items():
            joblib.dump(obj, f"{self.directory}/{key}")

    def save(self, key: str, obj: Any) -> None:
        joblib.dump(obj, f"{self.directory}/{key}")

    def load(self, key: str) -> Any:
        return joblib.load(f"{self.directory}/{key}")

    def keys(self) -> Iterable[str]:
        return os.listdir(self.directory)

    def delete(self, key: str) -> None:
        os.remove(f"{self.directory}/{key}")
