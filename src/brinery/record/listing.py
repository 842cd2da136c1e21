"""The names of a backend that are records, and their IDs."""

from __future__ import annotations

from collections.abc import Iterable

from brinery.backend import Backend
from brinery.errors import NotFoundError, RecordError
from brinery.ids import Id, escaped, id_of, is_hashed
from brinery.record.info import read_info, read_metadata


def ids_of(backend: Backend, names: Iterable[str]) -> list[str]:
    """Return the IDs of names, in their order; stray files are left out.

    An ID that is too long to be a name is only in the record.  If that is damaged, its name is returned
    instead; see `damage_of`.
    """
    listed = [*names]
    others = {*escaped(listed)}
    if not others:
        return listed
    found = (name if name not in others else _id_of(backend, name) for name in listed)
    return [id_ for id_ in found if id_ is not None]


def _id_of(backend: Backend, name: str) -> str | None:
    if not is_hashed(name):
        return id_of(name)
    try:
        return read_metadata(backend, name)[0].id
    except NotFoundError:  # removed since the listing
        return None
    except RecordError:
        return name


def damage_of(backend: Backend, listed: str) -> RecordError | None:
    """Return why `ids_of` has returned a name, None for an ID.  Raise `StorageError`."""
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
