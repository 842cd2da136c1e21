"""The table "which codec keeps what", made by trying: see `brinery.testing.proofs`.

python -m brinery.testing.table                                    # every codec that is built in
python -m brinery.testing.table mypackage:MyCodec pickle           # these
python -m brinery.testing.table --write docs/how-to/choose-a-codec.md   # between the page's markers
"""

from __future__ import annotations

import argparse
import importlib
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from brinery.codec import Codec
from brinery.errors import BrineryError, InvalidArgumentError
from brinery.registry.codecs import builtin_codecs, make_codec
from brinery.testing.proofs import PROOFS, prove_row
from brinery.testing.proofs.graphs import DEPTHS
from brinery.testing.proofs.promises import SPEEDS
from brinery.testing.proofs.proof import CHANGED, UNREADABLE, Proof

BEGIN: Final = "<!-- table of codecs: begin; written by `make table` -->"
END: Final = "<!-- table of codecs: end -->"
COMMAND: Final = "python -m brinery.testing.table"
_SPEED: Final = "speed class"


def codec_named(name: str) -> Codec:
    """Return the codec of a name, or of `module:Class`; raise InvalidArgumentError if there is none."""
    module, colon, path = name.partition(":")
    if not colon:
        return make_codec(name)
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidArgumentError(f"there is no codec {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Codec)):
        raise InvalidArgumentError(f"{name!r} is {found!r}, not a subclass of Codec")
    return found()


def prove_all(codecs: Sequence[Codec], *, speed: bool = True) -> dict[str, list[Proof]]:
    """Return the proofs of each row, one per codec, in the order of both."""
    rows = [row for row in PROOFS if speed or row != _SPEED]
    return {row: [prove_row(codec, row) for codec in codecs] for row in rows}


def table(codecs: Sequence[Codec], proofs: dict[str, list[Proof]]) -> str:
    """Return proofs as a table in Markdown, with numbered notes that say what was tried."""
    lines = [
        "| | " + " | ".join(f"`{codec.name}`" for codec in codecs) + " |",
        "|---" * (len(codecs) + 1) + "|",
    ]
    notes: list[str] = []
    for row, proven in proofs.items():
        evidence: dict[str, list[str]] = {}
        for codec, proof in zip(codecs, proven, strict=True):
            if proof.row != _SPEED:  # figures of one run are not written where they would not stay
                evidence.setdefault(proof.evidence, []).append(codec.name)
        number = f" [{len(notes) + 1}]" if evidence else ""
        lines.append(f"| {row}{number} | " + " | ".join(p.result for p in proven) + " |")
        if evidence:
            said = "; ".join(
                text if len(evidence) == 1 else f"{', '.join(names)}: {text}"
                for text, names in evidence.items()
            )
            notes.append(f"{len(notes) + 1}. {row}: {said}.")
    return "\n".join([*lines, "", *notes])


def section(codecs: Sequence[Codec], proofs: dict[str, list[Proof]]) -> str:
    """Return the table with what a reader has to know of it."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{table(codecs, proofs)}\n\nProven with {python} on {platform.system()} by `{COMMAND}`. "
        f"A depth with a + is the greatest that was tried ({DEPTHS[-1]:,}). Speed is the time of a save "
        "and a load of 10,000 small dicts in a `MemoryStore`, over that of `pickle.dumps` and `pickle.loads` "
        "of the same data, best of five in one run.\n"
    )


def written(page: str, text: str) -> str:
    """Return a page with `text` between its markers; raise InvalidArgumentError if it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise InvalidArgumentError(f"the page lacks the lines {BEGIN!r} and {END!r}: add both")
    return f"{head}{begin}\n\n{text}\n{end}{tail}"


def cells(page: str) -> dict[str, list[str]]:
    """Return the cells of the table between a page's markers, by row; `""` has the codecs' names."""
    between = page.partition(BEGIN)[2].partition(END)[0]
    found = {}
    for line in between.splitlines():
        if line.startswith("| "):
            name, *values = (cell.strip() for cell in line.strip("|").split("|"))
            found[re.sub(r" \[\d+\]$", "", name)] = [value.strip("`") for value in values]
    return found


def differences(page: str, codecs: Sequence[Codec], proofs: dict[str, list[Proof]]) -> list[str]:
    """Return where the table of a page says something else than the proofs do.

    Speed is compared in form only: it is measured, and never the same on two machines.
    """
    documented = cells(page)
    names = [codec.name for codec in codecs]
    if documented.get("") != names:
        return [f"the page has the codecs {documented.get('')}, and there are {names}"]
    if list(documented) != ["", *PROOFS]:
        return [f"the page has the rows {list(documented)[1:]}, and there are {list(PROOFS)}"]
    found = [
        f"{row}, {name}: the page says {said!r}, and the proof {proof.result!r} ({proof.evidence})"
        for row, proven in proofs.items()
        for name, said, proof in zip(names, documented[row], proven, strict=True)
        if said != proof.result and row != _SPEED
    ]
    found += [
        f"{_SPEED}: {said!r} is not a class of speed"
        for said in documented[_SPEED]
        if said not in SPEEDS
    ]
    said_so = _notes(page.partition(BEGIN)[2].partition(END)[0])
    proven_so = _notes(table(codecs, proofs))
    found += [
        f"a note of the page is not proven: {note}" for note in said_so if note not in proven_so
    ]
    found += [f"a note is missing on the page: {note}" for note in proven_so if note not in said_so]
    return found


def _notes(text: str) -> list[str]:
    return re.findall(r"^\d+\. .*$", text, re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it into a page.

    Return 0, or 1 if a codec changed or lost data, or 2 for arguments that are wrong.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("codecs", nargs="*", help="names, or module:Class; all built in if none")
    parser.add_argument("--write", metavar="PAGE", type=Path, help="a page with the markers")
    options = parser.parse_args(arguments)
    try:
        codecs = [codec_named(name) for name in options.codecs or builtin_codecs()]
        # The page is looked at first: proofs take a minute.
        page = options.write.read_text(encoding="utf-8") if options.write else None
        if page is not None:
            written(page, "")
        proofs = prove_all(codecs)
        text = section(codecs, proofs)
        if page is not None:
            options.write.write_text(written(page, text), encoding="utf-8")
        else:
            print(text, end="")
    except (BrineryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    changed = [
        proof
        for proven in proofs.values()
        for proof in proven
        if proof.result in (CHANGED, UNREADABLE)
    ]
    for proof in changed:
        print(f"error: {proof.row}: {proof.evidence}", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
