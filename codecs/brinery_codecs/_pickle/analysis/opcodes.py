"""The opcodes of pickles, as `_scanning` goes through them: of which kind each is, and how long its argument.

The kinds are numbers, because they are compared once or more for each opcode of a payload.
"""

from __future__ import annotations

from typing import Final

PLAIN, GET1, MEMOIZE, TEXT1, PUT, MARK, TUPLE_N, CONTAINER, SETITEMS = range(9)
APPENDS, REDUCE, NEWOBJ, BUILD, STACK_GLOBAL, TEXT, SETITEM, APPEND = range(9, 17)
TUPLE, EMPTY_TUPLE, GET, FRAME, FROM_MARK, INTEGER, ADDITEMS, PROTO = range(17, 25)
LINE, LINE_MEMO, GLOBAL, OBJ, NEWOBJ_EX, EXTENSION, POP, POP_MARK = range(25, 33)
DUP, BUFFER, READONLY, STOP, BYTEARRAY, UNKNOWN = range(33, 39)


def _of(kind: int, size: int, *codes: bytes) -> dict[int, tuple[int, int]]:
    return {code[0]: (kind, size) for code in codes}


# Kind, and the number of bytes of the argument, or of what gives its length, or of items; 0 for a line.
_TABLE: Final = {
    **_of(PLAIN, 0, b"N", b"\x88", b"\x89"),
    **_of(PLAIN, 1, b"K"),
    **_of(PLAIN, 2, b"M"),
    **_of(PLAIN, 4, b"J"),
    **_of(PLAIN, 8, b"G"),
    **_of(GET1, 1, b"h"),
    **_of(GET, 4, b"j"),
    **_of(MEMOIZE, 0, b"\x94"),
    **_of(PUT, 1, b"q"),
    **_of(PUT, 4, b"r"),
    **_of(LINE_MEMO, 0, b"p", b"g"),
    **_of(TEXT1, 1, b"\x8c", b"C", b"U"),
    **_of(TEXT, 4, b"X", b"B", b"T"),
    **_of(TEXT, 8, b"\x8d", b"\x8e"),
    **_of(BYTEARRAY, 8, b"\x96"),
    **_of(MARK, 0, b"("),
    **_of(TUPLE_N, 1, b"\x85"),
    **_of(TUPLE_N, 2, b"\x86"),
    **_of(TUPLE_N, 3, b"\x87"),
    **_of(TUPLE, 0, b"t"),
    **_of(EMPTY_TUPLE, 0, b")"),
    **_of(CONTAINER, 0, b"]", b"}", b"\x8f"),
    **_of(FROM_MARK, 0, b"l", b"d", b"\x91"),
    **_of(SETITEMS, 0, b"u"),
    **_of(SETITEM, 0, b"s"),
    **_of(APPENDS, 0, b"e"),
    **_of(APPEND, 0, b"a"),
    **_of(ADDITEMS, 0, b"\x90"),
    **_of(REDUCE, 0, b"R"),
    **_of(NEWOBJ, 0, b"\x81"),
    **_of(NEWOBJ_EX, 0, b"\x92"),
    **_of(OBJ, 0, b"o"),
    **_of(BUILD, 0, b"b"),
    **_of(STACK_GLOBAL, 0, b"\x93"),
    **_of(GLOBAL, 0, b"c", b"i"),
    **_of(EXTENSION, 1, b"\x82"),
    **_of(EXTENSION, 2, b"\x83"),
    **_of(EXTENSION, 4, b"\x84"),
    **_of(FRAME, 8, b"\x95"),
    **_of(INTEGER, 1, b"\x8a"),
    **_of(INTEGER, 4, b"\x8b"),
    **_of(LINE, 0, b"F", b"I", b"L", b"S", b"V"),
    **_of(PROTO, 1, b"\x80"),
    **_of(POP, 0, b"0"),
    **_of(POP_MARK, 0, b"1"),
    **_of(DUP, 0, b"2"),
    **_of(BUFFER, 0, b"\x97"),
    **_of(READONLY, 0, b"\x98"),
    **_of(STOP, 0, b"."),
}
KINDS: Final = [_TABLE.get(code, (UNKNOWN, 0))[0] for code in range(256)]
SIZES: Final = [_TABLE.get(code, (UNKNOWN, 0))[1] for code in range(256)]
GET_LINE, INST, DICT, FROZENSET = b"g"[0], b"i"[0], b"d"[0], b"\x91"[0]
LIST, LIST_OF = b"]"[0], b"l"[0]
FLOAT_LINE, LONG_LINE, STRING_LINE, UNICODE_LINE = b"F"[0], b"L"[0], b"S"[0], b"V"[0]
