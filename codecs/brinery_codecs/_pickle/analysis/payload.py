"""The bytes of a payload that is scanned: the texts and integers in it, and the globals that it names."""

from __future__ import annotations

import _compat_pickle
import copyreg

from brinery.typing import Final
from brinery_codecs._pickle.analysis.opcodes import (
    SIZES,
    STRING_LINE,
    UNICODE_LINE,
)
from brinery_codecs._pickle.analysis.values import (
    FIRST,
    Admits,
    IsEnumeration,
    Value,
    refused,
    refused_name,
)
from brinery_codecs._pickle.members import COMBINE

_LONGEST_NAME: Final = 4_096

REFERENCE: Final = "brinery.reference"
ID: Final = ("brinery.ids", "Id")
GETATTR: Final = ("builtins", "getattr")
OWN: Final = frozenset(
    {
        ID,
        (REFERENCE, "external"),
        (REFERENCE, "root"),
        (REFERENCE, "new_root"),
        (REFERENCE, "hashable_root"),
        (REFERENCE, "named"),
        GETATTR,
        COMBINE,
        ("copyreg", "_reconstructor"),
        ("copyreg", "__newobj__"),
        ("copyreg", "__newobj_ex__"),
    }
)
"""Globals that records name for their own purposes: admitted always, with arguments that are checked."""

FUNCTIONS: Final = OWN - {ID}


class Payload:
    """A payload that is scanned, and the globals that it names."""

    def __init__(self, data: bytes, admits: Admits | None, is_enumeration: IsEnumeration) -> None:
        self.data = data
        self.admits = admits
        self.is_enumeration = is_enumeration
        self._names: list[tuple[str, str]] = []
        self._index: dict[tuple[str, str], int] = {}
        self.needed: dict[tuple[str, str], None] = {}
        """Module and qualname of each global that is imported, in the order met."""
        self.extensions: list[tuple[str, str]] = []
        """The globals with a code of `copyreg`: an unpickler may find them without `find_class`."""
        self.unsure: set[tuple[str, str]] = set()
        """What is called and not imported yet, and may be an enumeration."""

    def global_at(self, module: str, name: str, protocol: int) -> int:
        """Return the value of a global that a pickle of this protocol names."""
        if protocol < 3:
            # As an unpickler does for pickles that Python 2 may have written.
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        return self.named(module, name)

    def named(self, module: str, name: str) -> int:
        """Return the value of a global; raise `TrustError` if the reader does not admit it."""
        key = (module, name)
        index = self._index.get(key)
        if index is None:
            if len(module) + len(name) > _LONGEST_NAME:
                raise refused(f"it has a name of {len(module) + len(name)} characters")
            if key not in OWN:
                self.needed[key] = None
                if self.admits is not None and not self.admits(module, name):
                    raise refused_name(module, name)
            index = self._index[key] = len(self._names)
            self._names.append(key)
        return FIRST - index

    def extension(self, code: int) -> int:
        """Return the value of the global that is registered in `copyreg` under a code."""
        found = copyreg._inverted_registry.get(code)  # type: ignore[attr-defined]
        if found is None:
            raise refused(f"it has the code {code} of copyreg, under which nothing is registered")
        if found in FUNCTIONS:
            # An unpickler that has it already would not call `find_class`.
            raise refused(f"it names {':'.join(found)} by a code of copyreg, as no record does")
        self.extensions.append(found)
        return self.named(*found)

    def name_of(self, value: Value) -> tuple[str, str]:
        """Return module and qualname of a global that is called."""
        if type(value) is not int or value > FIRST:
            raise refused("it calls something that is not a class or function that it names")
        return self._names[FIRST - value]

    def text_of(self, value: Value) -> str:
        """Return a name: a string in the payload, without escapes."""
        if type(value) is not int or value <= 0:
            raise refused("it makes up a name while it is decoded")
        start, stop = self.extent(value)
        if stop - start > _LONGEST_NAME:
            raise refused(f"it has a name of {stop - start} bytes")
        text = self.data[start:stop]
        code = self.data[value - 1]
        if code == STRING_LINE or (code == UNICODE_LINE and (b"\\" in text or not text.isascii())):
            raise refused("it has a name with escapes")
        return text.decode("utf-8", "surrogatepass")

    def literal(self, position: int) -> bytes:
        """Return the bytes of the string whose opcode comes just before `position`."""
        start, stop = self.extent(position)
        return self.data[start:stop]

    def extent(self, position: int) -> tuple[int, int]:
        """Return the start and the end of these bytes."""
        data = self.data
        size = SIZES[data[position - 1]]
        if size == 0:  # a line
            return position, data.index(b"\n", position)
        start = position + size
        return start, start + int.from_bytes(data[position:start], "little")

    def claimed(self, position: int, size: int) -> tuple[int, int]:
        """Return start and end of the bytes whose length, of `size` bytes, is at `position`."""
        start = position + size
        length = int.from_bytes(self.data[position:start], "little")
        following = len(self.data) - start
        if length > following:
            raise refused(f"it claims {length} bytes where {following} follow")
        return start, start + length
