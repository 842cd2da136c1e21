"""Records, questions about them, and the answers by plain Python, which take nothing from `brinery.query`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from brinery import Store
from brinery.backend import Put
from brinery.ids import name_of
from brinery.query.column import Columns
from brinery.record.record import about_of, new_metadata
from brinery.record.writer import build

CLASSES = ["m:A", "m:a", "M:B", "é:ß", "m:A%", "z:\U0001f600", "m:_", "m.n:A.B"]
CODECS = ["pickle", "dill", "Pickle", "json"]
TIMES = [0.0, 5.5, 1.5e9, 1.5e9 + 0.25, 1.7e9]
NOTES = [None, None, "a", "A", "ä", "Z", "a%", "line\nline", "\x00"]
TAGS = [None, True, False, 0, 1, 1.0, 2, -3, 0.5, "1", "a", "A", "", 2**62, "ä"]
USERS = [None, "ann", "Ann", "émile"]
RANKS = [None, 0, 1, 2, -5, 10**12]
LABELS = [None, "", "a", "A", "b%", "ä", "Z", "ab"]
IDS = [
    *(f"Task.{n}" for n in (1, 2, 10, 33)),
    *("a", "A", "../odd", "con", "é", "ü" * 130, "x" * 300, "a b", "50%", '"', "\\", "."),
    *(f"job.{n}" for n in range(20)),
]
EXTRA = ("rank", "label")
DOMAINS: Mapping[str, Sequence[Any]] = {
    "id": [*IDS, "", "T", "gone"],
    "class_name": [*CLASSES, "", "m:", ":A", "\udc80", "\x00"],
    "codec": [*CODECS, "p"],
    "size": [0, 190, 200.5, 10**4, 2**70],
    "created": TIMES,
    "note": [*(note for note in NOTES if note is not None), "", "lin"],
    "user": ["ann", "Ann", "émile", "a"],
    "rank": [0, 1, 1.5, -5, 10**12, "a", 2**70, True],
    "label": ["", "a", "A", "b%", "%", "ä", "Z", 3, "\x00"],
    "run": TAGS,
    "loss": TAGS,
}
TEXTS = ("id", "class_name", "codec", "note", "user", "label", "run")


class Facts(NamedTuple):
    """What one record has."""

    id: str
    class_name: str
    codec: str
    created: float
    references: Sequence[str]
    note: str | None
    tags: Mapping[str, Any]
    user: str | None
    rank: int | None
    label: str | None
    payload: int
    size: int = 0

    def value(self, name: str) -> Any:
        """Return the value of a column, or of a tag."""
        return self.tags.get(name) if name in ("run", "loss") else getattr(self, name)


def population(seed: int) -> list[Facts]:
    """Return facts of some records."""
    draw = random.Random(seed)
    found = []
    for id_ in IDS:
        names = draw.sample(["run", "loss", "other"], draw.randrange(4))
        found.append(
            Facts(
                id=id_,
                class_name=draw.choice(CLASSES),
                codec=draw.choice(CODECS),
                created=draw.choice(TIMES),
                references=draw.sample(IDS, draw.randrange(4)),
                note=draw.choice(NOTES),
                tags={name: draw.choice(TAGS) for name in names},
                user=draw.choice(USERS),
                rank=draw.choice(RANKS),
                label=draw.choice(LABELS),
                payload=draw.choice([1, 10, 10, 5000]),
            )
        )
    return found


def put(store: Store, found: Iterable[Facts]) -> list[Facts]:
    """Write records with these facts; return the facts with the sizes."""
    puts, written = [], []
    for facts in found:
        more: dict[str, Any] = {"note": facts.note, "tags": dict(facts.tags) or None}
        payload = [b"N" * facts.payload]
        metadata = new_metadata(
            id=facts.id,
            codec=facts.codec,
            config={},
            codec_version="1",
            protocol=None,
            class_name=facts.class_name,
            references=facts.references,
            payload=payload,
            created=facts.created,
            writer={"user": facts.user} if facts.user else None,
            more={key: value for key, value in more.items() if value is not None},
        )
        data = b"".join(build(metadata, payload))
        about = about_of(metadata, {"rank": facts.rank, "label": facts.label})
        puts.append(Put(name_of(facts.id), (data,), about=about))
        written.append(facts._replace(size=len(data)))
    store.session.commit(puts)
    return sorted(written, key=lambda facts: name_of(facts.id))


# -- expressions, as data: what both sides are made of


def column(columns: Columns, name: str) -> Any:
    """Return the column that a name of this module means."""
    return columns.tags[name] if name in ("run", "loss") else columns[name]


def expression(columns: Columns, what: Sequence[Any]) -> Any:
    """Return the expression of brinery."""
    kind, *parts = what
    if kind == "not":
        return ~expression(columns, parts[0])
    if kind in ("and", "or"):
        left, right = (expression(columns, part) for part in parts)
        return left & right if kind == "and" else left | right
    name, value = parts
    if kind == "refers":
        return columns.references.contains(value)
    if kind == "tagged":
        return columns.tags.contains(value)
    asked = column(columns, name)
    makers: dict[str, Callable[[], Any]] = {
        "==": lambda: asked == value,
        "!=": lambda: asked != value,
        "<": lambda: asked < value,
        "<=": lambda: asked <= value,
        ">": lambda: asked > value,
        ">=": lambda: asked >= value,
        "in": lambda: asked.in_(value),
        "none": lambda: asked.is_(None),
        "some": lambda: asked.is_not(None),
        "startswith": lambda: asked.startswith(value),
        "contains": lambda: asked.contains(value),
    }
    return makers[kind]()


def _kind(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    return 3 if isinstance(value, str) else 2


def holds(what: Sequence[Any], facts: Facts) -> bool:
    """Return whether an expression holds, by the documented rules."""
    kind, *parts = what
    if kind == "not":
        return not holds(parts[0], facts)
    if kind == "and":
        return holds(parts[0], facts) and holds(parts[1], facts)
    if kind == "or":
        return holds(parts[0], facts) or holds(parts[1], facts)
    name, wanted = parts
    if kind == "refers":
        return wanted in facts.references
    if kind == "tagged":
        return wanted in facts.tags
    value = facts.value(name)
    is_same_kind = _kind(value) == _kind(wanted)
    if kind in ("==", "!="):
        return (is_same_kind and value == wanted) is (kind == "==")
    if kind in ("none", "some"):
        return (value is None) is (kind == "none")
    if kind == "in":
        return any(_kind(value) == _kind(each) and value == each for each in wanted)
    if not is_same_kind or value is None:
        return False
    if kind in ("startswith", "contains"):
        return str(value).startswith(wanted) if kind == "startswith" else wanted in value
    found: bool = {
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }[kind]
    return found


def sort_key(value: Any) -> tuple[Any, ...]:
    """Return what values are sorted by: None first, then truth values, numbers and texts."""
    return (_kind(value),) if value is None else (_kind(value), value)


def comparisons(names: Sequence[str]) -> st.SearchStrategy[Any]:
    """Draw comparisons of the columns of these names."""
    texts = [name for name in names if name in TEXTS]

    def of(name: str) -> st.SearchStrategy[Any]:
        values = st.sampled_from(DOMAINS[name])
        present = values.filter(lambda value: value is not None)
        return st.one_of(
            st.tuples(st.sampled_from(["==", "!="]), st.just(name), values),
            st.tuples(st.sampled_from(["<", "<=", ">", ">="]), st.just(name), present),
            st.tuples(st.just("in"), st.just(name), st.lists(values | st.none(), max_size=3)),
            st.tuples(st.sampled_from(["none", "some"]), st.just(name), st.none()),
        )

    def text_of(name: str) -> st.SearchStrategy[Any]:
        values = st.sampled_from([each for each in DOMAINS[name] if isinstance(each, str)])
        return st.tuples(st.sampled_from(["startswith", "contains"]), st.just(name), values)

    return st.one_of(
        st.sampled_from(names).flatmap(of),
        st.sampled_from(texts).flatmap(text_of),
        st.tuples(st.just("refers"), st.none(), st.sampled_from(DOMAINS["id"])),
        st.tuples(st.just("tagged"), st.none(), st.sampled_from(["run", "other", "gone"])),
    )


def expressions(names: Sequence[str]) -> st.SearchStrategy[Any]:
    """Draw expressions on the columns of these names."""
    return st.recursive(
        comparisons(names),
        lambda inner: st.one_of(
            st.tuples(st.just("not"), inner),
            st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        ),
        max_leaves=6,
    )
