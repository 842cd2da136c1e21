"""External references and the root mark, as payloads of the pickle family name them.

A payload names functions of this module, and nothing else of brinery:

- ``external(id)`` is the reference to a persistable object, which has a record of its own;
- ``root(constructor, *args)`` makes the object that the record is about; ``new_root`` and
  ``hashable_root`` are special cases of it;
- ``named(module, qualname)`` is a class or function that the writer could not import.

A store's reader maps them to methods of its own.  A program that opens a record with
``pickle.load`` alone gets the functions below: the object, with a visible placeholder for each
persistable object that it refers to.  The names are part of the record format.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from brinery.typing import Any, Final

OWN_STORE: Final = "\0store"
"""The ID in a reference to the store that holds the record.  The metadata do not list it."""


REF: Final = "\0ref:"
"""How the ID in a reference begins that is the content of a `Ref`; the ID of its object follows."""


GHOST_OF: Final = "__ghost_of__"
"""The attribute, of the class of a ghost, that has the class of the object; see `brinery.graph.ghost`."""


set_class: Final[Callable[[Any, type], None]] = vars(object)["__class__"].__set__
"""Sets the class of an object, past any hook."""


def class_of(obj: Any) -> type:
    """Return the type of an object; of a ghost, which a load may be filling, that which it will have."""
    cls = type(obj)
    found: type = vars(cls).get(GHOST_OF, cls)
    return found


def attributes_of(obj: Any) -> dict[str, Any] | None:
    """Return the dict of the attributes of an object, None if it has slots alone; no ghost is woken."""
    try:
        found: dict[str, Any] = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return found


def is_ghost_class(cls: type) -> bool:
    """Return whether the objects of a class are ghosts."""
    return GHOST_OF in vars(cls)


def touch(obj: Any) -> None:
    """Wake an object if it is a ghost."""
    if is_ghost_class(type(obj)):
        getattr(obj, "__dict__", None)


class ExternalReference:
    """The persistable object `id`, or the store itself, in a record that is read without its store."""

    __slots__ = ("id",)

    id: str

    def __init__(self, id: str) -> None:
        object.__setattr__(self, "id", id)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an external reference does not change: {name} stays")

    def __reduce__(self) -> tuple[Any, ...]:
        return ExternalReference, (self.id,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExternalReference) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"ExternalReference(id={self.id!r})"


def external(id: str) -> ExternalReference:
    """Return the placeholder of the persistable object `id`."""
    return ExternalReference(id.removeprefix(REF))


def root(constructor: Callable[..., Any], *args: Any) -> Any:
    """Construct the object that a record is about."""
    return constructor(*args)


def new_root(cls: type, *args: Any) -> Any:
    """Construct the object that a record is about, as most are: by ``cls.__new__``."""
    return cls.__new__(cls, *args)


def hashable_root(early: Mapping[str, Any], constructor: Callable[..., Any], *args: Any) -> Any:
    """Construct the object that a record is about, of a class that hashes by value.

    `early` holds the plain attributes.  A store sets them right after construction where the
    object is needed as a key before its state can be restored (a cycle through its own key);
    everybody else leaves them to the state.
    """
    return constructor(*args)


def named(module: str, qualname: str) -> Any:
    """Return the class or function `qualname` of `module`, which the writer did not have."""
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found
