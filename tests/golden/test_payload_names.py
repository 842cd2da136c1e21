"""Modules of brinery that stored payloads name: they can never move, nor lose the named objects."""

from __future__ import annotations

import importlib
import json
import pickletools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
from tests.golden.regenerate import ROOT, compressed, directories

from brinery import FilesystemStore
from brinery.record.reader import parse
from brinery.registry.codecs import make_codec
from brinery.registry.transforms import transform_from
from brinery.testing import samples
from brinery.testing.proofs.proof import payload_of

IN_GOLDEN_FILES = {
    "brinery.ids",
    "brinery.reference",
    "brinery.testing.samples",
    "brinery_codecs.classes",
}
# Functions by value contain bytecode, which golden files cannot: they are read by every Python.
IN_FUNCTIONS = {"brinery_codecs.functions"}
MODULE = re.compile(r"brinery(?:_codecs)?(?:\.\w+)*")


def texts_of(codec: str, payload: bytes) -> Iterator[str]:
    """Yield all texts of a payload, without running it."""
    if codec == "json":
        yield from texts_in(json.loads(payload))
    elif codec == "msgpack":
        yield from texts_in(msgpack.unpackb(payload, object_pairs_hook=list, strict_map_key=False))
    else:
        for opcode, argument, _ in pickletools.genops(payload):
            if isinstance(argument, str):
                # GLOBAL and INST have the module and the name in one, with a space between.
                yield from (
                    argument.split(" ", 1) if opcode.name in ("GLOBAL", "INST") else [argument]
                )


def texts_in(value: object) -> Iterator[str]:
    """Yield all texts of plain data, also those that extension types of MessagePack hold."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgpack.ExtType):
        unpacker = msgpack.Unpacker(object_pairs_hook=list, strict_map_key=False)
        unpacker.feed(value.data)
        yield from texts_in(list(unpacker))
    elif isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)


def modules_in(texts: Iterator[str]) -> set[str]:
    """Return the modules of brinery among texts: ``module`` or ``module:qualname``."""
    found = (MODULE.fullmatch(text.partition(":")[0]) for text in texts)
    return {match.group() for match in found if match}


def payloads(scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield codec and payload of every golden record."""
    for path in [*(path for path, *_ in directories()), *(path for path, *_ in compressed())]:
        shutil.copytree(ROOT / path, scratch / path)
        with FilesystemStore(scratch / path) as store:
            for name in store.backend.list():
                record = parse(store.backend.get(name)[0])
                payload, done = bytes(record.stored), record.metadata.transform
                if done is not None:
                    payload = transform_from(done.name, done.config).decode(payload, done.size)
                yield record.metadata.codec, payload


def test_payloads_name_these_modules(tmp_path: Path) -> None:
    """A module that is missing here was given up by its golden files; one that is new is bound for ever."""
    named: set[str] = set()
    for codec, payload in payloads(tmp_path):
        named |= modules_in(texts_of(codec, payload))
    assert named == IN_GOLDEN_FILES


@pytest.mark.parametrize("codec", ["cloudpickle", "dill"])
def test_functions_by_value_name_these_modules(codec: str) -> None:
    """A closure is written as calls of functions that its payload names."""
    payload = payload_of(make_codec(codec), samples.counter(3))
    named = modules_in(texts_of(codec, payload))
    # The function says which module it is from, without importing it.
    assert {name for name in named if not name.startswith("brinery.testing")} == IN_FUNCTIONS


@pytest.mark.parametrize("module", sorted(IN_GOLDEN_FILES | IN_FUNCTIONS))
def test_a_named_module_is_there(module: str) -> None:
    """Under the name by which payloads import it."""
    assert importlib.import_module(module).__name__ == module
