"""The codec of plain data: the MessagePack format, safe to read, of exact types.

A payload is one MessagePack value (https://github.com/msgpack/msgpack/blob/master/spec.md).  Values that
the format has are written as such: nil, booleans, integers up to 64 bits, float 64, str (UTF-8; a lone
surrogate as "surrogatepass" has it), bin, array for list, map for dict.  Everything else is one of these:

- an external reference: an ext value of code 1, whose data are the ID in UTF-8;
- an array whose first item is an ext value of code 2 to 18 with no data, the *mark*.  The items after
  it are the fields of a value of the kind with that code:

====  ==============  ==================================================================
code  type            fields
====  ==============  ==================================================================
2     int             bin: two's complement, big-endian (only beyond 64 bits)
3     complex         real, imaginary part: float
4     bytearray       bin
5     tuple           the items
6     set             the elements, ordered: ints, strs or bytes alone by value,
                      all others by their own encoding
7     frozenset       as a set
8     date            year, month, day
9     time            hour, minute, second, microsecond, time zone or nil, fold (0 or 1)
10    datetime        year, month, day, and those of a time
11    timedelta       days, seconds, microseconds: int
12    timezone        offset: timedelta; name: str or nil
13    ZoneInfo        key: str
14    Decimal         str: in upper-case scientific notation, special values included
15    Fraction        numerator, denominator: int, up to 65,536 bits each
16    UUID            bin of 16 bytes; is_safe: 0, -1 or nil
17    numpy.ndarray   dtype (see `_msgpack.arrays`); shape: array of int; layout: "C" or "F",
                      and "CR" or "FR" for an array that is read-only; bin: the elements in
                      that order, zeros in place of padding
18    numpy scalar    dtype; bin: the bytes, in a tuple for a record that is read-only.
                      "U" and str, "S" and bin for a string
====  ==============  ==================================================================

Codes are never re-used.  Because marks are inside arrays, and no ext value holds another, a payload
is read by one flat loop of the library with 1,024 levels at most, whatever a hostile payload claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import msgpack

from brinery.codec import Buffer, Capabilities, Codec, Mention, ReadLinks, Sink, WriteLinks
from brinery.errors import BrineryError, DecodeError
from brinery.typing import Any, ClassVar, Final
from brinery_codecs._msgpack.kinds import ARRAY, BY_CODE, EXTERNAL, KINDS, Hashes, Kind
from brinery_codecs._msgpack.paths import path_of_failure, references
from brinery_codecs._msgpack.survey import LARGE, Refusal, Survey, Types

_TUPLE: Final = KINDS[tuple].mark
_SORTABLE: Final = frozenset({int, str, bytes})
_OPENED: Final = frozenset({KINDS[tuple].code, KINDS[bytearray].code, ARRAY})
_BIN_32: Final = b"\xc6"


class MsgpackCodec(Codec):
    """Keeps plain data of exactly the types of the table above, and runs no code when it reads.

    Values that would come back different are refused with an `UnsupportedObjectError`: other types and
    subclasses, cycles, and a list, dict, set, bytearray or array that is reached twice.
    """

    name: ClassVar[str] = "msgpack"
    capabilities = Capabilities(safe_to_read=True, deterministic=True)

    @property
    def version(self) -> str:
        """Return the version of the library msgpack."""
        return ".".join(map(str, msgpack.version))

    def may_run_code(self, source: Buffer, buffers: Iterable[Buffer] = ()) -> bool:
        """Return False: decoding makes only values of builtin types and of known libraries."""
        return False

    def dump(self, obj: Any, sink: Sink, links: WriteLinks) -> None:
        """Write `obj` as MessagePack, or refuse it with the place of the value that cannot be kept."""
        types: Types = links.batch.setdefault((self, "types"), {})
        try:
            survey = Survey(obj, links, types)
            for piece in _Writer(survey, types).pieces(obj):
                sink.write(piece)
        except Refusal as refusal:
            raise refusal.located(obj) from refusal.__cause__

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object that `source` describes; raise DecodeError for anything malformed."""
        return _Reader(links).read(source)

    def locate(self, source: Buffer, error: Exception) -> str | None:
        """Return the path to the value that `load` could not read or resolve."""
        return path_of_failure(source, error.__traceback__, _Reader._external.__code__)

    def mentions(self, source: Buffer) -> Iterable[Mention]:
        """Return the external references of a payload."""
        return [Mention("external", each.name, each.path) for each in references(source)]


class _Writer:
    """Encodes an object that a survey has allowed."""

    def __init__(self, survey: Survey, types: Types) -> None:
        self._external = survey.external
        self._is_in_parts = survey.is_in_parts
        self._types = types
        self._ordered: dict[int, list[Any]] = {}
        # The innermost first, so that no order is worked out twice and nothing recurs.
        for found in reversed(survey.sets):
            if id(found) not in self._ordered:
                self._ordered[id(found)] = self._order(found)

    def pieces(self, obj: Any) -> list[bytes]:
        """Return `obj` as MessagePack."""
        pack = self._pack_parts if self._is_in_parts else self._pack
        try:
            return pack(obj)
        except UnicodeEncodeError:
            # A lone surrogate.  Not always so: it makes all strings 30 % slower.
            return pack(obj, unicode_errors="surrogatepass")

    def _pack(self, obj: Any, **options: Any) -> list[bytes]:
        return [self._packer(**options).pack(obj)]

    def _pack_parts(self, obj: Any, **options: Any) -> list[bytes]:
        """Return the bytes of `_pack` for objects with bytearrays, which the library would write as bytes.

        Large bytes, and those of large arrays, are pieces of their own.
        """
        packer = self._packer(autoreset=False, **options)
        opened = {cls for cls, (kind, *_) in self._types.items() if kind and kind.code in _OPENED}
        pieces: list[bytes] = []
        stack: list[Iterator[Any]] = [iter((obj,))]
        while stack:
            for part in stack[-1]:
                parts = self._fields(part) if type(part) in opened else part
                if type(parts) is list:
                    packer.pack_array_header(len(parts))
                    stack.append(iter(parts))
                    break
                if type(parts) is dict:
                    packer.pack_map_header(len(parts))
                    stack.append(chain.from_iterable(parts.items()))
                    break
                if type(parts) is bytes and LARGE < len(parts) < 1 << 32:
                    pieces += [packer.bytes() + _BIN_32 + len(parts).to_bytes(4, "big"), parts]
                    packer.reset()
                else:
                    packer.pack(parts)
            else:
                stack.pop()
        return [*pieces, packer.bytes()]

    def _packer(self, **options: Any) -> msgpack.Packer:
        return msgpack.Packer(default=self._fields, strict_types=True, **options)

    def _order(self, found: Any) -> list[Any]:
        kinds = set(map(type, found))
        if len(kinds) <= 1 and kinds <= _SORTABLE:
            return sorted(found)
        return sorted(found, key=self._packer(unicode_errors="surrogatepass").pack)

    def _fields(self, obj: Any) -> Any:
        """Return the array that replaces a value that msgpack does not have."""
        if type(obj) is tuple:  # nearly all of them, in most data
            return [_TUPLE, *obj]
        if (name := self._external.get(id(obj))) is not None:
            return msgpack.ExtType(EXTERNAL, name.encode("utf-8", "surrogatepass"))
        # A field that the survey did not see is of a type in KINDS.
        kind = KINDS.get(type(obj)) or self._types[type(obj)][0]
        assert kind is not None
        if (ordered := self._ordered.get(id(obj))) is not None:
            return [kind.mark, *ordered]
        try:
            return [kind.mark, *kind.write(obj)]
        except Exception as error:
            raise Refusal(obj, _cause(error)) from error


class _Reader:
    """Decodes one payload."""

    def __init__(self, links: ReadLinks) -> None:
        self._resolve: Callable[[str], Any] = links.resolve
        self._marks = 0
        self._hashes = Hashes()
        self._passing: BaseException | None = None

    def read(self, source: Buffer) -> Any:
        """Return the object; raise DecodeError, or the error of resolving a reference."""
        try:
            obj = msgpack.unpackb(
                source,
                ext_hook=self._extension,
                list_hook=self._value,
                strict_map_key=False,
                unicode_errors="surrogatepass",
            )
        except (BrineryError, MemoryError):
            raise
        except Exception as error:
            if error is self._passing:
                raise
            raise _damaged(_cause(error)) from error
        if self._marks:
            raise _damaged("a mark is not at the start of an array")
        return obj

    def _extension(self, code: int, data: bytes) -> Any:
        if code == EXTERNAL:
            return self._external(data.decode("utf-8", "surrogatepass"))
        kind = BY_CODE.get(code)
        if kind is None or data:
            raise _unknown(code)
        self._marks += 1
        return kind

    def _external(self, name: str) -> Any:
        try:
            return self._resolve(name)
        except BaseException as error:
            self._passing = error
            raise

    def _value(self, items: list[Any]) -> Any:
        if not items or type(items[0]) is not Kind:
            return items
        self._marks -= 1
        kind = items.pop(0)
        value = kind.make(items)
        if type(value) is int:
            self._hashes.check(value)
        return value


def _unknown(code: int) -> DecodeError:
    return _damaged(f"an ext value of code {code} that is not in the format")


def _damaged(reason: str) -> DecodeError:
    advice = "The payload is damaged, or something else wrote it: restore it from a backup"
    return DecodeError(reason, codec="msgpack", advice=advice)


def _cause(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__
