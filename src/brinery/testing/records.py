"""IDs and bytes of records that the contract of backends is tried with."""

from __future__ import annotations

from brinery.record.format import MAGIC

HOSTILE_IDS: tuple[str, ...] = (
    "",
    ".",
    "..",
    "../evil",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:",
    ".hidden",
    "trailing.",
    " spaces ",
    "nul",
    "con.txt",
    "lock",
    "ab",
    "FF",
    "-rf",
    "%41",
    "50%",
    "a_b",
    "a%b",
    "*?[x]",
    "quote\"'",
    "; drop table records --",
    "new\nline",
    "nul\0byte",
    "\x7f\x1b[31m",
    "case",
    "CASE",
    "日本語",
    "e\u0301",
    "\u00e9",
    "\U0001f600",
    "\ud800",
    "x" * 255,
    "x" * 256,
    "y" * 10_000,
    "é" * 200,
)
"""IDs that have broken some store; `name_of` makes names of them."""


def body(text: str | int) -> bytes:
    """Return bytes that end as a record does, the same for the same text only."""
    return f"the bytes of a record in the state {text}".encode() * 2 + MAGIC
