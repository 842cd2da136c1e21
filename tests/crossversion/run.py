"""Each Python reads what every other has written: `make test-all` calls this at its end.

    python tests/crossversion/run.py PYTHON PYTHON …

Each PYTHON is the interpreter of an environment where brinery is installed.  The records are those
of the golden files: pickle at each protocol, msgpack, and cloudpickle and dill without code, which only
the Python of the same version reads.  Members of enumerations are exchanged besides, because releases of one
version pickle them otherwise: they are read under a policy, and after their classes were renamed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


FAMILY = ("pickle", "cloudpickle", "dill")
MEMBERS = "tests.crossversion.members"


def write(directory: Path) -> None:
    """Write the records of all codecs below `directory`, with this Python."""
    from tests.crossversion.members import values
    from tests.golden.regenerate import write_plain

    from brinery import FilesystemStore

    write_plain(directory)
    for codec in FAMILY:
        for protocol in range(6):
            place = directory / f"members-{codec}-{protocol}"
            with FilesystemStore(place, codec=codec, protocol=protocol) as store:
                store.save(values(), "values")


def read(directory: Path) -> None:
    """Load and check the records below `directory`, with this Python."""
    from tests.golden.graphs import check
    from tests.golden.regenerate import directories

    from brinery import FilesystemStore

    count = 0
    for path, _, _, makes in directories():
        with FilesystemStore(directory / path) as store:
            for name in makes:
                check(name, store.load(name))
                count += 1
    for codec in FAMILY:
        for protocol in range(6):
            read_members(directory / f"members-{codec}-{protocol}")
            count += 1
    print(f"{count} graphs")


def read_members(directory: Path) -> None:
    """Load and check members of enumerations: as they are, under a policy, and renamed."""
    from tests.crossversion.members import NAMES, values

    from brinery import FilesystemStore, Trust

    classes = [f"{MEMBERS}:{name}" for name in NAMES] + ["socket:AddressFamily"]
    renames = {f"{MEMBERS}:{name}": f"{MEMBERS}:New{name}" for name in NAMES}
    new = [f"{MEMBERS}:New{name}" for name in NAMES] + ["socket:AddressFamily"]
    for expected, trust, table in (
        (values(), None, {}),
        (values(), Trust(classes=classes), {}),
        (values("New"), None, renames),
        (values("New"), Trust(classes=new), renames),
    ):
        with FilesystemStore(directory, trust=trust, renames=table) as store:
            found = store.load("values")
            assert found == expected, found
            assert [*map(type, found)] == [*map(type, expected)]


def _run(python: str, action: str, directory: Path) -> str | None:
    """Run this program by another Python; return what went wrong."""
    command = [python, "-W", "error", __file__, action, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


def main(pythons: Sequence[str]) -> int:
    """Let each Python read what each has written; return the number of failures."""
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        places = {python: Path(temporary, str(n)) for n, python in enumerate(pythons)}
        for writer, place in places.items():
            wrong = {"write": _run(writer, "--write", place)}
            if wrong["write"] is None:
                wrong = {reader: _run(reader, "--read", place) for reader in pythons}
            for reader, error in wrong.items():
                print(f"{writer} -> {reader}: {'ok' if error is None else 'FAILED'}")
                if error is not None:
                    print(error, file=sys.stderr)
                    failures += 1
    return failures


if __name__ == "__main__":
    if sys.argv[1:2] in (["--write"], ["--read"]):
        sys.path.insert(0, str(PROJECT))
        {"--write": write, "--read": read}[sys.argv[1]](Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        sys.exit(main(sys.argv[1:]) > 0)
    else:
        sys.exit(__doc__)
