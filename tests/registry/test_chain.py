"""A chain of codecs: each record by the first that keeps its object whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    EncodeError,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    Store,
    UnknownCodecError,
    make_store,
)
from brinery.registry.chain import AUTO, CodecChain
from brinery.testing.samples import Node, Plain
from brinery_codecs.dill import DillCodec
from brinery_codecs.msgpack import MsgpackCodec
from brinery_codecs.pickle import PickleCodec


def names(codec: Any) -> list[str]:
    """Return the names of a chain's codecs."""
    assert isinstance(codec, CodecChain)
    return [member.name for member in codec.codecs]


@pytest.mark.parametrize(
    "argument",
    [
        "auto",
        "pickle,cloudpickle,dill",
        ["pickle", "cloudpickle", "dill"],
        (PickleCodec(), "cloudpickle", DillCodec()),
    ],
)
def test_a_chain_is_named_in_several_ways(argument: Any) -> None:
    """By one name, by several, or by codecs."""
    assert names(MemoryStore(codec=argument).codec) == [*AUTO]


def test_a_chain_of_one_is_that_codec() -> None:
    """A list with one name is no chain."""
    assert MemoryStore(codec=["dill"]).codec == DillCodec()


@pytest.mark.parametrize("argument", [[], "pickle,", ["auto"], [1], "pickle,nonsense"])
def test_nonsense_is_refused(argument: Any) -> None:
    """With what to say instead."""
    with pytest.raises((InvalidArgumentError, UnknownCodecError)):
        MemoryStore(codec=argument)


def test_protocol_and_options_go_to_those_that_take_them() -> None:
    """In arguments and in a URL."""
    chain = MemoryStore(codec="msgpack,pickle,dill", protocol=4, recurse=False).codec
    assert isinstance(chain, CodecChain)
    assert chain.codecs == (MsgpackCodec(), PickleCodec(4), DillCodec(4, recurse=False))
    assert make_store("memory:?codec=auto&protocol=3").codec.codecs[0] == PickleCodec(3)


def test_each_record_has_the_first_codec_that_keeps_it() -> None:
    """Data are plain pickles, functions are not, and what only dill keeps is dill's."""
    with MemoryStore(codec="auto") as store:
        plain = Node("plain")
        function = Node("function", call=lambda: 1)
        lock = Node("lock", lock=threading.Lock())
        ids = store.save_many([[plain, function, lock], plain, function, lock])
        assert [store.info(id_).codec for id_ in ids] == ["pickle", "pickle", "cloudpickle", "dill"]
        store.invalidate_cache()
        found = store.load(ids[0])
        assert found[1].call() == 1
        assert found[2].lock.acquire(blocking=False)
        assert found[0] is store.load(ids[1])


def test_data_that_msgpack_keeps_can_be_read_without_trust() -> None:
    """Any codecs make a chain."""
    with MemoryStore(codec=["msgpack", "pickle"]) as store:
        ids = store.save_many([[1, (2,)], Plain(label="a")])
        assert [store.info(id_).codec for id_ in ids] == ["msgpack", "pickle"]


def test_what_no_codec_keeps_is_refused_by_the_last() -> None:
    """The store stays as it was."""
    with MemoryStore(codec="auto") as store:
        with pytest.raises(EncodeError) as caught:
            store.save({"a": [1, (n for n in "")]})
        assert caught.value.codec == "dill"
        assert caught.value.object_path == "['a'][1]"
        assert store.list() == []


def test_an_object_moves_on_when_it_needs_to() -> None:
    """And stays with its codec while nothing changes."""
    with MemoryStore(codec="auto") as store:
        obj = Node("a")
        id_ = store.save(obj)
        assert store.info(id_).codec == "pickle"
        obj.call = lambda: 1  # type: ignore[attr-defined]
        store.save(obj)
        created = store.info(id_).created
        assert store.info(id_).codec == "cloudpickle"
        store.save(obj)
        assert store.info(id_).created == created
        obj.call = None  # type: ignore[attr-defined]
        store.save(obj)
        assert store.info(id_).codec == "pickle"


def test_a_record_of_another_codec_stays_while_it_is_unchanged() -> None:
    """A chain writes anew what has changed."""
    with MemoryStore(codec="dill") as store:
        id_ = store.save(Node("a"))
        chain = MemoryStore.__mro__[1](store.backend, codec="auto")
        obj = chain.load(id_)
        chain.save(obj)
        assert store.info(id_).codec == "dill"
        obj.label = "b"
        chain.save(obj)
        assert store.info(id_).codec == "pickle"


@pytest.mark.parametrize("codec", ["pickle", "auto", ["cloudpickle", "dill"]], ids=str)
def test_a_record_that_loads_to_other_bytes_is_not_written_again(codec: Any) -> None:
    """Attribute names are interned, so a value that equals its name is one object after a load."""
    store = MemoryStore(codec="dill")
    store.save(Node("a", kind="".join(["kin", "d"]), names={"one", "two", "three"}), "node")
    one, two = Store(store.backend, codec=codec), Store(store.backend, codec=codec)
    mine, theirs = one.load("node"), two.load("node")
    version = store.backend.get("node")[1]
    one.save(mine)
    two.save(theirs)
    assert store.backend.get("node")[1] == version


@pytest.mark.parametrize(
    "codec", ["cloudpickle", "dill", "auto", ["msgpack", "cloudpickle"]], ids=str
)
def test_a_store_whose_codec_was_widened_saves_what_it_can_hold(codec: Any) -> None:
    """The codec of the record is only asked whether the object has changed."""
    store = MemoryStore()
    store.save([1], "o")
    store.save(Node("n"), "n")
    wide = Store(store.backend, codec=codec)
    obj, node = wide.load_many(["o", "n"])
    obj.append(lambda: 5)
    node.call = lambda: 6
    wide.save_many([obj, node])
    wide.invalidate_cache()
    assert wide.load("o")[1]() == 5
    assert wide.load("n").call() == 6


def test_a_record_keeps_its_codec_where_no_codec_of_a_chain_holds_the_object() -> None:
    """As with a single codec."""
    store = MemoryStore(codec="dill")
    node = Node("n", lock=threading.Lock())
    store.save(node, "n")
    for codec in ("pickle", ["pickle", "cloudpickle"]):
        other = Store(store.backend, codec=codec)
        found = other.load("n")
        found.label = f"changed by {codec}"
        other.save(found)
        assert store.info("n").codec == "dill"
        store.invalidate_cache()
        assert store.load("n").label == f"changed by {codec}"


def test_the_error_names_the_codec_of_the_store() -> None:
    """Not that of the record, which the store does not write with."""
    store = MemoryStore()
    store.save([1], "o")
    other = Store(store.backend, codec="cloudpickle")
    obj = other.load("o")
    obj.append(n for n in "")
    with pytest.raises(EncodeError) as caught:
        other.save(obj)
    assert caught.value.codec == "cloudpickle"
    assert caught.value.object_path == "[1]"


def test_one_save_may_have_a_chain() -> None:
    """The store goes on with its own codec."""
    with MemoryStore() as store:
        assert store.info(store.save([lambda: 1], codec="auto")).codec == "cloudpickle"
        assert store.info(store.save([1], codec=["cloudpickle", "dill"])).codec == "cloudpickle"
        assert store.codec == PickleCodec()


def test_a_store_remembers_its_chain(tmp_path: Path) -> None:
    """With all options."""
    with FilesystemStore(tmp_path, codec=["pickle", DillCodec(4, recurse=False)]) as store:
        store.save([1])
        chain = store.codec
    with FilesystemStore(tmp_path) as again:
        assert again.codec == chain
        assert names(again.codec) == ["pickle", "dill"]
        assert again.load("list.1") == [1]
    with pytest.raises(InvalidArgumentError, match="chain"):
        FilesystemStore(tmp_path, protocol=2)


SCRIPT = """
import sys
from brinery import FilesystemStore, Persistable

class Mine:
    kind = "mine"

class Kept(Persistable):
    pass

def function():
    return "called"

store = FilesystemStore(sys.argv[1], codec="auto")
print([store.info(store.save(obj)).codec for obj in (
    [1, "__main__"], Mine(), [Mine], [function], Kept(), {"a": Mine}, len, "__main__")])
"""
READER = """
import sys
from brinery import FilesystemStore
store = FilesystemStore(sys.argv[1])
print(store.load("list.4")[0](), store.load("Mine.2").kind, len(store))
"""


def test_what_stands_in_main_is_not_kept_by_pickle(tmp_path: Path) -> None:
    """Another process has another `__main__`; text that says so is just text."""

    def run(code: str) -> str:
        arguments = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()

    by_value = ["cloudpickle"] * 5
    assert run(SCRIPT) == str(["pickle", *by_value, "pickle", "pickle"])
    assert run(READER) == "called mine 8"


def test_a_deep_object_of_main_is_not_kept_by_pickle_either(tmp_path: Path) -> None:
    """The pickler that never recurses asks the same."""
    code = """
import sys
from brinery import FilesystemStore
class Link:
    next = None
first = link = Link()
for _ in range(3000):
    link.next = link = Link()
store = FilesystemStore(sys.argv[1], codec="auto")
print(store.info(store.save(first)).codec)
"""
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cloudpickle"
