"""A bank on which several workers act at once, each noting in a log of its own what must hold afterwards.

    python -m tests.torture.bank URL LOG NUMBER SEED SECONDS

Accounts form a ring and share out a sum that never changes; counters count updates; an order has lines in
records of their own, and a tag that names its worker.  Before each operation a worker logs what it is about
to do, and afterwards that it did.  So of a worker that is killed, one operation at most is in doubt.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from brinery import (
    ConflictError,
    DanglingReferenceError,
    NotFoundError,
    Persistable,
    Store,
    make_store,
)

ACCOUNTS = 12
COUNTERS = 3
BALANCE = 1000


class Account(Persistable):
    """One of the ring."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.balance = BALANCE
        self.next: Account | None = None


class Counter(Persistable):
    """Counts the updates that succeeded."""

    def __init__(self) -> None:
        self.n = 0


class Line(Persistable):
    """One line of an order."""

    def __init__(self, tag: str, revision: int, amount: int) -> None:
        self.tag, self.revision, self.amount = tag, revision, amount


class Order(Persistable):
    """Its total is the sum of its lines."""

    def __init__(self, tag: str, revision: int, amounts: list[int], account: Account) -> None:
        self.tag, self.revision, self.total = tag, revision, sum(amounts)
        self.account = account
        self.lines = [Line(tag, revision, amount) for amount in amounts]


class RollBack(Exception):
    """Ends a transaction that must leave no trace."""


def found(store: Store) -> None:
    """Save the ring and the counters."""
    accounts = [Account(number) for number in range(ACCOUNTS)]
    for account in accounts:
        account.next = accounts[(account.number + 1) % ACCOUNTS]
    names = [f"account-{number}" for number in range(ACCOUNTS)]
    counters = [f"counter-{number}" for number in range(COUNTERS)]
    store.save_many([*accounts, *(Counter() for _ in counters)], [*names, *counters])


def gives_one_state(store: Store) -> bool:
    """Return whether the engine promises that a load sees one state."""
    return store.backend.capabilities.snapshot_reads


class Worker:
    """Acts on the bank for some seconds."""

    def __init__(
        self,
        store: Store,
        log: int,
        number: str,
        seed: int,
        *,
        in_thread: bool = False,
        shares_store: bool = False,
    ) -> None:
        """`log` is a descriptor to append to; `shares_store` says that other threads use `store`, too."""
        self._in_thread = in_thread
        self._store = store
        self._log = log
        self._number = number
        self._random = random.Random(seed)
        self._shares_store = shares_store
        self._one_state = gives_one_state(store)
        self._serial = 0
        self._orders: dict[str, tuple[str, int, list[str]]] = {}

    def work(self, seconds: float) -> None:
        """Choose operations at random until the time is over."""
        operations: list[tuple[Callable[[], None], int]] = [
            (self.transfer, 25),
            (self.transfer_by_update, 15),
            (self.count, 15),
            (self.order, 12),
            (self.revise, 8),
            (self.cancel, 8),
            (self.audit, 7),
            (self.peek, 6),
            (self.change_the_mind, 5),
            (self.order_in_a_child, 0 if self._in_thread else 2),
        ]
        functions, weights = zip(*operations, strict=True)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            function = self._random.choices(functions, weights)[0]
            try:
                function()
            except Exception:  # noqa: BLE001 - it may be any error; it is logged, and fails the test
                self.note(violation=f"{function.__name__}: {traceback.format_exc(limit=-6)}")
        self.note(end=True)

    # -- the log

    def note(self, **facts: Any) -> None:
        """Append a line to the log, in one write."""
        os.write(self._log, json.dumps(facts).encode() + b"\n")

    @contextmanager
    def doing(self, operation: str, **facts: Any) -> Iterator[dict[str, Any]]:
        """Log an operation, and then its outcome, with all that the block puts into the dict."""
        self.note(op=operation, **facts)
        result: dict[str, Any] = {}
        try:
            yield result
        except BaseException:
            self.note(ok=False)
            raise
        self.note(ok=True, **result)

    def check(self, holds: bool, message: str) -> None:
        """Note a violation unless `holds`."""
        if not holds:
            self.note(violation=message)

    # -- accounts and counters

    def _two(self) -> list[str]:
        return [f"account-{n}" for n in self._random.sample(range(ACCOUNTS), 2)]

    def transfer(self) -> None:
        """Move money in a transaction, as often as it takes."""
        names, amount = self._two(), self._random.randint(1, 50)
        with self.doing("transfer") as result:
            result["conflicts"] = 0
            while True:
                try:
                    with self._store.transaction():
                        payer, payee = self._store.load_many(names)
                        payer.balance -= amount
                        payee.balance += amount
                        self._store.save_many([payer, payee])
                    break
                except ConflictError:
                    result["conflicts"] += 1
                    time.sleep(self._random.uniform(0, 0.01))

    def transfer_by_update(self) -> None:
        """Move money in an update."""
        (source, target), amount = self._two(), self._random.randint(1, 50)
        calls: list[None] = []

        def pay(payer: Account) -> None:
            calls.append(None)
            payee = self._store.load(target)
            payer.balance -= amount
            payee.balance += amount
            self._store.save(payee)

        with self.doing("transfer") as result:
            self._store.update(source, pay, attempts=1000, timeout=100)
            result["conflicts"] = len(calls) - 1

    def count(self) -> None:
        """Increase a counter."""
        name = f"counter-{self._random.randrange(COUNTERS)}"
        calls: list[None] = []

        def increase(counter: Counter) -> None:
            calls.append(None)
            counter.n += 1

        with self.doing("count", counter=name) as result:
            self._store.update(name, increase, attempts=1000, timeout=100)
            result["conflicts"] = len(calls) - 1

    def audit(self) -> None:
        """Load the ring: the sum of all accounts never changes."""
        with self.doing("audit"):
            if self._shares_store:
                # Objects are shared by all threads: only inside does none of them change.
                with self._store.transaction():
                    self._sum_up()
            else:
                self._store.invalidate_cache()
                self._sum_up()

    def _sum_up(self) -> None:
        start = self._store.load(f"account-{self._random.randrange(ACCOUNTS)}")
        total, length, account = start.balance, 1, start.next
        while account is not start:
            total, length, account = total + account.balance, length + 1, account.next
        self.check(length == ACCOUNTS, f"the ring has {length} accounts")
        if self._one_state or self._shares_store:
            self.check(total == ACCOUNTS * BALANCE, f"the accounts have {total} together")

    # -- orders

    def _made(self, tag: str, revision: int) -> Order:
        amounts = [self._random.randint(1, 9) for _ in range(self._random.randint(1, 4))]
        account = self._store.load(self._two()[0])
        return Order(tag, revision, amounts, account)

    def _new_tag(self) -> str:
        self._serial += 1
        return f"{self._number}/{self._serial}"

    def _save(self, order: Order) -> tuple[str, list[str]]:
        # In a transaction, so that other threads change no account that is reached during it.
        for _ in range(1000):
            try:
                with self._store.transaction():
                    order.account = self._store.load(order.account.persistent_id)
                    id = str(self._store.save(order))
                return id, [str(line.persistent_id) for line in order.lines]
            except ConflictError:
                time.sleep(self._random.uniform(0, 0.01))
        raise TimeoutError

    def order(self) -> None:
        """Save a new order with its lines."""
        tag = self._new_tag()
        with self.doing("order", tag=tag, before=None, after=0) as result:
            id, lines = self._save(self._made(tag, 0))
            result["ids"] = [id, *lines]
        self._orders[id] = tag, 0, lines

    def revise(self) -> None:
        """Replace an own order, and remove the lines of the former one."""
        if not self._orders:
            return
        id = self._random.choice(list(self._orders))
        tag, revision, lines = self._orders[id]
        with self.doing("order", tag=tag, before=revision, after=revision + 1) as result:
            with self._store.transaction():
                order = self._made(tag, revision + 1)
                self._store.replace(id, order)
                for line in lines:
                    self._store.remove(line)
            new = result["ids"] = [str(line.persistent_id) for line in order.lines]
        self._orders[id] = tag, revision + 1, new

    def cancel(self) -> None:
        """Remove an own order, and its lines."""
        if not self._orders:
            return
        id = self._random.choice(list(self._orders))
        tag, revision, lines = self._orders.pop(id)
        with self.doing("order", tag=tag, before=revision, after=None), self._store.transaction():
            for name in (id, *lines):
                self._store.remove(name)
        self.check(id not in self._store, f"{id} is there after its removal")

    def peek(self) -> None:
        """Load an order of any worker: it is complete, or gone."""
        with self.doing("peek"):
            listed = self._store.list(prefix="Order.")
            if not listed:
                return
            id = self._random.choice(listed)
            try:
                order = self._store.load(id)
            except NotFoundError:
                return
            except DanglingReferenceError:
                self.check(not self._one_state, f"{id} was loaded in no single state")
                return
            total = sum(line.amount for line in order.lines)
            self.check(order.total == total, f"{id} has {order.total} in {total}")

    def change_the_mind(self) -> None:
        """Save, remove and change in a transaction that is rolled back."""
        tag = self._new_tag()
        with self.doing("order", tag=tag, before=None, after=None):
            order = None
            try:
                with self._store.transaction():
                    order = self._made(tag, 0)
                    id = self._store.save(order)
                    order.account.balance += 1_000_000
                    self._store.save(order.account)
                    for own in self._orders:
                        self._store.remove(own)
                    raise RollBack
            except (RollBack, ConflictError):
                pass  # another worker may have changed the account since it was loaded
            assert order is not None
            self.check(order.persistent_id is None, "an ID outlived the rollback")
            self.check(id not in self._store, f"{id} outlived the rollback")

    def order_in_a_child(self) -> None:
        """Save an order in a forked child."""
        tag = self._new_tag()
        with self.doing("order", tag=tag, before=None, after=0) as result:
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    id, lines = self._save(self._made(tag, 0))
                    os.write(writing, json.dumps([id, *lines]).encode())
                    code = 0
                finally:
                    os._exit(code)
            os.close(writing)
            with open(reading, "rb") as pipe:
                answer = pipe.read()
            self.check(os.waitpid(pid, 0)[1] == 0, "a forked child failed")
            result["ids"] = json.loads(answer)
        id, *lines = result["ids"]
        self._orders[id] = tag, 0, lines


def main(url: str, log: str, number: str, seed: str, seconds: str) -> None:
    """Work on the store at `url`, in this process."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with make_store(url) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        Worker(store, fd, number, int(seed)).work(float(seconds))


if __name__ == "__main__":
    # The classes are those of the module, so that every loader finds them.
    from tests.torture import bank

    bank.main(*sys.argv[1:])
