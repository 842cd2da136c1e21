"""Verifying a save in a fresh process before it is committed.

The records are written to a temporary directory, together with those that they refer to.  A new interpreter
loads them there.  It has the same `sys.path`, environment and current directory as this process, and an empty
``__main__``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from brinery.backend import Put
from brinery.errors import InvalidArgumentError, Problem, VerificationError, storage_error
from brinery.ids import name_of
from brinery.record.reader import parse_metadata
from brinery.session.session import Session
from brinery.verify.child import IN_MAIN, UNDEFINED
from brinery.verify.description import Line

FRESH_PROCESS: Final = "fresh-process"

# An expression: it binds no name in `__main__`.
_PROGRAM: Final = (
    "(lambda job: (__import__('sys').path.__setitem__(slice(None), job['path']),"
    " __import__('importlib').import_module('brinery.verify.child').run(job)))"
    "(__import__('json').load(open(__import__('sys').argv[1], encoding='ascii')))"
)
_OF_C: Final = "Current thread's C stack trace"
"""Python 3.14 and later print this behind the calls of Python, which say more."""
_SHOWN: Final = 2_000  # characters of the output of a crashed process


@dataclass(frozen=True, slots=True)
class FreshProcess:
    """Makes a save load its records in a new interpreter before it commits them.

    `timeout` is in seconds, for starting, loading and checking together.
    """

    timeout: float = 60.0

    def __post_init__(self) -> None:
        if type(self.timeout) not in (int, float) or not 0 < self.timeout <= threading.TIMEOUT_MAX:
            raise InvalidArgumentError(
                f"timeout: expected a number of seconds above 0, got {self.timeout!r:.60}"
            )

    def check(self, session: Session, puts: Iterable[Put], ids: Sequence[str]) -> None:
        """Load the objects `ids` of the records `puts` in a new process.

        Records that these refer to and that are not in `puts` are read from the store of the session.  Raise
        `VerificationError`, or `StorageError` if temporary files cannot be written or the process cannot
        be started.
        """
        if not sys.executable or getattr(sys, "frozen", False):
            raise InvalidArgumentError(
                "verify: this program has no interpreter of its own to start"
            )
        try:
            found = self.found(session, puts, ids)
        except OSError as error:
            raise storage_error("verify", error, id=ids[0], path=tempfile.gettempdir()) from error
        if found.problems:
            where = session.backend.location
            raise VerificationError(found.problems, id=ids[0], path=where, advice=found.advice)

    def found(
        self, session: Session, puts: Iterable[Put], ids: Sequence[str], *, describes: bool = False
    ) -> Found:
        """Return what a new process finds; with `describes`, also what it loaded, if there is no problem."""
        trust = session.gate.trust
        # Codecs and transforms that were passed as instances need not be registered.
        classes = {**session.codecs.classes, **session.expander.classes}
        with tempfile.TemporaryDirectory(prefix="brinery-verify-") as scratch:
            records = Path(scratch, "records")
            records.mkdir()
            copied = _Copy(records)
            missing = copied.copy(session, puts, ids)
            job = {
                "path": [os.getcwd() if entry == "" else entry for entry in _search_path()],
                "records": str(records),
                "report": str(Path(scratch, "report")),
                "ids": [str(id_) for id_ in ids],
                "describes": describes,
                "renames": dict(session.renames.given),
                "max_expanded": session.expander.limit,
                # The keys are not passed on: the seals have been checked in this process.
                "classes": None if trust.classes is None else list(trust.classes),
                "codecs": {
                    name: f"{cls.__module__}:{cls.__qualname__}" for name, cls in classes.items()
                },
            }
            if missing:
                return Found(missing)
            report = self._run(job, Path(scratch))
            if isinstance(report, str):
                return Found([Problem(None, "", report)])
            problems = [
                Problem(each["id"], each["path"], each["what"]) for each in report["problems"]
            ]
            lacks = {each["lacks"] for each in report["problems"]}.difference({""})
            advice = _advice(lacks, copied.codecs) if lacks else None
            return Found(problems, advice, [Line(*line) for line in report["description"]])

    def _run(self, job: Mapping[str, Any], scratch: Path) -> Mapping[str, Any] | str:
        """Return the report of the process, or why there is none."""
        (scratch / "job").write_text(json.dumps(job), encoding="ascii")
        command = [sys.executable, "-P", "-X", "faulthandler", "-c", _PROGRAM, str(scratch / "job")]
        with open(scratch / "errors", "wb") as errors:
            try:
                code = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    timeout=self.timeout,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return f"loading it there did not end within {self.timeout:g} s"
        try:
            report = json.loads((scratch / "report").read_text(encoding="ascii"))
        except (OSError, ValueError):
            said = (scratch / "errors").read_text(encoding="utf-8", errors="replace")
            said = said.partition(_OF_C)[0]
            return f"{_end(code)}: {' '.join(said[-_SHOWN:].split()) or 'it said nothing'}"
        return dict(report)


class Found(NamedTuple):
    """What a fresh process found."""

    problems: Sequence[Problem]
    advice: str | None = None
    description: Sequence[Line] = ()


def _advice(lacks: Collection[str], codecs: Collection[tuple[str, bool]]) -> str:
    """Return what to do about what is missing; `codecs` wrote the records, by name and by `recurse`."""
    advice = "Move what is missing to a module that can be imported"
    names = {name for name, _ in codecs}
    if {*lacks} == {IN_MAIN} and names == {"pickle"}:
        return f"{advice}, or save with codec='cloudpickle' or codec='dill', which keep it by value"
    if {*lacks} == {UNDEFINED} and {*codecs} == {("dill", False)}:
        return f"{advice}, or save with codec='dill' and recurse=True, which keeps the globals of functions"
    return advice


def verifier_of(verify: str | FreshProcess) -> FreshProcess:
    """Return the verifier that the argument `verify` of a save selects."""
    if isinstance(verify, FreshProcess):
        return verify
    if verify != FRESH_PROCESS:
        raise InvalidArgumentError(f"verify: expected {FRESH_PROCESS!r}, got {verify!r}")
    return FreshProcess()


def _search_path() -> Iterator[str]:
    return (entry for entry in sys.path if isinstance(entry, str))


def _end(code: int) -> str:
    if code >= 0:
        return f"the process ended by itself, with status {code}, before it had loaded the object"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"the process that loaded it crashed ({name})"


class _Copy:
    """Writes records, and those that they refer to, into a directory."""

    def __init__(self, records: Path) -> None:
        self._records = records
        self._had: set[str] = set()
        self._wanted: dict[str, str] = {}
        self.codecs: set[tuple[str, bool]] = set()
        """Name and `recurse` of the codecs that wrote them."""

    def copy(self, session: Session, puts: Iterable[Put], ids: Sequence[str]) -> list[Problem]:
        """Write the records of `puts` and, wave by wave, those of the store that they refer to."""
        self._wanted = {name_of(id_): "" for id_ in ids}
        for put in puts:
            self._write(put.name, b"".join(put.data))
        while following := [name for name in self._wanted if name not in self._had]:
            for name, data, version in session.backend.get_many(following):
                session.gate.parsed(data, version, path=session.backend.where(name))
                self._write(name, data)
            gone = [name for name in following if name not in self._had]
            if gone:
                return [
                    Problem(
                        None,
                        "",
                        f"{self._wanted[name]!r} refers to {name!r}, which is not in the store",
                    )
                    for name in gone
                ]
        return []

    def _write(self, name: str, data: bytes) -> None:
        (self._records / name).write_bytes(data)
        self._had.add(name)
        metadata = parse_metadata(data, len(data))
        self.codecs.add((metadata.codec, bool(metadata.config.get("recurse"))))
        for reference in metadata.references:
            self._wanted.setdefault(name_of(reference), metadata.id)
