"""A scan of a pickle before it is decoded: its globals, its calls, and their cost.

The opcodes are gone through once by a machine that has the stack, the marks and the memo of an unpickler,
with a *value* in place of each object:

====================  ==============================================================================
value                 meaning
====================  ==============================================================================
`DATA`                an object of which nothing is known
`FRESH`               a dict or set that this pickle made and that nothing else refers to yet
`FRESH_LIST`          a list of that kind
`SHARED`              an object of which nothing is known, once something else may refer to it
`SHARED_LIST`         a list or bytearray of that kind
`BUILT`               an object of which nothing is known, once its state was set
`NUMBER`              a number, None or a bool
`EXTERNAL`            a persistable object in a record of its own, or a member of an enumeration
an int from 1 on      a string or bytes, whose opcode is at the position before
an int to `FIRST`     a global: `FIRST` less the index of its name
`bytes`               a large integer, as bytes of the payload
a `Tuple`             a tuple
a `Made`              a slice, a deque or an exception of Python
====================  ==============================================================================

Only a value that is known to be a global may be called, and all globals are checked by name; so neither the
result of a call nor an attribute ever becomes a function.  States and items are set on objects that calls
have made, not on globals or on other records' objects.

An unpickler calls the methods `__setstate__`, `append`, `extend` and `add` of the objects that it fills, and
a state may hang any value on an object under such a name.  A pickle sets one state on an object, after its
items.  So once a mapping has such a key and a value that may be called, only objects that nothing else
refers to, and that have no state yet, are filled.

The length of a payload bounds the memory and the time that it may take: places of the memo, claimed
lengths, copies by constructors, by slices of lists and by states that several objects get, tuples within
tuples and other objects that are freed by recursion, the hashing of tuples, and integers with one hash.
This is one pass, linear in the length.
"""

from __future__ import annotations

from brinery.codec import Buffer
from brinery_codecs._pickle.analysis.handlers import HANDLERS
from brinery_codecs._pickle.analysis.machine import Machine
from brinery_codecs._pickle.analysis.values import Admits, IsEnumeration, refused


def scan(
    source: Buffer,
    admits: Admits | None,
    is_enumeration: IsEnumeration = lambda *name: False,
) -> Scan:
    """Scan a payload; raise `TrustError` for globals that `admits` refuses, and for a cost that is too high.

    Without `admits` any name will do.  `is_enumeration` returns whether an admitted name is that of an
    enumeration, None if that is not known yet: see `Scan.unsure`.
    """
    found = Scan(bytes(source), admits, is_enumeration)
    found.run()
    return found


class Scan(Machine):
    """One pass over a payload."""

    def run(self) -> None:
        """Go through the payload; raise `TrustError`."""
        try:
            self._run()
        except (IndexError, KeyError, ValueError, OverflowError) as error:
            raise refused(
                "it is not a pickle that can be checked; nothing of it was decoded"
            ) from error

    def _run(self) -> None:
        data, handlers = self.data, HANDLERS
        position = 0
        while position >= 0:
            position = handlers[data[position]](self, position + 1)
