"""The columns of records, compared with what the records say."""

from __future__ import annotations

from brinery.backends.sql.pending import encodable
from brinery.ids import joined_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Final

    from brinery.backend import Derived

_COMPARED: Final = ("size", "class_name", "codec", "created", "references")


def differences(
    derived: Sequence[Derived], rows: Iterable[Sequence[Any]]
) -> Iterator[tuple[str, str]]:
    """Yield the names of the records whose columns differ, and which of them do.

    `rows` are the columns before `data`.  Records that have another version by now are left out.
    """
    found = {name: values for name, *values in rows}
    for each in derived:
        row = found.get(each.name)
        # Without a row, it was removed since; or its name is another one than in the index of names.
        different = ["name"] if row is None else [*_differing(each, *row)]
        if different:
            yield each.name, ", ".join(different)


def _differing(derived: Derived, version: Any, *values: Any) -> Iterator[str]:
    if type(version) is not int:
        yield "version"
    elif version != derived.version:
        return  # it was written since
    about = derived.about
    refs = joined_names(about.references) if about.references else None
    expected = (derived.size, encodable(about.class_name), about.codec, about.created, refs)
    for name, value, right in zip(_COMPARED, values, expected, strict=True):
        if value != right or isinstance(value, str) is not isinstance(right, str):
            yield name
