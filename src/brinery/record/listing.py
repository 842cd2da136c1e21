"""Which names of a backend are records, and of which IDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brinery.backend import Backend
from brinery.ids import Id, id_of, is_hashed
from brinery.record.info import read_info
from brinery.record.record import has_magic


def is_listed(id: str, end: bytes) -> bool:
    """Return whether the bytes under `id`, which end in `end`, count as an object of a store.

    A record does.  So does anything with the form of a generated ID, because a damaged record must
    not vanish; any other file is a stray one.
    """
    return has_magic(end) or Id(id).number is not None


def ids_of(backend: Backend, names: Iterable[str]) -> Iterator[str]:
    """Yield the IDs of names, in their order, without those of stray files."""
    for name in names:
        id_ = id_of(name)
        if id_ is not None:
            yield id_
        elif is_hashed(name):
            # Only the record knows an ID that is too long to be a name.
            yield read_info(backend, name).id


def highest_number(backend: Backend) -> int:
    """Return the highest number among the IDs of all records; 0 for none."""
    numbers = (Id(id_).number for id_ in ids_of(backend, backend.list()))
    return max((number for number in numbers if number is not None), default=0)
