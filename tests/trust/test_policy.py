"""What a policy is: its values, where it comes from, and where it never comes from."""

from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.trust.things import Plain, Task

from brinery import (
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    SealError,
    SettingsError,
    Trust,
    TrustError,
    UrlError,
    make_store,
)
from brinery.cli import brinery as command

KEY = b"0123456789abcdef"


class TestValues:
    """Arguments of `Trust`."""

    def test_nothing_given_restricts_nothing(self) -> None:
        """Each part is off by itself."""
        assert Trust().codecs is Trust().classes is Trust().key is Trust().store is None

    @pytest.mark.parametrize(
        "arguments",
        [
            {"codecs": "pickle"},
            {"codecs": [b"pickle"]},
            {"codecs": 5},
            {"classes": "mypackage.*"},
            {"classes": ["mypackage"]},
            {"classes": ["*"]},
            {"classes": [".*"]},
            {"classes": ["my-package.*"]},
            {"classes": ["os:"]},
            {"classes": [("os", "system", "x")]},
            {"classes": [("os", 5)]},
            {"key": "a string of characters"},
            {"key": b"too short"},
            {"key": []},
            {"key": [KEY, "text"]},
            {"key": 5},
            {"store": "no hexadecimal"},
            {"store": 5},
        ],
        ids=repr,
    )
    def test_what_cannot_be_meant_is_refused(self, arguments: Any) -> None:
        """A policy with a typing error must not be one that admits everything."""
        with pytest.raises(InvalidArgumentError):
            Trust(**arguments)

    def test_pairs_and_strings_are_the_same(self) -> None:
        """Both say module and qualname."""
        assert (
            Trust(classes=[("os.path", "join")]).classes == Trust(classes=["os.path:join"]).classes
        )

    @pytest.mark.parametrize("show", [repr, str, "{}".format, lambda t: str(vars(type(t)))])
    def test_a_key_is_not_shown(self, show: Any) -> None:
        """Neither in a repr nor in what prints the policy."""
        assert KEY.decode() not in show(Trust(key=KEY))
        assert KEY.hex() not in show(Trust(key=KEY))

    def test_a_key_is_not_shown_by_errors(self) -> None:
        """Not even one that is given in a wrong way."""
        with pytest.raises(InvalidArgumentError) as caught:
            Trust(key="a string of characters")
        assert "characters" not in str(caught.value)

    def test_a_key_goes_into_no_pickle(self, tmp_path: Path) -> None:
        """That of a policy, of a store, or of an error; policies without one do."""
        for holder in (Trust(key=KEY), FilesystemStore(tmp_path, trust=Trust(key=KEY))):
            with pytest.raises(TrustError, match="trust=Trust"):
                pickle.dumps(holder)
        store = FilesystemStore(tmp_path, trust=Trust(codecs=["msgpack"], classes=["os:system"]))
        again = pickle.loads(pickle.dumps(store))
        assert again.trust.codecs == {"msgpack"}
        assert again.trust.classes == ("os:system",)

    def test_a_policy_can_be_copied(self) -> None:
        """In the same process, keys included."""
        trust = Trust(key=[KEY, b"another key of mine"])
        assert copy.copy(trust).secrets == copy.deepcopy(trust).secrets == trust.secrets

    @pytest.mark.parametrize("trust", ["everyone", True, {"codecs": ["pickle"]}, b"anyone"])
    def test_an_argument_is_a_policy_or_anyone(self, trust: Any) -> None:
        """Nothing else is taken for one."""
        with pytest.raises(InvalidArgumentError, match="anyone"):
            MemoryStore(trust=trust)

    def test_anyone_is_short_for_a_policy(self) -> None:
        """The one that accepts pickles from anyone."""
        assert MemoryStore(trust="anyone").trust.anyone
        assert not MemoryStore().trust.anyone


class TestEnvironment:
    """`Trust.from_environment`, for tools."""

    def test_all_parts_can_be_given(self, tmp_path: Path) -> None:
        """By variables whose names begin with BRINERY_TRUST."""
        file = tmp_path / "keys"
        file.write_text(f"{b'a key in the file'.hex()}\n")
        file.chmod(0o600)
        trust = Trust.from_environment(
            {
                "BRINERY_TRUST": "anyone",
                "BRINERY_TRUST_CODECS": "msgpack, json",
                "BRINERY_TRUST_CLASSES": "mypackage.*,os.path:join",
                "BRINERY_TRUST_KEY": KEY.hex(),
                "BRINERY_TRUST_KEY_FILE": str(file),
                "BRINERY_TRUST_STORE": "abcd",
            }
        )
        assert trust.anyone
        assert trust.codecs == {"msgpack", "json"}
        assert trust.classes == ("mypackage.*", "os.path:join")
        assert trust.secrets == (KEY, b"a key in the file")
        assert trust.store == "abcd"

    def test_nothing_there_restricts_nothing(self) -> None:
        """The same as no policy."""
        assert repr(Trust.from_environment({})) == repr(Trust())

    def test_an_empty_list_admits_nothing(self) -> None:
        """A variable that is set by a script whose own variable is empty must not open the door."""
        assert Trust.from_environment({"BRINERY_TRUST_CODECS": ""}).codecs == frozenset()

    @pytest.mark.parametrize(
        "environment",
        [
            {"BRINERY_TRUST": "everyone"},
            {"BRINERY_TRUST_KEY": "not hexadecimal at all"},
            {"BRINERY_TRUST_KEY_FILE": "/no/such/file"},
            {"BRINERY_TRUST_CLASSES": "*"},
        ],
        ids=repr,
    )
    def test_what_cannot_be_meant_is_refused(self, environment: dict[str, str]) -> None:
        """As for arguments; a key that is none is not shown."""
        with pytest.raises(InvalidArgumentError) as caught:
            Trust.from_environment(environment)
        assert "not hexadecimal at all" not in str(caught.value)

    @pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
    def test_a_key_file_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        """It is no secret."""
        file = tmp_path / "keys"
        file.write_text(KEY.hex())
        file.chmod(0o644)
        with pytest.raises(InvalidArgumentError, match="chmod 600"):
            Trust.from_environment({"BRINERY_TRUST_KEY_FILE": str(file)})

    def test_the_command_goes_by_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`brinery check` refuses what the environment does not admit."""
        FilesystemStore(tmp_path / "jobs").save(Plain(1), "plain")
        monkeypatch.setenv("BRINERY_TRUST_CODECS", "msgpack")
        done = CliRunner().invoke(command, ["check", str(tmp_path / "jobs")], standalone_mode=False)
        assert done.return_value == 1
        assert "refused" in done.output


class TestSources:
    """Where a policy never comes from."""

    @pytest.mark.parametrize(
        "option", ["trust=anyone", "key=0123456789abcdef", "codec=dill&trust=x"]
    )
    @pytest.mark.parametrize("scheme", ["memory:", "file:///tmp/nowhere"])
    def test_a_url_says_nothing_of_trust(self, scheme: str, option: str) -> None:
        """It may come from a configuration that others write."""
        with pytest.raises(UrlError, match="argument"):
            make_store(f"{scheme}?{option}")

    def test_the_settings_of_a_store_say_nothing_of_trust(self, tmp_path: Path) -> None:
        """Whatever is written into them."""
        store = FilesystemStore(tmp_path)
        store.save([1], "one")
        settings = tmp_path / ".brinery" / "settings.json"
        value = json.loads(settings.read_text())
        value["options"]["trust"] = "anyone"
        settings.write_text(json.dumps(value))
        assert not FilesystemStore(tmp_path).trust.anyone
        settings.write_text(json.dumps(value | {"trust": "anyone"}))
        with pytest.raises(SettingsError, match="'trust'"):
            FilesystemStore(tmp_path)


class TestCodecs:
    """`Trust(codecs=…)`."""

    def test_others_are_refused_before_their_payload_is_looked_at(self) -> None:
        """The payload here is damaged, and that is not even noticed."""
        store = MemoryStore()
        id_ = store.save([1, 2, 3], "list")
        data, _ = store.backend.get("list")
        store.backend.put("list", b"\xff" + data[1:])
        careful = _same(store, Trust(codecs=["msgpack"]))
        with pytest.raises(TrustError, match="'msgpack'") as caught:
            careful.load(id_)
        assert (caught.value.id, caught.value.codec) == ("list", "pickle")

    def test_those_named_are_loaded(self) -> None:
        """And written."""
        store = MemoryStore(codec="msgpack", trust=Trust(codecs=["msgpack"]))
        store.save([1], "list")
        store.invalidate_cache()
        assert store.load("list") == [1]

    def test_what_could_not_be_loaded_is_not_saved(self) -> None:
        """Each codec of a chain counts."""
        trust = Trust(codecs=["pickle"])
        with pytest.raises(TrustError, match="dill"):
            MemoryStore(trust=trust).save([1], codec="dill")
        with pytest.raises(TrustError, match="cloudpickle"):
            MemoryStore(codec="auto", trust=trust).save([1])

    def test_a_record_deep_in_a_graph_is_refused_too(self) -> None:
        """Not only the one that was asked for."""
        store = MemoryStore()
        child = Task("child")
        store.save(child, codec="dill")
        root = store.save(Task("root", child))
        with pytest.raises(TrustError) as caught:
            _same(store, Trust(codecs=["pickle"])).load(root)
        assert caught.value.id == child.persistent_id

    def test_what_decodes_nothing_works(self) -> None:
        """`list`, `info`, `references`, `needs`, `remove`."""
        store = MemoryStore()
        store.save([1], "list")
        careful = _same(store, Trust(codecs=[]))
        assert careful.list() == ["list"]
        assert careful.info("list").codec == "pickle"
        assert careful.references("list") == ()
        assert careful.needs("list") == []
        careful.remove("list")


def _same(store: MemoryStore, trust: Trust) -> Any:
    from brinery import Store

    return Store(store.backend, trust=trust)


def test_a_refusal_is_reported_by_a_dry_run(tmp_path: Path) -> None:
    """As "refused", with the reason."""
    FilesystemStore(tmp_path).save(Plain(1), "plain")
    report = FilesystemStore(tmp_path, trust=Trust(classes=())).check()
    assert [checked.status for checked in report.records] == ["refused"]
    assert "Plain" in report.failures[0].reason


def test_an_error_about_a_seal_is_one_about_trust() -> None:
    """One `except` catches both."""
    assert issubclass(SealError, TrustError)
