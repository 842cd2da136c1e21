"""README and docs: their code runs, their links lead somewhere, and all public names are described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs import page as runner

import brinery
from brinery import BrineryError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOW_TO = ROOT / "docs" / "how-to"

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """Return the text of a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, by GitHub's rule."""
    headings = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield path and anchor of each link of a page to another of this project, or to itself."""
    for target in _LINK.findall(prose(page)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def run_python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a fresh Python, in which warnings are errors."""
    # The distribution of a how-to counts as installed; that it can be is tested elsewhere.
    example = ROOT / "examples" / "literal_codec" / "src"
    paths = [str(ROOT / "src"), str(ROOT / "codecs"), str(example)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.thorough
@each_page
def test_the_code_of_a_page_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    """All Python blocks, in order, as one script in an empty directory."""
    done = run_python(runner.__file__, str(page), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    [
        "write-a-backend",
        "compress",
    ],
)
def test_what_a_how_to_writes_keeps_the_contract(name: str, tmp_path: Path) -> None:
    """Its test class is run as a reader would: in a file of its own, by pytest."""
    blocks = [block for _, block in runner.blocks(HOW_TO / f"{name}.md")]
    written = next(block for block in blocks if re.search(r"^class \w+\(", block, re.MULTILINE))
    (tmp_path / "test_page.py").write_text("\n".join([written, blocks[-1]]), encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--timeout=100")
    done = run_python("-m", "pytest", *options, "test_page.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("name", ["write-a-backend"])
def test_what_a_how_to_writes_is_short(name: str) -> None:
    """At most 41 lines, blank ones aside."""
    _, block = next(runner.blocks(HOW_TO / f"{name}.md"))
    assert len([line for line in block.splitlines() if line.strip()]) <= 41


@each_page
def test_links_lead_to_pages_and_headings_that_exist(page: Path) -> None:
    """Relative to the page; links to other sites are not checked."""
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {path}, which is not there"
        if anchor:
            assert anchor in anchors(target), f"{target.name} has no heading #{anchor}"


def test_every_page_can_be_reached_from_the_index() -> None:
    """By a link of its own."""
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / path).resolve() for path, _ in links(index)}
    assert set(PAGES) - reached == {index}


def test_the_reference_has_every_public_name() -> None:
    """As code, in a heading or a table."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in brinery.__all__:
        assert re.search(rf"^### {name}$|`{name}[`(]", text, re.MULTILINE), f"{name} is missing"


def test_the_reference_has_every_method_of_a_store() -> None:
    """Except those that it only inherits as a mapping."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in vars(brinery.Store):
        if not name.startswith("_"):
            assert re.search(rf"`{name}[`(]", text), f"{name} is missing"


def test_the_reference_names_the_bases_of_errors() -> None:
    """The table lists the base classes of each error."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+Error)` \| (?:`(\w+)` )?\|", text, re.MULTILINE))
    for name in brinery.__all__:
        cls = getattr(brinery, name)
        if isinstance(cls, type) and issubclass(cls, BrineryError) and cls is not BrineryError:
            bases = [base.__name__ for base in cls.__bases__ if base is not BrineryError]
            assert [rows[name]] == (bases or [""])


def test_the_readme_is_short_and_opens_with_the_commands() -> None:
    """At most 120 lines; `make demo` and `make test` come first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert re.findall(r"^make (\w+)", text, re.MULTILINE) == ["demo", "test"]
    assert text.index("make test") < text.index("```python")


@each_page
def test_pages_name_no_machine_and_no_registry(page: Path) -> None:
    """Neither home directories nor addresses of package registries."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/Users/|pypi\.org", text)
