"""Exceptions with an `__init__` of their own come back; what could never be loaded is refused."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from brinery import MemoryStore, Persistable, Trust, UnsupportedObjectError
from brinery.ids import name_of

each_codec = pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
each_protocol = pytest.mark.parametrize("protocol", [0, 2, 4, 5])


class StepFailed(Exception):
    """Takes other arguments than it passes on."""

    made = 0

    def __init__(self, step: str, code: int) -> None:
        super().__init__(f"step {step} ended with {code}")
        self.step = step
        type(self).made += 1


class Noted(StepFailed):
    """Inherits its `__init__`."""


class Failed(Persistable, RuntimeError):
    """Has a record of its own."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.cause: Any = None


class Slotted(Exception):
    """Has more than pickle keeps of exceptions."""

    __slots__ = ("code",)

    def __init__(self, step: str, code: int) -> None:
        super().__init__(step)
        self.code = code


class Full(OSError):
    """Is made by the constructor of OSError, which its arguments are for."""

    def __init__(self, path: str) -> None:
        super().__init__(28, "full", path)


class Stopped(SystemExit):
    """Takes what it passes on."""

    def __init__(self, code: int) -> None:
        super().__init__(code)


class Proxy:
    """Asks its target for all that it has not itself, before it has one."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


class SafeProxy(Proxy):
    """Knows better."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return super().__getattr__(name)


class StatefulProxy(Proxy):
    """Sets its own state."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


def kept(obj: Any, codec: str, protocol: int) -> Any:
    with MemoryStore(codec=codec, protocol=protocol) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        return store.load(id_)


@each_codec
@each_protocol
def test_an_exception_comes_back_without_its_constructor(codec: str, protocol: int) -> None:
    """With its arguments, attributes and notes; one object in two places."""
    error = Noted("plot", 3)
    error.add_note("at night")
    before = Noted.made
    first, second = kept([error, error], codec, protocol)
    assert first is second
    assert type(first) is Noted
    assert first.args == ("step plot ended with 3",)
    assert str(first) == str(error)
    assert vars(first) == vars(error)
    assert Noted.made == before


@each_codec
@each_protocol
def test_a_persistable_exception_comes_back(codec: str, protocol: int) -> None:
    """In a cycle with itself, too."""
    error = Failed(reason="disk full")
    error.cause = [error]
    found = kept(error, codec, protocol)
    assert type(found) is Failed
    assert found.args == ("disk full",)
    assert found.cause[0] is found


def test_pickle_alone_reads_the_exception() -> None:
    """Nothing of brinery is named for it."""
    with MemoryStore() as store:
        id_ = store.save([StepFailed("plot", 3)])
        (found,) = pickle.loads(store.backend.get(name_of(id_))[0])
    assert type(found) is StepFailed
    assert found.step == "plot"


def test_a_policy_admits_it_by_its_class() -> None:
    """As before."""
    with MemoryStore(trust=Trust(classes=["tests.codecs.test_bare.*"])) as store:
        id_ = store.save([StepFailed("plot", 3)])
        store.invalidate_cache()
        assert store.load(id_)[0].step == "plot"


@each_codec
@pytest.mark.parametrize("make", [lambda: Slotted("plot", 3), lambda: Full("/tmp")])
def test_an_exception_that_its_class_would_not_make_again_is_refused(codec: str, make: Any) -> None:
    """When it is saved, with the place and what to do."""
    with MemoryStore(codec=codec) as store:
        with pytest.raises(UnsupportedObjectError, match="could not be loaded") as caught:
            store.save({"name": "night run", "error": make()})
        assert caught.value.object_path == "['error']"
        assert "__reduce__" in caught.value.reason
        assert "codec=" not in str(caught.value)
        assert store.list() == []


@each_codec
def test_an_exception_that_takes_its_arguments_is_kept(codec: str) -> None:
    """It is made by a call."""
    found = kept([Stopped(3)], codec, 5)[0]
    assert (type(found), found.code) == (Stopped, 3)


@each_codec
@each_protocol
def test_a_proxy_that_asks_for_ever_is_refused(codec: str, protocol: int) -> None:
    """Its `__getattr__` is called once for its class, and not for each object."""
    with MemoryStore(codec=codec, protocol=protocol) as store:
        for obj, path in (({"a": [Proxy([1])]}, "['a'][0]"), (Proxy([1]), None)):
            with pytest.raises(UnsupportedObjectError, match="__getattr__ calls itself") as caught:
                store.save(obj)
            assert caught.value.object_path == path
        assert store.list() == []


@each_codec
@each_protocol
def test_other_proxies_are_kept(codec: str, protocol: int) -> None:
    """By a check of the name, or by a state of their own."""
    for made in (SafeProxy([1]), StatefulProxy([1])):
        if protocol < 2 and type(made) is StatefulProxy:
            continue  # copyreg asks the bare object, before any state
        found = kept([made], codec, protocol)[0]
        assert type(found) is type(made)
        assert found.target == [1]
        assert found.count(1) == 1
