"""Arrays and scalars of numpy as plain fields, and back; numpy is imported at the first reading.

A dtype is described as `numpy.dtype` would take it, but in a form so narrow that nothing is left to
interpret: a string such as ``"<f8"``, a list ``[base, shape]`` for a subarray, and for a structured
dtype a map with the keys fields (a list of ``[name, dtype, offset, title or nil]``), itemsize (bytes)
and aligned.  Refused, at writing as at reading, are dtypes whose bytes mean something only in this
process (objects, variable-length strings) or on this machine (long double).
"""

from __future__ import annotations

import math
import re
import sys

from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

# Letters alone are the C types (`numpy.longlong`) that differ from the sized one of equal width.
_SIMPLE: Final = re.compile(
    r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[bBhHiIlLqQ]|[SUV][1-9][0-9]{0,8}"
    r"|[Mm]8(?:\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
_LARGE: Final = 1 << 24
_READ_ONLY: Final = "R"
_STRINGS: Final = {"U": str, "S": bytes}
_NATIVE: Final = "<" if sys.byteorder == "little" else ">"


def array_fields(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """Return dtype, shape, layout and bytes of an array; raise ValueError if it cannot be described."""
    _check_itemsize(array.dtype, array.nbytes)
    described = _describe(array.dtype)
    _check_values(array)
    flags = array.flags
    order: Any = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    layout = order if flags.writeable else order + _READ_ONLY
    return described, list(array.shape), layout, _without_padding(array).tobytes(order)


def read_array(described: Any, shape: list[Any], layout: str, data: bytes) -> np.ndarray[Any, Any]:
    """Return the array, with memory of its own, and writable if the array was that was written."""
    import numpy as np

    dtype = _dtype(described)
    _check_shape(shape)
    _check_itemsize(dtype, len(data))
    order: Any = layout.removesuffix(_READ_ONLY)
    if order not in ("C", "F"):
        raise ValueError("an array in an unknown order")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} and type {dtype} in {len(data)} bytes")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, data, order=order)
    _check_values(array)
    found = array.copy(order)
    found.flags.writeable = layout == order
    return found


def scalar_fields(scalar: np.generic) -> tuple[Any, Any]:
    """Return the dtype of a scalar and its bytes; of a string scalar its letter and the string."""
    if (base := _STRINGS.get(scalar.dtype.char)) is not None:
        # The array that holds the scalar would lose trailing zeros.
        text: Any = scalar
        return scalar.dtype.char, str.__str__(text) if base is str else bytes(text)
    import numpy as np

    array = np.asarray(scalar)
    # A record of an array is a part of it, and is read-only where the array is; other scalars are values.
    is_read_only = isinstance(scalar, np.void) and not scalar.flags.writeable
    described, _, _, data = array_fields(array)
    return described, (data,) if is_read_only else data


def read_scalar(described: Any, data: Any) -> Any:
    """Return the scalar, of exactly the type that was written."""
    import numpy as np

    base = _STRINGS.get(described) if type(described) is str else None
    layout = "C"
    if type(data) is tuple and base is None:
        (data,), layout = data, "C" + _READ_ONLY
    if type(data) is not (base or bytes):
        raise TypeError(f"a scalar of numpy in a {type(data).__name__}")
    if base is not None:
        return np.str_(data) if base is str else np.bytes_(data)
    return read_array(described, [], layout, data)[()]


def _describe(dtype: np.dtype[Any]) -> Any:
    if dtype.metadata:
        raise ValueError(f"the dtype {dtype} carries metadata")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base), list(shape)]
    described = _simple(dtype) if dtype.names is None else _structure(dtype)
    again = _dtype(described)
    if again != dtype or again.type is not dtype.type:
        raise ValueError(f"the dtype {dtype} is not one that its description gives")
    return described


def _simple(dtype: np.dtype[Any]) -> str:
    import numpy as np

    text = dtype.str
    if _SIMPLE.fullmatch(text) and np.dtype(text).char == dtype.char:
        return text
    text = (_NATIVE if dtype.byteorder == "=" else dtype.byteorder) + dtype.char
    if _SIMPLE.fullmatch(text):
        return text
    raise ValueError(f"the dtype {dtype} has elements that mean something on this machine only")


def _structure(dtype: np.dtype[Any]) -> dict[str, Any]:
    fields = []
    for name in dtype.names or ():
        base, offset, *title = dtype.fields[name]  # type: ignore[index]
        if any(type(text) is not str for text in (name, *title)):
            raise ValueError(f"the dtype {dtype} has a field whose name or title is not a str")
        fields.append([name, _describe(base), offset, title[0] if title else None])
    return {"fields": fields, "itemsize": dtype.itemsize, "aligned": dtype.isalignedstruct}


def _dtype(described: Any) -> np.dtype[Any]:
    import numpy as np

    if type(described) is str and _SIMPLE.fullmatch(described):
        return np.dtype(described)
    if type(described) is list:
        base, shape = described
        _check_shape(shape)
        return np.dtype((_dtype(base), tuple(shape)))
    if type(described) is dict:
        return _structured(**described)
    raise ValueError("a dtype of numpy is not one that this codec writes")


def _structured(*, fields: list[Any], itemsize: int, aligned: bool) -> np.dtype[Any]:
    import numpy as np

    names, formats, offsets, titles = zip(*fields, strict=True) if fields else [()] * 4
    for values, types in ((names, {str}), (offsets, {int}), (titles, {str, type(None)})):
        if not types.issuperset(map(type, values)):
            raise TypeError("a field of a structured dtype is malformed")
    if type(itemsize) is not int or type(aligned) is not bool:
        raise TypeError("a structured dtype is malformed")
    spec: dict[str, Any] = {"names": list(names), "formats": [_dtype(one) for one in formats]}
    spec |= {"offsets": list(offsets), "itemsize": itemsize}
    if any(title is not None for title in titles):
        spec["titles"] = list(titles)
    return np.dtype(spec, align=aligned)  # type: ignore[call-overload,no-any-return]


def _check_itemsize(dtype: np.dtype[Any], size: int) -> None:
    # An empty array has one element in memory all the same.
    if not 0 < dtype.itemsize <= max(size, _LARGE):
        raise ValueError(f"an array whose elements have {dtype.itemsize or 'no'} bytes")


def _check_shape(shape: Any) -> None:
    if type(shape) is not list or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("a shape is not a list of lengths")


def _check_values(array: np.ndarray[Any, Any]) -> None:
    """Raise ValueError for bytes that no bool and no character has: using them is undefined."""
    for name in array.dtype.names or ():
        _check_values(array[name])
    kind = array.dtype.kind
    if kind in "bU" and array.size:
        unit = "u1" if kind == "b" else array.dtype.str[0] + "u4"
        if array.copy("C").reshape(-1).view(unit).max() > (1 if kind == "b" else sys.maxunicode):
            raise ValueError(
                f"an array of type {array.dtype} holds bytes that are not of this type"
            )


def _without_padding(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array with zeros between the fields, where any old memory may be."""
    if array.dtype.names is None:
        return array
    import numpy as np

    clean = np.zeros_like(array)
    for name in array.dtype.names:
        clean[name] = _without_padding(array[name])
    return clean
