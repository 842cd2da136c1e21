"""A store in a directory: each object is a file named by its ID."""

from __future__ import annotations

import os
import re

from brinery.backends.directory.backend import LOCK_TIMEOUT, DirectoryBackend
from brinery.catalog.settings import read_settings
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError, UrlError
from brinery.ids import IdFactory
from brinery.record.outline import check_outline
from brinery.record.payload import MAX_EXPANDED
from brinery.registry.codecs import CodecArgument
from brinery.stores.arguments import one_of, seconds
from brinery.stores.options import DirectoryOptions, StoreOptions
from brinery.stores.store import Store
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from brinery.url import Url


class FilesystemStore(Store):
    """Keeps objects as files in a directory; the file name is the object's ID.

    `directory`
        A path or a ``file:`` URL; by default the user's data directory
        (``platformdirs.user_data_dir("brinery")``).  The first save makes it.
    `idfactory`
        Makes the IDs; by default the class name and a number.
    `protocol`, `codec`
        How new records are written.  Both default to the settings with which the store was made; a new
        store uses pickle at protocol 5.
    `compress`
        The transform of new records, ``"zstd:3"`` for example; ``"none"`` for none.  Defaults to the
        setting that the store remembers; a new store uses none.
    `max_expanded`
        The most bytes that a compressed payload may expand to when it is read.
    `trust`
        Which records are accepted from the store: a `Trust`, or ``"anyone"``.
    `lazy`
        Whether loads read the objects that an object refers to when they are first used.  Defaults to the
        setting that the store remembers; a new store loads whole graphs.
    `provenance`
        Whether the records that are written note the user, the machine and the program: `info` returns them.
        Defaults to the setting that the store remembers; a new store notes nothing.
    `durability`
        "full": when `save` returns, the records are on the disk, and survive a power cut.  "process": they
        survive the process, however it ends; the operating system chooses when to write them to the disk.
        After a power cut a graph may then be of two saves, without an error.
    `layout`
        "flat": all files in one directory.  "sharded": in 256 sub-directories.  Defaults to the setting
        that the store remembers; a new store is "flat".  Files of the other layout are found, too.
    `shared`
        "private": files and directories are for the user alone.  "group": the group of the directory may
        read and write them, and is trusted not to plant pickles.  Defaults to the setting that the store
        remembers, which by itself trusts nobody; a new store is "private".

    `mode`
        "rw": for reading and writing.  "r": for reading only: nothing on the disk changes, no lock is taken,
        the directory must exist, and every write is a `ReadOnlyError`.

    Options of the codec (dill's `recurse`, …) may be given, too; any other argument is refused.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Url | None = None,
        idfactory: IdFactory | None = None,
        protocol: int | None = DEFAULT_PROTOCOL,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        max_expanded: int = MAX_EXPANDED,
        durability: str = "full",
        layout: str | None = None,
        trust: Trust | str | None = None,
        lazy: bool | None = None,
        provenance: bool | None = None,
        shared: str | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        mode: str = "rw",
        **extra: Any,
    ) -> None:
        path = _path_of(directory)
        # Only the opener can say whom to trust; neither the store nor its URL may.
        trusts_group = shared == "group"
        chosen: Literal["rw", "r"] = one_of("mode", mode, ("rw", "r"))
        if layout is None or shared is None:
            remembered = read_settings(DirectoryBackend(path, mode=chosen))
            known = remembered.options if remembered else {}
            layout = layout or known.get("layout") or "flat"
            shared = shared or known.get("shared") or "private"
        place = DirectoryOptions(
            path,
            one_of("durability", durability, ("full", "process")),
            one_of("layout", layout, ("flat", "sharded")),
            one_of("shared", shared, ("private", "group")),
            trusts_group,
            seconds("lock_timeout", lock_timeout),
            chosen,
        )
        renames = extra.pop("renames", None)
        self._open(
            place,
            StoreOptions(
                idfactory,
                protocol,
                codec,
                compress,
                max_expanded,
                renames,
                trust,
                lazy,
                provenance,
                extra,
            ),
        )

    def _open(self, place: DirectoryOptions, options: StoreOptions) -> None:
        self._place = place
        backend = DirectoryBackend(
            place.directory,
            layout=place.layout,
            durability=place.durability,
            shared=place.shared,
            trusts_group=place.trusts_group,
            lock_timeout=place.lock_timeout,
            mode=place.mode,
            check_outline=check_outline,
        )
        self._begin(backend, options, place.remembered)

    @property
    def directory(self) -> str:
        """Return the absolute path of the directory."""
        return self._place.directory

    @property
    def durability(self) -> str:
        """Return "full" or "process"."""
        return self._place.durability

    @property
    def layout(self) -> str:
        """Return "flat" or "sharded"."""
        return self._place.layout

    @property
    def shared(self) -> str:
        """Return "private" or "group"."""
        return self._place.shared

    @property
    def mode(self) -> str:
        """Return "rw" or "r"."""
        return self._place.mode

    @property
    def url(self) -> Url:
        """Return the URL that opens this store again."""
        from brinery.url import Url

        return Url(scheme="file", path=self._place.directory)

    def _place_elsewhere(self) -> DirectoryOptions:
        return self._place


def _path_of(directory: str | os.PathLike[str] | Url | None) -> str:
    if directory is None:
        import platformdirs

        return platformdirs.user_data_dir("brinery", appauthor=False)
    if isinstance(directory, str) and ":" in directory and re.match(_URL, directory):
        return _path_in(directory)
    try:
        path = os.fspath(directory)  # type: ignore[arg-type]
    except TypeError:
        return _path_in(directory)
    if not path:
        raise InvalidArgumentError("directory: expected a path or a URL, got an empty path")
    path = os.path.abspath(os.path.expanduser(path))
    if path.isascii():
        return path
    from brinery.url import encodable

    return encodable(path)


def _path_in(url: Any) -> str:
    from brinery.url import Url

    if isinstance(url, str):
        url = Url(url)
    if not isinstance(url, Url):
        raise InvalidArgumentError(f"directory: expected a path or a URL, got {url!r}")
    if url.query:
        raise UrlError(
            url.without_secrets(),
            "expected a URL without options: use make_store(url), or pass the options to "
            "FilesystemStore as arguments",
        )
    return url.local_path()


_URL = r"(?i:[a-z][a-z0-9+.\-]+://|file:)"


def make_filesystemstore(url: Any = None, *args: Any, **options: Any) -> FilesystemStore:
    """Return the store at a ``file:`` URL or path; the query of the URL may contain options.

    >>> make_filesystemstore("file:///srv/jobs?codec=dill&protocol=4").codec.protocol
    4
    """
    if url is None:
        return FilesystemStore(None, *args, **options)
    from brinery.url import Url

    parsed = Url(url)
    place = Url(scheme=parsed.scheme, netloc=parsed.netloc, path=parsed.path)
    store = FilesystemStore(place, *args, **{**parsed.options(), **options})
    if not options.get("shared"):
        # A URL must not make the group trusted.
        assert isinstance(store.backend, DirectoryBackend)
        store.backend.trusts_group = False
        store._place = store._place._replace(trusts_group=False)
    return store
