"""A disk that forgets data that was not flushed.

The model is that of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): a system call
consists of steps that reach the disk one by one, in any order, unless a flush lies between them.  Steps are
the content and the size of a file, apart from each other, and each entry of a directory.  A flush of a file
makes its data durable, and not its name; a flush of a directory its entries; syncfs everything.
A rename is one step, as it is in every file system that keeps a journal of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Node:
    """A file or a directory, without its names."""


class State:
    """The contents of files and directories at some moment."""

    def __init__(self) -> None:
        self.contents: dict[Node, bytearray] = {}
        self.entries: dict[Node, dict[str, Node]] = {}

    def copy(self) -> State:
        """Return a state that can be changed by itself."""
        new = State()
        new.contents = {node: bytearray(content) for node, content in self.contents.items()}
        new.entries = {node: dict(entries) for node, entries in self.entries.items()}
        return new

    def load(self, path: Path) -> Node:
        """Read the tree of files at a path; return its root."""
        node = Node()
        if path.is_dir():
            self.entries[node] = {entry.name: self.load(entry) for entry in path.iterdir()}
        else:
            self.contents[node] = bytearray(path.read_bytes())
        return node

    def store(self, node: Node, path: Path) -> None:
        """Make the files of a tree; a file with two names is made twice."""
        if node not in self.entries:
            path.write_bytes(self.contents.get(node, b""))
            return
        path.mkdir()
        for name, child in self.entries[node].items():
            self.store(child, path / name)

    def fingerprint(self, node: Node, path: str = "") -> Iterator[tuple[str, bytes | None]]:
        """Yield the paths and the contents of a tree."""
        if node not in self.entries:
            yield path, bytes(self.contents.get(node, b""))
            return
        yield path, None
        for name in sorted(self.entries[node]):
            yield from self.fingerprint(self.entries[node][name], f"{path}/{name}")


class Step(NamedTuple):
    """A change that reaches the disk as a whole, or not at all."""

    what: str
    node: Node
    """The file or directory whose flush makes it durable."""
    apply: Callable[[State], None]


class Disk:
    """The calls of a recording, done to a tree: as steps, of which each is durable from some call on."""

    def __init__(self, before: State, root: Node, prefix: str) -> None:
        self.root = root
        self.prefix = prefix
        self.steps: list[Step] = []
        self.durable: set[int] = set()
        self._before = before
        # The state that the process sees.
        self._entries = before.copy().entries
        self._sizes = {node: len(content) for node, content in before.contents.items()}
        self._nodes: dict[int, Node] = {}
        self._offsets: dict[int, int] = {}
        self._appending: set[int] = set()

    def after(self, chosen: Iterable[int]) -> State:
        """Return the state after the durable steps and those that are `chosen`, in order."""
        state = self._before.copy()
        for number in sorted(self.durable.union(chosen)):
            self.steps[number].apply(state)
        return state

    def _place(self, path: str) -> tuple[Node, str]:
        assert path.startswith(self.prefix), path
        node, *rest = self.root, *path[len(self.prefix) :].strip("/").split("/")
        for name in rest[:-1]:
            node = self._entries[node][name]
        return node, rest[-1]

    def _add(self, what: str, node: Node, apply: Callable[[State], None]) -> None:
        self.steps.append(Step(what, node, apply))

    def _enter(self, what: str, directory: Node, name: str, node: Node) -> None:
        def apply(state: State) -> None:
            state.entries.setdefault(directory, {})[name] = node

        self._entries[directory][name] = node
        self._add(what, directory, apply)

    # -- calls

    def open(self, path: str, flags: Collection[str], fd: int) -> None:
        """Open a file, which may make it."""
        directory, name = self._place(path)
        node = self._entries[directory].get(name) if name else directory
        if node is None:
            node = Node()
            self._sizes[node] = 0
            self._enter(f"create {name}", directory, name, node)
        self._nodes[fd], self._offsets[fd] = node, 0
        (self._appending.add if "O_APPEND" in flags else self._appending.discard)(fd)

    def close(self, fd: int) -> None:
        """Close a file."""
        self._nodes.pop(fd, None)

    def seek(self, fd: int, offset: int) -> None:
        """Move to an offset, which is absolute."""
        self._offsets[fd] = offset

    def write(self, fd: int, data: bytes) -> None:
        """Write to a file: its size is one step, its content another one."""
        node = self._nodes.get(fd)
        if node is None:
            return
        start = self._sizes[node] if fd in self._appending else self._offsets[fd]
        end = start + len(data)
        self._offsets[fd] = end
        if end > self._sizes[node]:
            self._resize(node, end)

        def apply(state: State) -> None:
            content = state.contents.setdefault(node, bytearray())
            kept = max(0, min(len(content), end) - start)
            content[start : start + kept] = data[:kept]

        self._add(f"write {len(data)} bytes", node, apply)

    def _resize(self, node: Node, size: int) -> None:
        def apply(state: State) -> None:
            content = state.contents.setdefault(node, bytearray())
            del content[size:]
            content.extend(bytes(size - len(content)))

        self._sizes[node] = size
        self._add(f"resize to {size}", node, apply)

    def truncate(self, fd: int, size: int) -> None:
        """Set the size of a file."""
        self._resize(self._nodes[fd], size)

    def link(self, source: str, target: str) -> None:
        """Give a file another name."""
        from_, name = self._place(source)
        self._enter(f"link {target}", *self._place(target), self._entries[from_][name])

    def unlink(self, path: str) -> None:
        """Remove a name."""
        directory, name = self._place(path)
        node = self._entries[directory].pop(name)

        def apply(state: State) -> None:
            if state.entries.get(directory, {}).get(name) is node:
                del state.entries[directory][name]

        self._add(f"unlink {name}", directory, apply)

    def rename(self, source: str, target: str) -> None:
        """Move a file to another name, whose file it replaces."""
        (from_, old), (to, new) = self._place(source), self._place(target)
        node = self._entries[from_].pop(old)
        self._entries[to][new] = node

        def apply(state: State) -> None:
            if state.entries.get(from_, {}).get(old) is node:
                del state.entries[from_][old]
            state.entries.setdefault(to, {})[new] = node

        self._add(f"rename {old} to {new}", to, apply)

    def mkdir(self, path: str) -> None:
        """Make a directory."""
        directory, name = self._place(path)
        node = Node()
        self._entries[node] = {}
        self._before.entries[node] = {}  # empty, and unreachable until it has its name
        self._enter(f"mkdir {name}", directory, name, node)

    def sync(self, fd: int) -> None:
        """Flush a file, or the entries of a directory."""
        node = self._nodes[fd]
        self.durable |= {number for number, step in enumerate(self.steps) if step.node is node}

    def sync_all(self) -> None:
        """Flush everything."""
        self.durable |= set(range(len(self.steps)))
