"""The page of a benchmark in a real browser: Chromium, without a window, and without a network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from brinery.bench.report.page import render

SAMPLE = Path(__file__).with_name("sample_results.json")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests; where CI runs them, that there is none is a failure."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        missing = "no chromium and chromedriver: sudo apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = Chrome(options=options, service=Service(driver))
    try:
        yield found
    finally:
        found.quit()


@pytest.fixture
def result() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def page(browser: Chrome, result: dict[str, Any], tmp_path: Path) -> Iterator[Chrome]:
    """The sample, opened; that the console stays empty is part of each test."""
    open_page(browser, result, tmp_path)
    yield browser
    assert complaints(browser) == []


def open_page(browser: Chrome, result: dict[str, Any], place: Path, width: int = 1200) -> None:
    file = place / "page.html"
    file.write_text(render(result), encoding="utf-8")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(file.as_uri())


def complaints(browser: Chrome) -> list[dict[str, Any]]:
    """Return the messages of the console since the last call."""
    found: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return found


def all_of(page: Chrome, selector: str) -> list[WebElement]:
    return page.find_elements(By.CSS_SELECTOR, selector)


def codecs(page: Chrome) -> list[str]:
    """Return the codecs of the rows that are seen, from top to bottom."""
    script = (
        "return [...document.querySelectorAll('tbody tr:not([hidden]) th')].map(e => e.textContent)"
    )
    found: list[str] = page.execute_script(script)
    return found


def column(page: Chrome, head: int) -> list[str]:
    """Return the texts of a column, of the rows that have it."""
    script = """return [...document.querySelectorAll('tbody tr:not([hidden])')].map(
        r => r.cells[arguments[0]]).filter(c => c).map(c => c.firstChild.textContent)"""
    found: list[str] = page.execute_script(script, head)
    return found


def choose(page: Chrome, shape: str) -> None:
    Select(page.find_element(By.ID, "shape")).select_by_visible_text(shape)


def head_named(page: Chrome, name: str, unit: str) -> tuple[int, WebElement]:
    for n, head in enumerate(all_of(page, "thead th")):
        shown = page.execute_script("return arguments[0].textContent", head)
        if shown.split() == [*name.split(), *unit.split()]:
            return n, head
    raise LookupError(name)


def test_a_click_on_a_head_sorts_the_table(page: Chrome) -> None:
    """Up, then down; cases without the figure stay below, and aria-sort says which way."""
    choose(page, "Syntax trees")
    before = codecs(page)
    number, head = head_named(page, "Decode", "ms")
    assert head.get_attribute("aria-sort") is None
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = codecs(page)
    assert up != before
    assert sorted(up) == sorted(before)
    values = column(page, number)
    assert values[-1] == "–"
    figures = [float(value.replace(",", "")) for value in values[:-1]]
    assert figures == sorted(figures)
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert codecs(page) == [*reversed(up[:-1]), up[-1]]


def test_the_keyboard_sorts_the_table(page: Chrome) -> None:
    """Speeds begin with the greatest; only one head is sorted by."""
    head_named(page, "Codec", "")[1].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    _, head = head_named(page, "Encode", "MB/s")
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.SPACE)
    assert head.get_attribute("aria-sort") == "descending"
    assert len(all_of(page, "[aria-sort]")) == 1


def test_a_shape_is_chosen(page: Chrome, result: dict[str, Any]) -> None:
    """Recommendation, charts and table are then of this shape; at first they are of all."""
    assert len(codecs(page)) == len(result["cases"])
    assert len(all_of(page, ".advice article:not([hidden])")) == 3
    choose(page, "Closures")
    mine = [case for case in result["cases"] if case["graph"] == "closures"]
    measured = [case for case in mine if case["status"] == "ok"]
    assert len(codecs(page)) == len(mine)
    assert [e.text for e in all_of(page, ".advice article:not([hidden]) h3")] == ["Closures"]
    assert len(all_of(page, "svg .point")) == len(measured)
    absent = page.find_element(By.ID, "absent").text
    assert absent.count("(refused)") == sum(case["status"] == "refused" for case in mine)
    assert "auto (interrupted)" in absent


def test_the_charts_switch_between_encode_and_decode(page: Chrome) -> None:
    """Marks move, bars are sorted again; the arrows of the keyboard switch as a click does."""
    choose(page, "Syntax trees")
    places = "return [...document.querySelectorAll('circle')].map(c => c.getAttribute('cy'))"
    names = "return [...document.querySelectorAll('.bars .name')].map(e => e.textContent)"
    encode = page.execute_script(places), page.execute_script(names)
    all_of(page, "fieldset label")[1].click()
    decode = page.execute_script(places), page.execute_script(names)
    assert decode[0] != encode[0]
    assert decode[1] != encode[1]
    assert all_of(page, "svg")[0].get_attribute("aria-label") == "Decoding speed against size"
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert (page.execute_script(places), page.execute_script(names)) == encode


def test_marks_say_what_they_are(page: Chrome) -> None:
    """To the mouse, to the keyboard, and to who cannot see them; lossy ones are hollow, and say so."""
    choose(page, "Syntax trees")
    mark = next(
        e
        for e in all_of(page, "svg .lossy")
        if e.text.startswith("msgpack") and "zstd" not in e.text
    )
    assert "lossy" in mark.text
    assert "loses something" in str(mark.get_attribute("aria-label"))
    fill = "return getComputedStyle(arguments[0].querySelector('circle')).fill"
    whole = all_of(page, "svg .whole")[0]
    assert page.execute_script(fill, mark) != page.execute_script(fill, whole)
    tip = page.find_element(By.CSS_SELECTOR, ".tip")
    assert not tip.is_displayed()
    ActionChains(page).move_to_element(mark.find_element(By.TAG_NAME, "circle")).perform()
    assert tip.is_displayed()
    assert tip.text.splitlines()[1] == "recommended: safest"
    assert "Tuples become lists." in tip.text
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()
    page.execute_script("arguments[0].focus()", whole)
    assert tip.is_displayed()


@pytest.mark.parametrize("shape", ["All shapes", "Syntax trees", "Closures"])
def test_a_phone_needs_no_scrolling_sideways(
    browser: Chrome, result: dict[str, Any], tmp_path: Path, shape: str
) -> None:
    """At 390 pixels only the table scrolls, in a region that the keyboard reaches."""
    result["cases"][0]["error"] = result["cases"][1]["codec"] = "unbroken" * 40
    open_page(browser, result, tmp_path, width=390)
    choose(browser, shape)
    assert browser.execute_script("return innerWidth") == 390
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    region = browser.find_element(By.CSS_SELECTOR, ".scroll")
    assert region.get_attribute("tabindex") == "0"
    assert complaints(browser) == []


def test_the_page_is_dark_where_that_is_wished(page: Chrome) -> None:
    """Ink and paper change places; marks and words follow."""
    ink = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    found = {}
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        found[scheme] = [sum(map(int, c[4:-1].split(",")[:3])) for c in page.execute_script(ink)]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert found["light"][0] < 150 < 600 < found["light"][1]
    assert found["dark"][1] < 150 < 600 < found["dark"][0]


def test_a_printed_page_is_light_and_loses_no_column(
    browser: Chrome, result: dict[str, Any], tmp_path: Path
) -> None:
    """On A4 across, also where the reader's screen is dark; bars keep their colours."""
    open_page(browser, result, tmp_path, width=1032)
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [dark]})
    try:
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        style = "const s = getComputedStyle(document.body); return [s.color, s.printColorAdjust]"
        assert wide <= 1032
        assert browser.execute_script(style) == ["rgb(0, 0, 0)", "exact"]
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_hostile_names_are_only_shown(
    browser: Chrome, result: dict[str, Any], tmp_path: Path
) -> None:
    """In the table, the charts, the tips and the choice of shapes: no element, no script, no complaint."""
    for case in result["cases"]:
        case["codec"] += HOSTILE
        case["fidelity"]["losses"] = [HOSTILE]
    for graph in result["graphs"]:
        graph["title"] += HOSTILE
    open_page(browser, result, tmp_path)
    assert all_of(browser, "img") == []
    assert len(all_of(browser, "script")) == 2
    assert HOSTILE in browser.find_element(By.ID, "bars").text
    choose(browser, "Closures" + HOSTILE)
    browser.execute_script("document.querySelector('svg .point').focus()")
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, ".tip").text
    assert complaints(browser) == []


def test_a_script_that_got_in_would_not_run(browser: Chrome, tmp_path: Path) -> None:
    """The policy stops what escaping might let through, and the browser says so."""
    sound = render({"schema": "brinery.bench/1"})
    assert "<body>" in sound
    unsound = sound.replace("<body>", "<body><script>document.title = 'run'</script>")
    file = tmp_path / "page.html"
    file.write_text(unsound, encoding="utf-8")
    browser.get(file.as_uri())
    assert browser.title.startswith("brinery: codecs compared")
    assert "Content Security Policy" in str(complaints(browser))


def test_recommendation_and_table_are_read_without_javascript(
    browser: Chrome, result: dict[str, Any], tmp_path: Path
) -> None:
    """The charts are then left out, and the page says why."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, result, tmp_path)
        seen = browser.find_element(By.TAG_NAME, "body").text
        assert all(entry["reason"] in seen for entry in result["recommendations"])
        assert all(row.is_displayed() for row in all_of(browser, "tbody tr"))
        assert "need JavaScript" in seen
        assert not any(e.is_displayed() for e in all_of(browser, ".controls, .charts"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
