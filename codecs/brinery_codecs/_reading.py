"""How the codecs of the pickle family read: names resolved once, roots announced."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any

from brinery.codec import Buffer, ReadLinks
from brinery.errors import MissingClassError

FindClass = Callable[[str, str], Any]

# Pickles below protocol 4 have no frames: without read-ahead the C unpickler calls for each opcode.
_READ_AHEAD = 1 << 16


class Names(dict[tuple[str, str], Any]):
    """The globals that payloads name, each looked up once for all records of one load.

    The functions of `brinery.reference` become methods of `links`.
    """

    def __init__(self, links: ReadLinks, codec: str) -> None:
        construct = links.construct
        super().__init__(
            {
                ("brinery.reference", "external"): links.resolve,
                ("brinery.reference", "root"): lambda constructor, *args: construct(
                    {}, constructor, args
                ),
                ("brinery.reference", "hashable_root"): lambda early, constructor, *args: construct(
                    early, constructor, args
                ),
            }
        )
        self._codec = codec

    def find(self, find_class: FindClass, module: str, name: str) -> Any:
        """Return the global `name` of `module`, by `find_class` when it is first met."""
        try:
            return self[module, name]
        except KeyError:
            pass
        try:
            found = find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise MissingClassError(
                f"{module}.{name} cannot be imported: {error}",
                codec=self._codec,
                advice=_advice(module, name),
            ) from error
        self[module, name] = found
        return found


def _advice(module: str, name: str) -> str:
    if module == "__main__":
        return (
            f"It was defined in the script that saved the record: move {name} to a module, or save "
            "with the codec 'cloudpickle' or 'dill', which keep such classes whole"
        )
    return f"Install or put on sys.path what provides the module {module!r}, as it was when saving"


def names_of(links: ReadLinks, codec: str) -> Names:
    """Return the names of one load, made when they are first asked for."""
    key = (Names, codec)
    names = links.shared.get(key)
    if names is None:
        names = links.shared[key] = Names(links, codec)
    return names


def open_source(source: Buffer) -> Any:
    """Return a file to unpickle from; a source of type bytes is not copied."""
    file = io.BytesIO(source)
    if source[:1] == b"\x80" and source[1] >= 4:
        return file
    return io.BufferedReader(file, _READ_AHEAD)


class NamesUnpickler(pickle.Unpickler):
    """An unpickler that finds its globals by `Names`."""

    def __init__(self, source: Buffer, names: Names, buffers: Iterable[Buffer] = ()) -> None:
        super().__init__(open_source(source), buffers=buffers)
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        """Return the global that the payload names."""
        return self._names.find(super().find_class, module, name)
