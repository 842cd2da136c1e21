"""What codecs that write functions and classes by value do beyond the contract, as tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from brinery import MemoryStore
from brinery.testing import samples
from brinery.testing.samples import Node

CLASSES = '''
import sys
from brinery import FilesystemStore, Persistable

class Plain:
    """Not persistable."""
    def __init__(self, value):
        self.value = value
    def twice(self):
        return type(self)(self.value * 2)

class Task(Persistable):
    kind = "task"
    def __init__(self, name, part=None):
        self.name, self.part = name, part
        self.kind_of = Task.kind
    def shout(self):
        return Sub.prefix + self.name.upper()

class Sub(Task):
    prefix = "sub "
    base = Task
    def __init__(self, *args):
        super().__init__(*args)

Task.sub = Sub
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
'''
SAVE = """
one = Task("one", Plain(1))
two = Sub("two", [one])
store.save_many([one, two, Plain(3), [Plain(4), Task("three")], Task],
                ["one", "two", "plain", "list", "class"])
"""
LOAD_ELSEWHERE = """
import sys
from brinery import FilesystemStore
store = FilesystemStore(sys.argv[1])
one = store.load("one"); two = store.load("two"); plain = store.load("plain")
found = store.load("list"); Task = store.load("class")
assert type(one) is Task is type(two).__mro__[1] is type(found[1]) is Task.sub.base
assert type(two) is Task.sub
assert type(plain) is type(one.part) is type(found[0]) is type(plain.twice())
assert two.part[0] is one
assert (one.shout(), two.shout(), plain.twice().value) == ("sub ONE", "sub TWO", 6)
store.invalidate_cache()
assert type(store.load("one")) is Task
print("one class")
"""
LOAD_IN_THE_SAME_SCRIPT = """
one = store.load("one"); two = store.load("two"); plain = store.load("plain")
assert type(one) is Task and type(two) is Sub and type(plain) is Plain
assert type(one.part) is Plain and two.part[0] is one and store.load("class") is Task
assert isinstance(two, Task)
print("the script's own")
"""
CHANGED = CLASSES.replace('kind = "task"', 'kind = "changed"')
LOAD_IN_A_CHANGED_SCRIPT = """
one = store.load("one")
assert type(one).__name__ == "Task" and type(one).kind == "task" and Task.kind == "changed"
print("the class as it was")
"""
HOLDS_AN_OBJECT = """
from brinery import FilesystemStore, Persistable
import sys
class Config(Persistable):
    def __init__(self, x):
        self.x = x
class Task(Persistable):
    default = Config(1)
    def get(self):
        return type(self).default
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""


def output(code: str, *arguments: str) -> str:
    """Run code in a fresh Python; return what it prints."""
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


class ByValueTests:
    """Subclass, and name the codec."""

    codec: ClassVar[str]

    def _script(self, directory: Path, *parts: str, seed: str = "random") -> str:
        # A file, not -c: functions and classes need a source for nothing, but users have one.
        script = directory / "script.py"
        script.write_text("".join(parts))
        run = subprocess.run(
            [sys.executable, str(script), str(directory / "store"), self.codec],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def _again(self, obj: Any) -> Any:
        with MemoryStore(codec=self.codec) as store:
            id_ = store.save(obj)
            store.invalidate_cache()
            return store.load(id_)

    # -- functions

    def test_lambdas_and_nested_functions_can_be_called(self) -> None:
        """With their defaults, attributes and what they captured."""

        def outer(x: int, *, factor: int = 2) -> int:
            def inner(y: int) -> int:
                return y * factor + len(text)

            return inner(x)

        text = "abc"
        outer.note = ["n"]  # type: ignore[attr-defined]
        found = self._again({"f": outer, "g": lambda x=5: x + 1})
        assert (found["f"](4), found["f"](4, factor=3), found["g"]()) == (11, 15, 6)
        assert found["f"].note == ["n"]

    def test_a_function_may_refer_to_itself(self) -> None:
        """By its own name, as a recursive nested function does."""

        def factorial(n: int) -> int:
            return 1 if n < 2 else n * factorial(n - 1)

        assert self._again(factorial)(6) == 720

    def test_a_captured_object_is_the_one_that_others_hold(self) -> None:
        """Two closures in two records capture one persistable object."""
        shared = Node("shared", count=0)
        with MemoryStore(codec=self.codec) as store:
            ids = store.save_many([Node("a", get=samples.getter(shared)), samples.getter(shared)])
            store.invalidate_cache()
            first, second = store.load_many(ids)
            assert first.get() is second()
            assert first.get() is not shared
            assert len(store) == 3

    def test_a_callback_may_capture_its_owner(self) -> None:
        """A cycle through a closure."""
        owner = Node("owner")
        owner.callback = lambda: owner  # type: ignore[attr-defined]
        found = self._again(owner)
        assert found.callback() is found

    def test_bound_methods_are_bound_to_the_loaded_object(self) -> None:
        """Of a persistable object, and of one of a local class."""
        cls = samples.local_class()
        table = Node("table", get=cls(2).capped)
        assert self._again(table).get() == 2
        key = samples.Key("a")
        found = self._again([key, key.__hash__])
        assert found[1].__self__ is found[0]

    # -- classes

    def test_a_class_of_main_is_one_class_elsewhere(self, tmp_path: Path) -> None:
        """However many records hold its objects, and however they are loaded."""
        self._script(tmp_path, CLASSES, SAVE)
        assert output(LOAD_ELSEWHERE, str(tmp_path / "store")) == "one class"

    def test_a_class_of_main_is_that_of_the_script(self, tmp_path: Path) -> None:
        """When the same script runs again, loaded objects are instances of its own classes."""
        self._script(tmp_path, CLASSES, SAVE)
        assert self._script(tmp_path, CLASSES, LOAD_IN_THE_SAME_SCRIPT) == "the script's own"

    def test_a_class_that_was_changed_is_not_that_of_the_script(self, tmp_path: Path) -> None:
        """The record has the class as it was; the script's own is another one."""
        self._script(tmp_path, CLASSES, SAVE)
        found = self._script(tmp_path, CHANGED, LOAD_IN_A_CHANGED_SCRIPT)
        assert found == "the class as it was"

    def test_objects_of_one_class_from_two_runs_are_of_one_class(self, tmp_path: Path) -> None:
        """What the script saves in two runs is of one class for whoever loads it."""
        for name in ("first", "second"):
            self._script(tmp_path, CLASSES, f"store.save(Task('x', Plain(1)), '{name}')")
        code = """
import sys
from brinery import FilesystemStore
store = FilesystemStore(sys.argv[1])
assert type(store.load("first")) is type(store.load("second"))
assert type(store.load("first").part) is type(store.load("second").part)
print("one class")
"""
        assert output(code, str(tmp_path / "store")) == "one class"

    def test_a_class_is_the_same_whatever_the_seed_of_hashes(self, tmp_path: Path) -> None:
        """Sets in its attributes and in the constants of its methods are in another order then."""
        classes = """
import sys
from brinery import FilesystemStore
class Shop:
    open = {"monday", "tuesday", "friday", "sunday"}
    def is_open(self, day):
        return day in {"monday", "tuesday", "friday", "sunday"}
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""
        self._script(tmp_path, classes, "store.save(Shop(), 'shop')", seed="1")
        code = "print(type(store.load('shop')) is Shop)"
        found = {self._script(tmp_path, classes, code, seed=seed) for seed in "23456"}
        assert found == {"True"}

    def test_a_class_may_hold_a_persistable_object(self, tmp_path: Path) -> None:
        """It is saved as a record of its own, and shared with whoever else refers to it."""
        save = "task = Task(); store.save([task, Task.default], 'list'); print(len(store))"
        assert self._script(tmp_path, HOLDS_AN_OBJECT, save) == "3"
        code = """
import sys
from brinery import FilesystemStore
task, default = FilesystemStore(sys.argv[1]).load("list")
assert task.get() is default and default.x == 1
print("shared")
"""
        assert output(code, str(tmp_path / "store")) == "shared"

    def test_local_classes_of_one_process_stay_themselves(self) -> None:
        """In the process that made a class, its objects come back as instances of it."""
        cls, other = samples.local_class(), samples.local_class()
        found = self._again([cls(1), other(2), cls, other])
        assert [type(found[0]), type(found[1])] == found[2:]
        assert found[2] is cls
        assert found[3] in (cls, other)  # they are equal in all but identity

    def test_mutually_referring_local_classes_come_back(self) -> None:
        """By base, attribute and method."""

        class One:
            def other(self) -> Any:
                return Two()

        class Two(One):
            first = One

        One.second = Two  # type: ignore[attr-defined]
        found = self._again([One(), Two()])
        assert type(found[0].other()) is type(found[1])
        assert type(found[0]).second is type(found[1])
        assert type(found[1]).first is type(found[0])

    def test_dataclasses_and_enumerations_of_main_come_back(self, tmp_path: Path) -> None:
        """Classes that are made by decorators and metaclasses."""
        classes = """
import sys, enum, dataclasses, typing, abc
from brinery import FilesystemStore, Persistable
class Colour(enum.Enum):
    RED = 1
    def lower(self): return self.name.lower()
@dataclasses.dataclass(frozen=True, slots=True)
class Point(Persistable):
    x: int
    colour: Colour = Colour.RED
class Pair(typing.NamedTuple):
    left: int
    right: Point
class Base(abc.ABC):
    @abc.abstractmethod
    def run(self): ...
class Derived(Base):
    __slots__ = ("a",)
    def run(self): return self.a
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""
        save = """
derived = Derived(); derived.a = 5
store.save([Point(1), Pair(2, Point(3)), derived, Colour.RED, {Point(1): 1}], "all")
"""
        self._script(tmp_path, classes, save)
        code = """
import sys
from brinery import FilesystemStore
point, pair, derived, red, table = FilesystemStore(sys.argv[1]).load("all")
assert type(pair.right) is type(point) and (point.x, pair.left, pair.right.x) == (1, 2, 3)
assert point.colour is red is type(red).RED and red.lower() == "red"
assert derived.run() == 5 and table[type(point)(1)] == 1
print("all")
"""
        assert output(code, str(tmp_path / "store")) == "all"
