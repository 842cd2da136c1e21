"""Finders: functions that import the globals that payloads name.

A finder has the signature of `pickle.Unpickler.find_class`.
"""

from __future__ import annotations

import _compat_pickle
import functools
import io
import pickle
from collections.abc import Callable

from brinery.codec import Buffer, Restriction
from brinery.typing import Any
from brinery_codecs._pickle.analysis.payload import OWN
from brinery_codecs._pickle.analysis.values import refused_name, refused_object

FindClass = Callable[[str, str], Any]


def finder_of(source: Buffer) -> FindClass:
    """Return the function by which an unpickler of this pickle imports globals.

    It looks up exactly the name that it is given, and does not map names of Python 2 a second time.
    """
    return _finder(bytes(source[:2]) if source[:1] == b"\x80" else b"")


@functools.cache
def _finder(head: bytes) -> FindClass:
    # An unpickler in C learns the protocol, on which its search for names depends, by loading.
    unpickler = pickle.Unpickler(io.BytesIO(b"".join((head, b"N."))))
    unpickler.load()
    return unpickler.find_class


def admitted(find_class: FindClass, restriction: Restriction) -> FindClass:
    """Return a `find_class` that refuses globals that a reader does not admit, by name and by kind."""

    def find(module: str, name: str) -> Any:
        key = (module, name)
        if key not in OWN and not restriction.admits(module, name):
            # Below protocol 3 a pickle may have the names of Python 2.
            key = _compat_pickle.NAME_MAPPING.get(key, key)
            key = _compat_pickle.IMPORT_MAPPING.get(key[0], key[0]), key[1]
            if key not in OWN and not restriction.admits(*key):
                raise refused_name(module, name)
        found = find_class(module, name)
        if key not in OWN and not restriction.admits_object(*key, found):
            raise refused_object(*key, found)
        return found

    return find
