"""`brinery fsck`, `gc`, `backup` and `restore`, as a shell calls them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.test_commands import Job, run

from brinery import FilesystemStore, Trust


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A directory with Job.1, which refers to Job.2, and Job.3."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save(Job(Job()))
        store.save(Job())
    return tmp_path / "jobs"


def test_fsck_tells_problems_by_its_status(jobs: Path) -> None:
    """0 and one line for a clean store; 1 and a line for each problem."""
    done = run("fsck", str(jobs))
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 records: 3 ok\n", "")
    os.truncate(jobs / "Job.2", 40)
    done = run("fsck", f"file://{jobs}")
    first, second = done.stdout.splitlines()
    assert (done.returncode, first) == (1, "3 records: 2 ok, 1 truncated")
    assert second.startswith("Job.2: truncated: has lost its end")


@pytest.mark.thorough
def test_fsck_repairs_lists_and_gives_back(jobs: Path) -> None:
    """The key of the list is that of --put-back; --as gives another ID."""
    os.truncate(jobs / "Job.2", 40)
    done = run("fsck", str(jobs), "--repair")
    assert done.returncode == 1
    assert "moved to the quarantine" in done.stdout
    head, row = run("fsck", str(jobs), "--quarantine").stdout.splitlines()
    assert head.split() == ["key", "name", "status", "bytes", "moved", "(UTC)"]
    key, name, status, size, *_ = row.split()
    assert (name, status, size) == ("Job.2", "truncated", "40")
    assert run("fsck", str(jobs), "--put-back", key, "--as", "Job.3").returncode == 1
    done = run("fsck", str(jobs), "--put-back", key)
    assert (done.returncode, done.stdout) == (0, "Job.2\n")
    assert run("fsck", str(jobs)).returncode == 1


def test_fsck_tells_orphans_and_strays_when_asked(jobs: Path) -> None:
    """They are no problems."""
    (jobs / "notes.txt").write_text("x")
    done = run("fsck", str(jobs), "--root", "Job.1", "--strays")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == [
        "Job.3: orphaned: no root reaches it",
        "notes.txt: stray: not a record",
    ]
    assert run("fsck", str(jobs), "--root", "Job.9").returncode == 1


def test_fsck_needs_neither_codec_nor_good_settings(jobs: Path) -> None:
    """A directory is examined that cannot be opened as a store."""
    (jobs / ".brinery" / "settings.json").write_text("{")
    assert run("list", str(jobs)).returncode == 2
    done = run("fsck", str(jobs))
    assert done.returncode == 1
    assert ".settings.json: corrupt" in done.stdout


@pytest.mark.thorough
def test_gc_lists_and_removes_only_when_told(jobs: Path) -> None:
    """IDs on standard output, the summary on standard error; roots may come from a file."""
    done = run("gc", str(jobs), "--root", "Job.1")
    assert (done.returncode, done.stdout) == (0, "")
    done = run("gc", str(jobs), "--root", "Job.1", "--older-than", "0")
    assert (done.returncode, done.stdout) == (0, "Job.3\n")
    assert "3 records: 1 that no root reaches would be removed (" in done.stderr
    roots = jobs.parent / "roots"
    roots.write_text("Job.2\n\nJob.3\n")
    done = run("gc", str(jobs), "--roots-from", str(roots), "--older-than", "0", "--delete")
    assert (done.returncode, done.stdout) == (0, "Job.1\n")
    assert run("list", str(jobs)).stdout == "Job.2\nJob.3\n"
    assert run("gc", str(jobs), "--root", "Job.9").returncode == 1


@pytest.mark.thorough
@pytest.mark.parametrize(
    "arguments",
    [
        ["gc", "."],
        ["gc", "nowhere", "--root", "x"],
        ["gc", ".", "--root", "x", "--older-than", "-1"],
        ["fsck", "nowhere"],
        ["fsck", "gopher://x"],
        ["fsck", ".", "--as", "x"],
        ["fsck", ".", "--repair", "--quarantine"],
        ["fsck", ".", "--put-back", "x", "--quarantine"],
    ],
)
def test_wrong_usage_has_status_2(arguments: list[str], tmp_path: Path) -> None:
    """With a sentence on standard error."""
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr


@pytest.mark.thorough
def test_a_store_is_backed_up_again_and_again_and_restored(jobs: Path) -> None:
    """Only what has changed; --prune removes what is gone; the target is made."""
    place = jobs.parent
    done = run("backup", "jobs", "sqlite:///backup.db", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 records copied (")
    with FilesystemStore(jobs) as store:
        store.remove("Job.3")
    done = run("backup", "jobs", "sqlite:///backup.db", cwd=place)
    assert (
        done.stdout
        == "0 records copied (0 bytes), 2 unchanged, 1 kept that the store has no longer\n"
    )
    done = run("backup", "jobs", "sqlite:///backup.db", "--prune", cwd=place)
    assert done.stdout == "0 records copied (0 bytes), 2 unchanged, 1 pruned\n"
    done = run("restore", "sqlite:///backup.db", "new?layout=sharded", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 records restored (")
    with FilesystemStore(place / "new") as store:
        assert store.layout == "sharded"
        assert isinstance(store.load("Job.1").after[0], Job)


@pytest.mark.thorough
def test_a_restore_refuses_damage_and_a_place_that_is_not_empty(jobs: Path) -> None:
    """With status 1 and a line that names it; --overwrite replaces."""
    place = jobs.parent
    run("backup", "jobs", "backup", cwd=place)
    done = run("restore", "backup", "jobs", cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--overwrite" in done.stderr
    done = run("restore", "backup", "jobs", "--overwrite", cwd=place)
    assert done.stdout.endswith("3 of them over others\n")
    data = (place / "backup" / "Job.2").read_bytes()
    (place / "backup" / "Job.2").write_bytes(b"x" + data[1:])
    done = run("restore", "backup", "new", cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "'Job.2'" in done.stderr
    assert not (place / "new").exists()


@pytest.mark.thorough
def test_fsck_checks_seals_with_the_key_of_the_environment(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key is a problem for each record; without a key digests are checked alone."""
    place = jobs.parent
    with FilesystemStore(place / "sealed", trust=Trust(key=b"k" * 32)) as store:
        store.save(Job())
    assert run("fsck", "sealed", cwd=place).returncode == 0
    for key, status in ((b"w" * 32, 1), (b"k" * 32, 0)):
        monkeypatch.setenv("BRINERY_TRUST_KEY", key.hex())
        done = run("fsck", "sealed", cwd=place)
        assert done.returncode == status
        assert done.stdout.startswith(f"1 record: 1 {'unsealed' if status else 'ok'}\n")
    monkeypatch.setenv("BRINERY_TRUST_KEY", (b"w" * 32).hex())
    done = run("list", "--long", "sealed", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split() == ["Job.1", "unreadable:", "SealError"]
    monkeypatch.setenv("BRINERY_TRUST_KEY", "no key")
    done = run("fsck", "sealed", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.thorough
def test_backup_and_restore_check_seals_with_the_key_of_the_environment(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key is status 1; without a key the bytes are enough."""
    place = jobs.parent
    with FilesystemStore(place / "sealed", trust=Trust(key=b"k" * 32)) as store:
        store.save(Job())
    assert run("backup", "sealed", "bytes", cwd=place).returncode == 0
    for key, status in ((b"w" * 32, 1), (b"k" * 32, 0)):
        monkeypatch.setenv("BRINERY_TRUST_KEY", key.hex())
        assert run("backup", "sealed", "backup", cwd=place).returncode == status
        assert run("restore", "bytes", "new", cwd=place).returncode == status
