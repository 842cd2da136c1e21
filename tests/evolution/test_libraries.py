"""Records tell which versions of which libraries wrote them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.record.forms import built, described, kind_in, with_kind

from brinery import CorruptRecordError, FilesystemStore, MemoryStore, Persistable, upgrades
from brinery.errors import DecodeError, MissingClassError
from brinery.evolution.libraries import Libraries, differing
from brinery.record.reader import parse
from brinery.record.writer import build

FAMILY = ("pickle", "cloudpickle", "dill")
each_codec = pytest.mark.parametrize("codec", [*FAMILY, "auto"])


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of somebody's, of version 2.0."""
    module: Any = ModuleType("shop")
    module.__version__ = "2.0"
    text = "class Plain: pass\nclass Items(list): pass\ndef double(x): return 2 * x"
    exec(text, vars(module))
    module.Task = type("Task", (Persistable,), {"__module__": "shop"})
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


@each_codec
def test_each_record_lists_the_libraries_of_its_own_objects(shop: Any, codec: str) -> None:
    """Also those after the first record of a save, and none that is only referred to."""
    store = MemoryStore(codec=codec)
    child = shop.Task()
    child.plain = Fraction(1, 2)
    objects = [[shop.Plain()], [1], {"a": [shop.Items()]}, [child, child], shop.Plain(), child]
    ids = store.save_many(objects)
    found = [store.info(id_).libraries for id_ in ids]
    shops = {"shop": "2.0"}
    assert found == [shops, {}, shops, {}, shops, shops]
    store.invalidate_cache()
    assert type(store.load(ids[0])[0]) is shop.Plain


@pytest.mark.parametrize("codec", [*FAMILY, "msgpack", "auto"])
def test_arrays_name_numpy(codec: str) -> None:
    """Whatever writes them."""
    numpy = pytest.importorskip("numpy")
    store = MemoryStore(codec=codec)
    ids = store.save_many([[numpy.arange(3)], [1, "numpy"], [[numpy.float64(2)]]])
    version = {"numpy": numpy.__version__}
    assert [store.info(id_).libraries for id_ in ids] == [version, {}, version]


@pytest.mark.parametrize("codec", FAMILY[1:])
def test_functions_and_modules_count_where_the_codec_is_asked(shop: Any, codec: str) -> None:
    """Those that are named, and the modules that a function by value uses."""
    store = MemoryStore(codec=codec)
    assert store.info(store.save([shop.double])).libraries == {"shop": "2.0"}
    assert store.info(store.save([shop.Plain])).libraries == {"shop": "2.0"}
    names = {"shop": shop}
    exec("def call(x): return shop.double(x)", names)
    assert store.info(store.save(names["call"])).libraries["shop"] == "2.0"


def test_a_class_by_value_owes_to_the_libraries_of_its_bases(shop: Any) -> None:
    """What it inherits has to be there, too."""
    derived = type("Derived", (shop.Plain,), {"__module__": "__main__"})
    store = MemoryStore(codec="cloudpickle")
    assert store.info(store.save([derived()])).libraries == {"shop": "2.0"}


def test_what_has_no_version_leaves_no_trace(shop: Any) -> None:
    """The record is as it would be otherwise."""
    del shop.__version__
    store = MemoryStore()
    id_ = store.save([shop.Plain(), Fraction(1, 2)])
    assert store.info(id_).libraries == {}
    assert "libraries" not in kind_in(store.backend.get(id_)[0])


@pytest.mark.parametrize("version", [(2, 0), None, 2.0, property(lambda self: 1 / 0)])
def test_a_version_is_a_string(shop: Any, version: object) -> None:
    """Anything else may be anything."""
    shop.__version__ = version
    assert Libraries()["shop"] is None


def test_nothing_is_computed_for_a_version(shop: Any) -> None:
    """A module may warn, or fail, when it is asked for what it does not have."""
    del shop.__version__
    shop.__getattr__ = lambda name: 1 / 0
    assert Libraries()["shop.inner"] is None
    assert Libraries()["pytest._code"] == ("pytest", pytest.__version__)
    assert Libraries()["os.path"] is None
    assert Libraries()["brinery.ids"] is None
    assert Libraries()["__main__"] is None


@pytest.mark.thorough
@each_codec
def test_an_error_compares_the_versions(
    shop: Any, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a library that is gone, that has lost the class, and that is as it was."""
    FilesystemStore(tmp_path, codec=codec).save([shop.Plain()], "one")
    shop.__version__ = "3.1"
    monkeypatch.delattr(shop, "Plain")
    with pytest.raises(MissingClassError, match=r"written with shop 2\.0, here 3\.1"):
        FilesystemStore(tmp_path).load("one")
    shop.__version__ = "2.0"
    with pytest.raises(MissingClassError, match=r"written with shop 2\.0, here 2\.0"):
        FilesystemStore(tmp_path).load("one")
    del shop.__version__
    with pytest.raises(MissingClassError, match=r"shop 2\.0, here of no known version"):
        FilesystemStore(tmp_path).load("one")
    monkeypatch.delitem(sys.modules, "shop")
    with pytest.raises(MissingClassError, match=r"shop 2\.0, which is not installed here"):
        FilesystemStore(tmp_path).load("one")
    [finding] = FilesystemStore(tmp_path).check().failures
    assert "shop 2.0, which is not installed here" in finding.reason


def test_other_failures_name_only_what_differs(shop: Any, tmp_path: Path) -> None:
    """A state that the class of today does not take."""
    FilesystemStore(tmp_path).save(made := shop.Plain(), "one")
    made.name = 1
    FilesystemStore(tmp_path).replace("one", made)
    shop.Plain.__setstate__ = lambda self, state: 1 / 0
    with pytest.raises(DecodeError) as caught:
        FilesystemStore(tmp_path).load("one")
    assert "shop" not in str(caught.value).partition("ZeroDivisionError")[2]
    shop.__version__ = "4.0"
    with pytest.raises(DecodeError, match=r"written with shop 2\.0, here 4\.0"):
        FilesystemStore(tmp_path).load("one")


def test_the_distribution_may_have_another_name() -> None:
    """Where no module says its version, all distributions are asked who brings it."""
    assert differing({"_pytest": "1.0"}) == [f"written with _pytest 1.0, here {pytest.__version__}"]


def test_both_kinds_of_versions_come_back() -> None:
    """With one of them and with both."""
    libraries, versions = {"numpy": "2.1.0", "ü": "\ud800"}, {"shop:Task": 2}
    for noted in (
        {},
        {"versions": versions},
        {"libraries": libraries},
        {"versions": versions, "libraries": libraries},
    ):
        metadata = described(**noted)
        found = parse(b"".join(build(metadata, [b"payload"]))).metadata
        assert found == metadata
        assert found.versions == noted.get("versions", {})
        assert found.libraries == noted.get("libraries", {})


@pytest.mark.parametrize("libraries", [None, [], {"numpy": 2}, {2: "numpy"}, {"numpy": b"2"}, "x"])
def test_libraries_of_other_types_are_damage(libraries: object) -> None:
    """As everything that brinery does not write."""
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse(with_kind(built(), libraries=libraries))


class Versioned:
    """A class of version 2."""

    def __init__(self) -> None:
        self.count = 1


@upgrades(Versioned, to=2)
def _(state: dict[str, Any]) -> dict[str, Any]:
    return {"count": state["count"] + 100}


def test_what_a_vain_attempt_has_noted_is_forgotten(shop: Any, tmp_path: Path) -> None:
    """A record that stays with its codec has the versions and libraries of its objects, all of them."""
    FilesystemStore(tmp_path, codec="cloudpickle").save([0], "one")
    store = FilesystemStore(tmp_path, codec="pickle")
    held = store.load("one")
    held += [lambda: 1, Versioned(), shop.Plain()]
    store.save(held)
    info = store.info("one")
    assert info.codec == "cloudpickle"
    assert {*info.versions.values()} == {2}
    assert info.libraries["shop"] == "2.0"
    store.invalidate_cache()
    assert store.load("one")[2].count == 1
