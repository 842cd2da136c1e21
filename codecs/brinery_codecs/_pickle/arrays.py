"""How read-only arrays of numpy are reduced.

numpy's own reduction keeps the flag only at protocol 5, and there only for arrays in one piece of the types
that buffers have.  Any other array comes back writable.  `numpy.broadcast_to` makes it read-only again:
any pickle may name that function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Reducer = Callable[[Any], Any]


def array_reducer(cls: type, plain: Reducer) -> Reducer | None:
    """Return the reducer for arrays, which calls `plain`; None for any other class."""
    numpy = sys.modules.get("numpy")
    if numpy is None or cls is not getattr(numpy, "ndarray", None):
        return None

    def reduce_array(array: Any) -> Any:
        reduction = plain(array)
        if array.flags.writeable or reduction[0].__name__ == "_frombuffer":
            return reduction
        return numpy.broadcast_to, (array.copy("K"), array.shape)

    return reduce_array
