"""Proofs of single values: modules, locks, files, arrays, numbers, strings."""

from __future__ import annotations

import json
import math
import struct
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from brinery.codec import Codec
from brinery.testing import samples
from brinery.testing.kinds import KINDS
from brinery.testing.proofs.kinds import first_loss, value_loss
from brinery.testing.proofs.proof import (
    BY_REFERENCE,
    CHANGED,
    KEPT,
    NO,
    REFUSED,
    Fate,
    fate_of,
    worst,
)


def modules_row(codec: Codec) -> Fate:
    """Save two modules."""

    def check(first: Any, second: Any) -> None:
        assert second[0] is first[0]

    return fate_of(codec, [math, json], check, kept=BY_REFERENCE, evidence="imported by their name")


def locks_row(codec: Codec) -> Fate:
    """Save free locks of both kinds, and what holds one; a lock that is held must be refused."""

    def check(first: Any, second: Any) -> None:
        assert [type(lock) for lock in second] == [type(lock) for lock in first]
        for lock in second:
            with ThreadPoolExecutor(1) as other:
                assert other.submit(lock.acquire, timeout=1).result()

    locks = [threading.Lock(), threading.RLock(), threading.Condition()]
    fate = fate_of(codec, locks, check, evidence="new locks, that are free; a held one is refused")
    if fate.result != KEPT:
        return fate
    for held in threading.Lock(), threading.RLock():
        with held:
            refusal = fate_of(codec, [held], lambda first, second: None)
        if refusal.result != REFUSED:
            return Fate(CHANGED, f"a {type(held).__qualname__} that is held is saved, for ever")
    return fate


def files_row(codec: Codec) -> Fate:
    """Save an open file."""
    positions: list[int] = []

    def check(first: Any, second: Any) -> None:
        with second[0] as file:
            assert (file.name, file.mode) == (name, "r")
            positions.append(file.tell())
            file.seek(0)
            assert file.read() == "abcdef"

    with tempfile.TemporaryDirectory() as directory:
        name = str(Path(directory, "text"))
        Path(name).write_text("abcdef")
        with open(name) as opened:
            opened.read(3)
            fate = fate_of(codec, [opened], check, kept=BY_REFERENCE)
    if fate.result != BY_REFERENCE:
        return fate
    where = "its beginning" if positions == [0] else "its old position"
    return Fate(BY_REFERENCE, f"opened again by its name, at {where}; the content is not stored")


def numpy_row(codec: Codec) -> Fate:
    """Save arrays and scalars of numpy."""
    import numpy

    def check(first: Any, second: Any) -> None:
        for one, two in zip(first, second, strict=True):
            assert type(one) is type(two)
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            assert one.tobytes() == two.tobytes()
            if type(one) is numpy.ndarray:
                assert one.flags.f_contiguous == two.flags.f_contiguous
                assert one.flags.writeable == two.flags.writeable, (
                    "a read-only array became writable"
                )

    grid = numpy.arange(12.0).reshape(3, 4)
    read_only = grid.copy()[:, 1:]
    read_only.flags.writeable = False
    arrays = [
        grid,
        read_only,
        numpy.frombuffer(b"12345678", "<i4"),
        numpy.asfortranarray(grid),
        numpy.array(["a", "bc"]),
        numpy.array(7),
        numpy.array([(1, 2.5)], [("a", "i2"), ("b", "f8")]),
        numpy.array(["2024-01-02"], "M8[D]"),
        numpy.float32(1.5),
    ]
    return fate_of(
        codec,
        arrays,
        check,
        evidence="arrays and scalars: type, shape, order, bytes, read-only or not",
    )


def pandas_row(codec: Codec) -> Fate:
    """Save a data frame."""
    import pandas

    frame = pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "time": pandas.date_range("2024-01-01", periods=3, tz="UTC"),
            "kind": pandas.Categorical(["a", "b", "a"]),
        },
        index=["x", "y", "z"],
    )

    def check(first: Any, second: Any) -> None:
        assert type(second[0]) is pandas.DataFrame
        pandas.testing.assert_frame_equal(first[0], second[0])

    return fate_of(codec, [frame], check, evidence="a data frame with times and categories")


def subclasses_row(codec: Codec) -> Fate:
    """Save instances of subclasses of builtin types."""
    words = samples.Words(["a", "b"])
    words.label = "list"
    table = samples.Table({"a": 1})
    table.label = "dict"
    objects = (words, table, samples.Size(5), samples.Name("text"), samples.Pair(1, [2]))
    fate = worst(
        fate_of(codec, [obj], evidence="of list, dict, int, str and tuple, with their attributes")
        for obj in objects
    )
    return first_loss((value_loss(codec, kind) for kind in KINDS), fate)


def nan_row(codec: Codec) -> Fate:
    """Save floats that are not numbers, or infinite, or a negative zero."""

    def check(first: Any, second: Any) -> None:
        assert [type(number) for number in second] == [float] * 4
        assert struct.pack("<4d", *first) == struct.pack("<4d", *second)

    numbers = [math.nan, math.inf, -math.inf, -0.0]
    return fate_of(codec, numbers, check, evidence="also the infinities and -0.0, bit by bit")


def huge_row(codec: Codec) -> Fate:
    """Save integers beyond 64 bits."""

    def check(first: Any, second: Any) -> None:
        assert [(type(number), hex(number)) for number in second] == [
            (int, hex(number)) for number in first
        ]

    numbers = [2**63, -(2**64), 10**5_000]
    return fate_of(codec, numbers, check, evidence="from 2**63 to 10**5000")


def interned_row(codec: Codec) -> Fate:
    """Save an interned string."""
    word = sys.intern("brinery interned word")
    seen: list[bool] = []

    def check(first: Any, second: Any) -> None:
        assert first == second
        seen.append(second[0] is word)

    fate = fate_of(codec, [word], check, evidence="an interned string is the same object again")
    if fate.result == KEPT and not seen[0]:
        return Fate(NO, "an interned string comes back as an equal string, not as the same object")
    return fate
