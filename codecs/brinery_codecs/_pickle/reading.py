"""The reading half of the codecs of the pickle family: the way in C, and those that show, wait or upgrade."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from types import CodeType

from brinery.codec import Buffer, Codec, Mention, ReadLinks
from brinery.errors import BrineryError, DecodeError
from brinery.evolution.placeholder import Placeholder
from brinery.typing import Any, Final, Protocol
from brinery_codecs._pickle.finders import admitted, finder_of
from brinery_codecs._pickle.names import NEW, Names, OldStateError
from brinery_codecs._pickle.openings import (
    REFILL,
    is_in_place,
    is_plain,
    may_name,
)
from brinery_codecs._pickle.record_names import Beginning, InexactError, Suspended, Upgrading
from brinery_codecs._pickle.targets import detached
from brinery_codecs._pickle.unpicklers import (
    SuspendableUnpickler,
    UpgradingUnpickler,
    bytes_follow,
    names_unpickler,
)


class Unpickler(Protocol):
    """Anything that loads."""

    file: Any
    """What it reads; it stays behind the pickle that was loaded."""

    def load(self) -> Any:
        """Return the object."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a global."""


class PickleReader(Codec):
    """A codec that reads pickles."""

    def detached(self, parts: Sequence[bytes], sizes: Sequence[int]) -> tuple[bytes, list[bool]]:
        """Return a pickle that takes its large buffers from outside."""
        return detached(parts, sizes)

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        """Return the object of the pickle that `source` starts with."""
        names = self._names(links)
        cls, size = names.opened(source)
        if cls is None or may_name(source):
            try:
                return self._load(source, names, links, buffers)
            except Exception as failure:  # noqa: BLE001 - raised again unless the payload can be mended
                return self._mended(failure, source, names, buffers)
        try:
            first = links.resolve, links.construct(None, NEW, (cls,))
            return pickle.loads(REFILL + source[size:], buffers=chain(first, buffers))
        except MemoryError:
            raise
        except Exception as failure:
            # Once more, by an unpickler that shows where it fails.
            if not links.restart():
                raise
            try:
                return self._load(source, names, links, buffers)
            except Exception as again:  # noqa: BLE001 - raised again, this or the first
                # The second attempt may fail for another reason, because of the first.
                reason = _place_of(failure)
                if reason[0] is PickleReader.load.__code__ or reason == _place_of(again):
                    return self._mended(again, source, names, buffers)
                raise failure from failure.__cause__

    def made_by(self, opening: bytes, links: ReadLinks) -> type | None:
        """Return the class whose bare object an opening makes; see `Codec.made_by`."""
        cls, size = self._names(links).opened(opening)
        return cls if cls is not None and size == len(opening) and is_plain(cls) else None

    def still_makes(self, cls: type) -> bool:
        """Return whether a class is found under its name, and its objects take a state without its code."""
        return is_in_place(cls) and is_plain(cls)

    @staticmethod
    def fill(state: bytes, obj: Any, resolve: Callable[[str], Any]) -> None:
        """Give an object its state; see `Codec.fill`."""
        pickle.loads(REFILL + state, buffers=(resolve, obj))

    def may_run_code(self, source: Buffer, buffers: Iterable[Buffer] = ()) -> bool:
        """Return whether decoding a pickle may run code of the user's; see `Codec.may_run_code`."""
        from brinery_codecs._pickle.analysis.quiet import may_run_code

        return may_run_code(source, buffers)

    def _mended(
        self, failure: Exception, source: Buffer, names: Names, buffers: Iterable[Buffer]
    ) -> Any:
        """Return the object by another unpickler; raise `failure` if that does not help."""
        from brinery_codecs._pickle.mending import is_of_members, mended

        links = names.links
        if isinstance(failure, BrineryError) or not (
            links.takes_placeholders or is_of_members(failure)
        ):
            raise failure
        try:
            found = mended(source, lambda: Upgrading(names), links, buffers, finder_of(source))
        except BrineryError as error:
            if error.id is not None:  # of another object, which code of the user has loaded
                raise
            raise failure from failure.__cause__
        except Exception:  # noqa: BLE001 - the first failure is that of the record
            raise failure from failure.__cause__
        if issubclass(type(found), Placeholder):
            raise failure  # the whole record is to be replaced, and written back as it is
        return found

    def _load(
        self, source: Buffer, names: Names, links: ReadLinks, buffers: Iterable[Buffer]
    ) -> Any:
        self._scan(source, names)
        unpickler = self._unpickler(source, names, buffers)
        try:
            obj = unpickler.load()
        except OldStateError:
            links.restart()
        else:
            if unpickler.file.read(1):
                raise bytes_follow()
            if names.given is None:
                return obj
            del unpickler
            return self._with_getattr(obj, source, names, links, buffers)
        del unpickler  # its memo must not be taken for that of the next one: see `locate`
        return self._load_old(source, names, buffers)

    def _with_getattr(
        self,
        obj: Any,
        source: Buffer,
        names: Names,
        links: ReadLinks,
        buffers: Iterable[Buffer],
    ) -> Any:
        # Nearly every payload that names `getattr` calls it, and got a function in its place.  If the
        # object holds that function, the payload has `getattr` as data: decode it again with the real one.
        assert names.given is not None
        given, names.given = names.given(), None
        if given is None or names.restriction is not None:
            return obj
        links.restart()
        names.update(_GETATTR)
        try:
            return self._unpickler(source, names, buffers).load()
        except Exception:  # noqa: BLE001 - a class that was renamed, say: take the object as it was
            links.restart()
        finally:
            for key in _GETATTR:
                del names[key]
        obj = self._unpickler(source, names, buffers).load()
        names.given = None  # or the next payload would be decoded twice as well
        return obj

    def begin(
        self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()
    ) -> Callable[[], Any] | None:
        """Decode until the root is constructed; return the function for the rest, None for `load`."""
        names = self._names(links)
        cls, _ = names.opened(source)
        if cls is not None:
            links.construct(None, NEW, (cls,))
            return None
        self._scan(source, names)
        unpickler = self._unpickler(source, Beginning(names, links, exact=False), buffers)
        try:
            obj = unpickler.load()
        except Suspended:
            # To decode again in C is faster than to go on in Python.
            return None
        except InexactError:
            return self._begin_exactly(source, names, links, buffers)
        except OldStateError:
            links.restart()
        else:
            if unpickler.file.read(1):
                raise bytes_follow()
            return lambda: obj
        del unpickler
        old = Upgrading(names)
        beginning = Beginning(old, links, exact=True)
        return self._old(source, beginning, old, buffers).begin()  # type: ignore[no-any-return]

    def _load_old(self, source: Buffer, names: Names, buffers: Iterable[Buffer]) -> Any:
        old = Upgrading(names)
        try:
            return self._old(source, old, old, buffers).whole()
        except OldStateError as error:
            raise DecodeError(
                f"a class by value holds an object of {error} in an older version, which cannot be upgraded"
            ) from error

    def _old(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        old: Upgrading,
        buffers: Iterable[Buffer],
    ) -> UpgradingUnpickler:
        return UpgradingUnpickler(source, names, buffers, finder_of(source), old.upgrades)

    def _begin_exactly(
        self, source: Buffer, names: Names, links: ReadLinks, buffers: Iterable[Buffer]
    ) -> Callable[[], Any]:
        exact = Beginning(names, links, exact=True)
        unpickler = SuspendableUnpickler(source, exact, buffers, finder_of(source))
        return unpickler.begin()  # type: ignore[no-any-return]

    def locate(self, source: Buffer, error: Exception) -> str | None:
        """Return the path inside the object at which decoding failed; see `analysis.failure`."""
        from brinery_codecs._pickle.analysis.failure import path_of_failure

        own = PickleReader
        holders = (own._load, own.begin, own._begin_exactly, SuspendableUnpickler.finish)
        return path_of_failure(source, error, (holder.__code__ for holder in holders))

    def advice_on(self, error: Exception) -> str | None:
        """Return what helps if a class refuses what the record has of its objects."""
        from brinery_codecs._pickle import load_advice

        return load_advice.advice_on(error)

    def mentions(self, source: Buffer) -> Iterable[Mention]:
        """Return the globals and external references that a payload names."""
        from brinery_codecs._pickle.analysis.trace import Trace

        return list(Trace(source).mentions())

    def needs(self, source: Buffer) -> Iterable[tuple[str, str]]:
        """Return module and qualname of each global that decoding a payload would import."""
        from brinery_codecs._pickle.analysis.scan import scan

        return list(scan(source, None).needed)

    @staticmethod
    def _scan(source: Buffer, names: Names) -> None:
        # The restriction is checked before the first opcode is carried out.
        restriction = names.restriction
        if restriction is None:
            return
        from brinery_codecs._pickle.analysis.scan import scan

        found = scan(source, restriction.admits, names.is_enumeration)
        if found.unsure:
            # Everything that it names is admitted, and may be imported now.
            names.find_enumerations(finder_of(source), found.unsure)
            found = scan(source, restriction.admits, names.is_enumeration)
        for module, name in found.extensions:
            # An unpickler may have it already, and not ask for it.
            admitted(pickle.Unpickler(io.BytesIO()).find_class, restriction)(module, name)

    def _unpickler(
        self, source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
    ) -> Unpickler:
        return names_unpickler(source, names, buffers)

    def _names(self, links: ReadLinks) -> Names:
        # Asked for each record.  `dump` keeps its state under the ID itself.
        names = links.batch.get(-id(self))
        if names is None:
            # One table for all codecs of a name: they may differ in the protocol alone.
            names = links.batch.get((Names, self.name))
            if names is None:
                names = Names(links, self)
                links.batch[Names, self.name] = names
            links.batch[-id(self)] = names
        return names


def _place_of(error: BaseException) -> tuple[CodeType | None, int]:
    # Where an exception was raised.
    code, at, traceback = None, 0, error.__traceback__
    while traceback is not None:
        code, at = traceback.tb_frame.f_code, traceback.tb_lasti
        traceback = traceback.tb_next
    return code, at


_GETATTR: Final = dict.fromkeys((("builtins", "getattr"), ("__builtin__", "getattr")), getattr)
