"""The names of a backend that are records, and their IDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brinery.backend import Backend
from brinery.errors import NotFoundError, RecordError
from brinery.ids import Id, id_of, is_hashed
from brinery.record.info import read_info


def ids_of(backend: Backend, names: Iterable[str]) -> Iterator[str]:
    """Yield the IDs of names, in their order; stray files are left out.

    An ID that is too long to be a name is only in the record.  If that is damaged, its name is yielded
    instead; see `damage_of`.
    """
    for name in names:
        id_ = id_of(name)
        if id_ is not None:
            yield id_
        elif is_hashed(name):
            try:
                yield read_info(backend, name).id
            except NotFoundError:  # removed since the listing
                continue
            except RecordError:
                yield name


def damage_of(backend: Backend, listed: str) -> RecordError | None:
    """Return why `ids_of` has yielded a name, None for an ID.  Raise `StorageError`."""
    if is_hashed(listed):
        try:
            read_info(backend, listed)
        except RecordError as error:
            return error
        except NotFoundError:
            pass
    return None


def highest_number(backend: Backend) -> int:
    """Return the highest number among the IDs of all records; 0 if there is none."""
    numbers = (Id(id_).number for id_ in ids_of(backend, backend.list()))
    return max((number for number in numbers if number is not None), default=0)
