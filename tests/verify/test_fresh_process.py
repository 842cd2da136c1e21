"""`verify="fresh-process"` finds objects that would break elsewhere, before anything is saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    FilesystemStore,
    FreshProcess,
    InvalidArgumentError,
    MemoryStore,
    Persistable,
    VerificationError,
)

HEAD = """
import functools, json, sys
from brinery import FilesystemStore, FreshProcess, MemoryStore, Persistable, VerificationError

class Task(Persistable):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

def tried(store, obj, **options):
    before = store.list()
    try:
        store.save(obj, verify=options.pop("verify", "fresh-process"), **options)
    except VerificationError as error:
        assert store.list() == before
        print(json.dumps([[found.path, found.reason] for found in error.problems]))
    else:
        print("[]")
"""


def script(directory: Path, code: str, **environment: str) -> list[list[list[str]]]:
    """Run code as a script of its own, after `HEAD`; return the printed lists of problems, one a line."""
    file = directory / "script.py"
    file.write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, **environment},
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


FUNCTIONS = """
rate = 3
def double(x):
    return x * rate
class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)
class Slotted:
    __slots__ = ("first",)
def make(value):
    def inner():
        return value
    return inner
"""

PLACES = """
slotted = Slotted(); slotted.first = double
def with_default(call=double): return call
with_default.note = double
def nested():
    def inner():
        return [rate for _ in range(3)]
    return inner
cycle = Plain(); cycle.me, cycle.call = cycle, double
for obj in (
    double,
    {"tasks": [1, (2, double)]},
    Plain(a=Plain(call=double)),
    slotted,
    make(double),
    functools.partial(print, double, key=1),
    nested,
    cycle,
    Task(after=[Task(call=double)]),
    {1: {"x": Plain(c=[double])}},
):
    tried(store, obj)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["MemoryStore(", "FilesystemStore('jobs', "])
def test_dill_without_recurse_is_caught(kind: str, tmp_path: Path) -> None:
    """Its functions load, but would not find their globals when called."""
    store = f"store = {kind}codec='dill', recurse=False)"
    found = script(tmp_path, FUNCTIONS + store + PLACES)
    problem = "the global name 'rate' is not defined there"
    assert [[path for path, _ in each] for each in found] == [
        [""],
        ["['tasks'][1][1]"],
        [".a.call"],
        [".first"],
        ["<captured value>"],
        [".args[0]"],
        [""],
        [".call"],
        [".after[0].call"],
        ["[1]['x'].c[0]"],
    ]
    assert {what for each in found for _, what in each} == {problem}


@pytest.mark.thorough
def test_compressed_records_are_looked_into(tmp_path: Path) -> None:
    """A class of `__main__` is named with its place, by a codec and by a chain."""
    code = """
    for codec in ("pickle", "auto"):
        store = MemoryStore(codec=codec, compress="zstd:3", renames={"old_place": "new_place"})
        tried(store, Task(after=[{"text": "x" * 1000, "here": Plain(a=1)}]))
    """
    found = script(tmp_path, FUNCTIONS + textwrap.dedent(code))
    assert [[path for path, _ in each] for each in found] == [["", ".after[0]['here']"], []]


@pytest.mark.thorough
@pytest.mark.parametrize("codec", ["codec='dill'", "codec='cloudpickle'"])
def test_codecs_that_take_globals_along_pass(codec: str, tmp_path: Path) -> None:
    """With lambdas, classes of the script, and the same places."""
    code = f"store = MemoryStore({codec}); tried(store, [lambda x: x + rate, Plain(y=1), Task])\n"
    found = script(tmp_path, FUNCTIONS + code + PLACES)
    assert found == [[]] * 11


@pytest.mark.thorough
def test_defaults_attributes_and_methods_are_looked_at(tmp_path: Path) -> None:
    """Also those of classes by value, static ones, properties, and helpers that helpers call."""
    code = """
    def with_default(call=double): return call
    def with_note(): pass
    with_note.note = double
    class Shop:
        @staticmethod
        def static(): return rate
        @property
        def price(self): return rate
        def method(self): return lambda: rate
    store = MemoryStore(codec="dill", recurse=False)
    tried(store, with_default)
    tried(store, with_note)
    tried(store, [Shop()])
    tried(store, Shop().method)
    """
    default, note, shop, method = script(tmp_path, FUNCTIONS + textwrap.dedent(code))
    assert [path for path, _ in default] == ["<default call>"]
    assert [path for path, _ in note] == [".note"]
    assert {path for path, _ in shop} == {
        "[0].__class__.static.__func__",
        "[0].__class__.price.fget",
        "[0].__class__.method",
    }
    assert ".__func__" in {path for path, _ in method}


@pytest.mark.thorough
def test_names_that_code_is_prepared_to_miss_are_not_reported(tmp_path: Path) -> None:
    """Assigned by a function, guarded by try, looked for in globals(), local to a class body."""
    code = """
    def sets():
        global later
        later = 1
    def uses(): return later
    def guarded():
        try:
            return rate
        except (KeyError, NameError):
            return 0
    def bare():
        try:
            return rate
        except:
            return 0
    def asked():
        return rate if "rate" in globals() else 0
    def body():
        class Inner:
            a = 1
            b = a
        return Inner
    def annotated():
        def inner(x: "Unknown") -> "Unknown": return len(__name__)
        return inner
    def recursive(n): return n and recursive(n - 1)
    def only_finally():
        try:
            return rate
        finally:
            print()
    def other_error():
        try:
            return rate
        except KeyError:
            return 0
    store = MemoryStore(codec="dill", recurse=False)
    for function in ([sets, uses], guarded, bare, asked, body, annotated):
        tried(store, function)
    for function in (only_finally, other_error, uses):
        tried(store, function)
    tried(MemoryStore(codec="cloudpickle"), recursive)
    """
    found = script(tmp_path, FUNCTIONS + textwrap.dedent(code))
    assert found[:6] == [[]] * 6
    assert [[path for path, _ in each] for each in found[6:9]] == [[""]] * 3
    assert found[9] == []


@pytest.mark.thorough
def test_every_class_that_pickle_names_in_main_is_listed(tmp_path: Path) -> None:
    """Not only the first one, and each with its place."""
    code = """
    class Other: pass
    store = MemoryStore()
    tried(store, {"a": [Plain(x=1)], "b": Task(c=Other()), "d": double, "e": [1, 2]})
    tried(store, {"e": [1, 2]})
    """
    found = script(tmp_path, FUNCTIONS + textwrap.dedent(code))
    assert dict(found[0]) == {
        "['a'][0]": "__main__.Plain cannot be imported there",
        "['b']": "__main__.Task cannot be imported there",
        "['b'].c": "__main__.Other cannot be imported there",
        "['d']": "__main__.double cannot be imported there",
    }
    assert found[1] == []


@pytest.mark.thorough
def test_a_module_that_is_found_by_a_path_set_at_run_time_passes(tmp_path: Path) -> None:
    """The new process has the caller's search path, but no module that was made in memory."""
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "extra_module.py").write_text("class Thing: pass\n", encoding="utf-8")
    code = """
    import types
    sys.path.append("extra")
    import extra_module
    made = types.ModuleType("made_module")
    exec("class Thing: pass", made.__dict__)
    sys.modules["made_module"] = made
    tried(MemoryStore(), [extra_module.Thing()])
    tried(MemoryStore(), [made.Thing()])
    """
    found = script(tmp_path, code)
    assert found[0] == []
    ((path, problem),) = found[1]
    assert path == "[0]"
    assert "the module 'made_module' cannot be imported there" in problem


@pytest.mark.thorough
def test_a_submodule_that_is_not_imported_there_is_found(tmp_path: Path) -> None:
    """`import package` alone does not load it; codecs that also load the submodule pass."""
    code = """
    import xml, xml.dom.minidom
    def use(module=None):
        return xml.dom.minidom.Node
    def asks():
        try:
            return xml.dom.minidom.Node
        except AttributeError:
            return 0
    def make(module):
        return lambda: module.dom.minidom.Node
    tried(MemoryStore(codec="dill", recurse=False), make(xml))
    tried(MemoryStore(codec="dill"), use)
    tried(MemoryStore(codec="cloudpickle"), use)
    tried(MemoryStore(codec="cloudpickle"), asks)
    """
    found = script(tmp_path, code)
    ((path, problem),) = found[0]
    assert path == ""
    assert "the module 'xml' has no attribute 'dom' there" in problem
    assert found[1:] == [[], [], []]


@pytest.mark.thorough
def test_records_that_the_object_refers_to_are_there(tmp_path: Path) -> None:
    """Those of this save, and those that were saved before and have not changed."""
    code = """
    class Old(Persistable):
        pass
    for store in (MemoryStore(codec="dill"), FilesystemStore("jobs", codec="cloudpickle")):
        older = Task(name="older")
        old = Task(name="old", older=older)
        store.save(old)
        tried(store, Task(after=[old], new=Task(after=old)))
        tried(store, old)
        assert len(store) == 4
    bad = MemoryStore(codec="dill", recurse=False)
    broken = Task(call=tried)
    bad.save(broken)
    tried(bad, [1, broken])
    tried(bad, broken)
    """
    found = script(tmp_path, code)
    assert found[:4] == [[]] * 4
    assert {path for path, _ in found[4]} == {"[1].call"}
    assert {path for path, _ in found[5]} == {".call"}
    assert ["[1].call", "the global name 'VerificationError' is not defined there"] in found[4]


class Item(Persistable):
    """An object of an importable class."""


class Raises:
    """Loads in this process, and in no other."""

    home = os.getpid()

    def __init__(self) -> None:
        if os.getpid() != int(os.environ["BRINERY_TEST_HOME"]):
            raise ValueError("not here")

    def __reduce__(self) -> Any:
        return Raises, ()


class Calls:
    """Calls a function when it is loaded in another process."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        if os.getpid() != int(os.environ["BRINERY_TEST_HOME"]):
            exec(self.what)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRINERY_TEST_HOME", str(os.getpid()))


def refused(store: Any, obj: Any, verify: Any = "fresh-process") -> VerificationError:
    """Save with verification; check that it is refused and the store unchanged."""
    before = store.list()
    with pytest.raises(VerificationError) as caught:
        store.save(obj, verify=verify)
    assert store.list() == before
    return caught.value


def test_an_error_of_a_constructor_there_is_reported_with_its_place() -> None:
    """The path is that inside the object that is saved, through the records in between."""
    item = Item()
    item.parts = [1, Raises()]  # type: ignore[attr-defined]
    error = refused(MemoryStore(), {"a": item})
    ((_, path, problem),) = error.problems
    assert (path, problem) == ("['a'].parts[1]", "ValueError: not here")
    assert "at ['a'].parts[1]: ValueError: not here" in str(error)


def test_a_crash_is_reported() -> None:
    """With the signal, and the place in the code."""
    import ctypes

    assert ctypes.string_at is not None
    error = refused(MemoryStore(), [Calls("import ctypes; ctypes.string_at(0)")])
    ((_, _, problem),) = error.problems
    assert "crashed (SIGSEGV)" in problem
    assert "__setstate__" in problem


def test_an_early_exit_is_reported() -> None:
    """Also if a module ends the process."""
    error = refused(MemoryStore(), [Calls("os._exit(7)")])
    assert "with status 7" in error.problems[0].reason
    error = refused(MemoryStore(), [Calls("raise SystemExit(3)")])
    assert "SystemExit: 3" in error.problems[0].reason


@pytest.mark.thorough
def test_a_process_that_takes_too_long_is_ended() -> None:
    """After the time that the caller sets."""
    obj = [Calls("import time; time.sleep(60)")]
    error = refused(MemoryStore(), obj, FreshProcess(timeout=2))
    assert error.problems[0].reason == "loading it there did not end within 2 s"


def test_output_of_the_process_disturbs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the report nor the caller's own output."""
    MemoryStore().save([Calls("print('x' * 100000)")], verify="fresh-process")
    assert capfd.readouterr() == ("", "")


@pytest.mark.thorough
def test_the_other_ways_of_saving_verify_as_well() -> None:
    """`save_many` and `replace`; a store keeps what it had."""
    store = MemoryStore()
    store.save([1], "a")
    with pytest.raises(VerificationError) as caught:
        store.save_many([[2], [Raises()]], ["b", "c"], verify="fresh-process")
    assert [(found.id, found.path) for found in caught.value.problems] == [("c", "[0]")]
    with pytest.raises(VerificationError):
        store.replace("a", [Raises()], verify="fresh-process")
    assert store.list() == ["a"]
    assert store.load("a") == [1]
    assert store.save_many([[2], [3]], ["b", "c"], verify="fresh-process") == ["b", "c"]
    store.replace("a", [4], verify=FreshProcess(timeout=30))
    store.invalidate_cache()
    assert store.load("a") == [4]


def test_an_object_can_be_saved_after_it_was_refused(tmp_path: Path) -> None:
    """The refused save leaves no trace, in the store or in its identity map."""
    store = FilesystemStore(tmp_path / "jobs", durability="process")
    item = Item()
    item.part = Raises()  # type: ignore[attr-defined]
    refused(store, item)
    assert item.persistent_id is None
    item.part = [1]  # type: ignore[attr-defined]
    id_ = store.save(item, verify="fresh-process")
    assert store.list() == [id_]
    store.invalidate_cache()
    assert store.load(id_) is not None
    assert not [name for name in os.listdir(tmp_path / "jobs") if name.startswith(".tmp")]


def test_a_record_that_was_removed_is_written_again_and_tried() -> None:
    """Its object is alive, and an unchanged object refers to it."""
    store = MemoryStore()
    inner, outer = Item(), Item()
    outer.inner = inner  # type: ignore[attr-defined]
    store.save(outer)
    store.remove(str(inner.persistent_id))
    store.save(outer, verify="fresh-process")
    assert len(store) == 2
    store.invalidate_cache()
    assert type(store.load(str(outer.persistent_id)).inner) is Item


def test_a_codec_that_is_registered_nowhere_is_found_by_its_class(tmp_path: Path) -> None:
    """In a module it can be imported; in a script it cannot, and that is a problem."""
    code = """
    from brinery_codecs.pickle import PickleCodec
    class Own(PickleCodec):
        name = "own"
    tried(MemoryStore(codec=Own()), [1])
    """
    ((finding,),) = script(tmp_path, code)
    assert finding[1].startswith("'own', __main__:Own, cannot be imported")
    assert MemoryStore(codec="msgpack").save([1], verify="fresh-process") == "list.1"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "60", None, True])
def test_a_timeout_is_a_time(timeout: Any) -> None:
    """The error is raised for the argument, and not later by something else."""
    with pytest.raises(InvalidArgumentError, match="number of seconds"):
        FreshProcess(timeout=timeout)


def test_other_values_are_refused() -> None:
    """The error names the only value that is accepted."""
    with pytest.raises(InvalidArgumentError, match="fresh-process"):
        MemoryStore().save([1], verify="here")


def test_without_verification_no_process_is_started() -> None:
    """Nor is a module imported that starts processes."""
    code = "import brinery, sys; s = brinery.MemoryStore(); s.save([1]); print('subprocess' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


ADVICE = """
def advice(store, obj):
    try:
        store.save(obj, verify="fresh-process")
    except VerificationError as error:
        print(json.dumps(error.advice))
class Plain: pass
advice(MemoryStore(), [Plain()])
advice(MemoryStore(codec="dill", recurse=False), double)
advice(MemoryStore(codec="cloudpickle"), [lambda: missing_everywhere])
import types
made = sys.modules["only_here"] = types.ModuleType("only_here")
exec("class Task: pass", vars(made))
made.Task.__module__ = "only_here"
advice(MemoryStore(codec="cloudpickle"), [made.Task()])
"""


@pytest.mark.thorough
def test_the_advice_is_known_to_help(tmp_path: Path) -> None:
    """A codec is named only where it is another one that keeps what is missing by value."""
    found: list[Any] = script(tmp_path, FUNCTIONS + ADVICE)
    main, undefined, everywhere, module = found
    move = "Move what is missing to a module that can be imported"
    assert main == (
        f"{move}, or save with codec='cloudpickle' or codec='dill', which keep it by value"
    )
    assert undefined.startswith(f"{move}, or save with codec='dill' and recurse=True")
    assert everywhere == module == move


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle"])
def test_no_codec_is_advised_where_none_would_help(codec: str) -> None:
    """What was found has another cause."""
    error = refused(MemoryStore(codec=codec), [Raises()])
    assert error.advice is None
    assert "codec=" not in str(error)
