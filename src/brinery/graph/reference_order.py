"""An order in which each record comes after those that it refers to.

It is that of the strongly connected components of a graph, found by Tarjan's algorithm (SIAM Journal on
Computing 1, 1972).  The algorithm keeps its own stack, so that chains may have any length.  A cycle is one
component, and every other node is a component by itself.  A component comes after all those that it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def components(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected components of `graph`, those that others lead to first.

    `graph` maps each node to its successors; successors that are not nodes are left out.

    >>> list(components({"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": []}))
    [['d'], ['b', 'c'], ['a']]
    """
    walk = _Walk(graph)
    for node in graph:
        if node not in walk.low:
            yield from walk.from_(node)


class _Walk:
    def __init__(self, graph: Mapping[str, Sequence[str]]) -> None:
        self._graph = graph
        self.low: dict[str, int] = {}
        """For each node entered, the lowest number that it is known to lead back to."""
        self._open: dict[str, None] = {}  # nodes entered whose components are not complete
        self._closed = len(graph)  # greater than every number: leads back to nothing

    def from_(self, root: str) -> Iterator[list[str]]:
        stack = [self._entered(root)]
        while stack:
            node, number, successors = stack[-1]
            for successor in successors:
                if successor in self.low:
                    self.low[node] = min(self.low[node], self.low[successor])
                elif successor in self._graph:
                    stack.append(self._entered(successor))
                    break
            else:
                stack.pop()
                if stack:
                    above = stack[-1][0]
                    self.low[above] = min(self.low[above], self.low[node])
                if self.low[node] == number:
                    yield self._component(node)

    def _entered(self, node: str) -> tuple[str, int, Iterator[str]]:
        number = self.low[node] = len(self.low)
        self._open[node] = None
        return node, number, iter(self._graph[node])

    def _component(self, root: str) -> list[str]:
        found: list[str] = []
        node = ""
        while node != root or not found:
            node, _ = self._open.popitem()
            self.low[node] = self._closed
            found.append(node)
        return found[::-1]
