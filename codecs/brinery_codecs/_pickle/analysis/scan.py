"""Looking a pickle through before it is decoded: what it names, what it calls, what it would cost.

The opcodes are gone through once by a machine that has the stack, the marks and the memo of an unpickler,
with a *slot* in place of each object:

====================  ==============================================================================
slot                  stands for
====================  ==============================================================================
`DATA`                an object of which nothing is known
`FRESH`               a dict or set that this pickle made and that nothing else refers to yet
`FRESH_LIST`          a list of that kind
`SHARED`              an object of which nothing is known, once something else may refer to it
`SHARED_LIST`         a list or bytearray of that kind
`NUMBER`              a number, None or a bool
`EXTERNAL`            a persistable object in a record of its own
an int from 1 on      a string or bytes, whose opcode is at the position before
an int to `FIRST`    a global: `FIRST` less the index of its name
`bytes`               a large integer, as it stands
a `Tuple`            a tuple
a `Made`             a slice, a deque or an exception of Python
====================  ==============================================================================

Only what is known to be a global may be called, and all globals are checked by name; so neither the result
of a call nor an attribute ever becomes a function.  States and items are set on objects that calls have
made, not on globals or on other records' objects.

What memory and time a payload may take is bounded by its length: places of the memo, claimed lengths,
copies by constructors, by slices of lists and by states that several objects get, tuples within tuples and
what else is freed by recursion, the hashing of tuples, and integers with one hash.  This is one pass, linear
in the length.
"""

from __future__ import annotations

from collections.abc import Sequence

from brinery.codec import Buffer
from brinery_codecs._pickle.analysis.opcodes import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUFFER,
    BUILD,
    BYTEARRAY,
    CONTAINER,
    DICT,
    DUP,
    EMPTY_TUPLE,
    EXTENSION,
    FRAME,
    FROM_MARK,
    FROZENSET,
    GET,
    GET1,
    GET_LINE,
    GLOBAL,
    INST,
    INTEGER,
    KINDS,
    LINE,
    LINE_MEMO,
    LIST,
    LIST_OF,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    OBJ,
    PLAIN,
    POP,
    POP_MARK,
    PROTO,
    PUT,
    READONLY,
    REDUCE,
    SETITEM,
    SETITEMS,
    SIZES,
    STACK_GLOBAL,
    STOP,
    TEXT,
    TEXT1,
    TUPLE,
    TUPLE_N,
)
from brinery_codecs._pickle.analysis.rules import Rules
from brinery_codecs._pickle.analysis.values import (
    DATA,
    EMPTY,
    FRESH,
    FRESH_LIST,
    HEAVY,
    LARGE,
    NUMBER,
    SHARED,
    SHARED_FORMS,
    SHARED_LIST,
    Admits,
    Made,
    Slot,
    Tuple,
    is_unknown,
    refused,
)


def scan(source: Buffer, admits: Admits | None) -> Scan:
    """Look a payload through; raise `TrustError` for what `admits` refuses, and for what costs too much.

    Without `admits` any name will do.
    """
    found = Scan(bytes(source), admits)
    found.run()
    return found


class Scan(Rules):
    """One pass over a payload."""

    def run(self) -> None:
        """Go through the payload; raise `TrustError`."""
        try:
            self._run()
        except (IndexError, KeyError, ValueError, OverflowError) as error:
            raise refused(
                "it is no pickle that can be checked; nothing of it was decoded"
            ) from error

    # One function, and the common opcodes first: a call for each opcode would double the time.
    def _run(self) -> None:
        data, end = self.data, len(self.data)
        stack: list[Slot] = []
        push, pop = stack.append, stack.pop
        marks: list[list[Slot]] = []
        memo: dict[int, Slot] = {}
        kinds, sizes, shared = KINDS, SIZES, SHARED_FORMS.get
        protocol = position = 0
        has_heavy = False
        while True:
            code = data[position]
            kind = kinds[code]
            position += 1
            if kind == PLAIN:
                push(NUMBER)
                position += sizes[code]
            elif kind == GET1:
                push(memo[data[position]])
                position += 1
            elif kind == MEMOIZE:
                slot = stack[-1]
                memo[len(memo)] = slot if type(slot) is not int or slot > 0 else shared(slot, slot)
            elif kind == TEXT1:
                push(position)
                position += 1 + data[position]
            elif kind == PUT:
                slot = stack[-1]
                size = sizes[code]
                index = int.from_bytes(data[position : position + size], "little")
                if index > position:
                    raise refused(f"it puts an object into place {index} of a memo of {len(memo)}")
                memo[index] = slot if type(slot) is not int or slot > 0 else shared(slot, slot)
                position += size
            elif kind == MARK:
                marks.append(stack)
                stack = []
                push, pop = stack.append, stack.pop
            elif kind == TUPLE_N:
                size = sizes[code]
                if len(stack) < size:
                    raise IndexError
                items = stack[-size:]
                made = Tuple(items)
                stack[-size:] = (made,)
                if made.weight > HEAVY:
                    has_heavy = True
            elif kind == CONTAINER:
                push(FRESH_LIST if code == LIST else FRESH)
            elif kind == SETITEMS:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                if len(items) % 2:
                    raise ValueError
                self._check_mapping(stack[-1], items)
            elif kind == APPENDS:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                self._check_target(stack[-1], "items", items)
                if has_heavy:
                    self.count_listed(items)
            elif kind == REDUCE:
                arguments = pop()
                push(self.call(pop(), arguments))
            elif kind == NEWOBJ:
                arguments = pop()
                push(self.new(pop(), arguments))
            elif kind == BUILD:
                state = pop()
                self._check_target(stack[-1], "a state")
                if state is SHARED or type(state) is Tuple:
                    self.count_state(state)
                if type(stack[-1]) is Made:
                    self.count_nested()
                    self.count_arguments()
            elif kind == STACK_GLOBAL:
                name, module = pop(), pop()
                push(self.global_at(self.text_of(module), self.text_of(name), protocol))
            elif kind == TEXT:
                size = sizes[code]
                start = position + size
                length = int.from_bytes(data[position:start], "little")
                if length > end - start:
                    raise refused(f"it claims {length} bytes where {end - start} follow")
                push(position)
                position = start + length
            elif kind == SETITEM:
                value, key = pop(), pop()
                self._check_mapping(stack[-1], (key, value))
            elif kind == APPEND:
                value = pop()
                self._check_target(stack[-1], "items", (value,))
                if has_heavy:
                    self.count_listed((value,))
            elif kind == TUPLE:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                made = Tuple(items)
                push(made)
                if made.weight > HEAVY:
                    has_heavy = True
            elif kind == EMPTY_TUPLE:
                push(EMPTY)
            elif kind == GET:
                size = sizes[code]
                push(memo[int.from_bytes(data[position : position + size], "little")])
                position += size
            elif kind == FRAME:
                length = int.from_bytes(data[position : position + 8], "little")
                position += 8
                if length > end - position:
                    raise refused(f"it claims {length} bytes where {end - position} follow")
            elif kind == FROM_MARK:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                self._check_made(code, items)
                if has_heavy and code == LIST_OF:
                    self.count_listed(items)
                push(FRESH_LIST if code == LIST_OF else FRESH)
            elif kind == INTEGER:
                size = sizes[code]
                start = position + size
                length = int.from_bytes(data[position:start], "little")
                if length > end - start:
                    raise refused(f"it claims {length} bytes where {end - start} follow")
                position = start + length
                push(NUMBER if length < LARGE else self.large_integer(data[start:position]))
            elif kind == ADDITEMS:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                self._check_target(stack[-1], "items", items)
                self.check_keys(items)
            elif kind == BYTEARRAY:
                start = position + 8
                length = int.from_bytes(data[position:start], "little")
                if length > end - start:
                    raise refused(f"it claims {length} bytes where {end - start} follow")
                push(SHARED_LIST)
                position = start + length
            elif kind == PROTO:
                protocol = data[position]
                if protocol > 5:
                    raise refused(f"it has protocol {protocol}, which is not known")
                position += 1
            elif kind == LINE:
                stop = data.index(b"\n", position)
                push(self.line_value(code, data[position:stop], position))
                position = stop + 1
            elif kind == LINE_MEMO:
                stop = data.index(b"\n", position)
                index = int(data[position:stop])
                position = stop + 1
                if code == GET_LINE:
                    push(memo[index])
                elif not 0 <= index <= position:
                    raise refused(f"it puts an object into place {index} of a memo of {len(memo)}")
                else:
                    slot = stack[-1]
                    memo[index] = shared(slot, slot) if type(slot) is int else slot
            elif kind == GLOBAL:
                stop = data.index(b"\n", position)
                after = data.index(b"\n", stop + 1)
                module, name = data[position:stop].decode(), data[stop + 1 : after].decode()
                position = after + 1
                found = self.global_at(module, name, protocol)
                if code == INST:
                    items, stack = stack, marks.pop()
                    push, pop = stack.append, stack.pop
                    found = self.call(found, Tuple(items))
                push(found)
            elif kind == OBJ:
                items, stack = stack, marks.pop()
                push, pop = stack.append, stack.pop
                push(self.call(items[0], Tuple(items[1:])))
            elif kind == NEWOBJ_EX:
                pop()
                arguments = pop()
                push(self.new(pop(), arguments, has_keywords=True))
            elif kind == EXTENSION:
                size = sizes[code]
                push(self.extension(int.from_bytes(data[position : position + size], "little")))
                position += size
            elif kind == POP:
                if stack:
                    pop()
                else:
                    stack = marks.pop()
                    push, pop = stack.append, stack.pop
            elif kind == POP_MARK:
                stack = marks.pop()
                push, pop = stack.append, stack.pop
            elif kind == DUP:
                slot = stack[-1]
                stack[-1] = shared(slot, slot) if type(slot) is int else slot
                push(stack[-1])
            elif kind == BUFFER:
                push(SHARED_LIST)
            elif kind == READONLY:
                stack[-1] = DATA
            elif kind == STOP:
                pop()
                return
            else:
                raise refused(f"it has the opcode {bytes((code,))!r}, which no record has")

    # -- checks

    def _check_target(self, slot: Slot, what: str, items: Sequence[Slot] = ()) -> None:
        if slot is FRESH or slot is FRESH_LIST or is_unknown(slot):
            return
        if type(slot) is Made:
            if slot.hold(items) and slot.is_inside:
                self.count_nested()
        elif self.admits is not None:
            raise refused(f"it sets {what} on what is no object of its own")

    def _check_mapping(self, slot: Slot, items: Sequence[Slot]) -> None:
        # A list or bytearray takes a slice for a key, and becomes twice as long by each three bytes.
        keys = items[::2]
        if slot is FRESH_LIST or slot is SHARED_LIST:
            raise refused("it sets items of a list by keys")
        self._check_target(slot, "items", items[1::2])
        self.keyed += len(keys)
        self.check_keys(keys)

    def _check_made(self, code: int, items: list[Slot]) -> None:
        if code == DICT:
            if len(items) % 2:
                raise ValueError
            self.check_keys(items[::2])
        elif code == FROZENSET:
            self.check_keys(items)
