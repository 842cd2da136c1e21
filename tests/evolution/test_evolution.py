"""Programs change: classes move, vanish and get new versions, each told in a process of its own."""

from __future__ import annotations

import ast
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.marks import cases
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, call, name, text, whole

from brinery import (
    FilesystemStore,
    MemoryStore,
    Persistable,
    Transform,
    Trust,
    renamed_from,
    upgrades,
)
from brinery.codec import Buffer
from brinery.errors import (
    InvalidArgumentError,
    MissingClassError,
)
from brinery.evolution.renames import Renames
from brinery.evolution.upgrades import upgrade_from, version_of
from brinery.record.reader import parse
from brinery.stores.store import Store

FAMILY = ("pickle", "cloudpickle", "dill")
each_codec = pytest.mark.parametrize("codec", cases(FAMILY, quick=["pickle"]))
each_protocol = pytest.mark.parametrize("protocol", cases(range(6), quick=[5]))

SHOP = """
    import enum
    from brinery import Persistable

    class Task(Persistable):
        def __init__(self, name, after=()):
            self.name, self.after = name, list(after)

    class Plain:
        def __init__(self, value):
            self.value = value

    class Slots(Persistable):
        __slots__ = ("a", "b", "__weakref__")
        def __init__(self):
            self.a, self.b = 1, (2,)

    class Jobs(Persistable, list):
        pass

    class Table(dict):
        pass

    class Number(int):
        pass

    class Made:
        def __reduce__(self):
            return make, (1, "two"), None, iter([3, 4]), iter([("k", 5)])
        def append(self, item): pass
        def extend(self, items): pass
        def __setitem__(self, key, value): pass

    def make(*args):
        return object.__new__(Made)

    class Arguments:
        def __new__(cls, *args, **kwargs):
            self = object.__new__(cls)
            self.args, self.kwargs = args, kwargs
            return self
        def __getnewargs_ex__(self):
            return self.args, self.kwargs

    class Colour(enum.Enum):
        RED = 1

    class Outer:
        class Inner:
            value = 1
"""


class Programs:
    """Runs programs over one store, each with modules of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"

    def module(self, name: str, text: str | None) -> None:
        """Write a module, or remove it."""
        file = self.path / "lib" / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.unlink()
        else:
            file.write_text(textwrap.dedent(text), encoding="utf-8")

    def run(self, text: str, **names: object) -> str:
        """Run a program that has `names`, and an opened `store` if these say nothing else."""
        head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        head += f"directory = {str(self.store)!r}\n"
        head += "from brinery import *\nfrom pathlib import Path\n"
        paths = [str(self.path / "lib"), *sys.path]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", head + textwrap.dedent(text)],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def records(self) -> dict[str, bytes]:
        """Return the payload of each record."""
        files = [path for path in self.store.iterdir() if not path.name.startswith(".")]
        return {path.name: bytes(parse(path.read_bytes()).payload) for path in files}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    found = Programs(tmp_path)
    found.module("shop", SHOP)
    return found


WRITE = """
    import shop
    store = FilesystemStore(directory, codec=codec, protocol=protocol)
    first = shop.Task("first")
    first.inner = [shop.Plain(1), shop.Plain]
    store.save(shop.Task("second", after=[first]))
"""


# -- renames


@each_codec
@each_protocol
def test_a_mapping_finds_moved_classes(programs: Programs, codec: str, protocol: int) -> None:
    """Of a module, or one by one; objects, nested ones and references to the class itself."""
    programs.run(WRITE, codec=codec, protocol=protocol)
    programs.module("shop", None)
    programs.module("market", SHOP.replace("class Task", "class Job"))
    said = programs.run(
        """
        renames = {"shop": "market", "shop:Task": "market:Job"}
        store = FilesystemStore(directory, renames=renames)
        print([(f.id, f.status) for f in store.check().records])
        job = store.load("Task.1")
        import market
        assert type(job) is type(job.after[0]) is market.Job
        assert type(job.after[0].inner[0]) is job.after[0].inner[1] is market.Plain
        store.save(job)
        print(store.info("Task.1").class_name, store.info("Task.2").class_name)
        with FilesystemStore(directory) as without:
            print(without.load("Task.1").name)
        """
    )
    assert said.splitlines() == [
        "[(Id('Task.1'), 'renamed'), (Id('Task.2'), 'renamed')]",
        "market:Job market:Job",
        "second",
    ]
    assert all(b"shop" not in payload for payload in programs.records().values())


@pytest.mark.thorough
def test_a_class_says_what_it_was_called(programs: Programs) -> None:
    """Once its module is imported: by the program, or because the old name lies in it."""
    programs.run(WRITE, codec="pickle", protocol=5)
    market = SHOP.replace("class Task", '@renamed_from("shop:Task")\n    class Job')
    market = market.replace("import enum", "import enum\n    from brinery import renamed_from")
    programs.module("shop", market)
    assert programs.run("print(type(FilesystemStore(directory).load('Task.1')))") == (
        "<class 'shop.Job'>\n"
    )


@pytest.mark.thorough
def test_a_distribution_brings_its_renames(programs: Programs) -> None:
    """By an entry point, which is asked for names that cannot be imported."""
    programs.run(WRITE, codec="pickle", protocol=5)
    programs.module("shop", None)
    programs.module("market", SHOP + "\n    MOVED = {'shop': 'market'}\n")
    info = programs.path / "lib" / "market-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: market\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[brinery.renames]\nmarket = market:MOVED\n")
    assert programs.run("print(type(FilesystemStore(directory).load('Task.1')))") == (
        "<class 'market.Task'>\n"
    )


@each_codec
@pytest.mark.parametrize("target", ["shop:Nobody", "nowhere:Task"])
def test_a_rename_that_leads_nowhere_is_told(target: str, codec: str) -> None:
    """With the name that it leads to, beside the one that the record has."""
    store = MemoryStore(codec=codec)
    store.save([Link()], "one")
    renamed = Store(store.backend, renames={f"{__name__}:Link": target})
    with pytest.raises(MissingClassError) as caught:
        renamed.load("one")
    assert f"{__name__}.Link cannot be imported: it was renamed to {target}" in str(caught.value)


def test_names_follow_the_longest_entry_and_chains() -> None:
    """A class before its module, a module before its package; one step after the other."""
    table = {"a": "b", "a:X": "c:Y", "a.sub": "d", "c:Y": "e:Z"}
    renames = Renames(table)
    assert renames.present("a", "X") == ("e", "Z")
    assert renames.present("a", "X.Inner") == ("e", "Z.Inner")
    assert renames.present("a", "Xtra") == ("b", "Xtra")
    assert renames.present("a.sub.deep", "f") == ("d.deep", "f")
    assert renames.present("ab", "X") == ("ab", "X")


def test_what_lies_in_a_class_that_says_what_it_was_called_moves_with_it() -> None:
    """As with a mapping."""
    renamed_from("an_old_module:Old.Link")(Link)
    renames = Renames({"older:Link": "an_old_module:Old.Link"})
    for old in (("an_old_module", "Old.Link"), ("older", "Link")):
        assert renames.present(*old) == (__name__, "Link")
        assert renames.present(old[0], f"{old[1]}.Inner.A") == (__name__, "Link.Inner.A")
    assert renames.present("an_old_module", "Old.Links") == ("an_old_module", "Old.Links")


@pytest.mark.parametrize(
    "table",
    [{"a:X": "b"}, {"a": "b:X"}, {"a": ""}, {"a": 1}, ["a"], {"a:": "b:"}, {"a": "b", "b": "a"}],
)
def test_a_mapping_that_makes_no_sense_is_refused(table: Any) -> None:
    """When the store is opened, not when a record is read."""
    with pytest.raises(InvalidArgumentError):
        MemoryStore(renames=table)


@pytest.mark.parametrize("name", ["shop", "shop:", ":Task", 1])
def test_an_old_name_has_a_module_and_a_name(name: object) -> None:
    """Nothing else can be found in a record."""
    with pytest.raises(InvalidArgumentError):
        renamed_from(name)  # type: ignore[arg-type]


@each_codec
def test_paths_of_another_python_are_found(codec: str) -> None:
    """Python 3.13 names their classes by a module that others have not, also under a policy."""
    store = MemoryStore(codec=codec)
    for module in ("pathlib", "pathlib._local"):
        payload = whole(call(name(module, "PurePosixPath"), text("a"), text("b")))
        store.backend.put("victim", forged(Case(module, payload), codec))
        for trust in (None, Trust(classes=())):
            assert Store(store.backend, trust=trust).load("victim") == PurePosixPath("a/b")


def test_a_store_keeps_its_renames_in_a_pickle(tmp_path: Path) -> None:
    """As its other arguments: a worker process finds what its parent finds."""
    with FilesystemStore(tmp_path, renames={"a": "b"}) as store:
        again = pickle.loads(pickle.dumps(store))
        assert again.session.renames.given == {"a": "b"}
        again.close()


# -- placeholders

WRITE_ALL = """
    import shop
    store = FilesystemStore(directory, codec=codec, protocol=protocol)
    first = shop.Task("first")
    first.after.append(first)
    jobs = shop.Jobs([1, first])
    jobs.note = "n"
    table = shop.Table(a=1)
    table.note = [table]
    everything = [
        first, jobs, shop.Slots() if protocol > 1 else shop.Task("no slots"), table,
        shop.Number(7), shop.Made(), shop.Colour.RED,
        shop.Arguments(1, 2), shop.Plain({"x": shop.make}), shop.Outer.Inner, shop.Outer.Inner(),
    ]
    everything.append(shop.Arguments(1, key=2))
    class Holder(Persistable):
        pass
    store.save(everything, "everything")
    store.save({"plain": everything[3:]}, "nested")
    store.save(shop.Plain([1]), "root")
"""

KEEP = """
    def contents(path):
        from brinery.record.reader import parse
        found = {}
        for file in Path(path).iterdir():
            if file.is_file():
                record = parse(file.read_bytes())
                kept = record.metadata._replace(created=0, nonce=b"")
                found[file.name] = bytes(record.payload), kept
        return found
"""


@each_codec
@each_protocol
def test_placeholders_are_written_back_byte_for_byte(
    programs: Programs, codec: str, protocol: int
) -> None:
    """Whatever a class does with pickle: unchanged, removed and saved again, or replaced."""
    programs.run(WRITE_ALL, codec=codec, protocol=protocol)
    programs.module("shop", None)
    keep = textwrap.dedent(KEEP)
    said = programs.run(
        keep
        + textwrap.dedent("""
        import os
        store = FilesystemStore(directory, protocol=5)
        before = contents(directory)
        times = {file: os.stat(file).st_mtime_ns for file in Path(directory).iterdir()}
        ids = store.list()
        objects = store.load_many(ids, missing="placeholder")
        assert store.load_many(ids, missing="placeholder") == objects
        for obj in objects:
            assert store.save(obj) in ids
        assert times == {file: os.stat(file).st_mtime_ns for file in Path(directory).iterdir()}
        stand_ins = [(id, obj) for id, obj in zip(ids, objects) if isinstance(obj, Placeholder)]
        for id, obj in stand_ins:
            store.remove(id)
            assert store.save(obj, id) == id
        assert contents(directory) == before
        for id, obj in stand_ins:
            store.replace(id, obj)
        assert contents(directory) == before
        print(sorted(obj.class_name for _, obj in stand_ins))
        """)
    )
    third = "shop:Slots" if protocol > 1 else "shop:Task"
    assert said == f"{['shop:Jobs', 'shop:Plain', third, 'shop:Task']}\n"


CHANGE = """
    store = FilesystemStore(directory)
    everything, nested, root = store.load_many(
        ["everything", "nested", "root"], missing="placeholder"
    )
    first = everything[0]
    assert isinstance(first, Placeholder) and first.state["name"] == "first"
    assert first.state["after"] == [first]
    everything.append("changed")
    nested["more"] = everything[5:8]
    root.state["value"].append(2)
    for obj in (everything, nested, root):
        store.save(obj)
    other = FilesystemStore(directory + "-other")
    other.save(everything, "everything")
"""

READ = """
    import shop
    for place in (directory, directory + "-other"):
        store = FilesystemStore(place)
        found = store.load("everything")
        assert found.pop() == "changed"
        first, jobs, slots, table, number, made, red, args, plain, cls, inner, *more = found
        assert type(first) is shop.Task and first.after == [first] and first.name == "first"
        assert type(jobs) is shop.Jobs and jobs == [1, first] and jobs.note == "n"
        if protocol > 1:
            assert type(slots) is shop.Slots and (slots.a, slots.b) == (1, (2,))
        assert type(table) is shop.Table and table == {"a": 1} and table.note == [table]
        assert type(number) is shop.Number and number == 7
        assert type(made) is shop.Made and red is shop.Colour.RED
        assert args.args == (1, 2) and plain.value == {"x": shop.make}
        assert cls is shop.Outer.Inner and type(inner) is cls
        assert [m.kwargs for m in more] == [{"key": 2}]
    store = FilesystemStore(directory)
    assert [type(o) for o in store.load("nested")["more"]] == [
        shop.Made, shop.Colour, shop.Arguments
    ]
    assert store.load("root").value == [1, 2]
"""


@pytest.mark.thorough
@each_codec
@each_protocol
def test_what_was_changed_beside_placeholders_loads_when_the_class_is_back(
    programs: Programs, codec: str, protocol: int
) -> None:
    """In the same store and in another one, by the codec that the store writes."""
    programs.run(WRITE_ALL, codec=codec, protocol=protocol)
    programs.module("shop", None)
    programs.run(CHANGE)
    programs.module("shop", SHOP)
    programs.run(READ, protocol=protocol)


@pytest.mark.thorough
def test_a_missing_codec_gives_opaque_placeholders(programs: Programs) -> None:
    """They show class, references and payload, and are kept; what holds them can be changed."""
    programs.run(
        """
        class Node(Persistable):
            pass
        store = FilesystemStore(directory, codec="pickle")
        a, b = Node(), Node()
        a.next, b.next = b, a
        store.save([a], "list")
        node = store.list("Node")[0]
        """,
    )
    payloads = programs.records()
    said = programs.run(
        """
        from brinery.registry import codecs
        missing = ("no_such_module:Codec", "pip install nothing")
        codecs._CODECS.builtin = dict(codecs._CODECS.builtin, pickle=missing)
        store = FilesystemStore(directory, codec="msgpack")
        try:
            store.load("list")
        except CodecNotInstalledError as error:
            import platform
            writer = f"'list' (written by Python {platform.python_version()}, pickle "
            print(error.id, "pip install nothing" in str(error) and writer in str(error))
        found = store.load("Node.1" if "Node.1" in store else "Node.2", missing="placeholder")
        print(found.class_name, found.references, found.is_opaque, found.state)
        print(store.save(found) == store.save(found))
        store.save({"holds": found}, "holder")
        try:
            MemoryStore(codec='msgpack').save(found)
        except EncodeError as error:
            print("of another store" in str(error))
        print(sorted({f.status for f in store.check().records}))
        """
    )
    lines = said.splitlines()
    assert lines[0] == "list True"
    assert lines[1].startswith("__main__:Node (")
    assert lines[1].endswith("True None")
    assert lines[2:] == ["True", "True", "['fails', 'missing codec']"]
    after = programs.records()
    assert {name: after[name] for name in payloads} == payloads


@pytest.mark.thorough
def test_a_placeholder_is_never_taken_for_the_class(programs: Programs) -> None:
    """A load without placeholders fails while some live, and gives real objects once it can."""
    programs.run(WRITE, codec="pickle", protocol=5)
    programs.module("shop", None)
    programs.run(
        """
        import sys, importlib
        store = FilesystemStore(directory)
        old = store.load("Task.1", missing="placeholder")
        assert hash(old) == object.__hash__(old) and old != store.load("Task.2", missing="placeholder")
        assert isinstance(old, Placeholder) and old.references == ("Task.2",)
        try:
            old.name = "x"
        except AttributeError:
            pass
        else:
            raise AssertionError
        for id in ("Task.1", "Task.2"):
            try:
                store.load(id)
            except MissingClassError:
                pass
            else:
                raise AssertionError
        Path(library, "shop.py").write_text(source)
        importlib.invalidate_caches()
        new = store.load("Task.1")
        import shop
        assert type(new) is type(new.after[0]) is shop.Task
        assert store.load("Task.1", missing="placeholder") is new
        """,
        source=textwrap.dedent(SHOP),
        library=str(programs.path / "lib"),
    )


@pytest.mark.thorough
def test_a_record_that_chokes_on_a_placeholder_becomes_one(programs: Programs) -> None:
    """Code that is there but cannot do without what is missing loses nothing."""
    programs.module(
        "box", "class Box:\n    def __setstate__(self, s):\n        self.n = s['p'].value + 1\n"
    )
    programs.run(
        """
        import box, shop
        b = box.Box()
        b.p = shop.Plain(1)
        FilesystemStore(directory).save(b, "box")
        """
    )
    programs.module("shop", None)
    before = programs.records()
    said = programs.run(
        """
        store = FilesystemStore(directory)
        found = store.load("box", missing="placeholder")
        print(found.class_name, found.is_opaque, "value" in repr(found))
        store.remove("box")
        store.save(found, "box")
        """
    )
    assert said == "box:Box True True\n"
    assert programs.records() == before


def test_the_error_compares_writer_and_reader(tmp_path: Path) -> None:
    """Module, what to do, and the versions of both, by default and for each codec."""
    with FilesystemStore(tmp_path, codec="dill") as store:
        store.save(Fragile(), "one")
        store.invalidate_cache()
        name, module = Fragile.__qualname__, Fragile.__module__
        del globals()[name]
        try:
            with pytest.raises(MissingClassError) as caught:
                store.load("one")
        finally:
            globals()[name] = _fragile
    text = str(caught.value)
    info = sys.version.split()[0]
    assert module in text
    assert f"written by Python {info}, this is {info}" in text
    assert "written with dill " in text
    assert ", this is " in text


class Fragile:
    """Vanishes for a while."""


_fragile = Fragile


@pytest.mark.thorough
def test_the_error_tells_what_is_installed(programs: Programs) -> None:
    """Where the package of the class is there, and has lost the class: its version."""
    programs.run(WRITE, codec="pickle", protocol=5)
    programs.module("shop", "")
    info = programs.path / "lib" / "shop-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 2.5\n")
    said = programs.run(
        """
        try:
            FilesystemStore(directory).load("Task.1")
        except MissingClassError as error:
            print(error)
        """
    )
    assert "shop.Task cannot be imported" in said
    assert "(shop 2.5 is installed)" in said


@pytest.mark.thorough
def test_a_store_that_was_made_with_what_is_missing_tells_how_to_open_it(
    programs: Programs,
) -> None:
    """Its other records can be read, and placeholders be had."""
    programs.run(
        """
        FilesystemStore(directory, codec="auto", compress="gzip").save(["x" * 500], "plain")
        """
    )
    said = programs.run(
        """
        import sys
        sys.modules["cloudpickle"] = None
        sys.modules["brinery.transforms.gzip"] = None
        for options in ({}, {"codec": "pickle"}, {"compress": "none"}):
            try:
                FilesystemStore(directory, **options)
            except (CodecNotInstalledError, TransformNotInstalledError) as error:
                print(error)
        print(FilesystemStore(directory, codec="pickle", compress="none").list()[0])
        """
    )
    codec, transform, again, ids = said.splitlines()
    assert codec == again
    assert "pip install" in codec
    assert codec.endswith("codec='pickle' opens it for its other records")
    assert transform.endswith("compress='none' opens it for its other records")
    assert ids == "plain"


@pytest.mark.thorough
@each_codec
def test_an_object_that_was_made_past_its_class_shows_its_state(
    programs: Programs, codec: str
) -> None:
    """By `object.__new__`: it can be looked at, and not be written anew."""
    programs.module(
        "shop", "class Made:\n    def __reduce__(self): return object.__new__, (Made,), {'a': 1}"
    )
    programs.run(
        """
        import shop
        FilesystemStore(directory, codec=codec).save([shop.Made()], "made")
        """,
        codec=codec,
    )
    programs.module("shop", None)
    said = programs.run(
        """
        store = FilesystemStore(directory)
        [made] = held = store.load("made", missing="placeholder")
        print(made, made.class_name, made.args, made.state, made.references)
        assert not hasattr(made, "a") and not hasattr(made, "__array__")
        try:
            store.save({"held": made})
        except EncodeError as error:
            print("provide shop:Made" in str(error))
        """
    )
    assert said == "<placeholder of shop:Made, state {'a': 1}> shop:Made () {'a': 1} ()\nTrue\n"


def test_missing_takes_two_words() -> None:
    """Any other is an error, also where the object is alive."""
    with pytest.raises(InvalidArgumentError):
        MemoryStore().load("x", missing="ignore")


# -- upgrades

OLD = """
    from brinery import Persistable
    class Task(Persistable):
        pass
    class Item:
        pass
    class Row(Persistable, list):
        pass
"""
NEW = (
    OLD
    + """
    from brinery import upgrades
    @upgrades(Task, to=2)
    def _(state):
        state = dict(state or {})
        state["title"] = state.pop("name", None)
        return state
    @upgrades(Task, to=3)
    def _(state):
        return {**state, "length": len(state["title"] or "")}
    @upgrades(Item, to=2)
    def _(state):
        return {"count": (state or {}).get("n", 0) * 10}
    @upgrades(Row, to=2)
    def _(state):
        return {"size": 0, **(state or {})}
"""
)
WRITE_OLD = """
    import work
    store = FilesystemStore(directory, codec=codec, protocol=protocol)
    item, bare, task, other = work.Item(), work.Item(), work.Task(), work.Task()
    item.n, task.name, other.name = 1, "first", "second"
    task.other, other.other, task.items = other, task, [item, bare, item]
    row = work.Row([1, task, item])
    store.save([task, work.Task(), row], "all")
"""


@each_codec
@each_protocol
def test_old_states_are_upgraded(programs: Programs, codec: str, protocol: int) -> None:
    """Step by step, of roots and inside records, in cycles, without a state; once saved, no more."""
    programs.module("work", OLD)
    programs.run(WRITE_OLD, codec=codec, protocol=protocol)
    programs.module("work", NEW)
    said = programs.run(
        """
        import work
        store = FilesystemStore(directory)
        print(store.check().counts)
        def look():
            task, empty, row = store.load("all")
            assert (task.title, task.length, task.other.title) == ("first", 5, "second")
            assert task.other.other is task and not hasattr(task, "name")
            assert [item.count for item in task.items] == [10, 0, 10]
            assert task.items[0] is task.items[2]
            assert (empty.title, empty.length) == (None, 0), vars(empty)
            assert row[:2] == [1, task] and len(row) == 3 and row.size == 0, row
            return task
        task = look()
        files = {file: file.read_bytes() for file in Path(directory).iterdir() if file.is_file()}
        store.save(store.load("all"))
        changed = [f.name for f, data in files.items() if data != f.read_bytes()]
        print(sorted(changed))
        assert store.info("Task.2").versions["work:Task"] == 3 and not store.info("all").versions
        files = {file: file.read_bytes() for file in Path(directory).iterdir() if file.is_file()}
        store.invalidate_cache()
        del task
        look()
        store.save(store.load("all"))
        assert files == {f: f.read_bytes() for f in files}
        with FilesystemStore(directory) as store:
            print(store.check().counts)
        """
    )
    before, changed, after = map(ast.literal_eval, said.splitlines())
    assert before == {"upgraded": 4, "loads": 1}
    assert len(changed) == 4
    assert "all" not in changed
    assert after == {"loads": 5}
    programs.module("work", OLD)
    programs.run(
        """
        try:
            FilesystemStore(directory).load("all")
        except DecodeError as error:
            assert "version" in str(error) and "update the program" in str(error), error
        else:
            raise AssertionError
        """
    )


@pytest.mark.thorough
@each_codec
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_record_with_old_states_fills_the_object_that_others_have_met(
    programs: Programs, codec: str, protocol: int
) -> None:
    """What is found out in the middle of a record changes neither who is who nor how much there is."""
    old = """
        from brinery import Persistable
        class Item:
            pass
        class Key:
            pass
        class Table(Persistable, dict):
            pass
        class Root(Persistable):
            pass
        class Holder(Persistable):
            def __new__(cls, held):
                made = super().__new__(cls)
                made.held = held
                return made
            def __getnewargs__(self):
                return (self.held,)
            def __getstate__(self):
                return {"size": 1}
    """
    programs.module("work", old)
    programs.run(
        """
        import work
        store = FilesystemStore(directory, codec=codec, protocol=protocol)
        root = work.Root()
        root.holder, root.item = work.Holder(root), work.Item()
        store.save(root.holder, "holder")
        table = work.Table({work.Key(): 1})
        table.root, table.item = work.Root(), work.Item()
        table.root.table = table
        store.save(table, "table")
        """,
        codec=codec,
        protocol=protocol,
    )
    new = """
        from brinery import upgrades
        @upgrades(Item, to=2)
        def _(state):
            return {"count": 2}
    """
    programs.module("work", old + new)
    programs.run(
        """
        import work
        store = FilesystemStore(directory)
        holder, table = store.load("holder"), store.load("table")
        assert holder.held.item.count == table.item.count == 2
        assert holder.held.holder is holder
        assert table.root.table is table and len(table) == 1, table
        """
    )


@pytest.mark.thorough
@each_codec
@each_protocol
def test_nested_classes_are_renamed_and_upgraded(
    programs: Programs, codec: str, protocol: int
) -> None:
    """Also below protocol 4, where a record names them by way of the class around them."""
    programs.module("work", "class Outer:\n    class Inner:\n        pass\n")
    programs.run(
        """
        import work
        inner = work.Outer.Inner()
        inner.n = 1
        FilesystemStore(directory, codec=codec, protocol=protocol).save([inner], "inner")
        """,
        codec=codec,
        protocol=protocol,
    )
    programs.module(
        "work",
        """
        from brinery import upgrades
        class Outer:
            class Innermost:
                pass
        @upgrades(Outer.Innermost, to=2)
        def _(state):
            return {"n": state["n"] + 1}
        """,
    )
    said = programs.run(
        """
        store = FilesystemStore(directory, renames={"work:Outer.Inner": "work:Outer.Innermost"})
        [inner] = store.load("inner")
        print(type(inner).__qualname__, inner.n)
        """
    )
    assert said == "Outer.Innermost 2\n"


@pytest.mark.thorough
@each_codec
@each_protocol
def test_placeholders_keep_the_version_of_their_class(
    programs: Programs, codec: str, protocol: int
) -> None:
    """In a record that was changed while the class was away: its states are not upgraded once more."""
    programs.module(
        "work",
        """
        from brinery import Persistable, upgrades
        class Task(Persistable): pass
        class Item: pass
        upgrades(Task, to=2)(lambda state: {**state, "times": state["times"] + 1})
        upgrades(Item, to=2)(lambda state: {**state, "times": state["times"] + 1})
        """,
    )
    programs.run(
        """
        import work
        task, item = work.Task(), work.Item()
        task.times = item.times = 1
        task.items = [item]
        store = FilesystemStore(directory, codec=codec, protocol=protocol)
        store.save(task, "task")
        store.save([item], "list")
        """,
        codec=codec,
        protocol=protocol,
    )
    file = programs.path / "lib" / "work.py"
    file.rename(file.with_suffix(".away"))
    programs.run(
        """
        store = FilesystemStore(directory)
        task, items = store.load_many(["task", "list"], missing="placeholder")
        task.state["items"].append(1)
        items.append(2)
        store.save_many([task, items])
        assert store.info("task").versions == {"work:Task": 2, "work:Item": 2}, store.info("task")
        assert store.info("list").versions == {"work:Item": 2}
        """
    )
    file.with_suffix(".away").rename(file)
    programs.run(
        """
        store = FilesystemStore(directory)
        assert store.check().counts == {"loads": 2}, store.check()
        task, items = store.load_many(["task", "list"])
        assert task.items[1] == 1 and items[1] == 2
        assert task.times == task.items[0].times == items[0].times == 1
        """
    )


@pytest.mark.thorough
@each_codec
@each_protocol
def test_renamed_classes_are_upgraded_from_the_version_that_they_had(
    programs: Programs, codec: str, protocol: int
) -> None:
    """A state that is up to date stays as it is, beside one that is not, and no step is asked for twice."""
    programs.module(
        "old",
        """
        from brinery import Persistable, upgrades
        class Task(Persistable): pass
        class Item: pass
        class Last: pass
        for cls in (Task, Item, Last):
            upgrades(cls, to=2)(lambda state: 1 / 0)
        """,
    )
    programs.run(
        """
        import old
        task, item, last = old.Task(), old.Item(), old.Last()
        task.items, task.peer, item.count, last.count = [item, last], old.Task(), 1, 1
        task.peer.peer = task  # which is needed before its turn
        FilesystemStore(directory, codec=codec, protocol=protocol).save(task, "task")
        """,
        codec=codec,
        protocol=protocol,
    )
    programs.module("old", None)
    programs.module(
        "new",
        """
        from brinery import Persistable, upgrades
        class Task(Persistable): pass
        class Item: pass
        class Last: pass
        # Nobody has versions 1 any more.
        upgrades(Task, to=3)(lambda state: {**state, "steps": state.get("steps", 0) + 1})
        upgrades(Item, to=2)(lambda state: 1 / 0)
        upgrades(Last, to=3)(lambda state: {"count": state["count"] + 100})
        """,
    )
    said = programs.run(
        """
        store = FilesystemStore(directory, renames={"old": "new"})
        print(store.check().counts)
        task = store.load("task")
        assert [task.steps, task.peer.steps] == [1, 1] and task.peer.peer is task
        assert [item.count for item in task.items] == [1, 101], vars(task.items[0])
        store.save(task)
        print(FilesystemStore(directory).check().counts)
        """
    )
    assert said == "{'upgraded': 2}\n{'loads': 2}\n"


@pytest.mark.thorough
def test_a_gap_and_a_failing_upgrade_are_errors(programs: Programs) -> None:
    """That say which step is missing, or what went wrong in it."""
    programs.module("work", OLD)
    programs.run(WRITE_OLD, codec="pickle", protocol=5)
    programs.module(
        "work", OLD + "\n    from brinery import upgrades\n    upgrades(Task, to=3)(dict)\n"
    )
    look = """
        store = FilesystemStore(directory)
        try:
            store.load("all")
        except DecodeError as error:
            print(error)
        report = store.check()
        print(report.is_good, len(report.records), len(report.failures))
    """
    assert "no upgrade leads to version 2: write one with @upgrades(Task, to=2)" in programs.run(
        look
    )
    programs.module(
        "work", OLD + "\n    from brinery import upgrades\n    upgrades(Task, to=2)(int)\n"
    )
    assert "the upgrade of a state of work:Task failed: TypeError" in programs.run(look)
    programs.module(
        "work", OLD + "\n    from brinery import upgrades\n    upgrades(Task, to=2)(len)\n"
    )
    assert (
        "the upgrade of a state of work:Task returned an object of type int, and setting"
        in programs.run(look)
    )


def test_upgrades_are_registered_once_and_in_order() -> None:
    """A second function for a step, a version below 2, and what is no class are refused."""

    class Thing:
        pass

    assert version_of(Thing) == 1
    first = upgrades(Thing, to=2)(lambda state: [*state, 2])
    upgrades(Thing, to=3)(lambda state: [*state, 3])
    assert version_of(Thing) == 3
    upgrade = upgrade_from(Thing, 1)
    assert upgrade is not None
    assert upgrade([1]) == [1, 2, 3]
    assert upgrade_from(Thing, 3) is None
    assert upgrades(Thing, to=2)(first) is first
    with pytest.raises(InvalidArgumentError):
        upgrades(Thing, to=2)(lambda state: state)
    for bad in (1, True, "2"):
        with pytest.raises(InvalidArgumentError):
            upgrades(Thing, to=bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        upgrades("Thing", to=2)  # type: ignore[arg-type]


# -- the dry run


class Link(Persistable):
    """One of a chain."""

    next: Link | None = None


def test_a_check_survives_every_broken_record(tmp_path: Path) -> None:
    """Damaged, dangling, foreign and good ones; nothing is changed, progress is told."""
    with FilesystemStore(tmp_path) as store:
        links = [Link() for _ in range(6)]
        for one, other in itertools.pairwise(links):
            one.next = other
        ids = store.save_many(links)
        store.save({"good": 1}, "good")
        store.save([Link()], "dangling")
        store.remove(store.references("dangling")[0])
        store.invalidate_cache()
        file = tmp_path / str(ids[3])
        file.write_bytes(b"x" + file.read_bytes()[1:])
        (tmp_path / "Link.99").write_bytes(b"")
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        calls: list[tuple[int, int]] = []
        report = store.check(lambda done, of: calls.append((done, of)))
        found = {str(finding.id): finding for finding in report.records}
        assert [found[id_].status for id_ in ids] == ["fails"] * 4 + ["loads"] * 2
        assert "is damaged" in found[ids[3]].reason
        assert ids[3] in found[ids[2]].reason
        assert "refers to" in found[ids[0]].reason
        assert found["good"].status == "loads"
        assert found["good"].is_loadable
        assert found["dangling"].status == found["Link.99"].status == "fails"
        assert not report.is_good
        assert report.counts == {"fails": 6, "loads": 3}
        assert calls[-1] == (9, 9)
        assert before == {path: path.read_bytes() for path in before}
        assert str(report).startswith("9 records: ")
        assert "is empty" in str(report)


class _Reversed(Transform):
    """Makes payloads smaller, and is registered nowhere."""

    name = "reversed"

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        """Return the payload compressed, and then back to front."""
        return [zlib.compress(b"".join(pieces))[::-1]]

    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the payload."""
        return zlib.decompress(bytes(data)[::-1])


def test_a_check_names_missing_transforms() -> None:
    """As it does with codecs: nothing is damaged."""
    store = MemoryStore()
    store.save(["x" * 500], "one", compress=_Reversed())
    store.save({"one": 1}, "two")
    assert store.check().counts == {"loads": 2}
    report = Store(store.backend).check()
    assert report.counts == {"missing transform": 1, "loads": 1}
    assert "'reversed'" in report.failures[0].reason


def test_an_empty_store_is_good() -> None:
    """There is nothing that could fail."""
    report = MemoryStore().check()
    assert report.is_good
    assert report.records == ()
    assert str(report) == "0 records"
