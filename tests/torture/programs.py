"""Random pickles, loaded by a restricted reader in a process that watches what it does.

    python -m tests.torture.programs SECONDS SEED

The programs are put together from pieces of pickles, hostile ones among them, so that most of them are nearly
right.  An audit hook (PEP 578) records every harmful event: processes, code that is compiled or executed,
modules that are imported, files that are opened.  A payload that passes the scan must do none of these, and
the unpickler must accept it, too, or fail with an error of brinery.  The scan itself, with any policy, and
`needs` raise no other errors.
"""

from __future__ import annotations

import importlib
import json
import pickle
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.torture import opcodes
from tests.torture.hostile import forged, store_of
from tests.torture.opcodes import THINGS, Case
from tests.torture.payloads import GROUPS
from tests.trust import things

from brinery import BrineryError, MemoryStore, Trust, TrustError
from brinery_codecs._pickle.analysis.handlers import KNOWN as HANDLERS
from brinery_codecs._pickle.analysis.scan import scan

_LONGEST = 4_000

HARM = frozenset(
    {
        *("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn"),
        *(
            "exec",
            "compile",
            "import",
            "open",
            "socket.connect",
            "os.remove",
            "os.rename",
            "os.mkdir",
        ),
        *("ctypes.dlopen", "code.__new__", "function.__new__", "marshal.loads"),
    }
)


PLAIN = b"().012NQRabdeloestu}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"
"""Opcodes without an argument."""
VALUES = tuple(value for value in Trust.VALUES if not value.startswith("pathlib._local:"))
"""Without those of a module that only newer Pythons have: that it is looked for, would count as harm."""
KNOWN = bytes(sorted(b"".join(HANDLERS)))


def pieces() -> list[bytes]:
    """Return the pieces of programs."""
    found = [bytes((code,)) for code in PLAIN]
    found += [b"h" + bytes((n,)) for n in range(6)] + [b"q" + bytes((n,)) for n in range(6)]
    found += [
        b"K\x05",
        b"M\x05\x00",
        b"I5\n",
        b"L5L\n",
        b"F1.5\n",
        b"\x8a\x01\x05",
        b"S'a'\n",
        b"Vabc\n",
    ]
    found += [
        make(word)
        for make in (opcodes.text, opcodes.short_text)
        for word in ("a", "READ", "value", "posix", "system", "__setstate__", "latin1")
    ]
    found += [b"r\x02\0\0\0", b"I01\n", b"\x8a\x09" + bytes(8) + b"\x40"]
    for module in (
        THINGS,
        "builtins",
        "posix",
        "copyreg",
        "brinery.reference",
        "collections",
    ):
        found.append(opcodes.text(module))
    for module, name in (
        *((THINGS, name) for name in ("Plain", "Point", "Numbers", "Task", "Colour")),
        *((THINGS, name) for name in ("Rights", "Rights.READ", "Modes")),
        *((THINGS, name) for name in ("os", "Popen", "rebuild", "calls", "Plain.Inner")),
        *(("builtins", name) for name in ("getattr", "set", "bytes", "bytearray", "list", "eval")),
        *(("copyreg", name) for name in ("_reconstructor", "__newobj__", "__newobj_ex__")),
        *(
            ("brinery.reference", name)
            for name in ("external", "root", "new_root", "hashable_root", "named")
        ),
        *(
            ("brinery.ids", "Id"),
            ("_codecs", "encode"),
            ("posix", "system"),
            ("operator", "attrgetter"),
            ("_operator", "or_"),
        ),
        *(("functools", "partial"), ("fractions", "Fraction"), ("collections", "deque")),
        ("brinery_codecs.classes", "make_class"),
    ):
        found.append(f"c{module}\n{name}\n".encode())
        found.append(opcodes.text(module) + opcodes.text(name) + b"\x93")
    return found


def programs(draw: random.Random) -> Iterator[bytes]:
    """Yield random pickles without end."""
    parts = pieces()
    parts += [f"c{value.replace(':', chr(10))}\n".encode() for value in VALUES]
    groups = ("honest pickles", "escapes", "calls")
    cases = (case for group in groups for case in GROUPS[group]())
    honest = [case.payload for case in cases if len(case.payload) < 2_000]
    values = [
        *([things.Plain(1), things.Point(1, (2,))], {"a": things.Colour.RED}),
        [things.Rights.READ | things.Rights.WRITE, things.Modes.READ],
        *({1, 2}, b"abc", things.Numbers([1])),
        [1, "text", b"bytes", {"a": (1, 2.5, None)}, 2**70, True],
        [slice(1, 2), OSError(1, "text"), bytearray(b"x"), frozenset((1, 2)), 1j],
    ]
    honest += [pickle.dumps(value, protocol) for value in values for protocol in range(6)]
    while True:
        kind = draw.random()
        if kind < 0.4:
            body = b"".join(draw.choice(parts) for _ in range(draw.randrange(1, 25)))
            yield b"\x80" + bytes((draw.choice((2, 4, 5)),)) + body + b"."
            continue
        data = bytearray(draw.choice(honest))
        for _ in range(draw.randrange(1, 5)):
            if not data:
                break
            place = draw.randrange(len(data))
            what = draw.random()
            if what < 0.5:
                data[place] = draw.randrange(256)
            elif what < 0.8:
                data[place:place] = draw.choice(parts)
            elif what < 0.9:
                data[place:place] = bytes((draw.choice(KNOWN),)) + draw.randbytes(
                    draw.randrange(10)
                )
            else:
                data[place : place + draw.randrange(12)] = b""
        yield bytes(data)


class Watch:
    """Records the events of the process while it is on."""

    def __init__(self) -> None:
        self.is_on = False
        self.noted: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: Any) -> None:
        if not self.is_on or event not in HARM:
            return
        # The error for a class that is missing looks up which version of its package is installed.
        if event == "open" and str(arguments[0]).startswith((sys.base_prefix, sys.prefix)):
            return
        # And a module of the package that is admitted, may be named.
        if event == "import" and str(arguments[0]).startswith(f"{THINGS}."):
            return
        self.noted.append(f"{event} {arguments!r:.80}")


def main(seconds: str, seed: str) -> None:
    """Try random pickles for so many seconds; print the counts as JSON."""
    draw, trust = random.Random(int(seed)), Trust(classes=[f"{THINGS}.*"])
    end = time.monotonic() + float(seconds)
    for name in (
        *(value.partition(":")[0] for value in VALUES),
        "encodings.latin_1",
        "encodings.raw_unicode_escape",
        "brinery_codecs._pickle.load_advice",
        "brinery_codecs._pickle.mending",
    ):
        importlib.import_module(name)
    # Imports of the first load and the first error must not count as those of a payload.
    for body in (b"]\x94K\x01a", b"cposix\nsystem\n", b"ctests.trust.things\nNo\n", b"NN\x85R"):
        store, payload = _store(opcodes.whole(body), trust), opcodes.whole(body)
        _outcome(store)
        _looked_at(store, payload)
    watch = Watch()
    counts = {"cases": 0, "loaded": 0, "refused": 0, "errors": 0}
    violations: list[str] = []
    before = _classes()
    for payload in programs(draw):
        if time.monotonic() > end:
            break
        store = _store(payload, trust)
        watch.is_on = True
        said = _outcome(store)
        wrong = _looked_at(store, payload)
        watch.is_on = False
        counts["cases"] += 1
        if wrong or watch.noted or things.calls or said not in counts or _classes() != before:
            violations.append(f"{payload!r}: {said} {wrong} {watch.noted}")
            watch.noted.clear()
            things.calls.clear()
        else:
            counts[said] += 1
    print(json.dumps({**counts, "violations": violations[:20]}))


def _classes() -> dict[str, dict[str, Any]]:
    # Pickling an object keeps the names of its slots with its class.
    found = {name: dict(vars(cls)) for name, cls in vars(things).items() if isinstance(cls, type)}
    for attributes in found.values():
        attributes.pop("__slotnames__", None)
    return found


def _store(payload: bytes, trust: Trust) -> MemoryStore:
    return store_of(forged(Case("random", payload), "pickle"), trust)


def _outcome(store: MemoryStore) -> str:
    try:
        store.load("victim")
    except BrineryError as error:
        if not 0 < len(str(error)) < _LONGEST:
            return f"a message of {len(str(error))} characters"
        return "refused" if isinstance(error, TrustError) else "errors"
    except BaseException as error:  # noqa: BLE001 - that is a violation
        return f"raised {type(error).__name__}: {error}"
    return "loaded"


def _looked_at(store: MemoryStore, payload: bytes) -> str | None:
    # A payload that does not decode raises nothing else, either.
    looks: list[Callable[[], object]] = [lambda: store.needs("victim")]
    policies: tuple[Any, ...] = (None, lambda *_: True, lambda *_: False)
    looks += [partial(scan, payload, admits) for admits in policies]
    for look in looks:
        try:
            look()
        except BrineryError:
            continue
        except Exception as error:  # noqa: BLE001 - that is a violation
            return f"{look} raised {type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
