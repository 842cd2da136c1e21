"""A list of the records that a store has set aside, under a dotted name of its backend.

Backends do not list dotted names, so the store writes down which of them it uses.  A list is a JSON object
that is replaced by compare-and-swap, in one commit with the records it names.  It ends in a nonce, so that
every state of it has a version of its own in every engine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from brinery.backend import ABSENT, Backend, Conflict, Delete, Expect, Missing, Put, Version
from brinery.errors import CorruptRecordError
from brinery.record.clock import FAR_FUTURE
from brinery.typing import Any, Final

FORMAT: Final = 1
Entry = Mapping[str, Any]


class CasList:
    """The list `name` of a backend; its entries have the strings `texts` and the numbers `numbers`."""

    def __init__(
        self, backend: Backend, name: str, texts: Iterable[str], numbers: Iterable[str]
    ) -> None:
        self._backend = backend
        self.name = name
        self._texts = tuple(texts)
        self._numbers = tuple(numbers)

    def read(self) -> tuple[list[Entry], Version | Expect]:
        """Return the entries, and the version that a put of the list must expect.

        Raise `CorruptRecordError`, `StorageError`.
        """
        try:
            data, version = self._backend.get(self.name)
        except Missing:
            return [], ABSENT
        try:
            value = json.loads(data)
            if value["format"] > FORMAT:
                raise ValueError(f"format {value['format']}, where this brinery reads {FORMAT}")
            entries = value["entries"]
            if type(entries) is not list:
                raise TypeError("the entries have the wrong type")
            for entry in entries:
                self._check(entry)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CorruptRecordError(
                f"is a list that brinery keeps, and is damaged ({error}). Remove it; the entries it named "
                f"are beside it under names that start with {self.name}-",
                id=self.name,
                path=self._backend.where(self.name),
            ) from error
        return entries, version

    def _check(self, entry: Any) -> None:
        if type(entry) is not dict or not all(type(entry[key]) is str for key in self._texts):
            raise TypeError("an entry has the wrong types")
        for key in self._numbers:
            if type(entry[key]) not in (int, float) or not 0 <= entry[key] < FAR_FUTURE:
                raise ValueError(f"{key} is {entry[key]!r:.40}")

    def put(self, entries: Sequence[Entry], expect: Version | Expect) -> Put:
        """Return the put that makes `entries` the content."""
        value = {"format": FORMAT, "entries": entries, "nonce": os.urandom(16).hex()}
        return Put(self.name, (json.dumps(value).encode(),), expect)

    def change(
        self,
        change: Callable[[list[Entry]], Sequence[Entry]],
        puts: Iterable[Put] = (),
        deletes: Iterable[str | Delete] = (),
    ) -> None:
        """Commit `puts`, `deletes` and the entries that `change` returns, at once.

        Raise `Conflict` when a name other than the list's is not as expected.
        """
        puts, deletes = tuple(puts), tuple(deletes)
        while True:
            entries, version = self.read()
            try:
                self._backend.commit([*puts, self.put(change(entries), version)], deletes)
            except Conflict as conflict:
                others = [name for name in conflict.names if name != self.name]
                if others:
                    raise Conflict(others) from conflict
            else:
                return
