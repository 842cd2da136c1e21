"""Advice names only what was tried, and an object of a former class is told by that."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from brinery import EncodeError, MemoryStore, Persistable, Trust, UnsupportedObjectError


class Plain:
    """An object of a module."""


class Task(Persistable):
    """A persistable object."""


def generator() -> Iterator[int]:
    yield 1


def refused(obj: Any, codec: Any = "pickle", **options: Any) -> EncodeError:
    with MemoryStore(codec=codec, **options) as store, pytest.raises(EncodeError) as caught:
        store.save(obj, "x")
    return caught.value


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack", "auto"])
def test_no_codec_is_advised_for_a_generator(codec: str) -> None:
    """None keeps one; the error says what else to do."""
    error = refused({"jobs": [generator()]}, codec)
    assert error.object_path == "['jobs'][0]"
    assert error.advice
    assert "codec=" not in error.advice
    if codec != "msgpack":
        assert "store the values" in error.advice


@pytest.mark.parametrize(
    ("obj", "codec", "advised"),
    [
        ([lambda: 1], "pickle", "cloudpickle"),
        ([threading.Lock()], "pickle", "dill"),
        ([threading.Lock()], "cloudpickle", "dill"),
        ([(1, 2)], "json", "msgpack"),
        ([Plain()], "json", "pickle"),
        ([Plain()], "msgpack", "pickle"),
        ([lambda: 1], "msgpack", "cloudpickle"),
    ],
)
def test_the_first_codec_that_keeps_the_object_is_advised(
    obj: Any, codec: str, advised: str
) -> None:
    """It was tried, and the save succeeds with it."""
    error = refused(obj, codec)
    assert error.advice is not None
    assert error.advice.endswith(f"codec={advised!r}")
    with MemoryStore(codec=codec) as store:
        store.save(obj, codec=advised)


def test_what_no_codec_keeps_is_left_out_of_a_state() -> None:
    """The way that always works."""
    error = refused([sys._getframe()])
    assert error.advice is not None
    assert "__getstate__" in error.advice
    assert "codec=" not in error.advice


def test_codecs_of_the_chain_and_those_that_are_not_trusted_are_not_advised() -> None:
    """The first have been tried, and the others cannot be loaded here."""
    assert "codec=" not in str(refused([sys._getframe()], "auto"))
    trust = Trust(codecs=["pickle", "cloudpickle"])
    assert "codec=" not in str(refused([threading.Lock()], trust=trust))
    assert "codec='cloudpickle'" in str(refused([lambda: 1], trust=trust))


def test_a_persistable_object_is_not_to_be_made_persistable() -> None:
    """It is; another object may be."""
    assert "persistable" not in (refused(Task(), "msgpack").advice or "")
    assert "make it persistable" in (refused([Plain()], "msgpack").advice or "")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "reloaded_tasks.py").write_text(
        "class Task:\n    class Inner: pass\ndef work(): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield importlib.import_module("reloaded_tasks")
    sys.modules.pop("reloaded_tasks", None)


@pytest.mark.parametrize("codec", ["pickle", "pickle:2"])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda module: module.Task(), "Task"),
        (lambda module: module.Task.Inner(), "Task.Inner"),
        (lambda module: module.Task, "Task"),
        (lambda module: module.work, "work"),
    ],
)
def test_a_reload_is_the_reason_after_a_reload(
    module: ModuleType, codec: str, make: Any, name: str
) -> None:
    """And the advice is to use the present class, which succeeds."""
    obj = make(module)
    importlib.reload(module)
    codec, _, protocol = codec.partition(":")
    error = refused({"a": [obj]}, codec, **({"protocol": int(protocol)} if protocol else {}))
    assert isinstance(error, UnsupportedObjectError)
    assert error.object_path == "['a'][0]"
    assert f"reloaded_tasks.{name} is now: the module was reloaded, or the cell" in error.reason
    assert error.advice is not None
    assert "codec=" not in error.advice
    present: Any = module
    for step in name.split("."):
        present = getattr(present, step)
    if isinstance(obj, type) or callable(obj):
        assert error.advice == f"Use the present reloaded_tasks.{name}"
        obj = present
    else:
        assert error.advice.endswith(f"obj.__class__ = reloaded_tasks.{name}")
        obj.__class__ = present
    MemoryStore(codec=codec).save({"a": [obj]})


def test_another_failure_after_a_reload_is_not_the_reload(module: ModuleType) -> None:
    """What cannot be encoded is inside."""
    task = module.Task()
    task.lock = threading.Lock()
    task.__class__ = module.Task
    error = refused(task)
    assert "lock" in error.reason
    assert error.object_path == ".lock"


def test_a_cell_that_ran_again_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook: the class of the object was in `__main__`."""
    main = sys.modules["__main__"]
    for _ in range(2):
        made = type("Cell", (), {"__module__": "__main__"})
        former = vars(main).get("Cell")
        monkeypatch.setattr(main, "Cell", made, raising=False)
    assert former is not None
    error = refused([former()])
    assert "__main__.Cell is now" in error.reason
    assert "codec=" not in (error.advice or "")
