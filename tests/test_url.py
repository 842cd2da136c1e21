"""The URL of a store: what counts as a path, what as a URL, and what is nobody's business."""

from __future__ import annotations

import copy
import operator
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinery import url as module
from brinery.errors import InvalidArgumentError, UrlError
from brinery.url import Url

ROUND_TRIPS = [
    "file:///tmp/x",
    "file:///tmp/a%20b%23c%3Fd%25",
    "file:///tmp/caf%C3%A9",
    "file:///tmp/x?codec=dill#part",
    "file://host.example.org/srv/jobs",
    "sqlite:////abs/path.db",
    "sqlite:///rel/path.db",
    "sqlite://",
    "sqlite+pysqlite:///rel/a%20b?timeout=5#table=jobs",
    "postgresql://me:p%40ss@db.example.org:5432/jobs?sslmode=require#table=store",
    "postgresql://[::1]:5432/jobs",
    "s3://bucket/some/prefix?region=eu",
    "http://example.org",
    "memory:",
    "memory:shared",
]

MALFORMED = [
    "",
    "?codec=dill",
    "file:",
    "file://",
    "file:///tmp/a%00b",
    "http://example.org:http/",
    "http://example.org:65536/",
    "http://example.org:-1/",
    "http://example.org:80:80/",
    "http://example.org:123456789012345/",
    "http://[::1/",
    "http://::1/",
    "http://two words/",
    "http://host\\name/",
    "/tmp/a\nb",
    "/tmp/\0",
    "http://example.org/\x7f",
    "http://example.org/\x85",
    "http://example.org/\ud800",
    "/tmp/\ud800",
    " http://example.org/",
    "://example.org/",
    "1http://example.org/",
]


class TestPaths:
    """Strings without a scheme, and path objects."""

    def test_a_bare_path_is_a_file_url(self) -> None:
        """The scheme is file, and the string form has three slashes."""
        url = Url("/tmp/x")
        assert (url.scheme, url.netloc, url.path) == ("file", "", "/tmp/x")
        assert (url.hostname, url.port, url.username, url.password) == (None,) * 4
        assert (url.query, url.fragment) == ("", "")
        assert str(url) == "file:///tmp/x"

    def test_a_relative_path_becomes_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is joined to the current directory, whatever way it is given."""
        monkeypatch.chdir(tmp_path)
        here = os.getcwd()
        assert Url("rel/dir").path == f"{here}/rel/dir"
        assert Url(Path("rel/dir")).path == f"{here}/rel/dir"
        assert Url("file:rel/dir").path == f"{here}/rel/dir"
        assert Url(Path()).path == here

    def test_force_abs_false_leaves_a_relative_path_alone(self) -> None:
        """The URL still survives its own string form and its own repr."""
        url = Url("rel/dir", force_abs=False)
        assert url.path == "rel/dir"
        assert str(url) == "file:rel/dir"
        assert Url(str(url), force_abs=False) == url
        assert eval(repr(url)).path == "rel/dir"

    @pytest.mark.parametrize(
        "path", ["/tmp/50% off", "/tmp/%41", "/tmp/a b", "/tmp/café", "/a+b;c"]
    )
    def test_nothing_is_decoded_in_a_bare_path(self, path: str) -> None:
        """Percent signs, blanks and accents stand for themselves."""
        assert Url(path).path == path
        assert Url(str(Url(path))).path == path

    def test_a_file_url_is_percent_decoded(self) -> None:
        """Also where the bytes are not UTF-8; a stray percent sign stays."""
        assert Url("file:///tmp/a%20b%3F%C3%A9").path == "/tmp/a b?é"
        assert os.fsencode(Url("file:///tmp/%FF").path) == b"/tmp/\xff"
        assert str(Url("file:///tmp/%FF")) == "file:///tmp/%FF"
        assert Url("file:///tmp/50%").path == "/tmp/50%"

    def test_other_urls_are_not_percent_decoded(self) -> None:
        """Their paths belong to whoever serves the scheme."""
        assert Url("s3://bucket/a%20b").path == "/a%20b"

    def test_a_bare_path_may_have_options_and_no_fragment(self) -> None:
        """A question mark starts the options; a hash is part of the path."""
        url = Url("/srv/run#1?codec=dill")
        assert (url.path, url.query, url.fragment) == ("/srv/run#1", "codec=dill", "")
        assert str(url) == "file:///srv/run%231?codec=dill"
        with pytest.raises(UrlError):
            Url("/srv/jobs?codec=dill#part")

    @pytest.mark.parametrize("name", ["run#1", "#", "a%20b", "100%", "%23", "run#1%23", "é#ü"])
    def test_a_bare_path_is_taken_literally(self, tmp_path: Path, name: str) -> None:
        """Also where it is relative, or in a URL that is made of it."""
        for url in (Url(f"{tmp_path}/{name}"), Url(Url(f"{tmp_path}/{name}"))):
            assert url.local_path() == f"{tmp_path}/{name}"
            assert Url(str(url)) == url
            assert Url(str(url)).local_path() == f"{tmp_path}/{name}"
        assert Url(name).local_path() == os.path.abspath(name)

    def test_a_path_object_is_taken_literally(self) -> None:
        """No character means anything in it."""
        url = Url(Path("/srv/what?/50%/#1\n"))
        assert (url.path, url.query, url.fragment) == ("/srv/what?/50%/#1\n", "", "")
        assert str(url) == "file:///srv/what%3F/50%25/%231%0A"
        assert Url(str(url)).path == url.path
        assert Url(Path("//srv/x")).netloc == ""

    def test_two_leading_slashes_name_a_host(self) -> None:
        """As in GC3Pie; three or more are a path."""
        assert (Url("//foo/bar").netloc, Url("//foo/bar").path) == ("foo", "/bar")
        assert (Url("///foo/bar").netloc, Url("///foo/bar").path) == ("", "/foo/bar")

    def test_a_drive_letter_is_no_scheme(self) -> None:
        """A Windows path is a path everywhere."""
        for text in ("C:\\x", "c:/x", "C:x"):
            url = Url(text, force_abs=False)
            assert (url.scheme, url.path) == ("file", text)

    def test_windows_paths_are_written_with_slashes_in_a_url(self) -> None:
        """And come back with their drive and backslashes."""
        assert module._to_file_url("C:\\a b\\c", windows=True) == "/C:/a%20b/c"
        assert module._from_file_url("/C:/a%20b/c", windows=True) == "C:\\a b\\c"
        assert module._from_file_url("/C:/a", windows=False) == "/C:/a"
        assert module._from_file_url("rel/a", windows=True) == "rel\\a"

    def test_a_path_without_a_current_directory_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error is brinery's own."""
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with pytest.raises(UrlError, match="no current directory"):
            Url("rel")

    def test_local_path_is_the_path_of_this_machine(self) -> None:
        """Another host or another scheme is an error, not another file."""
        assert Url("/tmp/x").local_path() == "/tmp/x"
        assert Url("file://localhost/tmp/x").local_path() == "/tmp/x"
        with pytest.raises(UrlError, match="three slashes"):
            Url("file://srv/jobs").local_path()
        with pytest.raises(UrlError, match="file or directory"):
            Url("http://example.org/tmp").local_path()


class TestUrls:
    """Strings with a scheme, and their parts."""

    @pytest.mark.parametrize("text", ROUND_TRIPS)
    def test_the_string_form_is_a_url_again(self, text: str) -> None:
        """What names a store is written down, and must name the same store when read."""
        once = str(Url(text))
        assert once == (text if text != "memory:" else "memory://")
        assert str(Url(once)) == once

    def test_all_parts_are_there(self) -> None:
        """They are those of RFC 3986, the host in lower case."""
        url = Url("HTTP://Me:p@ss@Example.ORG:8080/a/b?x=1&y=2#frag#ment")
        assert url.scheme == "http"
        assert url.netloc == "Me:p@ss@Example.ORG:8080"
        assert (url.username, url.password) == ("Me", "p@ss")
        assert (url.hostname, url.port) == ("example.org", 8080)
        assert (url.path, url.query, url.fragment) == ("/a/b", "x=1&y=2", "frag#ment")

    def test_an_ipv6_host_loses_its_brackets(self) -> None:
        """The port is what follows them."""
        url = Url("http://[2001:DB8::1]:80/")
        assert (url.hostname, url.port) == ("2001:db8::1", 80)
        assert Url("http://[::1]/").port is None

    @pytest.mark.parametrize("text", MALFORMED)
    def test_a_malformed_url_is_refused(self, text: str) -> None:
        """The error is a ValueError too, and can be printed."""
        with pytest.raises(UrlError) as caught:
            Url(text)
        assert isinstance(caught.value, ValueError)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize("given_", [b"/tmp/x", 42, object(), ["/tmp"], bytearray(b"/")])
    def test_what_is_neither_string_nor_path_is_refused(self, given_: Any) -> None:
        """Bytes above all: they have no encoding."""
        with pytest.raises(UrlError, match="give a string or a path"):
            Url(given_)

    def test_a_path_object_of_bytes_is_refused(self) -> None:
        """As bytes are."""

        class BytesPath:
            def __fspath__(self) -> bytes:
                return b"/tmp"

        with pytest.raises(UrlError, match="not bytes"):
            Url(BytesPath())  # type: ignore[arg-type]

    @given(st.text())
    def test_any_text_is_a_url_or_a_url_error(self, text: str) -> None:
        """Nothing else escapes, and what is accepted survives its string form."""
        try:
            url = Url(text)
        except UrlError:
            return
        assert Url(str(url)) == url
        assert Url(str(url)).path == url.path
        assert Url(url.without_secrets()).path == url.path

    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
    def test_any_file_name_survives(self, name: str) -> None:
        """A path object goes into a URL and comes back the same, whatever its characters."""
        path = Path("/srv") / name
        assert Url(str(Url(path))).path == os.fspath(path)


class TestKeywords:
    """A URL from its parts."""

    def test_a_url_is_built_from_its_parts(self) -> None:
        """It equals the one that is read from a string."""
        url = Url(scheme="http", netloc="www.example.org", path="/data", query="q=1", fragment="f")
        assert url == Url("http://www.example.org/data?q=1#f")
        assert url.hostname == "www.example.org"

    def test_netloc_is_built_from_its_parts(self) -> None:
        """User, password, host and port; brackets around IPv6."""
        url = Url(scheme="db", hostname="::1", port=5, username="u", password="p", path="x")
        assert str(url) == "db://u:p@[::1]:5/x"
        assert Url(scheme="db", hostname="h", password="p").netloc == ":p@h"

    def test_all_attributes_of_a_url_make_it_again(self) -> None:
        """Naming netloc and its parts is fine while they agree."""
        url = Url("http://u:p@Host:80/x?y=1#z")
        names = ["scheme", "netloc", "path", "query", "fragment"]
        names += ["hostname", "port", "username", "password"]
        assert Url(**{name: getattr(url, name) for name in names}) == url

    def test_a_path_keyword_of_scheme_file_is_literal(self) -> None:
        """As GC3Pie's FilesystemStore builds its URL."""
        assert Url(path="/tmp/a?b#c%41").path == "/tmp/a?b#c%41"
        assert Url(path=Path("/tmp/x")) == "/tmp/x"
        assert Url(path="rel").path == "rel"

    @pytest.mark.parametrize(
        "parts",
        [
            {},
            {"scheme": "http", "netloc": "h", "path": "/a?b"},
            {"scheme": "http", "netloc": "h/x", "path": "/a"},
            {"scheme": "http", "netloc": "h", "query": "a#b"},
            {"scheme": "not a scheme", "netloc": "h"},
            {"scheme": "c", "path": "/x"},
            {"scheme": "", "netloc": "h"},
            {"scheme": "http", "netloc": "h", "hostname": "other"},
            {"scheme": "http", "netloc": "h:80", "port": 81},
            {"scheme": "http", "hostname": "h", "port": 70000},
            {"scheme": "http", "hostname": "h", "username": "a:b", "password": "c"},
            {"scheme": "http", "netloc": "h", "query": b"x"},
            {"path": b"/tmp"},
            {"path": "/tmp/\0"},
        ],
    )
    def test_parts_that_make_no_url_are_refused(self, parts: Any) -> None:
        """Rather than giving a URL that is read otherwise."""
        with pytest.raises(UrlError):
            Url(**parts)

    def test_a_url_and_parts_together_are_refused(self) -> None:
        """Which of the two would win is anyone's guess."""
        with pytest.raises(UrlError, match="either"):
            Url("http://h/x", port=80)
        with pytest.raises(UrlError, match="either"):
            Url(Url("/tmp"), scheme="http")


class TestSecrets:
    """Passwords stay out of logs."""

    @pytest.mark.parametrize(
        "text",
        [
            "db://me:hush@host/x",
            "db://me:hu@hush@host/x",
            "db://:hush@host/x",
            "db:///x?user=me&password=hush",
            "db:///x?SECRET_KEY=hush&a=b",
            "db:///x?auth-token=hush#password=hush",
            "/tmp/x?key=hush",
        ],
    )
    def test_neither_repr_nor_without_secrets_shows_them(self, text: str) -> None:
        """Three stars stand for them; the string form has them."""
        url = Url(text)
        assert "hush" in str(url)
        for shown in (repr(url), url.without_secrets()):
            assert "hush" not in shown
            assert "***" in shown

    def test_without_secrets_leaves_the_rest(self) -> None:
        """User, host and options are for everyone to see."""
        text = "db://me@host:5/a:b@c?x=1#table=t"
        assert Url(text).without_secrets() == text
        assert Url("db://me:p@h/x?a=b").without_secrets() == "db://me:***@h/x?a=b"

    @pytest.mark.parametrize(
        "text",
        [
            "db://me:hush@host:bad/",
            "db://me:hu/sh?hush@host/",
            "x y://me:hush@h/",
            "db://m:hush@h/\n",
        ],
    )
    def test_errors_do_not_show_them(self, text: str) -> None:
        """Also where the password is what is wrong with the URL."""
        with pytest.raises(UrlError) as caught:
            Url(text)
        assert "hush" not in str(caught.value) + repr(caught.value) + caught.value.url

    def test_errors_about_parts_do_not_show_them(self) -> None:
        """Nor where the URL is built from keywords, or its options are wrong."""
        for parts in ({"port": 70000}, {"fragment": "\ud800"}, {"path": "/a?b"}, {"netloc": "h"}):
            arguments: Any = {"scheme": "db", "hostname": "h", "password": "hush", **parts}
            with pytest.raises(UrlError) as caught:
                Url(**arguments)
            assert "hush" not in str(caught.value)
        with pytest.raises(UrlError) as caught:
            Url("db://u:hush@h/?x").options()
        assert "hush" not in str(caught.value)


class TestOptions:
    """The query as names and values."""

    def test_options_are_decoded(self) -> None:
        """Percent signs are escapes; a plus is a plus, as in any URL that is no web form."""
        assert Url("/x?codec=dill&dir=a%20b%26c&cc=c++").options() == {
            "codec": "dill",
            "dir": "a b&c",
            "cc": "c++",
        }
        assert Url("/x?a=b=c").options() == {"a": "b=c"}
        assert Url("/x").options() == {}
        assert Url("/x?").options() == {}

    @pytest.mark.parametrize("query", ["a=1&a=2", "a=1&%61=2", "a", "a=", "=1", "a=1&", "a=%FF"])
    def test_a_repeated_or_valueless_option_is_refused(self, query: str) -> None:
        """Neither has one meaning that everybody expects."""
        with pytest.raises(UrlError):
            Url(f"/x?{query}").options()


class TestValue:
    """A URL is an immutable value."""

    def test_urls_equal_urls_and_strings(self) -> None:
        """A string is as good as the URL that it makes."""
        url = Url("/tmp/foo")
        assert url == Url("file:///tmp/foo")
        assert url == "/tmp/foo"
        assert operator.eq("file:///tmp/foo", url)
        assert url != "file:///tmp/foo?bar"
        assert url != "http://example.org"
        assert url != "http://example.org:bad"
        assert url != 42
        assert url != Path("/tmp/foo")

    def test_urls_are_hashable(self) -> None:
        """Equal ones have one hash, which is that of the string form too."""
        urls = {Url("/tmp/foo"), Url("file:///tmp/foo"), Url(Path("/tmp/foo"))}
        assert len(urls) == 1
        assert "file:///tmp/foo" in urls

    def test_urls_cannot_be_changed(self) -> None:
        """Neither a field nor a new attribute can be set."""
        url = Url("/tmp/foo")
        with pytest.raises(AttributeError, match="path stays"):
            url.path = "/etc"
        with pytest.raises(AttributeError):
            url.other = 1
        with pytest.raises(AttributeError, match="path stays"):
            del url.path
        assert url == "file:///tmp/foo"

    @pytest.mark.parametrize("text", ["file:///tmp/x?a=1#b", "http://u:p@h:80/x"])
    def test_urls_pickle_and_copy(self, text: str) -> None:
        """All parts are kept, the password and the fragment too."""
        url = Url(text)
        copies = [pickle.loads(pickle.dumps(url, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
        for again in (*copies, copy.copy(url), copy.deepcopy(url), Url(url)):
            assert type(again) is Url
            assert str(again) == str(url)
            assert (again.password, again.port) == (url.password, url.port)

    def test_a_copy_of_a_relative_url_stays_relative(self) -> None:
        """Making a URL from a URL changes nothing."""
        assert Url(Url("rel", force_abs=False)).path == "rel"

    @pytest.mark.parametrize(
        ("base", "more", "expected"),
        [
            ("http://example.org", "data", "http://example.org/data"),
            ("http://example.org/data", "/more", "http://example.org/data/more"),
            ("http://example.org/data/?bar", "more", "http://example.org/data/more?bar"),
            ("http://u:p@example.org:1/#f", "a/b", "http://u:p@example.org:1/a/b#f"),
            ("/tmp", "a?b", "file:///tmp/a%3Fb"),
        ],
    )
    def test_adjoin_appends_to_the_path(self, base: str, more: str, expected: str) -> None:
        """A leading slash makes no difference, and the rest stays."""
        assert str(Url(base).adjoin(more)) == expected

    def test_the_error_is_an_invalid_argument(self) -> None:
        """So that `except ValueError` is enough."""
        assert issubclass(UrlError, InvalidArgumentError)


def test_importing_the_module_does_not_import_urllib() -> None:
    """It costs milliseconds that those who never use a URL would pay."""
    source = Path(module.__file__).parents[1]
    code = "import sys, brinery.url; sys.exit('urllib.parse' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(source)}, check=False
    )
    assert done.returncode == 0
