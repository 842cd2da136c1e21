"""URLs that name stores: an immutable value, with the constructor of GC3Pie's `gc3libs.url.Url`.

The grammar is that of RFC 3986 for URLs and of RFC 8089 for ``file:``.  A string is read like this:

- A string with a scheme of two letters or more is a URL; the path of a ``file:`` URL is
  percent-decoded, every other part stays as it is written.
- Any other string is a bare path: of scheme ``file``, made absolute, with nothing decoded, so that
  ``%``, ``#``, blanks and non-ASCII letters mean themselves.  As in GC3Pie a ``?`` starts the query
  (``/srv/jobs?codec=dill``), and two leading slashes a host.  Other than there, a ``#`` starts no
  fragment: a directory has none, and ``run#1`` and ``run#2`` are two directories.
- An `os.PathLike`, or the keyword `path` with scheme ``file``, is taken literally, ``?`` included.  It
  is the way to name a directory that has one in its name.

The string form is a URL again, and names the same thing: ``Url(str(url)) == url``.  Paths of other
schemes than ``file`` pass unchanged (``sqlite:////absolute/path``, ``sqlite:///relative/path``).
"""

from __future__ import annotations

import os
import re

from brinery.errors import UrlError
from brinery.typing import Any

# RFC 3986, appendix B.  A scheme of one letter is the drive of a Windows path.
_URL = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?"
)
# Those that few URLs need are compiled on use.  Of a bare path: host, path and query.
_BARE = r"(?://([^/?#]*))?([^?]*)(?:\?(.*))?"
_NETLOC = r"(?:([^:]*)(?::(.*))?@)?(\[[0-9A-Za-z:.%_~\-]+\]|[^\[\]:@/\\\s]*)(?::([0-9]{0,5}))?"
_NO_SCHEME = re.compile(r"(?:[^/?#]{2,})?://")
_OPENERS = frozenset({"trust", "key"})  # arguments, never part of a URL
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_SECRET = (
    r"(?i)((?:^|[?&#])[^=&?#]*(?:passw|pwd|secret|token|credential|signature|key)[^=&?#]*=)[^&#]*"
)
# Greedy, because a password that was not encoded may hold any character.
_USERINFO = r"(?s)(//[^:@/?#]*:).*@"
_WINDOWS = os.name == "nt"


class Url:
    """The URL of a store.

    Make it from a string, a path or another `Url`, or from keyword arguments alone.  A relative
    path of scheme ``file`` is made absolute unless `force_abs` is false or the parts are given as
    keywords.  Raise `UrlError` for what is not a URL: a bad port, control characters, bytes.

    >>> url = Url("postgresql://me:pw@db.example.org:5432/jobs?codec=dill")
    >>> url.scheme, url.hostname, url.port, url.path, url.options()
    ('postgresql', 'db.example.org', 5432, '/jobs', {'codec': 'dill'})
    >>> url
    Url('postgresql://me:***@db.example.org:5432/jobs?codec=dill')
    >>> str(Url("/tmp/50% done")), Url("/tmp/x") == "file:///tmp/x"
    ('file:///tmp/50%25%20done', True)

    `str` has the password; `repr` and `without_secrets` do not.  A `Url` equals another of the
    same string form, and a string that makes such a `Url`.  It cannot be changed.
    """

    __slots__ = __match_args__ = ("scheme", "netloc", "path", "query", "fragment")

    scheme: str
    """Lower case; ``file`` for a bare path."""
    netloc: str
    """``[user[:password]@]host[:port]`` as written; empty if absent."""
    path: str
    """Of scheme ``file``, the path of the operating system; otherwise as written."""
    query: str
    """What follows ``?``, as written; see `options`."""
    fragment: str
    """What follows ``#``, as written."""

    def __init__(
        self,
        urlstring: Url | str | os.PathLike[str] | None = None,
        force_abs: bool = True,
        *,
        scheme: str = "file",
        netloc: str = "",
        path: str | os.PathLike[str] = "",
        hostname: str | None = None,
        port: int | None = None,
        query: str = "",
        username: str | None = None,
        password: str | None = None,
        fragment: str = "",
    ) -> None:
        host = (username, password, hostname, port)
        parts = (scheme, netloc, path, query, fragment)
        if urlstring is None:
            parts = _from_keywords((scheme, netloc, _text(path), query, fragment), host)
        elif host != (None,) * 4 or parts != ("file", "", "", "", ""):
            raise UrlError(_masked(urlstring), "give either a URL or its parts as keywords")
        else:
            parts = (
                urlstring._parts() if isinstance(urlstring, Url) else _read(urlstring, force_abs)
            )
        self.__setstate__(parts)
        _check(self)

    def __getstate__(self) -> _Parts:
        return self._parts()

    def __setstate__(self, parts: _Parts) -> None:
        for name, part in zip(Url.__slots__, parts, strict=True):
            object.__setattr__(self, name, part)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a URL does not change: {name} stays")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a URL does not change: {name} stays")

    @property
    def hostname(self) -> str | None:
        """Return the host, in lower case and without the brackets of IPv6; None if absent."""
        return _host_parts(self.netloc)[2]

    @property
    def port(self) -> int | None:
        """Return the port; None if absent."""
        return _host_parts(self.netloc)[3]

    @property
    def username(self) -> str | None:
        """Return the user as written, not percent-decoded; None if absent."""
        return _host_parts(self.netloc)[0]

    @property
    def password(self) -> str | None:
        """Return the password as written, not percent-decoded; None if absent."""
        return _host_parts(self.netloc)[1]

    def options(self) -> dict[str, str]:
        """Return the options of the query, names and values percent-decoded; ``+`` is not a blank.

        Raise `UrlError` when an option is repeated or has no value.
        """
        from urllib.parse import unquote

        found: dict[str, str] = {}
        for piece in self.query.split("&") if self.query else ():
            try:
                name, value = (unquote(text, errors="strict") for text in piece.partition("=")[::2])
            except UnicodeDecodeError as error:
                raise UrlError(self.without_secrets(), "an option is not in UTF-8") from error
            if not name or not value:
                raise UrlError(self.without_secrets(), f"the option {name!r} needs a value")
            if name in _OPENERS:
                raise UrlError(
                    self.without_secrets(),
                    f"the option {name!r} is an argument of the program that opens the store, not part "
                    "of a URL, which may come from anywhere",
                )
            if name in found:
                raise UrlError(self.without_secrets(), f"the option {name!r} is given twice")
            found[name] = value
        return found

    def local_path(self) -> str:
        """Return the path of a ``file`` URL; raise `UrlError` where it is not on this machine."""
        if self.scheme != "file":
            raise UrlError(self.without_secrets(), "it does not name a file or directory")
        if self.netloc.lower() not in ("", "localhost"):
            raise UrlError(
                self.without_secrets(),
                f"its files are on the host {self.hostname!r}; a path of this machine has three "
                "slashes (file:///path) or one (/path)",
            )
        return encodable(self.path)

    def adjoin(self, relpath: str) -> Url:
        """Return this URL with `relpath` appended to its path; query and fragment stay.

        >>> str(Url("http://example.org/a?b").adjoin("/c"))
        'http://example.org/a/c?b'
        """
        return Url(
            scheme=self.scheme,
            netloc=self.netloc,
            path=f"{self.path.removesuffix('/')}/{relpath.lstrip('/')}",
            query=self.query,
            fragment=self.fragment,
        )

    def without_secrets(self) -> str:
        """Return the URL with ``***`` for the password and for options named like secrets."""
        if self._is_torn():
            return f"{self.scheme}://{_torn(self.netloc)}"
        user, at, host = self.netloc.rpartition("@")
        name, colon, _ = user.partition(":")
        netloc = f"{name}:***@{host}" if colon else f"{user}{at}{host}"
        query, fragment = (
            part and re.sub(_SECRET, r"\1***", part) for part in (self.query, self.fragment)
        )
        return _joined(self.scheme, netloc, self.path, query, fragment)

    def _is_torn(self) -> bool:
        # A password that was not encoded ends the netloc where it has a / ? or #: the rest of it,
        # and the @ behind it, are in the path, the query or the fragment then.
        user, at, _ = self.netloc.rpartition("@")
        if ":" not in (user if at else self.netloc):
            return False
        rest = f"{self.path}?{self.query}#{self.fragment}"
        return "@" in rest or (self.netloc.endswith(":") and "%40" in rest)

    def __str__(self) -> str:
        return _joined(*self._parts())

    def __repr__(self) -> str:
        relative = self.scheme == "file" and not os.path.isabs(self.path)
        return f"Url({self.without_secrets()!r}{', force_abs=False' if relative else ''})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Url):
            return str(self) == str(other)
        if not isinstance(other, str):
            return NotImplemented
        try:
            return str(self) == other or str(self) == str(Url(other))
        except UrlError:
            return False

    def __hash__(self) -> int:
        return hash(str(self))

    def _parts(self) -> tuple[str, str, str, str, str]:
        return self.scheme, self.netloc, self.path, self.query, self.fragment


_Parts = tuple[str, str, str, str, str]
_Host = tuple[str | None, str | None, str | None, int | None]


def _check(url: Url) -> None:
    """Raise `UrlError` unless the parts are what their own string form is read as."""
    reason = _refusal_of(url)
    if reason is not None:
        raise UrlError(_masked(f"{url.scheme}://{url.netloc}{url.path}"), reason)


def _refusal_of(url: Url) -> str | None:
    if not all(isinstance(part, str) for part in url._parts()):
        return "its parts are strings"
    if url.scheme == "file" and (not url.path or "\0" in url.path):
        return "a path has no NUL" if url.path else "it has no path"
    _host_parts(url.netloc)
    try:
        str(url).encode()
    except UnicodeEncodeError:
        return "it holds a lone surrogate"
    if _split(str(url)) != url._parts():
        return "its parts do not make up a URL: percent-encode them"
    return None


def _from_keywords(parts: _Parts, host: _Host) -> _Parts:
    scheme, netloc, path, query, fragment = parts
    if any(part is not None for part in host):
        netloc = _joined_netloc(netloc, host)
    path = path.replace("/", os.sep) if scheme == "file" else path
    rooted = f"/{path}" if netloc and path and not path.startswith("/") else path
    return scheme.lower(), netloc, rooted, query, fragment


def _read(given: str | os.PathLike[str], force_abs: bool) -> _Parts:
    text = _text(given)
    parts = _split(text) if isinstance(given, str) else ("file", "", text, "", "")
    scheme, netloc, path, query, fragment = parts
    if scheme == "file" and path:
        try:
            path = os.path.expanduser(path) if isinstance(given, str) else path
            path = os.path.abspath(path) if force_abs and not os.path.isabs(path) else path
        except OSError as error:
            raise UrlError(_masked(given), "there is no current directory any more") from error
        path = _in_characters(path).replace("/", os.sep)
    return scheme, netloc, path, query, fragment


def _in_characters(path: str) -> str:
    # In a locale without UTF-8 Python gives the bytes of a path one by one.
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path  # another surrogate, which is refused


def encodable(path: str) -> str:
    """Return a path of this machine that the locale of the process can encode: in UTF-8 where it cannot."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return os.fsdecode(path.encode("utf-8", "surrogateescape"))
    return path


def _text(given: object) -> str:
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise UrlError(_masked(given), f"give a string or a path, not {type(text).__name__}")
    return text


def _split(text: str) -> _Parts:
    if _CONTROL.search(text):
        raise UrlError(_masked(text), "it holds a control character")
    found = _URL.fullmatch(text)
    assert found is not None  # the pattern takes any text
    scheme, netloc, path, query, fragment = (part or "" for part in found.groups())
    if not scheme:
        if _NO_SCHEME.match(text):
            raise UrlError(_masked(text), "the text before '://' is not a scheme")
        bare = re.fullmatch(_BARE, text)
        assert bare is not None
        netloc, path, query = (part or "" for part in bare.groups())
        fragment = ""
    if scheme.lower() == "file":
        path = _from_file_url(path, _WINDOWS)
    return scheme.lower() or "file", netloc, path, query, fragment


def _from_file_url(path: str, windows: bool) -> str:
    from urllib.parse import unquote

    path = unquote(path, errors="surrogateescape")
    if not windows:
        return path
    return path[_DRIVE.match(path, 1) is not None :].replace("/", "\\")


def _to_file_url(path: str, windows: bool) -> str:
    from urllib.parse import quote

    if windows:
        path = ("/" if _DRIVE.match(path) else "") + path.replace("\\", "/")
    return quote(path, safe="/:@!$&'()*+,;=~", errors="surrogateescape")


def _joined(scheme: str, netloc: str, path: str, query: str, fragment: str) -> str:
    if scheme == "file":
        path = _to_file_url(path, _WINDOWS)
    if netloc or not path or path.startswith("/"):
        path = f"//{netloc}{path}"
    tail = (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return f"{scheme}:{path}{tail}"


def _host_parts(netloc: str) -> _Host:
    """Return user, password, host and port."""
    if not netloc:
        return None, None, None, None
    found = re.fullmatch(_NETLOC, netloc, re.DOTALL)
    port = int(found[4]) if found and found[4] else None
    if found is None or (port or 0) > 65535:
        raise UrlError(
            _masked(f"//{netloc}") if "@" in netloc else f"//{_torn(netloc)}",
            "give [user[:password]@]host[:port], with a port below 65536; / ? # and @ in a password are "
            "written as %2F, %3F, %23 and %40",
        )
    return found[1], found[2], found[3].strip("[]").lower() or None, port


def _joined_netloc(netloc: str, host: _Host) -> str:
    """Return `netloc`, or that of the parts; raise `UrlError` where both are given and differ."""
    username, password, hostname, port = host
    user = (username or "") + (f":{password}" if password is not None else "")
    at = "@" if username is not None or password is not None else ""
    name = f"[{hostname}]" if hostname and ":" in hostname else hostname or ""
    joined = netloc or f"{user}{at}{name}" + (f":{port}" if port is not None else "")
    wanted = (username, password, hostname.lower() if hostname else None, port)
    for want, said in zip(wanted, _host_parts(joined), strict=True):
        if want is not None and want != said:
            raise UrlError(_masked(f"//{joined}"), "netloc and its parts contradict each other")
    return joined


def _torn(netloc: str) -> str:
    name, colon, _ = netloc.partition(":")
    return f"{name}{colon}***" if colon else netloc


def _masked(given: object) -> str:
    return re.sub(_SECRET, r"\1***", re.sub(_USERINFO, r"\1***@", str(given)))
