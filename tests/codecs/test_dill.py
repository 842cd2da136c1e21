"""The codec dill: nearly everything by value, and its own options."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.codecs.by_value import ByValueTests, output

from brinery import FilesystemStore, InvalidArgumentError, MemoryStore, make_store
from brinery.codec import Codec
from brinery.testing.codec import CodecContract
from brinery.testing.samples import SLOTTED, getter
from brinery_codecs.dill import DillCodec


class TestDillCodec(CodecContract):
    """At the protocols that know all of Python's classes and values."""

    @pytest.fixture(params=[4, 5])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return DillCodec(request.param)


class TestDillCodecWithOptions(CodecContract):
    """With dill's own defaults, which the codec's are not."""

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec with each option changed."""
        return DillCodec(recurse=False, byref=True, fmode=1)


class TestDillCodecOfOldProtocols(CodecContract):
    """What pickle does not know at these protocols, dill does not either."""

    unsupported = SLOTTED
    inexact = frozenset({"folded times"})

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec at the lowest protocol."""
        return DillCodec(0)


@pytest.mark.thorough
class TestClassesByValue(ByValueTests):
    """Functions, and classes that cannot be imported."""

    codec = "dill"


def test_importing_the_codec_leaves_the_standard_library_alone() -> None:
    """dill registers its types with pickle's pure-Python pickler; that is taken back."""
    code = """
import pickle
before = dict(pickle._Pickler.dispatch)
import brinery_codecs.dill
from brinery import MemoryStore
store = MemoryStore(codec="dill")
store.load(store.save(lambda: 1))
assert pickle._Pickler.dispatch == before, set(pickle._Pickler.dispatch) - set(before)
print("the same")
"""
    assert output(code) == "the same"


def test_a_program_that_imported_dill_itself_keeps_what_dill_did() -> None:
    """Its own choice is not undone."""
    code = """
import pickle
before = dict(pickle._Pickler.dispatch)
import dill
with_dill = dict(pickle._Pickler.dispatch)
import brinery_codecs.dill
assert pickle._Pickler.dispatch == with_dill != before
print("kept")
"""
    assert output(code) == "kept"


def test_options_may_stand_in_the_url(tmp_path: Path) -> None:
    """They are options of the codec, and remembered with it."""
    store = make_store(f"file://{tmp_path}?codec=dill&recurse=false&byref=true&protocol=4")
    assert store.codec == DillCodec(4, recurse=False, byref=True)
    id_ = store.save(getter([1]))
    assert store.info(id_).codec_config == {
        "protocol": 4,
        "recurse": False,
        "byref": True,
        "fmode": 0,
    }
    store.close()
    with FilesystemStore(tmp_path) as again:
        assert again.codec == DillCodec(4, recurse=False, byref=True)
        assert again.load(id_)() == [1]


def test_an_unknown_option_is_refused() -> None:
    """In a record or in settings; the error names the option."""
    with pytest.raises(InvalidArgumentError, match="recurse"):
        MemoryStore(codec="dill", recurse="perhaps")


WHAT_ONLY_DILL_KEEPS: dict[str, Callable[[], Any]] = {
    "a lock": threading.Lock,
    "a code object": lambda: getter(1).__code__,
    "a cell": lambda: getter(1).__closure__[0],  # type: ignore[index]
}


@pytest.mark.parametrize("name", WHAT_ONLY_DILL_KEEPS)
def test_dill_keeps_what_others_do_not(name: str) -> None:
    """Objects of the interpreter's own."""
    obj = WHAT_ONLY_DILL_KEEPS[name]()
    with MemoryStore(codec="dill") as store:
        id_ = store.save([obj])
        store.invalidate_cache()
        assert type(store.load(id_)[0]) is type(obj)


def test_with_recurse_a_function_takes_along_the_globals_it_uses(tmp_path: Path) -> None:
    """So that it can be called in a process that has another `__main__`."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import sys
from brinery import FilesystemStore
FACTOR = 3
def scaled(x):
    return helper(x) * FACTOR
def helper(x):
    return x + 1
print(FilesystemStore(sys.argv[1], codec="dill").save(scaled, "scaled"))
"""
    )
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with FilesystemStore(tmp_path / "store") as store:
        assert store.load("scaled")(4) == 15
