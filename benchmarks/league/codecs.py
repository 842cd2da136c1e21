"""Serializers of others, each used as its documentation advises.

A class has the `title` of its row, the `packages` whose versions are shown, and the `advice` that it follows.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from brinery.testing.league.contender import Contender


class Other(Contender):
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """The distributions; none for the standard library."""
    advice: ClassVar[str] = ""
    protocols: ClassVar[tuple[int, ...]] = ()


class Pickle(Other):
    title, protocols = "pickle", tuple(range(6))
    advice = "`dumps(obj, protocol)`"

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol

    def dumps(self, obj: Any) -> bytes:
        import pickle

        return pickle.dumps(obj, self.protocol)

    def loads(self, data: bytes) -> Any:
        import pickle

        return pickle.loads(data)


class Cloudpickle(Pickle):
    title, packages = "cloudpickle", ("cloudpickle",)

    def dumps(self, obj: Any) -> bytes:
        import cloudpickle

        data: bytes = cloudpickle.dumps(obj, self.protocol)
        return data


class Dill(Pickle):
    title, packages = "dill", ("dill",)
    options: ClassVar[dict[str, bool]] = {}

    def dumps(self, obj: Any) -> bytes:
        import dill

        data: bytes = dill.dumps(obj, self.protocol, **self.options)
        return data

    def loads(self, data: bytes) -> Any:
        import dill

        return dill.loads(data)


class DillRecurse(Dill):
    title, protocols, options = "dill, recurse", (4,), {"recurse": True}
    advice = (
        "`dumps(obj, protocol, recurse=True)`: the globals that a function uses are written with it"
    )


class DillByReference(Dill):
    title, protocols, options = "dill, byref", (4,), {"byref": True}
    advice = "`dumps(obj, protocol, byref=True)`: classes are written by name, as by pickle"


class Marshal(Other):
    title, protocols = "marshal", (2, 4)
    advice = "`dumps(obj, version)`; its documentation says that it is not a general module for persistence"

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol

    def dumps(self, obj: Any) -> bytes:
        import marshal

        return marshal.dumps(obj, self.protocol)

    def loads(self, data: bytes) -> Any:
        import marshal

        return marshal.loads(data)


class Json(Other):
    title, advice = "json", "`dumps(obj)`"

    def dumps(self, obj: Any) -> bytes:
        import json

        return json.dumps(obj).encode()

    def loads(self, data: bytes) -> Any:
        import json

        return json.loads(data)


class Orjson(Other):
    title, packages, advice = "orjson", ("orjson",), "`dumps(obj)`"
    options: ClassVar[tuple[str, ...]] = ()

    def dumps(self, obj: Any) -> bytes:
        import orjson

        option = 0
        for name in self.options:
            option |= getattr(orjson, name)
        return orjson.dumps(obj, option=option)

    def loads(self, data: bytes) -> Any:
        import orjson

        return orjson.loads(data)


class OrjsonExact(Orjson):
    title = "orjson, passing through"
    options = ("OPT_PASSTHROUGH_DATACLASS", "OPT_PASSTHROUGH_DATETIME", "OPT_PASSTHROUGH_SUBCLASS")
    advice = "its options OPT_PASSTHROUGH_*: what has no form in JSON goes to `default`, and there is none"


class Msgpack(Other):
    title, packages = "msgpack", ("msgpack",)
    advice = "`packb(obj)`, `unpackb(data)`"
    options: ClassVar[dict[str, bool]] = {}

    def dumps(self, obj: Any) -> bytes:
        import msgpack

        packed: bytes = msgpack.packb(obj, **self.options)
        return packed

    def loads(self, data: bytes) -> Any:
        import msgpack

        return msgpack.unpackb(data, strict_map_key=not self.options)


class MsgpackExact(Msgpack):
    title, options = "msgpack, strict types", {"strict_types": True}
    advice = (
        "`packb(obj, strict_types=True)`, for accurate serialization of Python types; "
        "`unpackb(data, strict_map_key=False)`, for keys of any type"
    )


class Ormsgpack(Other):
    title, packages, advice = "ormsgpack", ("ormsgpack",), "`packb(obj)`, `unpackb(data)`"
    options: ClassVar[tuple[str, ...]] = ()
    reading: ClassVar[tuple[str, ...]] = ()

    def _option(self, names: tuple[str, ...]) -> int | None:
        import ormsgpack

        option = 0
        for name in names:
            option |= getattr(ormsgpack, name)
        return option or None

    def dumps(self, obj: Any) -> bytes:
        import ormsgpack

        packed: bytes = ormsgpack.packb(obj, option=self._option(self.options))
        return packed

    def loads(self, data: bytes) -> Any:
        import ormsgpack

        return ormsgpack.unpackb(data, option=self._option(self.reading))


class OrmsgpackExact(Ormsgpack):
    title = "ormsgpack, passing through"
    options = (
        *("OPT_PASSTHROUGH_DATACLASS", "OPT_PASSTHROUGH_DATETIME", "OPT_PASSTHROUGH_SUBCLASS"),
        *("OPT_PASSTHROUGH_TUPLE", "OPT_PASSTHROUGH_UUID", "OPT_PASSTHROUGH_ENUM"),
        "OPT_NON_STR_KEYS",
    )
    reading = ("OPT_NON_STR_KEYS",)
    advice = (
        "its options OPT_PASSTHROUGH_*: what has no form of its own goes to `default`, and there is none; "
        "OPT_NON_STR_KEYS"
    )


class MsgspecMsgpack(Other):
    title, packages = "msgspec.msgpack", ("msgspec",)
    advice = "`encode(obj)`; `decode(data)` without a type, for no probe says which type it has"

    def dumps(self, obj: Any) -> bytes:
        import msgspec

        encoded: bytes = self._of(msgspec).encode(obj)
        return encoded

    def loads(self, data: bytes) -> Any:
        import msgspec

        return self._of(msgspec).decode(data)

    def _of(self, msgspec: Any) -> Any:
        return msgspec.msgpack


class MsgspecJson(MsgspecMsgpack):
    title = "msgspec.json"

    def _of(self, msgspec: Any) -> Any:
        return msgspec.json


class Cbor2(Other):
    title, packages, advice = "cbor2", ("cbor2",), "`dumps(obj)`"
    options: ClassVar[dict[str, Any]] = {}

    def dumps(self, obj: Any) -> bytes:
        import cbor2

        return cbor2.dumps(obj, **self.options)

    def loads(self, data: bytes) -> Any:
        import cbor2

        return cbor2.loads(data)


class Cbor2Sharing(Cbor2):
    title, options = "cbor2, value sharing", {"value_sharing": True}
    advice = "`dumps(obj, value_sharing=True)`, for repeated values and cycles"


class Jsonpickle(Other):
    title, packages = "jsonpickle", ("jsonpickle",)
    advice = (
        "`encode(obj, keys=True)`, for keys that are no strings, and `decode(text, keys=True)`; "
        "its handlers of numpy and pandas are registered"
    )

    def __init__(self) -> None:
        from importlib.util import find_spec

        if find_spec("numpy"):
            from jsonpickle.ext import numpy

            numpy.register_handlers()
        if find_spec("pandas"):
            from jsonpickle.ext import pandas

            pandas.register_handlers()

    def dumps(self, obj: Any) -> bytes:
        import jsonpickle

        text: str = jsonpickle.encode(obj, keys=True)
        return text.encode()

    def loads(self, data: bytes) -> Any:
        import jsonpickle

        return jsonpickle.decode(data.decode(), keys=True)


class Yaml(Other):
    title, packages = "PyYAML", ("PyYAML",)
    advice = "`dump(obj, sort_keys=False)` and `unsafe_load(text)`, which take any Python object"

    def dumps(self, obj: Any) -> bytes:
        import yaml

        text: str = yaml.dump(obj, sort_keys=False)
        return text.encode()

    def loads(self, data: bytes) -> Any:
        import yaml

        return yaml.unsafe_load(data)


class Joblib(Other):
    title, packages = "joblib", ("joblib",)
    advice = "`dump(obj, file)`, not compressed; `load(file)`"

    def dumps(self, obj: Any) -> bytes:
        import joblib

        file = BytesIO()
        joblib.dump(obj, file)
        return file.getvalue()

    def loads(self, data: bytes) -> Any:
        import joblib

        return joblib.load(BytesIO(data))


class Klepto(Other):
    title, packages = "klepto", ("klepto", "dill")
    advice = "`dir_archive(name, cached=False)`, serialized, by dill, the default"

    def write(self, obj: Any, path: Path) -> None:
        from klepto.archives import dir_archive

        dir_archive(str(path), cached=False)["probe"] = obj

    def read(self, path: Path) -> Any:
        from klepto.archives import dir_archive

        return dir_archive(str(path), cached=False)["probe"]


class Pyfory(Other):
    title, packages = "pyfory, as a drop-in for pickle", ("pyfory",)
    advice = '`Fory(xlang=False, ref=True, strict=False)`, its "drop-in replacement for pickle"'
    options: ClassVar[dict[str, Any]] = {"strict": False}

    def __init__(self) -> None:
        import pyfory

        self.fory: Any = pyfory.Fory(xlang=False, ref=True, **self.options)

    def dumps(self, obj: Any) -> bytes:
        data: bytes = self.fory.dumps(obj)
        return data

    def loads(self, data: bytes) -> Any:
        return self.fory.loads(data)


class PyforyNotCompatible(Pyfory):
    title, options = "pyfory, not compatible", {"strict": False, "compatible": False}
    advice = (
        "the same with `compatible=False`, without which another process cannot read plain classes"
    )


class PyforyStrict(Pyfory):
    title, options = "pyfory, strict", {"strict": True}
    advice = "`Fory(xlang=False, ref=True, strict=True)`; the classes of the probes are registered"

    def __init__(self) -> None:
        from brinery.testing import kinds
        from brinery.testing.league import objects

        super().__init__()
        for module in (objects, kinds):
            for cls in vars(module).values():
                if isinstance(cls, type) and cls.__module__ == module.__name__:
                    self._register(cls)

    def _register(self, cls: type) -> None:
        try:
            self.fory.register(cls)
        except Exception:  # noqa: BLE001 - a class that it does not take: its objects will be refused
            return


OTHERS: tuple[type[Other], ...] = (
    *(Pickle, Cloudpickle, Dill, DillRecurse, DillByReference, Joblib, Klepto),
    *(Pyfory, PyforyNotCompatible, PyforyStrict),
    *(Jsonpickle, Yaml, Cbor2, Cbor2Sharing, Msgpack, MsgpackExact, Ormsgpack, OrmsgpackExact),
    *(MsgspecMsgpack, MsgspecJson, Orjson, OrjsonExact, Json, Marshal),
)
