"""Where in a payload of msgpack the trouble lies, and where its references are.

The payload is gone through once more, value by value, and each kind of value is made again from its
fields.  That runs no code but this package's, so it does no harm to repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

import msgpack

from brinery.codec import Buffer
from brinery.typing import Any, Final
from brinery_codecs._msgpack.kinds import BY_CODE, EXTERNAL, Hashes, Kind

# By code: tuple, set, frozenset.  The fields of all others have no path of their own.
_FORMS: Final = {5: "[{}]", 6: "{{…}}", 7: "{{…}}"}


_MOST_LEVELS: Final = 1_024  # as the library reads: paths of deeper ones would take endless time


class Reference:
    """Stands for a persistable object; `path` is where it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ""


class FailureError(Exception):
    """A payload cannot be read from `path` on."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(slots=True)
class _Frame:
    """An array or map that is gone through."""

    is_map: bool
    count: int
    path: str
    items: list[Any] = field(default_factory=list)

    def path_of_next(self) -> str:
        done = len(self.items)
        if self.is_map:
            return f"{self.path}[{_short(self.items[-1])}]" if done % 2 else self.path
        if done and type(self.items[0]) is Kind:
            return self.path + _FORMS.get(self.items[0].code or 0, "").format(done - 1)
        return f"{self.path}[{done}]"

    def value(self) -> Any:
        items = self.items
        if self.is_map:
            return dict(zip(items[::2], items[1::2], strict=True))
        if items and type(items[0]) is Kind:
            return items[0].make(items[1:])
        return items


def references(source: Buffer) -> list[Reference]:
    """Return the references of a payload with their paths; raise FailureError."""
    data = memoryview(source)
    unpacker = msgpack.Unpacker(
        ext_hook=_extension,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        max_buffer_size=0,
    )
    unpacker.feed(data)
    found: list[Reference] = []
    stack: list[_Frame] = []
    hashes = Hashes()
    while True:
        path = stack[-1].path_of_next() if stack else ""
        try:
            value = _next(unpacker, data, path)
            if type(value) is Kind and not (stack and not stack[-1].items):
                raise ValueError("a mark is not at the start of an array")
            if type(value) is Reference:
                value.path = path
                found.append(value)
            while not isinstance(value, _Frame) or len(value.items) == value.count:
                if isinstance(value, _Frame):
                    path = value.path
                    value = value.value()
                    if type(value) is int:
                        hashes.check(value)
                if not stack:
                    return found
                stack[-1].items.append(value)
                value = stack[-1]
                if len(value.items) == value.count:
                    stack.pop()
                else:
                    break
            else:
                stack.append(value)
                if len(stack) > _MOST_LEVELS:
                    raise ValueError("it is nested too deeply")
        except Exception as error:
            raise FailureError(path) from error


def _next(unpacker: Any, data: memoryview, path: str) -> Any:
    # The next value, or a frame for a container.
    first = data[unpacker.tell()]
    if first & 0xF0 == 0x80 or first in (0xDE, 0xDF):
        return _Frame(True, 2 * unpacker.read_map_header(), path)
    if first & 0xF0 == 0x90 or first in (0xDC, 0xDD):
        return _Frame(False, unpacker.read_array_header(), path)
    return unpacker.unpack()


def _extension(code: int, data: bytes) -> Any:
    if code == EXTERNAL:
        return Reference(data.decode("utf-8", "surrogatepass"))
    if data:
        raise ValueError(code)
    return BY_CODE[code]


def path_of_failure(source: Buffer, traceback: TracebackType | None, resolving: Any) -> str | None:
    """Return the path to the value that cannot be read, or to the reference that cannot be resolved.

    `resolving` is the code of the function that resolves the reference `name`.
    """
    while traceback is not None:
        if traceback.tb_frame.f_code is resolving:
            name = traceback.tb_frame.f_locals["name"]
            return next(each.path for each in references(source) if each.name == name)
        traceback = traceback.tb_next
    try:
        references(source)
    except FailureError as failure:
        path = failure.path
        return path if len(path) <= 400 else path[:200] + "…" + path[-200:]
    return None


def _short(key: Any) -> str:
    if type(key) in (str, int, float, bool, bytes, type(None)):
        text = repr(key)
        return text if len(text) <= 40 else text[:37] + "…"
    return f"<{type(key).__name__}>"
