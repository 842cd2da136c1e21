"""The handlers of opcodes that push an atom: a number, a text, an integer, a buffer."""

from __future__ import annotations

from brinery.typing import Final
from brinery_codecs._pickle.analysis.machine import Handler, Machine
from brinery_codecs._pickle.analysis.values import DATA, LARGE, NUMBER, SHARED_LIST


def _number_of(size: int) -> Handler:
    def number(machine: Machine, position: int) -> int:
        machine.stack.append(NUMBER)
        return position + size

    return number


def _short_text(machine: Machine, position: int) -> int:
    machine.stack.append(position)
    return position + 1 + machine.data[position]


def _text_of(size: int) -> Handler:
    def text(machine: Machine, position: int) -> int:
        _, stop = machine.claimed(position, size)
        machine.stack.append(position)
        return stop

    return text


def _integer_of(size: int) -> Handler:
    def integer(machine: Machine, position: int) -> int:
        start, stop = machine.claimed(position, size)
        is_small = stop - start < LARGE
        machine.stack.append(
            NUMBER if is_small else machine.large_integer(machine.data[start:stop])
        )
        return stop

    return integer


def _bytearray(machine: Machine, position: int) -> int:
    _, stop = machine.claimed(position, 8)
    machine.stack.append(SHARED_LIST)
    return stop


def _line(machine: Machine, position: int) -> int:
    data = machine.data
    stop = data.index(b"\n", position)
    machine.stack.append(machine.line_value(data[position - 1], data[position:stop], position))
    return stop + 1


def _buffer(machine: Machine, position: int) -> int:
    machine.stack.append(SHARED_LIST)
    return position


def _readonly_buffer(machine: Machine, position: int) -> int:
    machine.stack[-1] = DATA
    return position


ATOMS: Final[dict[bytes, Handler]] = {
    **dict.fromkeys((b"F", b"I", b"L", b"S", b"V"), _line),
    **dict.fromkeys((b"N", b"\x88", b"\x89"), _number_of(0)),
    b"K": _number_of(1),
    b"M": _number_of(2),
    b"J": _number_of(4),
    b"G": _number_of(8),
    **dict.fromkeys((b"C", b"U", b"\x8c"), _short_text),
    **dict.fromkeys((b"B", b"T", b"X"), _text_of(4)),
    **dict.fromkeys((b"\x8d", b"\x8e"), _text_of(8)),
    b"\x8a": _integer_of(1),
    b"\x8b": _integer_of(4),
    b"\x96": _bytearray,
    b"\x97": _buffer,
    b"\x98": _readonly_buffer,
}
