"""Proofs of what each contender keeps: after a kill, for shared objects, for cycles."""

from __future__ import annotations

import os
import signal

from benchmarks.bench import Phase
from benchmarks.peers.contenders import opened
from benchmarks.peers.jobs import CONFIG, check_job, key_of, workflows
from benchmarks.peers.peer import Peer

KEPT = "kept"


def proofs(name: str, directory: str) -> dict[str, str]:
    """Return the result of each proof, `KEPT` or the failure; this process reads the files of two others."""
    killed, linked = f"{directory}/killed", f"{directory}/linked"
    for path in killed, linked:
        os.mkdir(path)
    return {
        "kill": _after_a_kill(name, killed),
        **_of_links(name, linked),
    }


def _after_a_kill(name: str, directory: str) -> str:
    """Return whether the saved objects are there after the process was killed, without closing anything."""
    done = Phase(save_and_die, name=name, directory=directory).start()
    if done.returncode != -signal.SIGKILL:
        return f"the process that saves failed: {done.stderr[-300:].strip()}"
    with opened(name, directory) as peer:
        for number in range(20):
            check_job(peer, peer.load(key_of(number)), number, ring=1)
    return KEPT


def save_and_die(name: str, directory: str) -> None:
    """Save ten objects together and ten one by one; be killed at once."""
    with opened(name, directory) as peer:
        config = peer.config()
        jobs = workflows(peer, 20, ring=1, config=config)
        keys = sorted(jobs)
        peer.save_all({CONFIG: config, **{key: jobs[key] for key in keys[:10]}})
        for key in keys[10:]:
            peer.save(key, jobs[key])
        os.kill(os.getpid(), signal.SIGKILL)


def _of_links(name: str, directory: str) -> dict[str, str]:
    """Return the state of an object to which two others refer, and of two that refer to each other."""
    failures = Phase(save_linked, name=name, directory=directory).run()
    found = {}
    with opened(name, directory) as peer:
        for what, kept in {"shared": _is_shared, "cycles": _is_cycle}.items():
            found[what] = f"saving raises {failures[what]}" if what in failures else kept(peer)
    return found


def save_linked(name: str, directory: str) -> dict[str, str]:
    """Save both; return the exceptions, if there were any."""
    failures = {}
    with opened(name, directory) as peer:
        config = peer.config()
        first, second = (peer.job(number, config) for number in range(2))
        peer.save_all({"first": first, "second": second, CONFIG: config})
        one, other = (peer.job(number, CONFIG) for number in range(2))
        one.after, other.after = other, one
        try:
            peer.save_all({"one": one, "other": other})
        except Exception as error:  # noqa: BLE001  # any error is a result
            failures["cycles"] = type(error).__name__
    return failures


def _is_shared(peer: Peer) -> str:
    first, second = peer.load("first"), peer.load("second")
    assert first.config.steps == second.config.steps == 1000
    return KEPT if first.config is second.config else "the shared object became two"


def _is_cycle(peer: Peer) -> str:
    one, other = peer.load("one"), peer.load("other")
    assert (one.after.number, other.after.number) == (1, 0)
    if one.after is other and other.after is one:
        return KEPT
    return "each of the two got a copy of the other"
