"""Serializers with faults, for other processes to import; each is right but for one thing."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
import warnings
from typing import Any

from brinery.testing.league.contender import Contender
from brinery.testing.league.objects import Plain, Text, counter
from brinery.testing.league.probe import BY_USE, BY_VALUE, Probe


class Right(Contender):
    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(self.changed(obj))

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)

    def changed(self, obj: Any) -> Any:
        return obj


class ListsForTuples(Right):
    def changed(self, obj: Any) -> Any:
        return list(obj) if type(obj) is tuple else obj


class OneForTrue(Right):
    def changed(self, obj: Any) -> Any:
        return [1 if each is True else each for each in obj] if type(obj) is list else obj


class BaseForSubclass(Right):
    def changed(self, obj: Any) -> Any:
        return str(obj) if isinstance(obj, str) else obj


class CopiesForShared(Right):
    def dumps(self, obj: Any) -> bytes:
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        pickler.fast = True
        pickler.dump(obj)
        return file.getvalue()


class SharedForEqual(Right):
    def changed(self, obj: Any) -> Any:
        return [obj[0]] * 2 if type(obj) is list and obj[0] == obj[-1] else obj


class Clears(Right):
    def dumps(self, obj: Any) -> bytes:
        data = pickle.dumps(obj)
        if type(obj) is list:
            obj.clear()
        return data


class Warns(ListsForTuples):
    def dumps(self, obj: Any) -> bytes:
        warnings.warn("tuples become lists", stacklevel=1)
        return super().dumps(obj)


class Refuses(Right):
    def dumps(self, obj: Any) -> bytes:
        raise TypeError("no objects, please")


class ReadsNothing(Right):
    def loads(self, data: bytes) -> Any:
        raise EOFError


class Aborts(Right):
    def dumps(self, obj: Any) -> bytes:
        if type(obj) is tuple:
            os.abort()
        return super().dumps(obj)


class AbortsWhenItReads(Right):
    def loads(self, data: bytes) -> Any:
        found = super().loads(data)
        if type(found) is tuple:
            os.abort()
        return found


class Leaves(Right):
    def dumps(self, obj: Any) -> bytes:
        sys.exit(3)


class Hangs(Right):
    def loads(self, data: bytes) -> Any:
        found = super().loads(data)
        if type(found) is tuple:
            time.sleep(60)
        return found


class CountsFromZero(Right):
    """Makes closures again, each with a variable of its own."""

    def dumps(self, obj: Any) -> bytes:
        return b""

    def loads(self, data: bytes) -> Any:
        return [counter(3)[0], counter(3)[1]]


class CountsTogether(CountsFromZero):
    def loads(self, data: bytes) -> Any:
        return list(counter(3))


class Answers(Right):
    def changed(self, obj: Any) -> Any:
        return memoryview(b"xyz") if type(obj) is memoryview else obj

    def dumps(self, obj: Any) -> bytes:
        return bytes(obj)[::-1]

    def loads(self, data: bytes) -> Any:
        return memoryview(data)


def _shared() -> Any:
    held = [1]
    return [held, Plain(held=held)]


PROBES = {
    "data": {
        "list": Probe(lambda: [1, "a"]),
        "tuple": Probe(lambda: (1, "a")),
        "true": Probe(lambda: [True, 2]),
        "text": Probe(lambda: Text("a")),
        "twins": Probe(lambda: [[1], [1]]),
        "shared": Probe(_shared),
    },
    "other": {
        "closures": Probe(
            lambda: list(counter(3)), lambda obj: (obj[1](), obj[0]()), judge=BY_VALUE
        ),
        "closures, not used": Probe(lambda: list(counter(3)), judge=BY_VALUE),
        "view": Probe(lambda: memoryview(b"abc"), bytes, judge=BY_USE),
        "nothing": Probe(lambda: 1, requires=("no_such_module_at_all",)),
    },
}
