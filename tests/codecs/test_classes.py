"""Classes by value: which class a reader gets, and what it shares with the record."""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import gc
import os
import subprocess
import sys
import threading
import types
import typing
import weakref
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    DecodeError,
    FilesystemStore,
    MemoryStore,
    Persistable,
    UnsupportedObjectError,
)
from brinery_codecs import functions

CODECS = ["cloudpickle", "dill", "auto"]
OPEN = """
import sys
from brinery import FilesystemStore, Persistable
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    """Return the name of a codec that keeps classes by value."""
    return str(request.param)


class Programs:
    """Runs programs on one store, each in a fresh process."""

    def __init__(self, directory: Path, codec: str) -> None:
        self._directory = directory
        self._codec = codec

    def run(self, source: str, *arguments: str, at: str = "program.py", seed: str = "0") -> str:
        """Run a program that is stored under a path; return what it prints."""
        path = self._directory / at
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        command = [
            sys.executable,
            str(path),
            str(self._directory / "store"),
            self._codec,
            *arguments,
        ]
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()


@pytest.fixture
def programs(tmp_path: Path, codec: str) -> Programs:
    """Return a runner of programs."""
    return Programs(tmp_path, codec)


def again(obj: Any, codec: str) -> Any:
    """Save and load an object."""
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        return store.load(id_)


def of_main(source: str) -> dict[str, Any]:
    """Run the statements of a script; return its variables."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), names)
    return names


# -- a class that is alive stays as it is


def test_a_load_leaves_the_classes_of_the_program_alone(programs: Programs) -> None:
    """Counters and registries on a class go on."""
    source = OPEN + (
        "class Job:\n"
        "    made, index = 0, {}\n"
        "    def __init__(self, name):\n"
        "        Job.made += 1\n"
        "        Job.index[name] = self\n"
        "store.save(Job('first'), 'first')\n"
        "for number in range(9): Job(number)\n"
        "store.invalidate_cache()\n"
        "old = FilesystemStore(sys.argv[1]).load('first')\n"
        "print(Job.made, len(Job.index), isinstance(old, Job))\n"
    )
    assert programs.run(source) == "10 10 True"


def test_a_reader_keeps_what_it_changed_on_a_class(programs: Programs) -> None:
    """A second record of the class does not set its attributes again."""
    classes = OPEN + "class Job:\n    made = 0\n"
    programs.run(classes + "store.save([Job()], 'a'); store.save([Job(), 1], 'b')")
    load = (
        "a = store.load('a')[0]\n"
        "type(a).made = 5\n"
        "b = store.load('b')[0]\n"
        "print(type(b) is type(a), type(a).made)\n"
    )
    assert programs.run(OPEN + load) == "True 5"


def test_what_did_not_change_is_not_written(programs: Programs) -> None:
    """A load and a save of objects of classes by value leave the records as they are."""
    source = OPEN + (
        "import enum, typing\n"
        "T = typing.TypeVar('T')\n"
        "class Box(typing.Generic[T]): pass\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "class Job(Persistable):\n"
        "    kinds = {'a', 'b', 'c', 'd'}\n"
        "    def run(self): return Box, Colour, T, self.kinds\n"
        "if 'save' in sys.argv: store.save([Job(), Box(), Colour.RED, Job.run], 'x')\n"
    )
    check = (
        "before = {id: store.backend.get(id)[1] for id in store.list()}\n"
        "found = store.load('x')\n"
        "store.save(found)\n"
        "print(before == {id: store.backend.get(id)[1] for id in store.list()})\n"
    )
    programs.run(source, "save")
    assert programs.run(source + check, seed="1") == "True"
    assert programs.run(OPEN + check, seed="2") == "True"


# -- the program's own class

CLASSES = """
import dataclasses, enum, sys, typing
from brinery import FilesystemStore, Persistable
KINDS = {"alpha", "beta", "gamma", "delta"}
T = typing.TypeVar("T")
seen = []
class Plain: pass
class UsesSet:
    def check(self, kind): return kind in KINDS and kind in {"alpha", "beta", "gamma"}
class SetOfTuples:
    allowed = {("a", 1), ("b", 2), ("c", 3), ("d", 4)}
class Default:
    def check(self, kind, among=frozenset({"alpha", "beta", "gamma", "delta"})): return kind in among
class Box(typing.Generic[T]): pass
class Protocol(typing.Protocol):
    def run(self) -> int: ...
class Derived(Protocol):
    def run(self) -> int: return 1
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Point:
    x: int = 0
class Nested:
    def make(self):
        class Inner:
            def one(self): self.b = self.a = self.c = 1
        return Inner
class State:
    def __init__(self): seen.append(self)
class Pair(typing.NamedTuple):
    left: int = 1
classes = Plain, UsesSet, SetOfTuples, Default, Box, Derived, Point, Nested, State, Pair
store = FilesystemStore(sys.argv[1], codec=sys.argv[2])
"""
SAVE = """
for cls in classes: store.save([cls()], cls.__name__)
store.save([Colour.RED], "Colour")
"""
OWN = """
own = [isinstance(store.load(cls.__name__)[0], cls) for cls in classes]
own.append(store.load("Colour")[0] is Colour.RED)
print(all(own), *(cls.__name__ for cls, is_own in zip(classes, own) if not is_own))
"""


@pytest.mark.parametrize(
    "source",
    [CLASSES, CLASSES.replace("\nclass ", "\n# A comment.\n\nclass ")],
    ids=["again", "with comments more"],
)
@pytest.mark.parametrize("at", ["program.py", "elsewhere/other.py"])
def test_a_program_gets_its_own_classes(programs: Programs, source: str, at: str) -> None:
    """In another directory, with comments, with other hashes, after it has used them."""
    programs.run(CLASSES + SAVE, seed="1")
    assert programs.run(source + OWN, at=at, seed="2") == "True"


def test_a_cell_that_is_run_again_has_its_own_class(codec: str) -> None:
    """The objects of before are of the class of now."""
    cell = "class Run:\n    def double(self): return 2\n"
    main = vars(sys.modules["__main__"])
    code = compile(cell, "<cell>", "exec")
    with MemoryStore(codec=codec) as store:
        try:
            exec(code, main)
            store["run"] = [main["Run"]()]
            first = main["Run"]
            exec(code, main)
            store.invalidate_cache()
            assert isinstance(store["run"][0], main["Run"])
            assert main["Run"] is not first
        finally:
            main.pop("Run", None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("limit = 1", "limit = 2"),
        ("options = ['a']", "options = ['b']"),
        ("def run(self): return 1", "def run(self): return 2"),
        ("def run(self, x=1): pass", "def run(self, x=2): pass"),
        ("def run(self): return LIMIT", "def run(self): return LIMIT + 0"),
        ("def run(self): return used()", "def run(self): return used() + 1"),
        ("'A docstring.'", "'Another.'"),
    ],
)
def test_a_class_with_another_content_is_another_class(
    tmp_path: Path, before: str, after: str
) -> None:
    """Objects keep the class that they were saved with."""
    programs = Programs(tmp_path, "cloudpickle")
    source = OPEN + "LIMIT = 1\ndef used(): return LIMIT\nclass Job:\n    {}\n"
    programs.run(source.format(before) + "store.save([Job()], 'x')")
    load = "print(isinstance(store.load('x')[0], Job))"
    assert programs.run(source.format(before) + load) == "True"
    assert programs.run(source.format(after) + load) == "False"


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("LIMIT = 1", "LIMIT = 2", False),
        ("def LIMIT(): return 1", "def LIMIT(): return 2", False),
        ("LIMIT = (1, 'a')", "LIMIT = (1, 'b')", False),
        ("LIMIT = []", "LIMIT = [1]", True),
        ("LIMIT = {}", "LIMIT = {1: 1}", True),
        ("LIMIT = []", "LIMIT = {}", False),
    ],
)
def test_constants_are_content_and_the_state_of_a_module_is_not(
    tmp_path: Path, before: str, after: str, is_same: bool
) -> None:
    """A script appends to a list of its own between two saves: it is one class nevertheless."""
    programs = Programs(tmp_path, "cloudpickle")
    source = OPEN + "{}\nclass Job:\n    def run(self): return LIMIT\n"
    programs.run(source.format(before) + "store.save([Job()], 'x')")
    load = "print(isinstance(store.load('x')[0], Job))"
    assert programs.run(source.format(after) + load) == str(is_same)


# -- which classes are one


def plugin(limit: int = 1) -> Any:
    """Make a class."""

    class Plugin:
        handlers: typing.ClassVar[list[str]] = []

        def get(self) -> int:
            return limit

    return Plugin


def test_two_equal_classes_stay_two(programs: Programs) -> None:
    """They were alive together in the process that saved them."""
    source = OPEN + (
        "def make():\n    class Plugin:\n        handlers = []\n    return Plugin\n"
        "first, second = make(), make()\n"
        "store.save([first(), second()], 'both')\n"
        "store.save([first()], 'first'); store.save([second()], 'second')\n"
    )
    programs.run(source)
    load = (
        "a, b = store.load('both')\n"
        "type(a).handlers.append('h')\n"
        "one, two = store.load('first')[0], store.load('second')[0]\n"
        "print(type(a) is type(b), type(b).handlers, type(one) is type(a), type(two) is type(b))\n"
    )
    assert programs.run(OPEN + load) == "False [] True True"


def test_two_equal_classes_of_one_name_stay_two(codec: str) -> None:
    """A cell was run twice, and a record has objects of both classes."""
    main = vars(sys.modules["__main__"])
    made = []
    try:
        for _ in range(2):
            exec("class Plugin:\n    handlers = []\n", main)
            made.append(main["Plugin"])
        first, second = again([made[0](), made[1]()], codec)
        assert {type(first), type(second)} == set(made)
    finally:
        main.pop("Plugin", None)


class Config(Persistable):
    """What a class may hold."""

    def __init__(self, value: int) -> None:
        self.value = value


def deep(value: Any) -> Any:
    """Return a value in 150 lists."""
    for _ in range(150):
        value = [value]
    return value


def innermost(value: Any) -> Any:
    """Return what is in the lists."""
    while isinstance(value, list):
        value = value[0]
    return value


CAPTURED: dict[str, tuple[Any, Any]] = {
    "a persistable object": (Config, lambda config: config.value),
    "a deep list": (deep, innermost),
    "a view": (lambda value: {value: 0}.keys(), lambda view: next(iter(view))),
    "a variable that is assigned": (lambda value: value, lambda value: value),
}


@pytest.mark.parametrize("kind", CAPTURED)
def test_two_classes_of_other_content_never_become_one(codec: str, kind: str) -> None:
    """Where a digest cannot tell all of the content, it is not trusted."""
    make, value_of = CAPTURED[kind]

    def factory(value: int) -> Any:
        held = make(value)

        class Job:
            attribute = held

            def get(self) -> Any:
                nonlocal held
                if held is None:
                    held = 0
                return held

        return Job()

    with MemoryStore(codec=codec) as store:
        for value in (1, 2):
            store[f"job {value}"] = factory(value)
        store.invalidate_cache()
        gc.collect()
        first, second = store.load_many(["job 1", "job 2"])
        assert [value_of(first.get()), value_of(second.get())] == [1, 2]
        assert [value_of(first.attribute), value_of(second.attribute)] == [1, 2]
        before = [store.backend.get(name)[1] for name in ("job 1", "job 2")]
        store.save_many([first, second])
        assert [store.backend.get(name)[1] for name in ("job 1", "job 2")] == before


@pytest.mark.parametrize(
    "constant",
    ["decimal.Decimal({})", "range({})", "datetime.date(2020, 1, {})", "re.compile('{}')"],
)
def test_what_never_changes_is_a_constant(tmp_path: Path, constant: str) -> None:
    """Also where it is not an atom."""
    programs = Programs(tmp_path, "cloudpickle")
    source = OPEN + "import datetime, decimal, re\nLIMIT = {}\n"
    source += "class Job:\n    def run(self): return LIMIT\n"
    for number in "12":
        programs.run(source.format(constant.format(number)) + f"store.save([Job()], 'x{number}')")
    load = "a, b = store.load('x1')[0], store.load('x2')[0]; print(a.run() == b.run())"
    assert programs.run(OPEN + "import datetime, decimal, re\n" + load) == "False"


def test_a_global_of_any_class_is_no_obstacle(codec: str) -> None:
    """A subclass of a dataclass has fields, and no parameters of its own."""
    source = (
        "import dataclasses\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Config:\n    x: int = 1\n"
        "class More(Config): pass\n"
        "CONFIG = More()\n"
        "class Job:\n    def run(self): return CONFIG.x\n"
    )
    assert again([of_main(source)["Job"]()], codec)[0].run() == 1


def test_a_class_that_holds_its_objects_is_not_written_again(programs: Programs) -> None:
    """Making it again sets its attributes in another order."""
    source = OPEN + (
        "class Job:\n"
        "    made = []\n"
        "    def __init__(self): Job.made.append(self)\n"
        "store.save(Job(), 'x')\n"
    )
    programs.run(source)
    check = (
        "before = store.backend.get('x')[1]\n"
        "store.save(store.load('x'))\n"
        "print(store.backend.get('x')[1] == before)\n"
    )
    assert programs.run(OPEN + check) == "True"


def test_what_a_class_captured_is_content(codec: str) -> None:
    """Two classes of one factory differ in what their methods captured."""
    with MemoryStore(codec=codec) as store:
        for limit in (1, 2):
            store.save([plugin(limit)()], f"limit {limit}")
        store.invalidate_cache()
        gc.collect()
        assert [store.load(f"limit {limit}")[0].get() for limit in (1, 2)] == [1, 2]


def test_a_class_ends_with_its_last_object(codec: str) -> None:
    """The store keeps no class alive."""
    with MemoryStore(codec=codec) as store:
        alive: weakref.WeakSet[type] = weakref.WeakSet()
        for limit in range(20):
            store["last"] = obj = [plugin(limit)()]
            alive.add(type(obj[0]))
            store.invalidate_cache()
            alive.add(type(store["last"][0]))
        del obj
        store.clear()
        store.invalidate_cache()
        gc.collect()
        assert len(alive) <= 1


# -- what a class shares with its record


def test_a_class_shares_its_objects_with_the_record(programs: Programs) -> None:
    """Globals, sentinels, variables of an enclosing function, attributes, functions."""
    source = OPEN + (
        "UNSET, seen = object(), {}\n"
        "class Config:\n"
        "    chosen = options = ['a']\n"
        "    def get(self, default=UNSET): return 'nothing' if default is UNSET else default\n"
        "    def put(self, name): seen[name] = 1\n"
        "def read(config): return config.get(UNSET)\n"
        "def names(): return sorted(seen)\n"
        "def account():\n"
        "    total = 0\n"
        "    class Account:\n"
        "        def pay(self, n):\n"
        "            nonlocal total\n"
        "            total += n\n"
        "    return Account(), lambda: total\n"
        "store.save([Config(), read, names, Config.options, Config.get, *account()], 'x')\n"
    )
    programs.run(source)
    load = (
        "config, read, names, options, get, account, balance = store.load('x')\n"
        "config.put('a'); account.pay(7)\n"
        "print(read(config), names(), config.chosen is options, type(config).get is get, balance())\n"
    )
    assert programs.run(OPEN + load) == "nothing ['a'] True True 7"


def test_a_ring_of_records_shares_with_its_class(programs: Programs) -> None:
    """A record whose root is constructed first, and that is decoded again later."""
    source = OPEN + (
        "state = {}\n"
        "class Node(Persistable):\n"
        "    def __init__(self, name): self.name, self.read = name, lambda: state\n"
        "    def write(self): state[self.name] = 1\n"
        "a, b = Node('a'), Node('b')\n"
        "a.next, b.next = b, a\n"
        "store.save_many([a, b], ['a', 'b'])\n"
    )
    programs.run(source)
    load = (
        "a = store.load('a'); a.write()\n"
        "print(type(a) is type(a.next), sorted(a.read()), sorted(a.next.read()))\n"
    )
    # The class is in both records; it goes with the one that was read first.
    assert programs.run(OPEN + load) in ("True ['a'] []", "True [] ['a']")


# -- classes of all kinds


def test_an_enumeration_keeps_aliases_and_the_attributes_of_its_members(programs: Programs) -> None:
    """Members that are functions, too."""
    source = OPEN + (
        "import enum\n"
        "class Colour(enum.Enum):\n"
        "    RED = 1\n"
        "    CRIMSON = 1\n"
        "class Planet(enum.Enum):\n"
        "    EARTH = (5.9, 6.3)\n"
        "    def __init__(self, mass, radius): self.mass, self.radius = mass, radius\n"
        "class Word(str, enum.Enum):\n"
        "    YES = ('yes', 'oui')\n"
        "    def __new__(cls, value, french):\n"
        "        made = str.__new__(cls, value)\n"
        "        made._value_, made.french = value, french\n"
        "        return made\n"
        "def one(): return 1\n"
        "class Make(enum.Enum):\n"
        "    ONE = enum.member(one)\n"
        "class Right(enum.Flag, boundary=enum.KEEP):\n"
        "    READ = 1\n"
        "    WRITE = 2\n"
        "    ALL = 3\n"
        "store.save([Colour.RED, Planet.EARTH, Word.YES, Make.ONE, Right.READ | Right.WRITE], 'x')\n"
    )
    programs.run(source)
    load = (
        "red, earth, yes, one, rights = store.load('x')\n"
        "print(list(type(red).__members__), earth.mass, yes, yes.value, yes.french, one.value(), rights, "
        "type(rights)(8).value)\n"
    )
    found = programs.run(OPEN + load)
    assert found == "['RED', 'CRIMSON'] 5.9 Word.YES yes oui 1 Right.ALL 8"


def test_fields_without_a_default_have_none(programs: Programs) -> None:
    """`dataclasses.MISSING` is known by its identity."""
    source = OPEN + (
        "from dataclasses import dataclass, field, KW_ONLY\n"
        "@dataclass\n"
        "class Job:\n"
        "    name: str\n"
        "    tags: list = field(default_factory=list)\n"
        "    _: KW_ONLY\n"
        "    at: int = 0\n"
        "store.save([Job('a')], 'x')\n"
    )
    programs.run(source)
    load = (
        "from dataclasses import dataclass, fields, MISSING\n"
        "Job = type(store.load('x')[0])\n"
        "@dataclass\n"
        "class Timed(Job):\n    seconds: int = 1\n"
        "print(fields(Job)[0].default is MISSING, Timed('b').tags, fields(Timed)[2].kw_only)\n"
        "try: Timed()\n"
        "except TypeError: print('refused')\n"
    )
    assert programs.run(OPEN + load) == "True [] True\nrefused"


def test_generic_classes_and_what_types_are_made_of(programs: Programs) -> None:
    """Type variables stay one in a record."""
    source = OPEN + (
        "import typing\n"
        "T = typing.TypeVar('T', bound=int)\n"
        "P = typing.ParamSpec('P')\n"
        "UserId = typing.NewType('UserId', int)\n"
        "class Box(typing.Generic[T]):\n"
        "    def __init__(self, value): self.value = value\n"
        "class Row(typing.TypedDict):\n    id: int\n"
        "store.save([Box(1), T, P, UserId, Row], 'x')\n"
    )
    programs.run(source)
    load = (
        "box, T, P, UserId, Row = store.load('x')\n"
        "print(box.value, type(box).__parameters__ == (T,), T.__bound__, P.__name__, UserId(3), Row(id=1),\n"
        "      UserId.__supertype__, type(box)[int])\n"
    )
    expected = "1 True <class 'int'> P 3 {'id': 1} <class 'int'> __main__.Box[int]"
    assert programs.run(OPEN + load) == expected


def test_a_metaclass_with_a_reduction_of_its_own_is_asked(codec: str) -> None:
    """As sympy's undefined functions are written."""
    found = again([Undefined("f"), Undefined("f")], codec)
    assert [cls.__name__ for cls in found] == ["f", "f"]
    assert again([Undefined("g")], "pickle")[0].name == "g"


class _Meta(type):
    name: str


def Undefined(name: str) -> Any:
    """Make a class that is known by its name."""
    return _Meta(name, (), {"name": name, "__module__": None})


copyreg.pickle(_Meta, lambda cls: (Undefined, (cls.name,)))


def test_a_class_that_only_its_statement_can_make_is_refused(codec: str) -> None:
    """The metaclass of `msgspec.Struct` is made in C, and wants the fields."""
    import msgspec

    names = {**of_main(""), "msgspec": msgspec}
    exec("class Point(msgspec.Struct):\n    x: int = 1\n", names)
    with (
        MemoryStore(codec=codec) as store,
        pytest.raises(UnsupportedObjectError, match="move it to a module"),
    ):
        store.save([names["Point"]()])


HOOK = (
    "import abc, typing\n"
    "T = typing.TypeVar('T')\n"
    "class Plugin(abc.ABC, typing.Generic[T]):\n"
    "    registry = {}\n"
    "    def __init_subclass__(cls, *, tag, **others):\n"
    "        super().__init_subclass__(**others)\n"
    "        cls.tag = tag\n"
    "        Plugin.registry[tag] = cls\n"
    "class Job(Plugin[int], tag='job'):\n"
    "    __slots__ = ('a',)\n"
    "    version = 1\n"
)


def test_a_class_that_is_made_is_not_registered_with_its_base(programs: Programs) -> None:
    """`__init_subclass__` ran when the class was made first; its effects are in the record."""
    programs.run(OPEN + HOOK + "job = Job(); job.a = 1; store.save([job], 'x')")
    load = (
        "job = store.load('x')[0]\n"
        "print(job.a, job.version, job.tag, type(job).__mro__[1].registry['job'] is type(job))\n"
        "class More(type(job), tag='more'): pass\n"
        "print(More.tag, type(job).__bases__[0].__name__, type(type(job)).__name__)\n"
    )
    assert programs.run(OPEN + load) == "1 1 job True\nmore Plugin ABCMeta"
    living = (
        "Plugin.registry.clear()\n"
        "class Job(Plugin[int], tag='job'):\n"
        "    __slots__ = ('a',)\n"
        "    version = 2\n"
        "old = store.load('x')[0]\n"
        "print(old.version, isinstance(old, Job), Plugin.registry['job'] is Job)\n"
    )
    assert programs.run(OPEN + HOOK + living) == "1 False True"


# -- functions


def test_functions_find_submodules_through_captured_modules(programs: Programs) -> None:
    """An import inside a function is the usual way to write a task."""
    source = OPEN + (
        "def scope():\n"
        "    import xml.etree.ElementTree\n"
        "    def example(): return xml.etree.ElementTree.Comment.__name__\n"
        "    return example\n"
        "store.save([scope()], 'x')\n"
    )
    programs.run(source)
    assert programs.run(OPEN + "print(store.load('x')[0]())") == "Comment"


def test_cached_functions_are_kept(programs: Programs) -> None:
    """With an empty cache."""
    source = OPEN + (
        "import functools\n"
        "@functools.lru_cache(maxsize=7)\n"
        "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "class Uses:\n"
        "    @functools.cached_property\n"
        "    def size(self): return fib(9)\n"
        "store.save([fib, Uses()], 'x')\n"
    )
    programs.run(source)
    load = (
        "fib, uses = store.load('x'); print(fib(10), fib.cache_parameters()['maxsize'], uses.size)"
    )
    assert programs.run(OPEN + load) == "55 7 34"


def test_the_code_of_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running it would crash the process."""
    with MemoryStore(codec="cloudpickle") as store:
        with monkeypatch.context() as other:
            other.setattr(functions, "_BYTECODE", 1)
            store.save([lambda: 1], "x")
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="by value, whose code is for Python") as caught:
            store.load("x")
    assert "in a module" in str(caught.value.advice)


# -- auto


def test_auto_writes_no_record_that_only_its_main_can_read(tmp_path: Path) -> None:
    """Whatever reduces to a name: singletons, for example."""
    programs = Programs(tmp_path, "auto")
    source = OPEN + (
        "from brinery import EncodeError\n"
        "class Unset:\n"
        "    def __reduce__(self): return 'UNSET'\n"
        "UNSET = Unset()\n"
        "try: store.save([UNSET], 'x')\n"
        "except EncodeError as error: print(store.list(), 'UNSET is defined in __main__' in str(error))\n"
        "store.save(['__main__'], 'word')\n"
        "print(store.info('word').codec)\n"
    )
    assert programs.run(source) == "[] True\npickle"


# -- locks and other objects


@pytest.mark.parametrize("codec", ["dill", "auto"])
@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_a_lock_comes_back_free_and_a_held_one_is_refused(make: Any, codec: str) -> None:
    """Nobody could release the copy."""
    taken = []
    lock = again([make()], codec)[0]
    thread = threading.Thread(target=lambda: taken.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    assert taken == [True]
    held = make()
    with (
        held,
        MemoryStore(codec=codec) as store,
        pytest.raises(UnsupportedObjectError, match="held"),
    ):
        store.save([held])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_getattr_stays_itself(codec: str, protocol: int) -> None:
    """As a value, beside calls of it, and in a ring of records."""
    with MemoryStore(codec=codec, protocol=protocol) as store:
        id_ = store.save([functools.partial(getattr, 3, "real"), getattr, [].append])
        store.invalidate_cache()
        found = store.load(id_)
        assert found[1] is getattr
        assert found[0]() == 3
        found.append(1)
        store.save(found)


def test_a_class_by_value_names_no_file(tmp_path: Path) -> None:
    """Payloads of equal programs in two directories differ in nothing that counts."""
    names = of_main("class Job:\n    def run(self): return 1\n")
    with FilesystemStore(tmp_path, codec="cloudpickle") as store:
        store.save([names["Job"]()], "x")
        assert ("brinery_codecs.classes", "make_class") in [
            (need.partition(":")[0], need.partition(":")[2]) for need in map(str, store.needs("x"))
        ]


@dataclasses.dataclass
class Importable:
    """A class of a module: never written by value."""

    x: int = 0


class Kind(enum.Enum):
    """An enumeration of a module."""

    ONE = 1


def test_importable_classes_go_by_name(codec: str) -> None:
    """They are the same objects."""
    assert again([Importable, Kind.ONE, types.SimpleNamespace], codec) == [
        Importable,
        Kind.ONE,
        types.SimpleNamespace,
    ]
