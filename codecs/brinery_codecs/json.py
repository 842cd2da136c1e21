"""The codec of JSON data: readable by every language, safe to read, of exact types.

A payload is one JSON text (RFC 8259) in UTF-8, written and read by the library msgspec.  Values that JSON
has are written as such: null, true and false, integers (of up to 4,300 digits, as Python converts them),
finite floats (a float always has a point or an exponent, an integer never), strings, arrays for lists,
objects for dicts with string keys, in their order.

An external reference is the object ``{"$ref": "ID"}``.  A dict whose only key is ``$ref``, or that with more
dollar signs before it, gets one more: ``{"$ref": 1}`` is written as ``{"$$ref": 1}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from math import isfinite

import msgspec

from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks
from brinery.errors import DecodeError, EncodeError, UnsupportedObjectError
from brinery.typing import Any, ClassVar, Final

MAX_DEPTH: Final = 250
"""How deep lists and dicts may nest: other readers of JSON take 512 and more."""

_REFERENCE: Final = "$ref"
_RESERVED: Final = re.compile(r"\$+ref")
_MARK: Final = b'ref":'
_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_CONTAINERS: Final = frozenset({list, dict})
_PLAIN: Final = "Turn the object into data that JSON has"
_COPY: Final = "Put a copy in one of the two places"
_FLATTER: Final = "Make the object flatter"

External = dict[int, dict[str, str]]
"""The JSON of external objects, by their `id()`."""


class JsonCodec(Codec):
    """Keeps values that JSON has, of exactly these types, and runs no code when it reads.

    Values that would come back different are refused with an `UnsupportedObjectError`: tuples, keys that
    are not strings, subclasses, NaN and infinities, lone surrogates, cycles, and a list or dict that is
    reached twice.
    """

    name: ClassVar[str] = "json"
    capabilities = Capabilities(safe_to_read=True, deterministic=True)

    @property
    def version(self) -> str:
        """Return the version of msgspec."""
        return str(msgspec.__version__)

    def may_run_code(self, source: Buffer, buffers: Iterable[Buffer] = ()) -> bool:
        """Return False: decoding makes only values of builtin types and of known libraries."""
        return False

    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> None:
        """Write `obj` as JSON, or refuse it with the place of the value that cannot be kept."""
        external: External = {}
        has_reserved = _surveyed(obj, links, external)
        # msgspec knows dataclasses, subclasses of list and more by itself, and asks no hook for these.
        written = _replaced(obj, external) if has_reserved or external else obj
        try:
            sink.write(msgspec.json.encode(written))
        except UnicodeEncodeError as error:
            text = _refusal(obj, links, _is_no_unicode)
            raise text from error

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object that `source` describes; raise DecodeError for anything malformed."""
        try:
            obj = msgspec.json.decode(source)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(str(error)) from error
        # Nearly no record has a key that ends so; the text is searched faster than the objects.
        if _MARK in bytes(source):
            obj = _restored(obj, links.resolve)
        return obj


# -- writing


def _surveyed(root: Any, links: WriteLinks, external: External) -> bool:
    """Enter external objects; return whether any dict needs an escape.

    Raise `EncodeError` for a value that would come back different.
    """
    if type(root) in _ATOMS:
        if _is_odd(root):
            raise _refusal(root, links, _is_odd)
        return False
    has_reserved = False
    seen: set[int] = set()
    level = [root]
    for depth in range(MAX_DEPTH + 1):
        following: list[Any] = []
        for value in level:
            cls = type(value)
            if cls not in _CONTAINERS:
                if not _enter(value, cls, links, external):
                    raise _refusal(root, links, _is_odd)
                continue
            if id(value) in seen or depth == MAX_DEPTH:
                raise _refusal(root, links, _is_odd)
            seen.add(id(value))
            held: Any = value
            if cls is dict:
                if {*map(type, value)} - {str}:
                    raise _refusal(root, links, _is_odd)
                if len(value) == 1:
                    has_reserved = has_reserved or _is_reserved(value)
                held = value.values()
            types = {*map(type, held)}
            if float in types and not all(map(isfinite, _of_type(float, held, types))):
                raise _refusal(root, links, _is_odd)
            if not types <= _ATOMS:
                following += [each for each in held if type(each) not in _ATOMS]
        if not following:
            return has_reserved
        level = following
    return has_reserved


def _enter(value: Any, cls: type, links: WriteLinks, external: External) -> bool:
    id_ = links.external(value) if links.is_external_type(cls) else None
    if id_ is None:
        return False
    external[id(value)] = {_REFERENCE: str(id_)}  # a plain str
    return True


def _of_type(cls: type, values: Iterable[Any], types: set[type]) -> Iterable[Any]:
    return values if len(types) == 1 else [value for value in values if type(value) is cls]


def _is_reserved(value: dict[str, Any]) -> bool:
    return _RESERVED.fullmatch(next(iter(value))) is not None


def _replaced(value: Any, external: External) -> Any:
    """Return `value` with references in place of external objects, and with reserved keys escaped."""
    # It calls itself as deep as containers may nest.
    if type(value) is list:
        if _ATOMS.issuperset(map(type, value)):
            return value
        return [each if type(each) in _ATOMS else _replaced(each, external) for each in value]
    if type(value) is not dict:
        return external[id(value)]
    written = value
    if not _ATOMS.issuperset(map(type, value.values())):
        written = {
            key: held if type(held) in _ATOMS else _replaced(held, external)
            for key, held in value.items()
        }
    if len(written) == 1 and _is_reserved(written):
        ((key, held),) = written.items()
        return {f"${key}": held}
    return written


def _is_odd(value: Any) -> bool:
    return type(value) is float and not isfinite(value)


def _is_no_unicode(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refusal(root: Any, links: WriteLinks, is_refused: Callable[[Any], bool]) -> EncodeError:
    """Return the error that names the first value which cannot be kept, and its place."""
    seen: dict[int, str] = {}
    stack: list[tuple[Any, str, int]] = [(root, "", 0)]
    while stack:
        value, path, depth = stack.pop()
        cls = type(value)
        reason, advice = "", _PLAIN
        if cls in _ATOMS:
            if is_refused(value):
                found = "a lone surrogate" if cls is str else f"{value!r}, which JSON does not have"
                reason = f"it holds {found}"
        elif cls not in _CONTAINERS:
            if not links.is_external_type(cls) or links.external(value) is None:
                reason = f"JSON cannot hold an object of type {cls.__module__}.{cls.__qualname__}"
        elif id(value) in seen:
            reason = f"this {cls.__name__} is also at {seen[id(value)] or 'the root'}"
            advice = _COPY
        elif depth == MAX_DEPTH:
            reason = f"lists and dicts nest deeper than {MAX_DEPTH} levels"
            advice = _FLATTER
        else:
            seen[id(value)] = path
            keys = [key for key in value if type(key) is not str] if cls is dict else []
            if keys:
                reason = f"a key of type {type(keys[0]).__name__} would come back as a string"
            elif cls is dict and any(map(is_refused, value)):
                reason = "a key holds a lone surrogate"
            stack += reversed([*_parts(value, path, depth + 1)])
        if reason:
            return UnsupportedObjectError(
                reason, codec=JsonCodec.name, object_path=path or None, advice=advice
            )
    return UnsupportedObjectError(
        "the ID of an object holds a lone surrogate", codec=JsonCodec.name
    )


def _parts(value: Any, path: str, depth: int) -> Iterator[tuple[Any, str, int]]:
    pairs = value.items() if type(value) is dict else enumerate(value)
    return ((held, f"{path}[{_short(key)}]", depth) for key, held in pairs)


def _short(key: Any) -> str:
    text = repr(key) if type(key) in _ATOMS else f"<{type(key).__name__}>"
    return text if len(text) <= 40 else text[:37] + "…"


# -- reading


def _restored(root: Any, resolve: Callable[[str], Any]) -> Any:
    """Return the decoded object with references resolved and escapes undone."""
    holder = [root]
    stack: list[Any] = [holder]
    while stack:
        value = stack.pop()
        for key, held in [*value.items()] if type(value) is dict else [*enumerate(value)]:
            cls = type(held)
            if cls is dict and len(held) == 1 and _is_reserved(held):
                ((name, inside),) = held.items()
                if name == _REFERENCE:
                    if type(inside) is not str:
                        raise _damaged(f"expected an ID in a reference, got {inside!r:.40}")
                    value[key] = resolve(inside)
                    continue
                value[key] = held = {name[1:]: inside}
            if cls in _CONTAINERS:
                stack.append(held)
    return holder[0]


def _damaged(reason: str) -> DecodeError:
    advice = "The payload is damaged, or something else wrote it: restore it from a backup"
    return DecodeError(reason, codec=JsonCodec.name, advice=advice)
