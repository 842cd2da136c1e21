"""The names of a backend that are records, and their IDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brinery.backend import Backend
from brinery.ids import Id, id_of, is_hashed
from brinery.record.info import read_info
from brinery.record.record import has_magic


def is_listed(id: str, end: bytes) -> bool:
    """Return whether the bytes under `id`, which end in `end`, count as an object of a store.

    A record counts.  So does any file named like a generated ID, because a damaged record must not
    disappear from listings.  Any other file is a stray.
    """
    return has_magic(end) or Id(id).number is not None


def ids_of(backend: Backend, names: Iterable[str]) -> Iterator[str]:
    """Yield the IDs of names, in their order; stray files are left out."""
    for name in names:
        id_ = id_of(name)
        if id_ is not None:
            yield id_
        elif is_hashed(name):
            # An ID that is too long to be a name is only in the record.
            yield read_info(backend, name).id


def highest_number(backend: Backend) -> int:
    """Return the highest number among the IDs of all records; 0 if there is none."""
    numbers = (Id(id_).number for id_ in ids_of(backend, backend.list()))
    return max((number for number in numbers if number is not None), default=0)
