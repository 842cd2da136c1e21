"""The part of the contract of backends that takes several threads or processes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from functools import partial
from typing import ClassVar, TypeVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.backend import Backend, Missing, Put
from brinery.record.format import MAGIC
from brinery.testing.generations import Generations, commit_all, commit_for_ever, commit_halfway
from brinery.testing.processes import LIMIT, Opener, Tell, WorkerProcess, in_processes
from brinery.testing.records import body
from brinery.testing.tasks import (
    create_each,
    create_graphs,
    creates,
    increase,
    increase_one,
    number_in,
    pair,
    read_halfway,
    transfer,
)

T = TypeVar("T")


class ConcurrencyContract:
    """What backends do for several threads and, where `opener` gives them one, processes."""

    thread_count: ClassVar[int] = 8
    increment_count: ClassVar[int] = 50
    """Increments of one counter that each thread makes."""
    process_count: ClassVar[int] = 8
    process_increment_count: ClassVar[int] = 100
    """Increments of one counter that each process makes."""
    generation_size: ClassVar[int] = 200
    """Records in a commit that others watch, or that is cut off."""
    generation_count: ClassVar[int] = 10
    """Such commits that readers watch."""
    kill_count: ClassVar[int] = 4
    """Writers that are killed."""

    @pytest.fixture
    def opener(self) -> Opener | None:
        """Give a function that opens one place, empty at first, as often as it is called.

        Other processes call it, too: it must be one that pickle takes, such as a class or function of
        a module, or a `functools.partial` of one.  None where a place cannot be opened twice.
        """
        return None

    @pytest.fixture
    def backend(self, opener: Opener | None) -> Iterator[Backend]:
        """Give an empty backend and close it: that of the opener."""
        if opener is None:
            raise NotImplementedError("give a fixture `opener`, or `backend` with an empty backend")
        with closing(opener()) as backend:
            yield backend

    @pytest.fixture
    def anywhere(self, opener: Opener | None) -> Opener:
        """Give the opener, or skip the test."""
        if opener is None:
            pytest.skip("this backend cannot be opened again: its test class has no `opener`")
        return opener

    # -- threads

    def test_of_many_threads_that_create_a_name_one_wins(self, backend: Backend) -> None:
        """Exactly one put that expects absence succeeds, and its bytes are those that stay."""
        for turn in range(5):
            name = f"Task.{turn}"
            won = self._in_threads(partial(creates, backend, name))
            assert won.count(True) == 1
            assert backend.get(name)[0] == body(won.index(True))

    def test_no_increment_of_threads_is_lost(self, backend: Backend) -> None:
        """A counter that threads increase by compare-and-swap counts every increase."""
        backend.put("Counter.1", b"0" + MAGIC)
        self._in_threads(lambda _: increase(backend, "Counter.1", self.increment_count))
        total = self.thread_count * self.increment_count
        assert backend.get("Counter.1")[0] == str(total).encode() + MAGIC

    def test_readers_see_whole_records_while_a_thread_writes(self, backend: Backend) -> None:
        """What is being replaced is read as it was or as it will be; with `snapshot_reads`, all of it."""
        generations = Generations(self.generation_size // 4)  # two threads hinder each other
        generations.commit(backend, 0)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(commit_all, generations, self.generation_count, backend, None)
            try:
                self._watch(generations, backend, lambda _: None)
            finally:
                writing.result()
        assert sorted(backend.list()) == generations.names

    # -- one state

    def test_a_view_of_one_state_answers_as_the_backend_does(self, backend: Backend) -> None:
        """`read_one_state` returns what its function returns, and raises what that raises."""
        backend.commit(Put(f"Task.{number}", (body(number),)) for number in range(5))
        reads: tuple[Callable[[Backend], object], ...] = (
            lambda view: view.get("Task.1"),
            lambda view: view.get_tail("Task.1", 10),
            lambda view: sorted(view.get_many(["Task.2", "Task.1", "Task.9"])),
            lambda view: sorted(view.list("Task.")),
        )
        for read in reads:
            assert backend.read_one_state(read) == read(backend)
        with pytest.raises(Missing) as caught:
            backend.read_one_state(lambda view: view.get("Task.9"))
        assert caught.value.name == "Task.9"

    def test_a_view_shows_one_state_though_somebody_commits(
        self, backend: Backend, opener: Opener | None
    ) -> None:
        """What was committed after the first read is in all of its reads or in none."""
        if not backend.capabilities.snapshot_reads:
            pytest.skip("this backend does not promise to show one state")
        generations = Generations(10)
        generations.commit(backend, 1)
        first, *rest = generations.names
        with closing(opener()) if opener else nullcontext(backend) as other:
            uncommitted = [2]

            def read(view: Backend) -> dict[str, bytes]:
                found = {first: view.get(first)[0]}
                while uncommitted:  # once, however often this is called
                    generations.commit(other, uncommitted.pop())
                return found | {name: data for name, data, _ in view.get_many(rest)}

            seen = generations.states_of(backend.read_one_state(read))
        assert seen in ({1}, {2})
        assert generations.seen(backend) == {2}

    # -- processes

    def test_of_many_processes_that_create_a_name_one_wins(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Exactly one put that expects absence succeeds, and its bytes are those that stay."""
        names = [f"Task.{turn}" for turn in range(20)]
        works = [partial(create_each, names, index) for index in range(self.process_count)]
        won = in_processes([anywhere], works)
        assert sorted(name for each in won for name in each) == sorted(names)
        for index, each in enumerate(won):
            for name in each:
                assert backend.get(name)[0] == body(index)

    def test_of_many_processes_that_create_a_graph_one_wins(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Of commits of the same new names, each in an order of its own, one succeeds, and wholly."""
        graphs = [[f"Task{turn}.{number}" for number in range(20)] for turn in range(5)]
        works = [partial(create_graphs, graphs, index) for index in range(self.process_count)]
        won = in_processes([anywhere], works)
        for turn, names in enumerate(graphs):
            (winner,) = [index for index, each in enumerate(won) if turn in each]
            held = {name: data for name, data, _ in backend.get_many(names)}
            assert held == dict.fromkeys(names, body(winner))

    def test_no_increment_of_processes_is_lost(self, backend: Backend, anywhere: Opener) -> None:
        """A counter that processes increase by compare-and-swap counts every increase."""
        backend.put("Counter.1", b"0" + MAGIC)
        work = partial(increase_one, "Counter.1", self.process_increment_count)
        in_processes([anywhere], [work] * self.process_count)
        total = self.process_count * self.process_increment_count
        assert backend.get("Counter.1")[0] == str(total).encode() + MAGIC

    def test_no_transfer_of_processes_is_lost(self, backend: Backend, anywhere: Opener) -> None:
        """Commits of two records that expect both versions keep their sum, in whatever order they go."""
        names = [f"Account.{number}" for number in range(3)]
        backend.commit(Put(name, (b"0" + MAGIC,)) for name in names)
        times = max(1, self.process_increment_count // 4)
        works = [partial(transfer, names, index, times) for index in range(self.process_count)]
        in_processes([anywhere], works)
        expected = Counter[str]()
        for index in range(self.process_count):
            source, target = pair(names, index)
            expected.update({source: -times, target: times})
        assert {name: number_in(data) for name, data, _ in backend.get_many(names)} == expected

    def test_readers_see_whole_records_while_a_process_commits(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """What is being replaced is read as it was or as it will be; with `snapshot_reads`, all of it."""
        generations = Generations(self.generation_size)
        generations.commit(backend, 0)
        write = partial(commit_all, generations, self.generation_count)
        in_processes([anywhere], [write, *[partial(self._watch, generations)] * 2])
        assert generations.seen(backend) == {self.generation_count}

    def test_a_killed_writer_leaves_whole_records_and_nobody_blocked(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """After SIGKILL in a commit each record is the old or the new one; with `atomic_batch`, all are."""
        generations = Generations(self.generation_size)
        number = 0
        for turn in range(self.kill_count):
            with WorkerProcess(
                anywhere, partial(commit_for_ever, generations, number + 1)
            ) as writer:
                writer.wait_until_ready()
                writer.let_go()
                number = next(writer.told())
                time.sleep(0.007 * turn)
                number = max([number, *writer.kill()])
            seen = generations.seen(backend)
            assert seen <= {number, number + 1}
            assert len(seen) == 1 or not backend.capabilities.atomic_batch
            number += 2
            generations.commit(backend, number)
            assert generations.seen(backend) == {number}

    def test_a_writer_killed_before_the_end_of_its_puts_leaves_nothing(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Until then it is in nobody's way, and nobody sees anything of it; nor afterwards."""
        generations = Generations(20)
        generations.commit(backend, 1)
        with WorkerProcess(anywhere, partial(commit_halfway, generations, 2)) as writer:
            writer.wait_until_ready()
            writer.let_go()
            assert next(writer.told()) == 10
            assert generations.seen(backend) == {1}
            generations.commit(backend, 3)
            writer.kill()
        assert generations.seen(backend) == {3}
        assert sorted(backend.list()) == generations.names
        generations.commit(backend, 4)
        assert generations.seen(backend) == {4}

    def test_an_abandoned_reading_blocks_nobody(self, backend: Backend, anywhere: Opener) -> None:
        """Whoever stops reading in the middle holds no lock, whether it lives on or is killed."""
        generations = Generations(self.generation_size)
        generations.commit(backend, 1)
        with WorkerProcess(anywhere, partial(read_halfway, generations)) as reader:
            reader.wait_until_ready()
            reader.let_go()
            assert next(reader.told()) == 1
            generations.commit(backend, 2)
            backend.delete(generations.names[0])
            generations.commit(backend, 3)
            reader.kill()
        generations.commit(backend, 4)
        assert generations.seen(backend) == {4}

    # -- what the tests share

    def _watch(self, generations: Generations, backend: Backend, tell: Tell) -> None:
        at_once = backend.capabilities.snapshot_reads
        tell(generations.watch(backend, self.generation_count, LIMIT, at_once=at_once))

    def _in_threads(self, work: Callable[[int], T]) -> Sequence[T]:
        start = threading.Barrier(self.thread_count)

        def run(index: int) -> T:
            start.wait()
            return work(index)

        with ThreadPoolExecutor(self.thread_count) as pool:
            return [*pool.map(run, range(self.thread_count))]
