"""Checks of the arguments that users pass, and conversion of the texts in URLs to values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from brinery.errors import InvalidArgumentError
from brinery.record.annotation import Annotation
from brinery.typing import Any, Final

_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


_EXPECTED: Final = {bool: "true or false", int: "a whole number", float: "a number"}


def typed(name: str, value: Any, kind: type, expected: str | None = None) -> Any:
    """Return `value` as the type `kind`; a text, as URLs have it, is converted.

    Raise `InvalidArgumentError`, which says what was `expected`.
    """
    if not isinstance(value, str) or kind is str:
        return value
    try:
        return _TRUTH[value.lower()] if kind is bool else kind(value)
    except (ValueError, KeyError) as error:
        wanted = expected or _EXPECTED.get(kind) or f"a value of type {kind.__name__}"
        raise InvalidArgumentError(f"{name}: expected {wanted}, got {value!r:.60}") from error


def truth_of(name: str, value: Any) -> bool:
    """Return a truth value; a text, as URLs have it, is converted."""
    return bool(typed(name, value, bool))


def size_limit(name: str, value: Any) -> int:
    """Return a number of bytes.  Raise `InvalidArgumentError`."""
    number = typed(name, value, int, "a number of bytes")
    if type(number) is not int or number < 0:
        raise InvalidArgumentError(f"{name}: expected a number of bytes, got {value!r:.60}")
    return number


def seconds(name: str, value: Any) -> float:
    """Return a time in seconds.  Raise `InvalidArgumentError`."""
    number = typed(name, value, float, "a number of seconds")
    if type(number) not in (int, float) or not number >= 0:
        raise InvalidArgumentError(f"{name}: expected a number of seconds, got {value!r:.60}")
    return float(number)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    """Return `value` if it is among `allowed`; raise `InvalidArgumentError` otherwise."""
    if value not in allowed:
        listed = " or ".join(map(repr, allowed))
        raise InvalidArgumentError(f"{name}: expected {listed}, got {value!r:.60}")
    return value


def several(name: str, values: Any) -> Iterable[Any]:
    """Return an iterable that is not a text.  Raise `InvalidArgumentError`."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{name}: expected a list, got {values!r:.60}")
    return values


def named_objects(objects: Any, ids: Iterable[Any] | None) -> list[tuple[Any, str | None]]:
    """Return objects with the IDs that they are to get; None for an ID of the factory.

    Raise `InvalidArgumentError`.
    """
    if isinstance(objects, Mapping):
        if ids is not None:
            raise InvalidArgumentError(
                "save_many: expected no ids together with a mapping, whose keys are the IDs, got both"
            )
        return [(obj, required_id(id_)) for id_, obj in objects.items()]
    found = list(several("objects", objects))
    names = (
        [None] * len(found) if ids is None else [optional_id(id_) for id_ in several("ids", ids)]
    )
    if len(names) != len(found):
        raise InvalidArgumentError(
            f"ids: expected one for each of {len(found)} objects, got {len(names)}"
        )
    return list(zip(found, names, strict=True))


def required_id(id: Any) -> str:
    """Return an ID.  Raise `InvalidArgumentError`."""
    if not isinstance(id, str):
        raise InvalidArgumentError(f"ID: expected a string, got {id!r:.60}")
    return id


def optional_class(cls: Any) -> type | str | None:
    """Return a class, or the name of one.  Raise `InvalidArgumentError`."""
    if cls is None or isinstance(cls, type):
        return cls
    if isinstance(cls, str) and all(map(_is_name, re.split("[:.]", cls))):
        return cls
    hint = f"; prefix={cls!r:.60} lists the IDs that start so" if isinstance(cls, str) else ""
    raise InvalidArgumentError(f"list: expected a class or its name, got {cls!r:.60}{hint}")


def _is_name(part: str) -> bool:
    return part.isidentifier() or part == "<locals>"


def optional_id(id: str | None) -> str | None:
    """Return an ID, or None for None.  Raise `InvalidArgumentError`."""
    return None if id is None else required_id(id)


def wants_placeholders(missing: str) -> bool:
    """Return whether the argument `missing` of a load asks for placeholders."""
    if missing == "error":
        return False
    return bool(one_of("missing", missing, ("error", "placeholder")) == "placeholder")


def annotation_from(note: Any, tags: Any) -> Annotation:
    """Return what to store beside an object.  Raise `InvalidArgumentError`."""
    if tags is not None:
        if not isinstance(tags, Mapping):
            raise InvalidArgumentError(
                f"tags: expected a mapping of names to values, got {tags!r:.60}"
            )
        tags = {_scalar(key): _scalar(value) for key, value in tags.items()}
    found = Annotation(_scalar(note), tags)
    try:
        found.check()
        found.check_size()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(str(error)) from None
    return found


_SCALARS: Final[Iterable[tuple[type, Callable[[Any], Any]]]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)


def _scalar(value: Any) -> Any:
    # Members of enumerations and numbers of numpy are subclasses.
    if type(value) is bool:
        return value
    return next((make(value) for cls, make in _SCALARS if isinstance(value, cls)), value)
