"""`brinery bench`, as a shell calls it."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brinery import FilesystemStore
from brinery.bench import Report

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "brinery.cli", "bench"]
QUICK = ["--seconds", "0", "--rounds", "1"]


def bench(
    *arguments: str, cwd: Path | None = None, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    environment: Mapping[str, str] = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
        timeout=100,
    )


@pytest.mark.thorough
def test_built_in_graphs_are_measured_and_written(tmp_path: Path) -> None:
    """Table and advice on standard output; the same in the files."""
    kinds = ("json", "csv", "html", "markdown")
    files = [f"--{kind}={tmp_path / f'result.{kind}'}" for kind in kinds]
    size = ["--size", "1000", "--graphs", "rows,shared"]
    done = bench(*size, "--codecs", "pickle:2,msgpack", "--compress", "none,gzip", *QUICK, *files)
    assert done.returncode == 0, done.stderr
    assert "small dicts, " in done.stdout
    assert "pickle:2 + gzip" in done.stdout
    assert "REFUSED [1]" in done.stdout
    assert "[1] the codec 'msgpack' cannot encode" in done.stdout
    assert re.search("(recommended|undecided): pickle:2", done.stdout)
    assert "\x1b" not in done.stdout
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["schema"] == "brinery.bench/1"
    assert len(found["cases"]) == 8
    assert [g["name"] for g in found["graphs"]] == ["rows", "shared"]
    rows = csv.DictReader((tmp_path / "result.csv").read_text().splitlines())
    assert len(list(rows)) == 8
    assert "<html" in (tmp_path / "result.html").read_text()
    assert "| pickle:2 |" in (tmp_path / "result.markdown").read_text()


@pytest.mark.thorough
def test_the_result_of_a_function_is_measured(tmp_path: Path) -> None:
    """Of a file, with what lies beside it, or of a module."""
    (tmp_path / "shapes.py").write_text("class Square:\n    side = 2\n")
    (tmp_path / "make.py").write_text(
        "import shapes\ndef squares():\n    return [shapes.Square() for _ in range(9)]\n"
    )
    for target in ("make.py:squares", "make:squares"):
        done = bench(target, "--codecs", "pickle", *QUICK, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{target}, 10 nodes" in done.stdout
        assert "everything" in done.stdout


@pytest.mark.thorough
def test_the_objects_of_a_store_are_measured(tmp_path: Path) -> None:
    """All, or those that are named; the store is left as it was."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save_many([[1000 + i, 2000 + i] for i in range(3)], ids=["a", "b", "c"])
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "jobs").iterdir()}
    done = bench("--store", "jobs", "--codecs", "pickle,json", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ", 9 nodes: objects of file://" in done.stdout
    done = bench("--store", "jobs", "--id", "b", "--codecs", "pickle", *QUICK, cwd=tmp_path)
    assert ", 3 nodes: objects of file://" in done.stdout
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "jobs").iterdir()} == before


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codecs", "pikle"], "pikle"),
        (["--compress", "zip"], "transform 'zip'"),
        (["--graphs", "circles"], "no graph 'circles': there are trees, "),
        (["--size", "huge"], "expected small, large or a number"),
        (["nothing:function"], "there is no module 'nothing'"),
        (["nothing.py:function"], "there is no file 'nothing.py'"),
        (["json:function"], "'json' has no function 'function'"),
        (["json"], "expected module:function"),
        (["--store", "nowhere"], "no directory"),
        (["--store", "empty"], "has no objects"),
        (["--id", "x"], "--id needs --store"),
        (["--json", "same", "--csv", "./same"], "to one file"),
        (["--json", "no/where.json"], "no directory 'no'"),
        (["--compare", "a.json", "b.json"], "cannot read 'a.json'"),
    ],
)
def test_wrong_usage_is_a_sentence_before_anything_is_measured(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    """Status 2, no traceback, no table."""
    (tmp_path / "empty").mkdir()
    done = bench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(words) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.thorough
def test_a_function_that_raises_shows_where(tmp_path: Path) -> None:
    """Lines of the user's file, and none of brinery's."""
    (tmp_path / "make.py").write_text("def broken():\n    return 1 / 0\n")
    done = bench("make.py:broken", cwd=tmp_path)
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stderr
    assert "make.py" in done.stderr
    assert "brinery/bench" not in done.stderr


@pytest.mark.thorough
def test_a_plugged_in_codec_is_found_and_its_fault_told(tmp_path: Path) -> None:
    """By its entry point, like any other codec; brinery does not know its name."""
    meta = tmp_path / "faulty-1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n")
    (meta / "entry_points.txt").write_text(
        "[brinery.codecs]\ndrops-identity = tests.bench.run.faulty_codecs:DropsIdentity\n"
    )
    path = Path(f"{tmp_path}{os.pathsep}{ROOT}")
    target = "tests.bench.run.faulty_codecs:shared_list"
    done = bench(target, "--codecs", "drops-identity,pickle", *QUICK, cwd=tmp_path, path=path)
    assert done.returncode == 0, done.stderr
    assert "LOSES [1]" in done.stdout
    assert "[1] identity lost at [0][1]" in done.stdout
    assert "recommended: pickle:5 is the only one that keeps everything" in done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_shows_and_writes_what_there_is(number: int, tmp_path: Path) -> None:
    """A real signal; status 130, a file that says that it is not whole."""
    (tmp_path / "make.py").write_text(
        "import time\nclass Slow:\n    def __init__(self): self.n = 1\n"
        "    def __getstate__(self):\n        open('here', 'a').write('.')\n"
        "        time.sleep(0.2)\n        return {'n': 1}\n"
        "def slow():\n    return [Slow() for _ in range(5)]\n"
    )
    arguments = ["make.py:slow", "--codecs", "json,pickle", "--json", "r.json", *QUICK]
    started = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell may have started the tests with the signal ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for _ in range(600):
        time.sleep(0.1)
        # The refusal by json has tried pickle once, to advise it.
        if (tmp_path / "here").exists() and (tmp_path / "here").stat().st_size > 5:
            break
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert "REFUSED" in out
    assert "INTERRUPTED" in out
    assert "interrupted" in err
    result = Report.read(tmp_path / "r.json")
    assert result.interrupted
    assert [case.status for case in result] == ["refused", "interrupted"]


@pytest.mark.thorough
def test_no_process_is_left_when_the_command_is_killed(tmp_path: Path) -> None:
    """By SIGKILL, which no process can catch."""
    (tmp_path / "make.py").write_text(
        "import os, time\ndef hangs():\n"
        "    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(100)\n"
    )
    started = subprocess.Popen([*COMMAND, "make.py:hangs"], cwd=tmp_path)
    pid = ""
    for _ in range(300):
        time.sleep(0.1)
        if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text()):
            break
    started.kill()
    started.wait()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert pid
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.thorough
def test_files_are_written_though_nobody_reads_the_output(tmp_path: Path) -> None:
    """As with `brinery bench --json a.json | true`."""
    command = " ".join(
        [f"'{COMMAND[0]}'", *COMMAND[1:], "--graphs rows --size 200 --codecs pickle --json a.json"]
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} --seconds 0 | true; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert Report.read(tmp_path / "a.json").cases
    assert done.returncode == 141
    assert done.stderr.splitlines()[-1] == "written: a.json"


@pytest.mark.thorough
def test_a_terminal_gets_a_table_and_a_bar(tmp_path: Path) -> None:
    """Drawn by rich; the bar names the case at hand."""
    leader, follower = pty.openpty()
    arguments = ["--graphs", "rows", "--size", "500", "--codecs", "pickle", *QUICK]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    started = subprocess.Popen(
        [*COMMAND, *arguments], stdout=follower, stderr=follower, cwd=tmp_path, env=environment
    )
    os.close(follower)
    said = b""
    while True:
        try:
            data = os.read(leader, 1 << 16)
        except OSError:  # the end, on Linux
            break
        if not data:
            break
        said += data
    os.close(leader)
    assert started.wait(timeout=60) == 0
    assert b"small dicts: pickle" in said
    assert "─".encode() in said


def written(path: Path, **changed: Any) -> Path:
    """Write a result with one case, with some figures changed."""
    timing: dict[str, Any] = {
        "median_seconds": 1.0,
        "q1_seconds": 0.98,
        "q3_seconds": 1.02,
        "min_seconds": 0.97,
        "n": 3,
        "rounds_seconds": [0.97, 1.0, 1.03],
    }
    fidelity: dict[str, Any] = {
        "equal": True,
        "identity": True,
        "closures": None,
        "depth": 100,
        "losses": [],
    }
    case = {
        "graph": "rows",
        "codec": "pickle",
        "protocol": 5,
        "compress": None,
        "status": "ok",
        "error": None,
        "nodes": 100,
        "encode": timing,
        "decode": timing,
        "bytes": 1000,
        "peak_encode_bytes": 2_000_000,
        "safe_to_read": True,
        "fidelity": fidelity,
    }
    factor = changed.pop("slower", 1.0)
    case["decode"] = {
        k: v if k == "n" else [x * factor for x in v] if k == "rounds_seconds" else v * factor
        for k, v in timing.items()
    }
    result = {
        "schema": "brinery.bench/1",
        "created": "2026-01-01T00:00:00Z",
        "command": "",
        "machine": changed.pop("machine", {"cpu": "one"}),
        "versions": {},
        "settings": {"rounds": changed.pop("rounds", 3)},
        "graphs": [
            {"name": "rows", "title": "", "description": "", "source": "builtin", "nodes": 100}
        ],
        "cases": [{**case, **changed}] if changed.pop("present", True) else [],
        "recommendations": [],
    }
    path.write_text(json.dumps(result))
    return path


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({}, 0, "Nothing changed"),
        ({"slower": 1.1}, 0, "Nothing changed"),
        ({"slower": 1.5}, 1, "1.50"),
        ({"slower": 0.5}, 0, "better"),
        ({"slower": 1.4, "rounds": 1}, 0, "Measure with --rounds 3"),
        ({"slower": 1.6, "rounds": 1}, 1, "1.60"),
        ({"bytes": 2000}, 1, "size"),
        ({"status": "failed", "error": "x"}, 1, "failed"),
        ({"present": False}, 1, "gone"),
        ({"fidelity": {"equal": True, "identity": False, "losses": []}}, 1, "loses something"),
        ({"peak_encode_bytes": 9_000_000}, 1, "peak of encoding"),
        ({"safe_to_read": False}, 1, "runs code"),
        ({"machine": {"cpu": "other"}}, 0, "machine: cpu was one, is other"),
    ],
)
def test_compare_tells_what_changed(
    changed: dict[str, Any], status: int, words: str, tmp_path: Path
) -> None:
    """The status is 1 where something became worse, past the threshold and the spread."""
    old = written(tmp_path / "old.json")
    new = written(tmp_path / "new.json", **changed)
    done = bench("--compare", str(old), str(new))
    assert done.returncode == status, done.stderr
    assert words in done.stdout


def test_compare_leaves_alone_what_is_within_the_spread(tmp_path: Path) -> None:
    """A median that is half as much again counts for nothing where the rounds do not agree."""
    wide = {
        "median_seconds": 1.5,
        "q1_seconds": 0.9,
        "q3_seconds": 2.0,
        "min_seconds": 0.9,
        "n": 3,
        "rounds_seconds": [0.9, 1.5, 2.0],
    }
    old = written(tmp_path / "old.json")
    new = written(tmp_path / "new.json", encode=wide)
    done = bench("--compare", str(old), str(new))
    assert (done.returncode, "Nothing changed" in done.stdout) == (0, True)
    done = bench("--compare", str(old), str(written(new, slower=1.3)), "--threshold", "1.5")
    assert done.returncode == 0
