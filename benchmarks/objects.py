"""The persistable objects that are measured: tasks that share a configuration, and a linked ring."""

from __future__ import annotations

from brinery import Persistable


class Config(Persistable):
    """The configuration that all tasks refer to."""

    def __init__(self) -> None:
        self.tool = "simulate"
        self.steps = 1000


class Task(Persistable):
    """A small object: four attributes, one of them a reference."""

    def __init__(self, number: int, config: Config) -> None:
        self.number = number
        self.name = f"task-{number}"
        self.weight = number / 8
        self.config = config


def tasks(count: int) -> list[Task]:
    """Return a plain container of `count` tasks with one configuration."""
    config = Config()
    return [Task(number, config) for number in range(count)]


def check_tasks(found: list[Task], count: int) -> None:
    """Raise `AssertionError` unless `found` is as `tasks(count)` returns it, with its sharing."""
    assert len(found) == count
    config = found[0].config
    assert type(config) is Config
    assert (config.tool, config.steps) == ("simulate", 1000)
    for number, task in enumerate(found):
        assert type(task) is Task
        assert (task.number, task.name) == (number, f"task-{number}")
        assert task.weight == number / 8
        assert task.config is config


class Node(Persistable):
    """One link of a doubly linked ring."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.before: Node = self
        self.after: Node = self


def ring(count: int) -> Node:
    """Return a node of a doubly linked ring of `count`."""
    nodes = [Node(number) for number in range(count)]
    for number, node in enumerate(nodes):
        node.before = nodes[number - 1]
        node.after = nodes[(number + 1) % count]
    return nodes[0]


def check_ring(first: Node, count: int) -> None:
    """Raise `AssertionError` unless `first` is as `ring(count)` returns it."""
    node = first
    for number in range(count):
        assert node.number == number
        assert node.after.before is node
        node = node.after
    assert node is first


class Link:
    """An ordinary object; all objects that it leads to are stored in its record."""

    def __init__(self, before: Link | None) -> None:
        self.before = before
        self.after: object = None


def links(count: int) -> Link:
    """Return the first of a doubly linked list of ordinary objects."""
    first = node = Link(None)
    for _ in range(count - 1):
        node.after = following = Link(node)
        node = following
    return first


def check_links(found: Link, count: int) -> None:
    """Raise `AssertionError` unless `found` is as `links(count)` returns it."""
    for _ in range(count - 1):
        following = found.after
        assert type(following) is Link
        assert following.before is found
        found = following
    assert found.after is None
