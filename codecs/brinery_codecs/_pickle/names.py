"""The globals that payloads name, each looked up once for all records of one load."""

from __future__ import annotations

import copyreg
import weakref
from collections.abc import Callable, Iterable, Mapping
from enum import EnumType

from brinery.codec import Buffer, Codec, ReadLinks
from brinery.errors import DecodeError, MissingClassError, TrustError
from brinery.typing import TYPE_CHECKING, Any, Final
from brinery_codecs._pickle.finders import FindClass, admitted, finder_of
from brinery_codecs._pickle.narrowed import AttributesByName, narrowed
from brinery_codecs._pickle.openings import class_of, end_of_opening

if TYPE_CHECKING:
    from brinery_codecs._pickle.by_value.reader import ClassReader

NEW = copyreg.__newobj__  # type: ignore[attr-defined]

Own = Callable[[ReadLinks], Any]
"""Makes the object that the payloads of one load get for a name."""


def _external(links: ReadLinks) -> Any:
    return links.resolve


def _root(links: ReadLinks) -> Any:
    construct = links.construct
    return lambda constructor, *args: construct(None, constructor, args)


def _new_root(links: ReadLinks) -> Any:
    construct = links.construct
    return lambda *args: construct(None, NEW, args)


def _hashable_root(links: ReadLinks) -> Any:
    construct = links.construct
    return lambda early, constructor, *args: construct(early, constructor, args)


def _class_reader(links: ReadLinks) -> ClassReader:
    # One for both functions, and for all codecs.  Most loads have no classes by value.
    from brinery_codecs._pickle.by_value.reader import ClassReader

    reader: ClassReader | None = links.batch.get(ClassReader)
    if reader is None:
        reader = links.batch[ClassReader] = ClassReader(links)
    return reader


_OWN_NAMES: Final[Mapping[tuple[str, str], Own]] = {
    ("brinery.reference", "external"): _external,
    ("brinery.reference", "root"): _root,
    ("brinery.reference", "new_root"): _new_root,
    ("brinery.reference", "hashable_root"): _hashable_root,
    ("brinery_codecs.classes", "make_class"): lambda links: _class_reader(links).make,
    ("brinery_codecs.classes", "fill_class"): lambda links: _class_reader(links).fill,
}
"""Functions that become methods of the links, or of what a load has beside them."""


class Names(dict[tuple[str, str], Any]):
    """The globals that payloads name, each looked up once for all records of one load."""

    def __init__(self, links: ReadLinks, codec: Codec) -> None:
        """Names of brinery get their own objects when a payload first has them."""
        super().__init__()
        self.links = links
        self.codec = codec
        self.restriction = links.restriction
        self._opened: dict[bytes, type | None] = {}
        self._enumerations: set[type] = set()
        self._is_enumeration: dict[tuple[str, str], bool] = {}
        self.given: weakref.ref[AttributesByName] | None = None
        """What the current payload got in place of `getattr`, if it names that."""

    def __missing__(self, key: tuple[str, str]) -> Any:
        own = _OWN_NAMES.get(key)
        if own is None:
            raise KeyError(key)
        found = self[key] = own(self.links)
        return found

    def opened(self, source: Buffer) -> tuple[type | None, int]:
        """Return the class of the object that a known opening makes, and the size of the opening.

        The class is None where an unpickler has to read the opening.
        """
        if not isinstance(source, bytes) or not (end := end_of_opening(source)):
            return None, 0
        # For each record: known openings without a further call.
        head = source[:end]
        cls = self._opened[head] if head in self._opened else self._opening(head)
        return cls, end

    def _opening(self, head: bytes) -> type | None:
        # An opening that this load meets first.
        named = class_of(head)
        if named is None or self.restriction is not None:
            self._opened[head] = None
            return None
        cls: type | None = self._lasting(*named)
        if cls is None:
            return None  # for this record
        if vars(object)["__new__"] is not cls.__new__:
            cls = None
        self._opened[head] = cls
        return cls

    def _lasting(self, module: str, name: str) -> Any:
        # The global, None where it is not the same for all records of this load, or missing.
        if (module, name) not in self:
            try:
                self.find(finder_of(b"\x80\x05"), module, name)
            except (
                DecodeError,
                TrustError,
                OldStateError,
            ):  # the unpickler that reads all of it raises it
                return None
        return self.get((module, name))

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Look the global `name` of `module` up by `find_class`; the next time it is here.

        Raise `OldStateError` where the record has states of it that are to be upgraded.
        """
        found, upgrade = self.look_up(find_class, module, name)
        if upgrade is not None:
            raise OldStateError(f"{module}.{name}")
        narrower = narrowed(self, module, name, found)
        if narrower is not None:
            # Not kept: a cycle with this object would wait for the collector.
            return narrower
        if self.links.is_lasting(module, name):
            self[module, name] = found
        return found

    def look_up(
        self, find_class: FindClass, module: str, name: str
    ) -> tuple[Any, Callable[[Any], Any] | None]:
        """Return the global and the function that upgrades its states in the current record.

        Raise `TrustError` for a global that the reader does not admit.
        """
        if self.restriction is not None:
            find_class = admitted(find_class, self.restriction)
        try:
            found = self.links.find(module, name, find_class)
        except (ImportError, AttributeError, SystemExit) as error:
            # A script that is imported may call sys.exit, which must not end this process.
            how = f"it ends with {error!r}" if isinstance(error, SystemExit) else str(error)
            raise MissingClassError(
                f"{module}.{name} cannot be imported: {how}{_installed(module)}",
                codec=self.codec.name,
                advice=_advice(module, name, self.codec.name),
            ) from error
        if self.restriction is not None and isinstance(found, EnumType):
            self._enumerations.add(found)
        return found, self.links.upgrader(module, name, found)

    def attributes(self) -> AttributesByName:
        """Return the function that payloads get in place of `getattr`."""
        made = AttributesByName(self)
        self.given = weakref.ref(made)
        return made

    def is_enumeration(self, module: str, name: str) -> bool | None:
        """Return whether an enumeration has a name, None if that is not known before an import."""
        known = self._is_enumeration.get((module, name))
        if known is None and self.restriction is not None:
            known = self.restriction.is_enumeration(module, name)
        return known

    def find_enumerations(self, find_class: FindClass, names: Iterable[tuple[str, str]]) -> None:
        """Import what is admitted, to learn which of it are enumerations."""
        for module, name in names:
            try:
                found, _ = self.look_up(find_class, module, name)
            except (DecodeError, TrustError):  # decoding raises it again
                found = None
            self._is_enumeration[module, name] = isinstance(found, EnumType)

    def may_combine(self, cls: type) -> bool:
        """Return whether a reader that restricts names admits the class of flags."""
        # A record may refer to flags in records of their own, and not name their class.
        name = cls.__module__, cls.__qualname__
        return cls in self._enumerations or (
            self.restriction is not None
            and self.restriction.admits(*name)
            and self.restriction.admits_object(*name, cls)
        )


class OldStateError(BaseException):
    """A record has states of an older version of a class.  Not an `Exception`: see `Suspended`."""


def _installed(module: str) -> str:
    # Most distributions are called like the package that they bring; the others are not worth a search.
    from importlib import metadata

    package = module.partition(".")[0]
    try:
        return f" ({package} {metadata.version(package)} is installed)"
    except (metadata.PackageNotFoundError, ValueError):
        return ""


def _advice(module: str, name: str, codec: str) -> str:
    if module == "__main__":
        move = f"It was defined in the script that saved the record: move {name} to a module, and save again"
        if codec != "pickle":  # the others keep by value what they can, and named this
            return move
        return (
            f"{move}. A function or class that is kept by value (cloudpickle, dill) needs no name"
        )
    return (
        f"Install the package that provides the module {module!r}, or put it on sys.path, "
        "as it was when saving"
    )
