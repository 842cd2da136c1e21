"""The part of the contract of backends that is about references between records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from brinery.backend import ABSENT, ANY, About, Backend, Put
from brinery.ids import name_of
from brinery.record.record import about_of, new_metadata
from brinery.record.writer import build

GRAPH: Mapping[str, Sequence[str]] = {
    "Task.1": ("Task.2", "Task.3", "../odd"),
    "Task.2": ("Task.1", "Task.4"),
    "Task.3": ("Task.4",),
    "Task.4": (),
    "../odd": ("Task.5",),
    "Task.5": ("gone",),
    "Task.6": ("Task.1",),
}
"""What refers to what, by IDs; a cycle, a name that is escaped, and one that is not there."""


def records(
    graph: Mapping[str, Sequence[str]], payload: bytes = b"N."
) -> Mapping[str, tuple[bytes, About]]:
    """Return a record for each ID of `graph`, by its name, and what an engine keeps beside it."""
    found = {}
    for id_, references in graph.items():
        metadata = new_metadata(
            id=id_,
            codec="pickle",
            config={"protocol": 5},
            codec_version="1",
            protocol=5,
            class_name="Task",
            references=references,
            payload=(payload,),
        )
        found[name_of(id_)] = b"".join(build(metadata, (payload,))), about_of(metadata, {})
    return found


class ReferencesContract:
    """Tests of records that refer to each other."""

    rewrite_count: ClassVar[int] = 30

    def test_a_closure_is_all_that_is_reached(self, backend: Backend) -> None:
        """Once each, with the versions that there are; or None, if the engine keeps no index."""
        written = records(GRAPH)
        versions = backend.commit(
            Put(name, (data,), ABSENT, about) for name, (data, about) in written.items()
        )
        whole = [name_of(f"Task.{number}") for number in range(1, 6)] + [name_of("../odd")]
        for root, reached in (
            ("Task.1", whole),
            ("Task.6", [*whole, "Task.6"]),
            ("Task.3", ["Task.3", "Task.4"]),
            ("Task.4", ["Task.4"]),
            ("Task.7", []),
        ):
            found = backend.get_closure(root, (), 100)
            if found is not None:
                expected = [(name, written[name][0], versions[name]) for name in reached]
                assert sorted(found) == sorted(expected)

    def test_a_closure_may_leave_out_what_others_lead_to(self, backend: Backend) -> None:
        """What is reached without these is there all the same."""
        written = records(GRAPH)
        backend.commit(Put(name, (data,), ABSENT, about) for name, (data, about) in written.items())
        for without in (["Task.4"], ["Task.3", "Task.2"], ["Task.9"] * 40, [name_of("../odd")]):
            found = backend.get_closure("Task.1", without, 100)
            if found is not None:
                names = {name for name, _, _ in found}
                needed, left = {"Task.1"}, ["Task.1"]
                while left:
                    for target in map(name_of, GRAPH.get(left.pop(), ())):
                        if target in written and target not in needed and target not in without:
                            needed.add(target)
                            left.append(target)
                assert needed <= names <= written.keys()

    def test_a_closure_is_not_given_in_part(self, backend: Backend) -> None:
        """None where it is larger than was asked for, in records or in bytes."""
        written = records(GRAPH)
        large = records({"Task.8": ("Task.4",), "Task.9": ("Task.8",)}, bytes(1 << 20))
        for some in (written, large):
            backend.commit(
                Put(name, (data,), ABSENT, about) for name, (data, about) in some.items()
            )
        assert backend.get_closure("Task.1", (), 5) is None
        assert backend.get_closure("Task.9", (), 100) is None

    def test_a_closure_follows_changes(self, backend: Backend) -> None:
        """Only the references of the present records count."""
        backend.commit(
            Put(name, (data,), ABSENT, about) for name, (data, about) in records(GRAPH).items()
        )
        changed = records({"Task.1": ("Task.3",), "Task.3": ()})
        backend.commit([Put(name, (data,), about=about) for name, (data, about) in changed.items()])
        backend.delete("Task.5")
        for root, reached in (("Task.1", ["Task.1", "Task.3"]), (name_of("../odd"), ["../odd"])):
            found = backend.get_closure(root, (), 100)
            if found is not None:
                assert sorted(name for name, _, _ in found) == sorted(map(name_of, reached))

    def test_the_index_is_that_of_the_record_that_stands(self, backend: Backend) -> None:
        """Of many threads that write one name, and remove it now and then, none leaves a reference behind."""
        targets = [f"Target.{number}" for number in range(8)]
        backend.commit(
            Put(name, (data,), ABSENT, about)
            for name, (data, about) in records(dict.fromkeys(targets, ())).items()
        )
        versions = [records({"Task.1": (target,)})["Task.1"] for target in targets]

        def write(number: int) -> None:
            data, about = versions[number]
            for turn in range(self.rewrite_count):
                if turn % 5 == number % 5:
                    backend.delete("Task.1")
                else:
                    backend.commit([Put("Task.1", (data,), ANY, about)])

        with ThreadPoolExecutor(len(targets)) as pool:
            list(pool.map(write, range(len(targets))))
        for wanted, (data, about) in zip(targets, versions, strict=True):
            backend.commit([Put("Task.1", (data,), ANY, about)])
            found = [list(backend.referrers(target) or ()) for target in targets]
            if backend.referrers(targets[0]) is not None:
                assert found == [["Task.1"] if target == wanted else [] for target in targets]
        backend.delete("Task.1")
        assert not any(list(backend.referrers(target) or ()) for target in targets)
