"""IDs, the factories that make them, and the names under which backends keep them."""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from _blake2 import blake2b  # the same as that of hashlib, which loads OpenSSL: 5 ms
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from brinery.errors import InvalidArgumentError
from brinery.typing import Any, Final

LONGEST_NUMBER: Final = 200
"""Most digits of a sequence number.  More are part of a text: the next numbers would fit into no name."""


class Id(str):
    """The ID of an object in a store: a string, ordered by its number where it has one.

    >>> Id("Task.2") < Id("Task.10") < Id("Tool.1")
    True
    >>> Id("Task", 2) == "Task.2"
    True

    Equality and hash are those of the string.
    """

    __slots__ = ()

    def __new__(cls, text: str, number: int | None = None) -> Id:
        """Make the ID `text`, or `text.number`."""
        return str.__new__(cls, text if number is None else f"{text}.{number}")

    @property
    def prefix(self) -> str:
        """Return the part before the number; the whole ID if it has no number."""
        return self.sort_key()[0]

    @property
    def number(self) -> int | None:
        """Return the sequence number, None where there is none."""
        number = self.sort_key()[1]
        return None if number < 0 else number

    def sort_key(self) -> tuple[str, int, str]:
        """Return what sorts IDs: the text before the number, the number, the ID."""
        prefix, digits = _parts(self)
        return (prefix, int(digits), str(self)) if digits else (prefix, -1, "")

    def __lt__(self, other: str) -> bool:
        return self.sort_key() < Id.sort_key(other)  # type: ignore[arg-type]

    def __le__(self, other: str) -> bool:
        return self.sort_key() <= Id.sort_key(other)  # type: ignore[arg-type]

    def __gt__(self, other: str) -> bool:
        return self.sort_key() > Id.sort_key(other)  # type: ignore[arg-type]

    def __ge__(self, other: str) -> bool:
        return self.sort_key() >= Id.sort_key(other)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Id({str.__repr__(self)})"

    def __str__(self) -> str:
        return str.__str__(self)


def _parts(text: str) -> tuple[str, str]:
    # The prefix and the digits of the number; the whole text and nothing where there is no number.
    prefix, point, digits = text.rpartition(".")
    if point and digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST_NUMBER:
        return prefix, digits
    return str(text), ""


as_id: Final[Callable[[str], Id]] = functools.partial(str.__new__, Id)
"""Return a string as an `Id`, in half the time that a call of the class takes: for each record."""


def in_order(ids: Iterable[str]) -> list[str]:
    """Return IDs as texts, sorted as `Id.sort_key` sorts them, mostly in the time of a sort of texts.

    >>> in_order(["Task.10", "Tool.1", "Task.2", "Task"])
    ['Task', 'Task.2', 'Task.10', 'Tool.1']
    """
    found = sorted(ids)
    numbered: dict[str, list[str]] = {}
    others = []
    for id in found if any("." in id for id in found) else ():
        prefix, digits = _parts(id)
        if digits:
            numbered.setdefault(prefix, []).append(id)
        else:
            others.append(id)
    if not numbered:
        return found
    from bisect import bisect_right

    found, done = [], 0
    for prefix in sorted(numbered):
        upto = bisect_right(others, prefix)
        found += others[done:upto]
        found += _by_number(prefix, numbered[prefix])
        done = upto
    return found + others[done:]


def _by_number(prefix: str, sorted_ids: list[str]) -> list[str]:
    """Return IDs of one prefix, which are sorted as texts, sorted by their numbers."""
    # The longer number is larger, unless it begins with a zero; those that do come first among texts.
    zero = f"{prefix}.0"
    has_zeros = any(id.startswith(zero) and id != zero for id in sorted_ids[:2])
    if has_zeros and len(set(map(len, sorted_ids))) > 1:
        return sorted(sorted_ids, key=lambda id: (int(_parts(id)[1]), id))
    return sorted(sorted_ids, key=len)


NumberSource = Callable[..., Any]
"""Called without arguments it returns one number, called with `n` a sequence of n numbers; none is
ever returned twice."""


class IdFactory:
    """Makes IDs of the form ``PREFIX.NNN``.

    `prefix` defaults to the name of the object's class.  Numbers come from `next_id_fn`, or, where
    that is None, from the store that uses the factory, and are never used twice there.  IDs are
    made as ``id_class(prefix, number)``; an integer, as of GC3Pie's ``IntId``, becomes the string of
    its digits.
    """

    def __init__(
        self,
        prefix: str | None = None,
        next_id_fn: NumberSource | None = None,
        id_class: Callable[[str, int], Any] = Id,
    ) -> None:
        self.prefix = prefix
        self.next_id_fn = next_id_fn
        self.id_class = id_class
        self._reserved: deque[int] = deque()

    def bound(self, numbers: NumberSource) -> IdFactory:
        """Return this factory, with its numbers from `numbers` unless it has its own source.

        A store binds the factory that it is given, so that one factory serves several stores.
        """
        if self.next_id_fn is not None:
            return self
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, next_id_fn=numbers, _reserved=deque())
        return copy

    def reserve(self, n: int) -> None:
        """Set aside `n` numbers in one go; the next `n` calls of `new` use them."""
        if n < 1:
            raise InvalidArgumentError(f"expected a positive number of IDs to reserve, got {n}")
        self._reserved.extend(self._source()(n))

    def forget_reserved(self) -> None:
        """Forget the numbers that were set aside: in a forked child they belong to the parent."""
        self._reserved.clear()

    def new(self, obj: Any) -> Any:
        """Return a new ID for `obj`."""
        try:
            number = self._reserved.popleft() if self._reserved else self._source()()
        except IndexError:  # another thread took it
            number = self._source()()
        prefix = self.prefix or type(obj).__name__
        if self.id_class is Id:
            return as_id(f"{prefix}.{number}")
        made = self.id_class(prefix, number)
        if isinstance(made, str):
            return made
        if isinstance(made, int):
            return as_id(int.__repr__(made))
        raise InvalidArgumentError(
            f"expected a string or an integer from {self.id_class!r:.60}, got {made!r:.60}"
        )

    def _source(self) -> NumberSource:
        if self.next_id_fn is None:
            raise InvalidArgumentError(
                "this IdFactory has no source of numbers: pass it to a store, or give it next_id_fn"
            )
        return self.next_id_fn


class JobIdFactory(IdFactory):
    """Makes IDs of the form ``job.NNN``."""

    def __init__(self, next_id_fn: NumberSource | None = None) -> None:
        super().__init__("job", next_id_fn)


class UuidFactory(IdFactory):
    """Makes UUIDs of version 7 (RFC 9562): sorted by time, unique without asking the store.

    With a `prefix`, IDs are ``prefix-UUID``.
    """

    def __init__(self, prefix: str | None = None) -> None:
        super().__init__(prefix)
        self._last = 0

    def reserve(self, n: int) -> None:
        """Do nothing: UUIDs need no reservation."""

    def new(self, obj: Any) -> Id:
        """Return a new UUID, greater than those that this factory made before."""
        import os
        import time
        import uuid

        # unix_ts_ms (48 bits), then 74 random bits; method 2 of RFC 9562, 6.2: the random part of
        # the last UUID is counted on while the clock does not move, by a random step, so that
        # threads and forked processes that count on from one UUID do not meet.
        drawn = (time.time_ns() // 1_000_000 << 74) | int.from_bytes(os.urandom(9), "big")
        last = self._last
        new = drawn if drawn > last else last + 1 + (drawn & ((1 << 64) - 1))
        self._last = new
        high, low = new >> 62, new & ((1 << 62) - 1)
        value = (high >> 12 << 80) | (7 << 76) | ((high & 0xFFF) << 64) | (2 << 62) | low
        text = str(uuid.UUID(int=value))
        return Id(f"{self.prefix}-{text}" if self.prefix else text)


# -- names

MAX_NAME: Final = 255
"""Longest name in bytes of UTF-8: what ext4, XFS, APFS and NTFS take."""

_RESERVED = r"(?i:(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|\Z))"
# Every store operation asks: one match settles nearly all IDs.  Most first letters begin no reserved name.
_FIRST = rf"(?:[bd-kmoq-zBD-KMOQ-Z0-9_\-]|(?!{_RESERVED})[A-Za-z])"
_PLAIN = re.compile(rf"{_FIRST}[A-Za-z0-9_.\-]{{0,199}}(?<!\.)")
# The same for many names at once, without those that take a longer look: short ones that may be reserved.
_PLAIN_NAMES = (
    r"[A-Za-z0-9_\-]{5}[A-Za-z0-9_.\-]{0,194}(?<!\.)"
    r"|[BD-KMOQ-Zbd-kmoq-z0-9_\-][A-Za-z0-9_.\-]{0,199}(?<!\.)"
)
_FORBIDDEN = frozenset('/\\:*?"<>|%')
_ESCAPE = rb"%([0-9A-F]{2})"
_HASHED = "%~"


def name_of(id: str) -> str:
    """Return the name under which a backend keeps the object `id`.

    A safe ID is its own name.  Otherwise each byte (of the UTF-8 form) that some file system cannot
    take becomes ``%XX``: separators, control characters, wildcards, a leading dot, a trailing dot or
    space, the first letter of a name that Windows reserves, characters that Unicode 3.2 does not have, and
    all non-ASCII ones where the name would not be in Unicode's normal form C.  A name that would be
    longer than `MAX_NAME` ends in ``%~`` and a digest of the ID; the record holds the whole ID.

    >>> name_of("Task.1"), name_of("../evil"), name_of("nul.txt")
    ('Task.1', '%2E.%2Fevil', '%6Eul.txt')
    """
    if _PLAIN.fullmatch(id):
        return str.__str__(id)  # the fast way past the method of `Id`
    last = len(id) - 1
    pieces = [
        char if _is_safe(char) and not (index in (0, last) and char in ". ") else _percent(char)
        for index, char in enumerate(id)
    ]
    if re.match(_RESERVED, id):
        pieces[0] = _percent(id[0])
    # Of the name, not of the ID: an escape ends in a letter that a following accent composes with.
    if not unicodedata.is_normalized("NFC", "".join(pieces)):
        pieces = [piece if piece.isascii() else _percent(piece) for piece in pieces]
    name = "".join(pieces) or "%00%"
    if len(name.encode()) <= MAX_NAME:
        return name
    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
    return _cut(pieces, MAX_NAME - len(_HASHED) - len(digest)) + _HASHED + digest


def are_names(ids: Iterable[str]) -> bool:
    """Return whether all of `ids` are simple ones, which are their own names; some others are, too."""
    return all(map(_PLAIN.fullmatch, ids))


def joined_names(ids: Iterable[str]) -> str:
    """Return the names of IDs as a JSON array of strings: no name has a character that JSON escapes.

    >>> joined_names(["Task.1", "../evil"])
    '["Task.1","%2E.%2Fevil"]'
    """
    return '["' + '","'.join(map(name_of, ids)) + '"]'


def _is_safe(char: str) -> bool:
    if char < "\x7f":
        return char >= " " and char not in _FORBIDDEN
    # A fixed version of Unicode: the name of an ID must not depend on the Python that asks.
    # The soft hyphen is the one character that has become invisible since.
    return char != "\xad" and unicodedata.ucd_3_2_0.category(char)[0] not in "CZ"


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _cut(pieces: Sequence[str], most: int) -> str:
    kept, size = [], 0
    for piece in pieces:
        size += len(piece.encode())
        if size > most:
            break
        kept.append(piece)
    return "".join(kept)


def id_of(name: str) -> str | None:
    """Return the ID whose name this is.

    None means a name that `name_of` never makes (a stray file), or one that `is_hashed`.

    >>> id_of("%2E.%2Fevil"), id_of(".hidden"), id_of("50%")
    ('../evil', None, None)
    """
    if _PLAIN.fullmatch(name):
        return name
    if name == "%00%":
        return ""
    try:
        raw = name.encode()
        id = re.sub(_ESCAPE, lambda found: bytes([int(found[1], 16)]), raw).decode(
            "utf-8", "surrogatepass"
        )
        return id if name_of(id) == name else None
    except UnicodeError:
        return None


def unlike(form: str, names: Sequence[str]) -> Sequence[str]:
    """Return the names that a regular expression does not match, by one search in a text of all.

    That takes a tenth of a match of each.  Where one has a slash, as no name has that this module makes, all
    are returned.
    """
    if sys.version_info < (3, 11, 5):  # there, a repeated group that takes all may take too much
        match = re.compile(form).fullmatch
        return [name for name in names if not match(name)]
    text = "/".join(names)
    if text.count("/") >= len(names):
        return names
    found = re.findall(rf"(?:(?:{form})(?:/|\Z))*+([^/]*)(?:/|\Z)", text)
    return [name for name in found if name]


def escaped(names: Sequence[str]) -> Sequence[str]:
    """Return the names that may differ from their IDs; the others are their own IDs."""
    return unlike(_PLAIN_NAMES, names)


def names_begin(prefix: str) -> str:
    """Return a text with which the names of all IDs begin that begin with `prefix`; it may be empty.

    >>> names_begin("Task."), names_begin("../"), names_begin("con")
    ('Task', '', '')
    """
    found = re.match(_SAFE_START, prefix)
    return found[0] if found else ""


# What may become the name of a device on Windows is left out: its first letter would be escaped.
_SAFE_START = r"(?!(?i:con|prn|aux|nul|com|lpt))[A-Za-z0-9_\-]{3,100}"


def is_hashed(name: str) -> bool:
    """Return whether a name is that of an ID that is too long to be a name; the record has the ID."""
    _, mark, digest = name.rpartition(_HASHED)
    return bool(mark) and len(digest) == 40 and not set(digest) - set("0123456789abcdef")
