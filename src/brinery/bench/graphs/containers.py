"""Containers of plain data: wide ones, strings, JSON-like rows, shared and circular ones."""

from __future__ import annotations

import random
from typing import Any, Final

from brinery.bench.graphs.graph import Graph


def wide(nodes: int, seed: int) -> list[Any]:
    """Return one list of pairs of numbers."""
    numbers = random.Random(seed)
    return [(numbers.randrange(1 << 40), numbers.random()) for _ in range(-(-nodes // 3))]


def strings(nodes: int, seed: int) -> list[str]:
    """Return distinct strings of up to some 65 characters in several scripts."""
    chance = random.Random(seed)
    alphabets = (
        "abcdefghij klmnopqrst",
        "äöüßéèçñ øåœ",
        "абвгдежзик лмн",
        "日本語文字列 漢字",
        "🙂🚀 🌍",
    )
    return [
        f"{number:x}" + "".join(chance.choices(chance.choice(alphabets), k=chance.randrange(60)))
        for number in range(nodes)
    ]


def rows(nodes: int, seed: int) -> list[dict[str, Any]]:
    """Return small dicts of JSON data; no object is in two places."""
    chance = random.Random(seed)
    return [
        {
            "name": f"sample-{number}",
            "number": 1000 + number,
            "ratio": chance.random(),
            "valid": number % 3 == 0,
            "comment": None,
            "labels": [f"label-{number}-a", f"label-{number}-b"],
            "values": [chance.random() for _ in range(4)],
            "parent": {"kind": f"run {number % 10}"},
        }
        for number in range(-(-nodes // 14))
    ]


def shared(nodes: int, seed: int) -> list[Any]:
    """Return lists that refer to a few hundred objects, each from many places."""
    chance = random.Random(seed)
    count = max(1, min(300, nodes // 60))
    pool = [{"key": f"shared-{n}", "values": [n + 0.5, n + 0.25]} for n in range(count)]
    return [chance.choices(pool, k=8) for _ in range(max(1, nodes - 5 * len(pool)))]


def cycles(nodes: int, seed: int) -> list[Any]:
    """Return dicts and lists in rings: each knows the next, the one before, itself and the whole."""
    chance = random.Random(seed)
    whole: list[Any] = []
    while 11 * len(whole) < nodes:
        ring: list[dict[str, Any]] = [{"n": chance.random()} for _ in range(5)]
        for number, item in enumerate(ring):
            item.update(next=ring[number - 4], before=ring[number - 1], me=item, ring=ring)
        whole.append(ring)
    whole.append(whole)
    return whole


GRAPHS: Final = (
    Graph("wide", "wide container", "one list of tuples of an integer and a float", wide),
    Graph("strings", "strings", "distinct strings of up to 65 characters in five scripts", strings),
    Graph("rows", "small dicts", "rows of JSON data, nothing shared", rows),
    Graph("shared", "heavy sharing", "lists that all refer to the same 300 dicts", shared),
    Graph("cycles", "cycles", "rings of dicts that know each other, and a list in itself", cycles),
)
