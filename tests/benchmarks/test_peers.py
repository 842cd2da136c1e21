"""The driver of the peers finds faults, and calls what it cannot measure by its name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench import QUICK, Bench
from benchmarks.peers.contenders import CONTENDERS, class_of
from benchmarks.peers.peer import DISK, KILL
from benchmarks.sections.peers import entries


def entry(name: str, scratch: Path) -> dict[str, Any]:
    """Return what the driver finds out about one contender."""
    (found,) = entries(Bench(QUICK, scratch, lambda text: None), [name])
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "found", "reached"),
    [
        ("LosesUpdates", "AssertionError", "delete_some"),
        ("MixesUp", "AssertionError", "save_all"),
        ("SavesOnClose", "FileNotFoundError", ""),
        ("ClaimsCycles", "the adapter says otherwise than the proofs: shared:", ""),
    ],
)
def test_a_fault_is_found_and_the_figures_stop_there(
    fault: str, found: str, reached: str, tmp_path: Path
) -> None:
    """Each planted fault gives an error instead of figures."""
    result = entry(f"tests.benchmarks.faulty:{fault}", tmp_path)
    assert found in result["error"]
    assert list(result["operations"])[-1:] == ([reached] if reached else [])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    """With the reason; it is no error."""
    result = entry("tests.benchmarks.not_installed:Peer", tmp_path)
    assert result["missing"] == "No module named 'a_library_that_nobody_has'"
    assert result["error"] == ""


@pytest.mark.filterwarnings("default")  # what the libraries of others warn of at import is theirs
@pytest.mark.parametrize("name", CONTENDERS)
def test_an_adapter_is_short_and_says_what_it_promises(name: str) -> None:
    """At most 40 lines of code; a class of durability with its source; the advice that is followed."""
    module = CONTENDERS[name].partition(":")[0]
    try:
        peer = class_of(name)
    except ImportError as error:
        pytest.skip(f"not installed: {error}")
    assert peer.durability in (KILL, DISK)
    assert peer.source
    assert peer.advice
    lines = inspect.getsource(peer).splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= 40
    assert peer.__module__ == f"benchmarks.peers.{module}"
