"""The page of a benchmark, as text: whole without JavaScript, of one piece, and deaf to what results say."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from brinery.bench.report.page import render
from brinery.bench.report.page_values import date, duration, figure, label, number, size, text
from brinery.errors import InvalidArgumentError

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = Path(__file__).with_name("sample_results.json")
HOSTILE = "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;$data${x}"
MAY_BE_EMPTY = {"meta", "input", "br", "link", "img"}


class Parsed(HTMLParser):
    """The elements of a page: how often each occurs, their attributes, and whether all are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in MAY_BE_EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def shown(self) -> str:
        return " ".join(data for tag, data in self.texts if tag not in ("script", "style"))

    def scripts(self) -> list[str]:
        return [data for tag, data in self.texts if tag == "script"]


@pytest.fixture
def result() -> dict[str, Any]:
    """The sample, which has cases of every status; its figures are invented."""
    found: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return found


def replaced(value: Any, text: str) -> Any:
    """Return results in which every text but the schema is another, and every name of a field too is odd."""
    if isinstance(value, dict):
        return {key: replaced(inner, text) for key, inner in value.items()} | {text: text}
    if isinstance(value, list):
        return [replaced(inner, text) for inner in value]
    return text if isinstance(value, str) else value


def rows(page: str) -> list[str]:
    return re.findall(r"<tr data-case.*?</tr>", page, re.S)


def test_every_case_is_a_row_whatever_its_status(result: dict[str, Any]) -> None:
    """With its reason, if it has one; the sample has all six statuses."""
    assert {case["status"] for case in result["cases"]} == {
        *("ok", "refused", "failed", "timeout", "memory", "interrupted")
    }
    found = rows(render(result))
    assert len(found) == len(result["cases"])
    words = {"ok": "measured", "timeout": "out of time", "memory": "out of memory"}
    for case, row in zip(result["cases"], found, strict=True):
        assert f"<span>{words.get(case['status'], case['status'])}</span>" in row
        assert label(case) in html.unescape(row)
        if case["error"]:
            assert case["error"] in html.unescape(row)


def test_the_figures_of_a_case_stand_in_its_row(result: dict[str, Any]) -> None:
    """In the units of the heads, with quartiles."""
    case = result["cases"][0] | {
        "encode": {"median_seconds": 0.0125, "q1_seconds": 0.012, "q3_seconds": 0.0131},
        "bytes": 4_321_000,
        "peak_encode_bytes": None,
    }
    row = rows(render(result | {"cases": [case]}))[0]
    assert "12.5<small>12.0–13.1</small>" in row
    assert ">4,321<" in row
    assert ">–<" in row


def test_a_reason_has_the_room_of_the_figures(result: dict[str, Any]) -> None:
    """Also where the depth is known, which is tried apart from the case."""
    case = next(case for case in result["cases"] if case["status"] == "refused")
    case["fidelity"]["depth"] = 1000
    row = rows(render(result | {"cases": [case]}))[0]
    assert 'colspan="12"' in row
    assert row.count("<td") == 3
    assert ">1,000<" in row


def test_losses_are_said_beside_a_case_that_loses(result: dict[str, Any]) -> None:
    """In words, not by a colour."""
    lossy = [
        (case, row)
        for case, row in zip(result["cases"], rows(render(result)), strict=True)
        if case["keeps_everything"] is False
    ]
    assert lossy
    for case, row in lossy:
        assert '<td class="keeps">no' in row
        assert all(loss in row for loss in case["fidelity"]["losses"])


def test_a_chain_says_by_which_codecs_it_wrote(result: dict[str, Any]) -> None:
    """As `auto` may have written by several."""
    case = result["cases"][0] | {"codec": "auto", "used": ["pickle", "dill"]}
    page = render(result | {"cases": [case]})
    assert "Written by pickle, dill." in rows(page)[0]
    assert "Written by pickle, dill." in json.loads(Parsed(page).scripts()[0])["cases"][0]["lines"]


def test_recommendations_come_first_and_in_words(result: dict[str, Any]) -> None:
    """Before the table, each with its reason."""
    page = render(result)
    for entry in result["recommendations"]:
        reason = html.escape(entry["reason"])
        assert page.index(reason) < page.index("<table>")
        assert f'<p class="choice">{label(entry)}</p><p>{reason}</p>' in page


def test_machine_versions_settings_and_date_are_shown(result: dict[str, Any]) -> None:
    """All that results say of how they came about."""
    shown = Parsed(render(result)).shown()
    for said in ("25 November 2026, 18:40 UTC", "Sample CPU", "CPython 3.11.7", "dill", "25.3 GB"):
        assert said in shown
    assert result["command"] in shown
    assert "interrupted: this is what had been measured" in shown
    assert "left out &amp; why" in render(result | {"notes": ["left out & why"]})
    assert "interrupted: this" not in Parsed(render(result | {"interrupted": False})).shown()


def test_nothing_in_results_becomes_markup_or_script(result: dict[str, Any]) -> None:
    """Every text and every unknown field is hostile: the elements stay those of the page."""
    hostile = replaced(result, HOSTILE) | {"schema": result["schema"]}
    parsed = Parsed(render(hostile))
    plain = Parsed(render(replaced(result, "harmless") | {"schema": result["schema"]}))
    assert parsed.open == []
    assert parsed.tags == plain.tags
    assert parsed.tags["script"] == 2
    assert {name for _, name, _ in parsed.attributes} == {name for _, name, _ in plain.attributes}
    assert HOSTILE in parsed.shown()
    data = json.loads(parsed.scripts()[0])
    assert data["cases"][0]["label"].startswith(HOSTILE)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "odd", [None, "", "x", -1, 10**400, True, [], ["x"], {}, {"x": 1}, float("nan")]
)
def test_any_value_may_be_missing_or_odd(result: dict[str, Any], odd: Any) -> None:
    """One field after another, at every depth: the page is still whole."""
    of_each = {case["status"]: case for case in result["cases"]}
    result = result | {"cases": list(of_each.values())}
    whole = Counter(Parsed(render(result)).tags)
    for path in paths(result):
        changed = copy.deepcopy(result)
        inner: Any = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = odd
        parsed = Parsed(render(changed))
        assert parsed.open == []
        assert parsed.tags["table"] == whole["table"]
        json.loads(parsed.scripts()[0], parse_constant=lambda name: pytest.fail(name))


def paths(result: dict[str, Any]) -> list[list[Any]]:
    """Return the ways to all fields of a result, of lists only by their first entry."""
    found: list[list[Any]] = []

    def walk(value: Any, path: list[Any]) -> None:
        keys = (
            list(value)
            if isinstance(value, dict)
            else [0]
            if isinstance(value, list) and value
            else []
        )
        for key in keys:
            if path or key != "schema":
                found.append([*path, key])
                walk(value[key], [*path, key])

    walk(result, [])
    return found


def test_a_result_of_nothing_but_its_schema_is_a_page() -> None:
    """As after Ctrl-C before the first case."""
    parsed = Parsed(render({"schema": "brinery.bench/1"}))
    assert parsed.open == []
    assert parsed.tags["table"] == 1


@pytest.mark.parametrize("schema", [None, "brinery.bench/2", HOSTILE])
def test_results_of_another_schema_are_refused(schema: str | None) -> None:
    """Their figures might mean something else."""
    with pytest.raises(InvalidArgumentError, match="this version of brinery shows"):
        render({"schema": schema})


def test_the_page_loads_nothing(result: dict[str, Any]) -> None:
    """No address in it, nothing that refers to another file, and a policy that would forbid it."""
    page = render(result)
    parsed = Parsed(page)
    assert not {name for _, name, _ in parsed.attributes} & {
        "src",
        "href",
        "style",
        "srcset",
        "data",
    }
    assert not {name for _, name, _ in parsed.attributes if name.startswith("on")}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", page)
    assert re.findall(r"https?://[^\"]+", page) == ["http://www.w3.org/2000/svg"]  # a name
    policy = next(value for _, name, value in parsed.attributes if value.startswith("default-src"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_policy_names_the_digests_of_script_and_style(result: dict[str, Any]) -> None:
    """So that no other script runs, whatever gets into the page."""
    page = render(result)
    for kind in ("script", "style"):
        part = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.S)
        assert len(part) == 1
        digest = base64.b64encode(hashlib.sha256(part[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in html.unescape(page)


def test_the_page_is_written_in_utf_8(result: dict[str, Any]) -> None:
    """Also with lone surrogates in names, which UTF-8 has no bytes for."""
    result["cases"][0]["codec"] = "odd\ud800\u202e\x00name"
    assert r"odd\ud800\u202e\x00name" in render(result).encode().decode()


def test_the_wheel_has_the_parts_of_the_page(tmp_path: Path) -> None:
    """Template, style and script are read from the installed package."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "brinery/__init__.pyi" in names  # the table of public names
    assert {f"brinery/bench/report/page.{kind}" for kind in ("py", "html", "css", "js")} <= names


def test_values_are_shown_with_three_digits_and_the_unit_that_suits() -> None:
    """None is a dash; what is no number from 0 on, is none."""
    assert [figure(v) for v in (None, 0.0, 0.01234, 1.0, 999.9, 123456.7, 1e-9)] == [
        *("–", "0", "0.0123", "1.00", "1,000", "123,457", "1e-09")
    ]
    assert [duration(v) for v in (90.0, 0.0123, 45e-6, 3e-9, 0.0, None)] == [
        *("90.0 s", "12.3 ms", "45.0 µs", "3.00 ns", "0 ns", "–")
    ]
    assert [size(v) for v in (2e9, 1500.0, 12.0, None)] == ["2.00 GB", "1.50 kB", "12.0 bytes", "–"]
    assert [number(v) for v in (3, 0.5, True, -1, "3", 10**400, float("inf"))] == [
        *(3.0, 0.5, None, None, None, None, None)
    ]
    assert text(" a\n b\u202e ") == r"a b\u202e"
    assert date("2026-01-02T03:04:05+01:00") == "2 January 2026, 03:04 UTC+01:00"
    assert date("yesterday") == "yesterday"
    assert label({"codec": "pickle", "protocol": 5, "compress": "zstd:3"}) == "pickle:5 + zstd:3"
