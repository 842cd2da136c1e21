"""Runs the Python blocks of a page as one script, and compares the output with the comments.

    python page.py PAGE.md

Blocks share one namespace, that of ``__main__``, and run in the current directory.  After a `print`
at the outermost level, or as the last statement of a block within, a comment on the line is its
output.  Blocks of a session (``>>>``) are doctests.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the Python blocks of a page, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)) + 1, found[1]


def expected_output(block: str) -> str:
    """Return the comments at the prints of a block, a line for each."""
    prints = {
        node.end_lineno
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    tokens = tokenize.generate_tokens(io.StringIO(block).readline)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    missing = [line for line in prints if line not in comments]
    if missing:
        raise AssertionError(f"lines {missing} of the block print and do not say what")
    return "".join(
        f"{text[1:].strip()}\n" for line, text in sorted(comments.items()) if line in prints
    )


def run_block(block: str, where: str, namespace: dict[str, object]) -> None:
    """Run one block; raise AssertionError if its output differs from its comments."""
    if ">>>" in block:
        test = doctest.DocTestParser().get_doctest(block, namespace, where, where, 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(test, clear_globs=False)
        assert not runner.failures, f"{where}: a session differs"
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, where, "exec"), namespace)
    assert printed.getvalue() == expected_output(block), (
        f"{where} prints\n{printed.getvalue()}and says\n{expected_output(block)}"
    )


def run_page(page: Path) -> None:
    """Run all blocks of a page."""
    namespace = sys.modules["__main__"].__dict__
    for line, block in blocks(page):
        run_block(block, f"{page.name}:{line}", namespace)


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
