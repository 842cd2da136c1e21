"""The table of codecs in the docs is what the proofs say now; and the proofs see what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks
from brinery.errors import InvalidArgumentError
from brinery.registry.codecs import builtin_codecs, make_codec
from brinery.testing import table
from brinery.testing.codec import CodecContract
from brinery.testing.proofs import PROOFS, prove_row
from brinery.testing.proofs.promises import speed_class
from brinery.testing.proofs.proof import CHANGED, NO, Proof
from brinery.testing.proofs.readers import READERS
from brinery.testing.samples import BASIC

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-codec.md"


@pytest.fixture(scope="module")
def codecs() -> list[Codec]:
    return [make_codec(name) for name in builtin_codecs()]


@pytest.fixture(scope="module")
def proofs(codecs: Sequence[Codec]) -> dict[str, list[Proof]]:
    return table.prove_all(codecs, speed=False)


@pytest.mark.thorough
def test_the_table_in_the_docs_is_not_stale(
    codecs: list[Codec], proofs: dict[str, list[Proof]]
) -> None:
    """It says what the proofs say; if this fails, run `make table`."""
    assert table.differences(PAGE.read_text(encoding="utf-8"), codecs, proofs) == []


@pytest.mark.parametrize(
    ("row", "wrong"),
    [("cycles", "refused"), ("recursion depth", "100,000+ / 100,000+"), ("speed class", "fast")],
)
def test_a_stale_cell_is_found(
    codecs: list[Codec], proofs: dict[str, list[Proof]], row: str, wrong: str
) -> None:
    """Also a depth that is not the one reached, and a speed that is no class."""
    page = PAGE.read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| {row}"))
    first = line.split("|")[2]
    small = {
        **proofs,
        "recursion depth": [replace(proofs["recursion depth"][0], result="100 / 100")],
    }
    small["recursion depth"] *= len(codecs)
    stale = page.replace(line, line.replace(first, f" {wrong} ", 1))
    found = [d for d in table.differences(stale, codecs, small) if d.startswith(row)]
    assert found
    assert repr(wrong) in found[0]


def test_a_stale_note_is_found(codecs: list[Codec], proofs: dict[str, list[Proof]]) -> None:
    """What the notes say of a row is proven like the row itself."""
    page = PAGE.read_text(encoding="utf-8")
    stale = page.replace("a nested function that calls itself", "a function of any kind")
    assert len(table.differences(stale, codecs, proofs)) == 2


def test_a_page_without_a_row_or_a_codec_is_stale(
    codecs: list[Codec], proofs: dict[str, list[Proof]]
) -> None:
    """A new row or codec has to be written down."""
    page = PAGE.read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| cycles"))
    assert "rows" in table.differences(page.replace(line + "\n", ""), codecs, proofs)[0]
    assert "codecs" in table.differences(page, [*codecs, codecs[0]], proofs)[0]


def test_what_is_written_is_not_stale(codecs: list[Codec], proofs: dict[str, list[Proof]]) -> None:
    """A page that is written from proofs agrees with them, and keeps what stands around."""
    speeds = [Proof("speed class", "≤ 10×", "5.0× the time")] * len(codecs)
    text = table.section(codecs, {**proofs, "speed class": speeds})
    page = table.written(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", text)
    assert table.differences(page, codecs, proofs) == []
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old\n" not in page.split(table.END)[0].split("\n")[:3]
    with pytest.raises(InvalidArgumentError, match="lacks"):
        table.written("no markers", text)


def test_a_codec_is_named_or_given_by_its_path() -> None:
    """Others can have their codec in the table."""
    assert table.codec_named("pickle") == table.codec_named("brinery_codecs.pickle:PickleCodec")
    for name in ("json:loads", "no_such_module:Codec", "json:NoCodec"):
        with pytest.raises(InvalidArgumentError):
            table.codec_named(name)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page without markers is refused before anything is measured."""
    page = tmp_path / "page.md"
    page.write_text("nothing")
    assert table.main(["pickle", "--write", str(page)]) == 2
    assert "lacks the lines" in capsys.readouterr().err
    assert page.read_text() == "nothing"


def test_classes_of_speed() -> None:
    """Bounds belong to the faster class."""
    found = [speed_class(ratio) for ratio in (0.5, 3, 3.1, 10, 29, 31)]
    assert found == ["≤ 3×", "≤ 3×", "≤ 10×", "≤ 10×", "≤ 30×", "> 30×"]


def test_the_reader_of_messagepack_is_right() -> None:
    """Against the library, on values of each width."""
    import msgpack

    numbers = [
        0,
        127,
        128,
        255,
        256,
        2**16,
        2**32,
        2**63,
        -1,
        -32,
        -33,
        -129,
        -(2**15) - 1,
        -(2**40),
    ]
    values = [*(make() for make in BASIC.values()), numbers, ["x" * 40, "x" * 300, "x" * 70_000]]
    values += [list(range(20)), list(range(70_000)), {str(n): n for n in range(20)}, 1.5, None]
    for value in values:
        assert READERS["MessagePack"](msgpack.packb(value)) == value
    with pytest.raises(ValueError, match="plain value"):
        READERS["MessagePack"](b"\xc1")


class Careless(Codec):
    """A codec that silently makes lists of tuples, floats of NaN, and loses what is shared."""

    name = "careless"
    capabilities = Capabilities(references=False, plain_pickle=True)

    @property
    def version(self) -> str:
        return "1"

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        sink.write(pickle.dumps(self._plain(obj)))

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        return pickle.loads(source)

    def _plain(self, obj: Any) -> Any:
        if isinstance(obj, dict):
            return {key: self._plain(value) for key, value in obj.items()}
        if isinstance(obj, list | tuple):
            return [self._plain(item) for item in obj]
        return 0.0 if obj != obj else obj


@pytest.mark.parametrize("row", ["shared identity", "NaN", "subclass of builtins"])
def test_a_codec_that_changes_data_fails(row: str) -> None:
    """The proof says so, and the contract does."""
    assert prove_row(Careless(), row).result == CHANGED
    with pytest.raises(AssertionError):
        CodecContract().test_each_row_of_the_table_is_proven(Careless(), row)


class Modest(type(make_codec("msgpack"))):  # type: ignore[misc]
    """A codec that says less than it keeps."""

    capabilities = Capabilities(references=False)


class Boastful(type(make_codec("pickle"))):  # type: ignore[misc]
    """A codec that says more than it keeps."""

    def __init__(self, protocol: int | None = None) -> None:
        super().__init__(protocol)
        kept = make_codec("pickle").capabilities
        others = {"closures": True, "deterministic": True, "safe_to_read": True}
        self.capabilities = kept._replace(classes_by_value=True, **others)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("make", "row"),
    [
        (Modest, "references"),
        (Modest, "determinism of bytes"),
        (Modest, "safe to read"),
        (Boastful, "lambdas"),
        (Boastful, "classes by value"),
        (Boastful, "determinism of bytes"),
        (Boastful, "safe to read"),
    ],
)
def test_a_flag_that_is_not_so_fails_in_both_directions(
    make: Callable[[], Codec], row: str
) -> None:
    """What is not declared must not be kept; what is, must be."""
    with pytest.raises(AssertionError, match="is declared"):
        CodecContract().test_each_row_of_the_table_is_proven(make(), row)


def test_the_rows_are_those_of_the_table_in_order(proofs: Mapping[str, list[Proof]]) -> None:
    """None is left out, and each result has its evidence."""
    assert list(proofs) == [row for row in PROOFS if row != "speed class"]
    assert all(proof.evidence for proven in proofs.values() for proof in proven)
    assert proofs["interned identity"][0].result == NO
