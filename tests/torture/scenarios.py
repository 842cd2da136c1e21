"""The operations that are tortured."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tests.torture.scenario import Scenario

from brinery import Persistable, Store, make_store
from brinery.backend import Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.catalog.trash import Trash
from brinery.testing.backend import body


class Node(Persistable):
    """An object with a name and with other objects."""

    def __init__(self, name: str, links: tuple[Node, ...] = ()) -> None:
        self.name = name
        self.links = list(links)


def graph(size: int = 5) -> Node:
    """Return the root of a graph with shared objects and a cycle."""
    leaf = Node("leaf")
    inner = [Node(f"inner {number}", (leaf,)) for number in range(size - 2)]
    root = Node("root", tuple(inner))
    leaf.links.append(root)
    return root


def store(root: str, **more: Any) -> Store:
    """Open the store at a path or a URL."""
    opened: Store = make_store(root, **more)
    return opened


def nodes(root: Node) -> list[Node]:
    """Return all objects of a graph."""
    found, waiting = {id(root): root}, [root]
    while waiting:
        for node in waiting.pop().links:
            if id(node) not in found:
                found[id(node)] = node
                waiting.append(node)
    return list(found.values())


# -- the states to expect


def see(root: str) -> dict[str, Any]:
    """Return the names and the links of all objects; see whether the store can be used further."""
    with store(root) as opened:
        ids = opened.list()
        found: dict[str, Any] = {
            id: (node.name, [link.persistent_id for link in node.links])
            for id, node in zip(ids, opened.load_many(ids), strict=True)
        }
        for _, links in found.values():
            assert set(links) <= found.keys(), f"dangling references in {found}"
        opened.save(Node("afterwards"), "afterwards")
        opened.remove("afterwards")
    if "://" not in root:
        staging = f"{root}/.brinery/staging"
        left = [name for name in os.listdir(staging) if name.endswith((".journal", ".undo"))]
        assert not left, f"journals are left: {left}"
    return found


def see_collected(root: str) -> dict[str, Any]:
    """Return the objects; see that the next collection removes the garbage, and leaves no trash."""
    found = see(root)
    with store(root) as opened:
        opened.gc(["Node.1"], dry_run=False, older_than=0)
        assert sorted(opened.list()) == [f"Node.{number}" for number in range(1, 6)]
        assert not Trash(opened.backend).boxes()
    return found


def see_records(root: str) -> dict[str, bytes]:
    """Return all records of a directory."""
    backend = DirectoryBackend(root)
    names = list(backend.list())
    found = {name: data for name, data, _ in backend.get_many(names)}
    assert found.keys() == set(names)
    backend.put("Other.1", body("afterwards"))
    backend.delete("Other.1")
    return found


# -- the operations


def save_new(root: str) -> None:
    """Save a graph in a store, which is made if it is missing."""
    with store(root) as opened:
        opened.save(graph())


def save_changed(root: str) -> None:
    """Change all objects of a graph, and add one."""
    with store(root) as opened:
        top = opened.load("Node.1")
        for node in nodes(top):
            node.name += " changed"
        top.links.append(Node("added"))
        opened.save(top)


def save_many(root: str) -> None:
    """Save so many objects that they are flushed together."""
    with store(root) as opened:
        opened.save(graph(24))


def replace_one(root: str) -> None:
    """Replace the root, which refers to a new object then."""
    with store(root) as opened:
        opened.replace("Node.1", Node("replaced"))


def remove_one(root: str) -> None:
    """Remove an object without referrers."""
    with store(root) as opened:
        opened.remove("alone")


def transact(root: str) -> None:
    """Save, replace and remove objects in one transaction."""
    with store(root) as opened, opened.transaction():
        opened.save(Node("new"), "new")
        opened.replace("Node.1", Node("replaced", (Node("below"),)))
        opened.remove("alone")


def collect(root: str) -> None:
    """Remove what the root of the graph does not reach."""
    with store(root) as opened:
        opened.gc(["Node.1"], dry_run=False, older_than=0)


def load(root: str) -> None:
    """Load a graph."""
    with store(root) as opened:
        assert len(nodes(opened.load("Node.1"))) == 5


def prepared(**more: Any) -> Callable[[str], None]:
    """Return a function that saves a graph, and an object without referrers."""

    def prepare(root: str) -> None:
        with store(root, **more) as made:
            made.save(graph())
            made.save(Node("alone"), "alone")

    return prepare


def littered(root: str) -> None:
    """Save a graph, and objects that it does not reach."""
    prepared()(root)
    with store(root) as made:
        made.save(Node("garbage", (Node("more"), Node("still more"))))


def half_collected(root: str) -> None:
    """Collect garbage in a process that ends when the garbage is in the trash."""
    littered(root)
    child = os.fork()
    if child == 0:
        Trash.clear = lambda self: os._exit(3)  # type: ignore[method-assign]
        collect(root)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3, "it was to end earlier"


def put_some(root: str) -> None:
    """Put ten records."""
    DirectoryBackend(root).commit(Put(f"Task.{number}", (body(number),)) for number in range(10))


def commit(root: str) -> None:
    """Put new records, replace others, delete some."""
    puts = [Put(f"Task.{number}", (body(f"new {number}"),)) for number in (11, 3, 12, 4)]
    DirectoryBackend(root).commit(puts, ["Task.5", "Task.6", "Task.99"])


def cut_off(call: str, turn: int, undo: bool = False) -> Callable[[str], None]:
    """Return a function that puts ten records, and commits in a process that ends before a call."""

    def prepare(root: str) -> None:
        put_some(root)
        child = os.fork()
        if child == 0:
            fail_at(call, turn, undo)
            commit(root)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3, "it was to end earlier"

    return prepare


def fail_at(call: str, turn: int, undo: bool) -> None:
    """End this process before a call; with `undo`, let that call fail, and end before the next one."""
    real, turns = getattr(os, call), iter(range(1000))

    def fatal(*args: Any, **more: Any) -> Any:
        number = next(turns)
        if undo and number == turn:
            raise OSError(5, "Input/output error")
        if number >= turn:
            os._exit(3)
        return real(*args, **more)

    setattr(os, call, fatal)


def recover(root: str) -> None:
    """Open a directory in which a commit was cut off."""
    found = DirectoryBackend(root).read_one_state(lambda backend: list(backend.list()))
    assert len(found) == 10


def on_sqlite(function: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the function for a store that is a file of SQLite."""
    return lambda root: function(f"sqlite:///{root}/store.db")


def in_a_database(
    name: str, prepare: Callable[[str], Any], operate: Callable[[str], Any], *, writes: bool = True
) -> Scenario:
    """Return the scenario of an operation on a store that is a file of SQLite."""
    return Scenario(
        f"SQLite: {name}",
        on_sqlite(prepare),
        on_sqlite(operate),
        on_sqlite(see),
        writes=writes,
        is_modelled=False,
    )


def nothing(root: str) -> None:
    """Leave it to the operation to make the store."""


SCENARIOS = [
    Scenario("save a new graph in a new store", nothing, save_new, see),
    Scenario("save a changed graph", prepared(), save_changed, see),
    Scenario("save a changed graph, sharded", prepared(layout="sharded"), save_changed, see),
    Scenario("save many objects", prepared(), save_many, see),
    Scenario("replace an object", prepared(), replace_one, see),
    Scenario("remove an object", prepared(), remove_one, see),
    Scenario("save, replace and remove in a transaction", prepared(), transact, see),
    Scenario("collect garbage", littered, collect, see_collected),
    Scenario("finish: the garbage is in the trash", half_collected, collect, see_collected),
    Scenario("commit puts and deletes", put_some, commit, see_records),
    Scenario("finish: nothing was moved", cut_off("link", 0), recover, see_records),
    Scenario("finish: half was moved", cut_off("replace", 1), recover, see_records),
    Scenario("finish: all was moved", cut_off("unlink", 2), recover, see_records),
    Scenario("take back: half was moved", cut_off("replace", 1, undo=True), recover, see_records),
    Scenario("load a graph", prepared(), load, see, writes=False),
    in_a_database("save a new graph in a new store", nothing, save_new),
    in_a_database("save a changed graph", prepared(), save_changed),
    in_a_database("replace an object", prepared(), replace_one),
    in_a_database("remove an object", prepared(), remove_one),
    in_a_database("save, replace and remove in a transaction", prepared(), transact),
    in_a_database("load a graph", prepared(), load, writes=False),
]
