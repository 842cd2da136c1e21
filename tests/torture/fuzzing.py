"""Random pickles, loaded by a restricted reader in a process that watches what it does.

    python -m tests.torture.fuzzing SECONDS SEED

The programs are put together from pieces of pickles, hostile ones among them, so that most of them are nearly
right.  An audit hook (PEP 578) notes whatever would be harm: processes, code that is compiled or executed,
modules that are imported, files that are opened.  What the look accepts must do none of these, and
the unpickler must find it acceptable, too, or fail with an error of brinery.
"""

from __future__ import annotations

import importlib
import json
import pickle
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.torture import opcodes
from tests.torture.trial import store_of
from tests.trust import things

from brinery import BrineryError, Store, Trust, TrustError

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


def pieces() -> list[bytes]:
    """Return what programs are put together from."""
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
        opcodes.text(word) for word in ("a", "value", "posix", "system", "__setstate__", "latin1")
    ]
    for module in (
        opcodes.ALLOWED,
        "builtins",
        "posix",
        "copyreg",
        "brinery.reference",
        "collections",
    ):
        found.append(opcodes.text(module))
    for module, name in (
        *((opcodes.ALLOWED, name) for name in ("Plain", "Point", "Numbers", "Task", "Colour")),
        *((opcodes.ALLOWED, name) for name in ("os", "Popen", "rebuild", "calls", "Plain.Inner")),
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
        ),
        *(("functools", "partial"), ("fractions", "Fraction"), ("collections", "deque")),
    ):
        found.append(f"c{module}\n{name}\n".encode())
        found.append(opcodes.text(module) + opcodes.text(name) + b"\x93")
    return found


def programs(draw: random.Random) -> Iterator[bytes]:
    """Yield random pickles without end."""
    parts = pieces()
    cases = (*opcodes.controls(), *opcodes.escaping())
    honest = [case.payload for case in cases if len(case.payload) < 2_000]
    honest += [case.payload for case in opcodes.reaching("true")]
    values = [
        *([things.Plain(1), things.Point(1, (2,))], {"a": things.Colour.RED}),
        *({1, 2}, b"abc", things.Numbers([1])),
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
            place = draw.randrange(len(data))
            if draw.random() < 0.5:
                data[place] = draw.randrange(256)
            else:
                data[place:place] = draw.choice(parts)
        yield bytes(data)


class Watch:
    """Notes what the process does while it is on."""

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
        if event == "import" and str(arguments[0]).startswith(f"{opcodes.ALLOWED}."):
            return
        self.noted.append(f"{event} {arguments!r:.80}")


def main(seconds: str, seed: str) -> None:
    """Try random pickles for so many seconds; print the counts as JSON."""
    draw, trust = random.Random(int(seed)), Trust(classes=[f"{opcodes.ALLOWED}.*"])
    end = time.monotonic() + float(seconds)
    modules = {value.partition(":")[0] for value in Trust.VALUES} - {"pathlib._local"}
    for name in (*modules, "encodings.latin_1", "encodings.raw_unicode_escape"):
        importlib.import_module(name)
    # What is imported by the first load and the first error is not what a payload does.
    for body in (b"]\x94K\x01a", b"cposix\nsystem\n", b"ctests.trust.things\nNo\n", b"NN\x85R"):
        _outcome(store_of("pickle", opcodes.whole(body), trust))
    watch = Watch()
    counts = {"cases": 0, "loaded": 0, "refused": 0, "errors": 0}
    violations: list[str] = []
    before = _classes()
    for payload in programs(draw):
        if time.monotonic() > end:
            break
        store = store_of("pickle", payload, trust)
        watch.is_on = True
        said = _outcome(store)
        watch.is_on = False
        counts["cases"] += 1
        if watch.noted or things.calls or said not in counts or _classes() != before:
            violations.append(f"{payload!r}: {said} {watch.noted}")
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


def _outcome(store: Store) -> str:
    try:
        store.load("hostile")
    except TrustError:
        return "refused"
    except BrineryError:
        return "errors"
    except BaseException as error:  # noqa: BLE001 - that is a violation
        return f"raised {type(error).__name__}: {error}"
    return "loaded"


if __name__ == "__main__":
    main(*sys.argv[1:])
