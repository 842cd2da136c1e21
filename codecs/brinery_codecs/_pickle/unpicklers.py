"""Unpicklers: the one in C that goes by names, and those that can be suspended and that upgrade."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, ClassVar

from brinery.codec import Buffer
from brinery.errors import DecodeError
from brinery_codecs._pickle.finders import FindClass
from brinery_codecs._pickle.names import Names
from brinery_codecs._pickle.record_names import Beginning, Suspended, Upgrading
from brinery_codecs._pickle.source import open_source


class NamesUnpickler(pickle.Unpickler):
    """An unpickler that finds its globals by `names`."""

    names: Names | Beginning | Upgrading
    file: Any

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        # Called for each global of each record: the common case first.
        try:
            return self.names[module, name]
        except KeyError:
            return self.names.find(super().find_class, module, name)


def names_unpickler(
    source: Buffer, names: Names | Beginning | Upgrading, buffers: Iterable[Buffer]
) -> NamesUnpickler:
    """Return an unpickler that is ready to load."""
    # One is made for each record, and a constructor in Python would take half of that time.
    file = open_source(source)
    unpickler = NamesUnpickler(file, buffers=buffers)
    unpickler.names, unpickler.file = names, file
    return unpickler


def bytes_follow() -> DecodeError:
    """Return the error for a pickle that ends before its payload does."""
    return DecodeError(
        "bytes follow the end of the pickle",
        object_path="",
        advice="The payload is damaged, or something else wrote it: restore it from a backup",
    )


class SuspendableUnpickler(pickle._Unpickler):
    """The pure-Python unpickler, which can go on after its root was constructed.

    `find_class` is that of an unpickler in C that is set to the protocol of the payload.
    """

    def __init__(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        buffers: Iterable[Buffer],
        find_class: FindClass,
    ) -> None:
        super().__init__(open_source(source), buffers=buffers)
        self._names = names
        self._find_class = find_class

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        try:
            return self._names[module, name]
        except KeyError:
            return self._names.find(self._find_class, module, name)

    stack: list[Any]
    read: Callable[[int], bytes]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]]

    def begin(self) -> Any:
        """Decode until the root is constructed; return a function that goes on to the end."""
        try:
            obj = self.load()
        except Suspended as suspended:
            # The call of `root` was the first of the pickle: its place on the stack is the root's.
            self.stack[-1] = suspended.args[0]
            return self.finish
        return lambda: obj

    def finish(self) -> Any:
        """Decode to the end from where it was suspended; return the root."""
        try:
            while key := self.read(1):
                self.dispatch[key[0]](self)
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            if self.read(1):
                raise bytes_follow() from None
            return stop.value
        raise EOFError


class UpgradingUnpickler(SuspendableUnpickler):
    """A `SuspendableUnpickler` that upgrades the states of objects before it sets them.

    The unpickler in C has no hook for that; this one is for records of older versions alone.
    """

    def __init__(
        self,
        source: Buffer,
        names: Beginning | Upgrading,
        buffers: Iterable[Buffer],
        find_class: FindClass,
        upgrades: dict[Any, Callable[[Any], Any]],
    ) -> None:
        super().__init__(source, names, buffers, find_class)
        self._upgrades = upgrades
        self._stateless: dict[int, Any] = {}
        # The callables that make an object; other calls may return one that is complete already.
        self._makers = [*_MAKERS, *(names["brinery.reference", name] for name in _ROOTS)]

    def begin(self) -> Any:
        """Decode until the root is constructed; return a function that goes on to the end."""
        finish = super().begin()
        if finish == self.finish:
            self._note(self.stack[-1])
        return lambda: self._complete(finish())

    def whole(self) -> Any:
        """Decode the record; return its root."""
        root = self._complete(self.load())
        if self.read(1):
            raise bytes_follow()
        return root

    def _complete(self, root: Any) -> Any:
        # Objects without attributes have no state in the record, but may need one now.
        for obj in self._stateless.values():
            self.stack = [obj, None]
            self._build()
        self._stateless.clear()
        return root

    def _note(self, obj: Any) -> None:
        # Members of enumerations have no state, and were made with their class.
        if type(obj) in self._upgrades and not isinstance(obj, Enum):
            self._stateless[id(obj)] = obj

    def _build(self) -> None:
        obj, state = self.stack[-2:]
        cls = type(obj)
        if cls not in self._upgrades:
            _C_LIKE.load_build(self)
            return
        upgrade = f"the upgrade of a state of {cls.__module__}:{cls.__qualname__}"
        try:
            made = self.stack[-1] = self._upgrades[cls](state)
        except Exception as error:
            raise DecodeError(f"{upgrade} failed: {type(error).__name__}: {error}") from error
        if made is None:
            del self.stack[-1]
            return
        try:
            _C_LIKE.load_build(self)
        except Exception as error:
            raise DecodeError(
                f"{upgrade} returned an object of type {type(made).__qualname__}, and setting it failed: "
                f"{type(error).__name__}: {error}"
            ) from error

    def load_build(self) -> None:
        """Set the state of an object, upgraded."""
        self._stateless.pop(id(self.stack[-2]), None)
        self._build()

    def load_newobj(self) -> None:
        """Make an object by ``__new__``."""
        _C_LIKE.load_newobj(self)
        self._note(self.stack[-1])

    def load_newobj_ex(self) -> None:
        """Make an object by ``__new__`` with keyword arguments."""
        _C_LIKE.load_newobj_ex(self)
        self._note(self.stack[-1])

    def load_reduce(self) -> None:
        """Call a function, which may make an object."""
        maker = self.stack[-2]
        _C_LIKE.load_reduce(self)
        made = self.stack[-1]
        if maker is type(made) or any(maker is known for known in self._makers):
            self._note(made)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.REDUCE[0]: load_reduce,
    }


_C_LIKE: Any = pickle._Unpickler
_ROOTS = ("root", "new_root", "hashable_root")
_MAKERS: tuple[Any, ...] = (
    copyreg._reconstructor,  # type: ignore[attr-defined]
    copyreg.__newobj__,  # type: ignore[attr-defined]
    copyreg.__newobj_ex__,  # type: ignore[attr-defined]
)
