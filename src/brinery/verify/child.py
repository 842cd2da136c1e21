"""The program of the fresh interpreter that `brinery.verify.fresh_process` starts.

It loads the records of a directory and writes the problems to a file, as JSON.  It binds no name in
`__main__`, which has to be as empty as in any other program.
"""

from __future__ import annotations

import importlib
import json
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final

from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import BrineryError, DecodeError
from brinery.evolution.renames import Renames
from brinery.graph.loading.load import load, load_again
from brinery.ids import name_of
from brinery.record.payload import PayloadExpander
from brinery.record.reader import parse
from brinery.record.record import Record
from brinery.reference import OWN_STORE, ExternalReference
from brinery.session.session import Session
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.verify.description import described
from brinery.verify.undefined_names import undefined_names

Found = dict[str, str | None]

IN_MAIN: Final = "a name of __main__"
IN_MODULE: Final = "a name of a module"
UNDEFINED: Final = "a name that a function uses"
"""What a problem is about, if something is missing there."""


def run(job: Mapping[str, Any]) -> None:
    """Do the job and write the report."""
    try:
        verifier = _Verifier(job)
        report = list(verifier.problems())
        lines = described(verifier.loaded) if job["describes"] and not report else []
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module of the user's may raise anything
        report = [_finding(None, "", "".join(traceback.format_exception_only(error)).strip())]
        lines = []
    with open(job["report"], "w", encoding="ascii") as file:
        json.dump({"problems": report, "description": lines}, file)


class _Verifier:
    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = job
        self._ids: list[str] = job["ids"]
        self._backend = DirectoryBackend(job["records"], durability="process", create=False)
        trust = Trust(classes=job["classes"], anyone=True)
        expander = PayloadExpander(job["max_expanded"])
        self._session = Session(self._backend, trust, Renames(job["renames"]), expander)
        # There is no store here, which the objects could refer to.
        self._session.load = load_again
        self._session.store = lambda: ExternalReference(OWN_STORE)
        self.loaded: list[Any] = []

    def problems(self) -> Iterator[Found]:
        """Yield the reasons why the objects cannot be loaded or used here."""
        unknown = list(self._unknown_codecs())
        if unknown:
            yield from unknown
            return
        try:
            loaded = load(self._session, self._ids)
        except BrineryError as error:
            # Report all missing globals, and not only the first; without any, report the error itself.
            yield from list(self._missing_globals()) or [self._failure(error)]
            return
        self.loaded = loaded
        for root, obj in zip(self._ids, loaded, strict=True):
            for path, what in undefined_names(obj):
                yield _finding(root, path, what, UNDEFINED)

    def _failure(self, error: BrineryError) -> Found:
        path = self._places().get(str(error.id), "") + (getattr(error, "object_path", None) or "")
        reason = str(error)
        if isinstance(error, DecodeError):
            reason = ". ".join(filter(None, (error.reason, error.advice)))
        return _finding(self._root_of.get(str(error.id)), path, reason)

    def _unknown_codecs(self) -> Iterator[Found]:
        for name, path in self._job["codecs"].items():
            module, _, qualname = path.partition(":")
            try:
                found: Any = importlib.import_module(module)
                for part in qualname.split("."):
                    found = getattr(found, part)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything
                what = f"{name!r}, {path}, cannot be imported: {error}"
                yield _finding(None, "", what)
            else:
                if issubclass(found, Transform):
                    self._session.expander.known_class(found)
                else:
                    self._session.codecs.classes[name] = found

    # -- names in the records

    def _missing_globals(self) -> Iterator[Found]:
        reasons: dict[str, tuple[str | None, str]] = {}
        places = self._places()
        for id_, prefix in places.items():
            for kind, name, path in self._mentions(id_):
                if kind != "global":
                    continue
                if name not in reasons:
                    module, _, qualname = name.partition(":")
                    renamed = self._session.renames.present(module, qualname)
                    lacks = IN_MAIN if renamed[0] == "__main__" else IN_MODULE
                    reasons[name] = _why_missing(*renamed), lacks
                reason, lacks = reasons[name]
                if reason is not None:
                    yield _finding(self._root_of[id_], prefix + path, reason, lacks)

    def _places(self) -> dict[str, str]:
        # Return the IDs of the records that the roots reach, with the path from the root.
        places = dict.fromkeys(self._ids, "")
        self._root_of = {id_: id_ for id_ in self._ids}
        line = list(places)
        for id_ in line:
            found = {name: path for kind, name, path in self._mentions(id_) if kind == "external"}
            for reference in self._record(id_).metadata.references:
                if reference not in places:
                    places[reference] = places[id_] + found.get(reference, "…")
                    self._root_of[reference] = self._root_of[id_]
                    line.append(reference)
        return places

    def _record(self, id_: str) -> Record:
        data, version = self._backend.get(name_of(id_))
        return self._session.expander.restored(parse(data, version, id=id_))

    def _mentions(self, id_: str) -> list[Any]:
        record = self._record(id_)
        codec = self._session.codecs.codec_for(record.metadata.codec, record.metadata.config)
        try:
            return list(codec.mentions(record.payload))
        except Exception:  # noqa: BLE001 - an unreadable payload has no mentions here; loading it reports it
            return []


def _why_missing(module: str, qualname: str) -> str | None:
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module may raise anything
        return f"the module {module!r} cannot be imported there: {type(error).__name__}: {error}"
    try:
        for part in qualname.split("."):
            found = getattr(found, part)
    except AttributeError:
        return f"{module}.{qualname} cannot be imported there"
    return None


def _finding(id_: str | None, path: str, what: str, lacks: str = "") -> Found:
    return {"id": id_, "path": path, "what": what, "lacks": lacks}
