"""A `MemoryError` stays one: it says nothing about an object, a record or a codec."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from brinery import IdFactory, MemoryStore, Persistable, Store, upgrades
from brinery.errors import DecodeError, pass_memory_error
from brinery.evolution import upgrades as upgrades_module

CODECS = ["pickle", "cloudpickle", "dill", "auto", ["msgpack", "pickle"], ["pickle", "dill"]]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=str)


class Odd(Persistable):
    """Runs out of memory where it is told to."""

    fails_to_save = fails_to_load = False
    n: Any
    other: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __getstate__(self) -> Any:
        if Odd.fails_to_save:
            raise MemoryError
        return self.__dict__

    def __setstate__(self, state: Any) -> None:
        if Odd.fails_to_load:
            raise MemoryError
        self.__dict__.update(state)


@pytest.fixture(autouse=True)
def _reset() -> Any:
    yield
    Odd.fails_to_save = Odd.fails_to_load = False


@each_codec
def test_a_save_raises_it(codec: Any) -> None:
    """Also of an object that is reached, of one that is stored already, and of a plain one."""
    store = MemoryStore(codec=codec)
    kept = Odd(n=1)
    store.save(kept, "kept")
    Odd.fails_to_save = True
    kept.n = 2
    for obj in (Odd(), [Odd()], kept, {"a": [1, Odd()]}):
        with pytest.raises(MemoryError):
            store.save(obj)
    assert store.list() == ["kept"]


@each_codec
def test_a_load_raises_it(codec: Any) -> None:
    """Also in a cycle, and of an object that is reached."""
    store = MemoryStore(codec=codec)
    one = Odd()
    one.other = Odd(other=one)
    ids = [store.save(one), store.save([one])]
    store.invalidate_cache()
    Odd.fails_to_load = True
    for id in ids:
        with pytest.raises(MemoryError):
            store.load(id)
        with pytest.raises(MemoryError):
            store.load(id, missing="placeholder")
    Odd.fails_to_load = False
    assert store.load(ids[0]).other.other is store.load(ids[0])


def test_a_record_of_another_codec_keeps_it_too() -> None:
    """The codec of the record is tried first, and its error is not taken for a change."""
    store = MemoryStore(codec="dill")
    store.save(Odd(n=1), "odd")
    for codec in ("pickle", "auto"):
        other = Store(store.backend, codec=codec)
        odd = other.load("odd")
        Odd.fails_to_save = True
        with pytest.raises(MemoryError):
            other.save(odd)
        Odd.fails_to_save = False
        assert other.info("odd").codec == "dill"


@pytest.mark.parametrize("codec", ["json", "msgpack", "pickle"])
def test_a_codec_without_hooks_raises_what_it_asks_for(codec: str) -> None:
    """It asks the store for the ID of an object, here of a factory that has no memory."""

    class Full(IdFactory):
        def new(self, obj: Any) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        MemoryStore(Full(), codec=codec).save({"a": [Odd()]}, "root")


def test_an_upgrade_raises_it() -> None:
    """It comes from code of the user."""

    class Local(Persistable):
        """Gets a version."""

        def __init__(self) -> None:
            self.n = 1

    def fail(state: Any) -> Any:
        raise MemoryError

    Local.__qualname__ = "Local"
    globals()["Local"] = Local
    store = MemoryStore()
    id = store.save(Local())
    upgrades(Local, to=2)(fail)
    try:
        store.invalidate_cache()
        with pytest.raises(MemoryError):
            store.load(id)
    finally:
        del upgrades_module._steps[Local]
        del globals()["Local"]


def test_only_an_error_that_it_caused_is_replaced() -> None:
    """An error that is raised after a `MemoryError` was handled is another one."""
    first, second = MemoryError(), DecodeError("second")
    second.__context__ = first
    pass_memory_error(second)
    second.__cause__ = first
    with pytest.raises(MemoryError) as caught:
        pass_memory_error(second)
    assert caught.value is first


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack", "auto"])
def test_a_process_without_memory_gets_it(codec: str) -> None:
    """With a real limit, which is too low for a save; a load may find enough in what that has released."""
    code = """
import resource, sys
from brinery import MemoryStore
store = MemoryStore(codec=sys.argv[1])
kept = ["x" * 1000 + str(i) for i in range(20_000)]
store.save(kept, "kept")
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
store.invalidate_cache()
resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 20), -1))
for call in (lambda: store.save([kept, "y"], "more"), lambda: store.load("kept")):
    try:
        call()
    except BaseException as error:
        print(type(error).__name__)
    else:
        print("done")
"""
    arguments = [sys.executable, "-c", code, codec]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["MemoryError", "MemoryError"], ["MemoryError", "done"])
