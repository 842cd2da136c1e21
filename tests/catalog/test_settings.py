"""What a store remembers, as it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brinery import FilesystemStore, SettingsError, fsck


@pytest.mark.parametrize("change", [{"unknown": 1}, {"Codec": "dill"}, {"": None}])
def test_an_unknown_key_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """It may change what the other settings mean."""
    with FilesystemStore(tmp_path) as store:
        store.save([1])
    path = tmp_path / ".brinery" / "settings.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, **change}))
    with pytest.raises(SettingsError, match="does not know") as caught:
        FilesystemStore(tmp_path)
    assert caught.value.is_newer
    assert repr(next(iter(change))) in str(caught.value)
    report = fsck(tmp_path, repair=True)
    assert report.counts == {"ok": 1, "newer format": 1}
    assert report.problems[0].quarantined is None
    path.write_text(json.dumps(known))
    assert FilesystemStore(tmp_path)["list.1"] == [1]


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "{}"])
def test_what_is_no_object_is_damaged(tmp_path: Path, text: str) -> None:
    """Whatever JSON it is."""
    with FilesystemStore(tmp_path) as store:
        store.save([1])
    (tmp_path / ".brinery" / "settings.json").write_text(text)
    with pytest.raises(SettingsError, match="damaged"):
        FilesystemStore(tmp_path)
