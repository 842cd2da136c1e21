"""`Trust(classes=…)`: what pickles may name, with each codec of the family and each protocol."""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import fractions
import functools
import ipaddress
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.torture.hostile import forged
from tests.torture.opcodes import Case, call, name, text, whole
from tests.trust import things
from tests.trust.things import Colour, Numbers, Plain, Point, Rebuilt, Task

from brinery import (
    Capabilities,
    Codec,
    MemoryStore,
    MissingClassError,
    Persistable,
    Store,
    Trust,
    TrustError,
)
from brinery.codec import Sink
from brinery_codecs._pickle.analysis.scan import scan

OURS = "tests.trust.things.*"
PAIR = "tests.trust.things"

each_codec = pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
each_protocol = pytest.mark.parametrize("protocol", range(6))


def loaded(store: Store, id: str, *classes: Any) -> Any:
    """Load an object by a reader of its own, who admits `classes`."""
    return Store(store.backend, trust=Trust(classes=classes)).load(id)


VALUES = [
    *(None, True, 1, -(2**70), 1.5, "text\n\\ü", b"\x00\xff", [1, [2]], (1, (2,)), {1: {2: 3}}),
    *({1, 2}, frozenset((1, "a")), bytearray(b"ab"), 1 + 2j, slice(1, 2), Ellipsis),
    collections.OrderedDict(a=1),
    collections.Counter("aab"),
    collections.deque([1, 2], 5),
    collections.defaultdict(list, {1: [2]}),
    datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
    datetime.datetime(2024, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    datetime.date(2024, 1, 2),
    datetime.time(1, 2),
    datetime.timedelta(1),
    decimal.Decimal("1.50"),
    fractions.Fraction(-1, 3),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("/a/b"),
    pathlib.Path("/a"),
    ipaddress.ip_network("10.0.0.0/8"),
    types.SimpleNamespace(a=1),
]


@each_codec
@each_protocol
def test_values_of_the_standard_library_are_always_admitted(codec: str, protocol: int) -> None:
    """Each of the documented ones, alone and together."""
    store = MemoryStore(codec=codec, protocol=protocol)
    # dill evaluates a text, cloudpickle calls a function of its own.
    others = {"pickle": (), "dill": (type(...),), "cloudpickle": (types.SimpleNamespace,)}[codec]
    values = [value for value in VALUES if type(value) not in others]
    for number, value in enumerate([*values, values]):
        store.save(value, f"value {number}")
        found = loaded(store, f"value {number}")
        assert found == value
        assert type(found) is type(value)


@each_codec
@each_protocol
class TestAdmitting:
    """What is admitted by exact name, or by package."""

    @pytest.mark.parametrize("admitted", [OURS, "tests.*", f"{PAIR}:Task", (PAIR, "Task")], ids=str)
    def test_a_graph(self, codec: str, protocol: int, admitted: Any) -> None:
        """References, cycles and roots need no names of their own."""
        store = MemoryStore(codec=codec, protocol=protocol)
        first = Task("first")
        first.after = [Task("second", first), [1, {"a": first}]]
        again = loaded(store, store.save(first), admitted)
        assert again.after[0].after[0] is again
        assert again.after[1][1]["a"] is again

    @pytest.mark.parametrize(
        "value",
        [Plain(1), Plain.Inner(), Colour.RED, [Colour.RED], Point(1, (2, 3)), Numbers([1])],
        ids=lambda value: type(value).__name__,
    )
    def test_objects_of_all_kinds(self, codec: str, protocol: int, value: Any) -> None:
        """Nested classes, members of enumerations, values that hash, subclasses of builtins."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save(value, "value")
        assert type(loaded(store, "value", OURS)) is type(value)
        name = type(value[0] if type(value) is list else value).__qualname__
        # Below protocol 4 a nested class is named as an attribute of the one around it.
        names = [f"{PAIR}:{name}", *([f"{PAIR}:Plain"] if protocol < 4 else [])]
        assert type(loaded(store, "value", *names)) is type(value)

    def test_what_is_not_admitted_is_refused(self, codec: str, protocol: int) -> None:
        """The error names it and says what to add; nothing was constructed."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save([Plain(1)], "value")
        for admitted in ("tests.trust.thing.*", f"{PAIR}:Task", "tests.trust:things", "thing.*"):
            with pytest.raises(TrustError, match="things:Plain") as caught:
                loaded(store, "value", admitted)
            assert caught.value.names == (f"{PAIR}:Plain",)
            assert (caught.value.id, caught.value.codec) == ("value", codec)

    def test_a_package_admits_no_functions(self, codec: str, protocol: int) -> None:
        """They are admitted one by one: who names a function may call it with anything."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save(Rebuilt(5), "value")
        things.calls.clear()
        with pytest.raises(TrustError, match=r"a function.*things:rebuild"):
            loaded(store, "value", OURS)
        assert things.calls == []
        assert loaded(store, "value", f"{PAIR}:rebuild").value == 5

    def test_bound_methods_are_refused(self, codec: str, protocol: int) -> None:
        """An attribute of an object may be anything."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save(Plain(1).method, "value")
        with pytest.raises(TrustError):
            loaded(store, "value", OURS, "types:MethodType")

    def test_partial_objects_are_refused(self, codec: str, protocol: int) -> None:
        """Unless functools is admitted by name, and what they call as well."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save(functools.partial(things.rebuild, 5), "value")
        with pytest.raises(TrustError, match=r"partial|PartialType|_load_type"):
            loaded(store, "value", OURS, f"{PAIR}:rebuild")

    def test_arrays_are_admitted_on_request(self, codec: str, protocol: int) -> None:
        """By `Trust.NUMPY`."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save({"a": numpy.arange(3), "b": numpy.float64(2.5)}, "value")
        with pytest.raises(TrustError, match="numpy"):
            loaded(store, "value")
        found = loaded(store, "value", *Trust.NUMPY)
        assert found["a"].tolist() == [0, 1, 2]
        assert found["b"] == 2.5

    def test_what_a_record_needs_can_be_admitted(self, codec: str, protocol: int) -> None:
        """`needs` tells it in the form that `classes` takes."""
        store = MemoryStore(codec=codec, protocol=protocol)
        store.save([Rebuilt(5), Task("a"), Point(1, 2)], "value")
        needed = store.needs("value")
        things.calls.clear()
        assert loaded(store, "value", *needed, OURS)[0].value == 5


@pytest.mark.parametrize("codec", ["cloudpickle", "dill"])
def test_functions_and_classes_by_value_are_refused(codec: str) -> None:
    """They are code."""
    store = MemoryStore(codec=codec)
    store.save(lambda: 1, "function")
    with pytest.raises(TrustError, match=r"make_function|CodeType|_create_code"):
        loaded(store, "function", OURS)
    namespace: dict[str, Any] = {"__name__": "__main__", "Persistable": Persistable}
    exec("class Thing: pass", namespace)
    store.save(namespace["Thing"](), "object")
    with pytest.raises(TrustError, match="make_class"):
        loaded(store, "object", OURS)
    assert any("make_code" in str(n) for n in store.needs("function"))
    assert store.needs("object")


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_the_program_of_a_package_is_not_run(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing a `__main__` runs it, and is not admitted; nor does an import end the process."""
    package = tmp_path / "with_program"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("open('ran', 'w')\nclass A: pass\n")
    (package / "script.py").write_text("raise SystemExit('usage: script')\n")
    (package / "tools").mkdir()
    (package / "tools" / "__init__.py").write_text("")
    (package / "tools" / "__main__.py").write_text("open('ran', 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    store = MemoryStore(trust=Trust(classes=["with_program.*"]))
    for module in (
        "with_program.__main__",
        "with_program.__main__.x",
        "with_program.__main__.x.y",
        "with_program.tools.__main__",
        "with_program.tools.__main__.x",
        "with_program.script",
    ):
        payload = whole(name(module, "A"), b")R")
        store.backend.put("victim", forged(Case(module, payload), codec))
        with pytest.raises(TrustError if "main" in module else MissingClassError) as caught:
            store.load("victim")
        assert module in str(caught.value)
        assert not store.check().is_good
    assert "usage: script" in str(caught.value)
    assert not (tmp_path / "ran").exists()


COLOURS = """
import enum
class Colour(enum.Enum):
    RED = 1
class Family(enum.IntEnum):
    INET = 2
INET = Family.INET
def harm(*args):
    raise SystemExit("harm")
class Other(enum.IntEnum):
    ONE = 1
ONE = Other.ONE
"""


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module of enumerations that nothing has imported."""
    (tmp_path / "not_imported_colours.py").write_text(COLOURS)
    monkeypatch.syspath_prepend(tmp_path)
    yield "not_imported_colours"
    sys.modules.pop("not_imported_colours", None)


@each_codec
@pytest.mark.parametrize("admitted", ["not_imported_colours.*", "not_imported_colours:Colour"])
def test_no_state_is_set_on_members_of_what_is_not_imported_yet(
    codec: str, admitted: str, colours: str
) -> None:
    """Whether it is an enumeration is found out before anything is called."""
    member = call(name(colours, "Colour"), b"K\x01")
    store = MemoryStore(codec=codec, trust=Trust(classes=[admitted]))
    state = b"}" + text("harm") + b"\x88sb"
    store.backend.put("victim", forged(Case("harm", whole(member + state)), codec))
    with pytest.raises(TrustError, match="an object that it did not make"):
        store.load("victim")
    store.backend.put("victim", forged(Case("two", whole(b"](", member, member, b"e")), codec))
    sys.modules.pop(colours)
    first, second = store.load("victim")
    assert first is second is sys.modules[colours].Colour.RED
    assert "harm" not in vars(first)


@each_codec
def test_constants_of_what_is_not_imported_yet_are_looked_at_when_it_is(
    codec: str, colours: str
) -> None:
    """A member of the class that is admitted, and nothing else."""
    store = MemoryStore(codec=codec, trust=Trust(classes=[f"{colours}:Family"]))
    for constant in ("harm", "ONE", "Other", "Colour", "enum", "INET"):
        for again in (False, True):
            if not again:
                sys.modules.pop(colours, None)
            payload = whole(b"](", name(colours, constant), name(colours, "Family"), b"e")
            store.backend.put("victim", forged(Case(constant, payload), codec))
            if constant == "INET":
                assert store.load("victim") == [2, sys.modules[colours].Family]
                store.invalidate_cache()
                continue
            with pytest.raises(TrustError, match=f"{colours}:{constant}"):
                store.load("victim")


@pytest.mark.parametrize("function", ["builtins:getattr", "_operator:or_", "copyreg:__newobj__"])
def test_functions_that_records_need_have_no_extension_code(function: str) -> None:
    """An unpickler that has met the code would call the function itself, with any argument."""
    module, _, qualname = function.partition(":")
    copyreg.add_extension(module, qualname, 0xF6)
    try:
        with pytest.raises(TrustError, match=f"{function} by a code of copyreg"):
            scan(whole(b"\x82\xf6"), lambda *_: True)
    finally:
        copyreg.remove_extension(module, qualname, 0xF6)


def test_renamed_classes_are_admitted_by_either_name() -> None:
    """What is imported is what the opener renamed it to."""
    store = MemoryStore()
    store.save(Plain(1), "value")
    names = {f"{PAIR}:Plain": f"{PAIR}:Numbers"}
    reader = Store(store.backend, renames=names, trust=Trust(classes=[f"{PAIR}:Numbers"]))
    assert type(reader.load("value")) is Numbers
    reader = Store(store.backend, renames=names, trust=Trust(classes=[f"{PAIR}:Plain"]))
    with pytest.raises(TrustError, match="Numbers"):
        reader.load("value")


def test_a_placeholder_is_made_for_what_is_admitted_alone() -> None:
    """A missing class is looked for only if it is admitted."""
    store = MemoryStore()
    cls = type("Gone", (), {"__module__": "tests.trust.things"})
    things.Gone = cls  # type: ignore[attr-defined]
    try:
        store.save(cls(), "value")
    finally:
        del things.Gone  # type: ignore[attr-defined]
    reader = Store(store.backend, trust=Trust(classes=[OURS]))
    assert reader.load("value", missing="placeholder") is not None
    reader = Store(store.backend, trust=Trust(classes=()))
    with pytest.raises(TrustError, match="Gone"):
        reader.load("value", missing="placeholder")


def test_unchanged_objects_are_compared_under_the_policy() -> None:
    """A save decodes the record once more, beside the living object."""
    store = MemoryStore()
    id_ = store.save(Task("a"))
    reader = Store(store.backend, trust=Trust(classes=[OURS]))
    task = reader.load(id_)
    task.name = "b"
    reader.save(task)
    assert loaded(store, id_, OURS).name == "b"


class Careless(Codec):
    """Runs what it likes and knows nothing of restrictions."""

    name = "careless"
    capabilities = Capabilities()
    version = "1"

    def dump(self, obj: Any, sink: Sink, links: Any, buffers: Any = None) -> None:
        sink.write(repr(obj).encode())

    def load(self, source: Any, links: Any, buffers: Any = ()) -> Any:
        return eval(bytes(source))


def test_a_codec_that_keeps_to_no_restriction_is_refused() -> None:
    """It declares neither safe_to_read nor restrictable."""
    store = MemoryStore(codec=Careless(), trust=Trust(classes=()))
    store.save([1], "value")
    store.invalidate_cache()
    with pytest.raises(TrustError, match="careless"):
        store.load("value")


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_codecs_that_run_no_code_need_nothing(codec: str) -> None:
    """And are not restricted."""
    store = MemoryStore(codec=codec)
    store.save([1, "a"], "value")
    assert store.needs("value") == []
    assert loaded(store, "value") == [1, "a"]
