"""Stacks handed to workers one by one, whoever they are: again when one dies, withdrawn when the sweep ends early."""

import os
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import LabError
from src.sweep.executors.work import EVERY, SLIP, Order, lock_of, read_slip, withdraw
from src.sweep.task import End, Task, failed

DEATHS = 3
"""So many workers may die of a stack before it counts as failed."""

PAUSE = 0.02
"""Seconds between two looks at what has ended."""

Tell = Callable[[int, int, int], None]
Answer = list[End] | LabError | None
"""What `src.sweep.executors.work.work` returns."""


class WorkerDiedError(Exception):
    """The worker of a stack has died.

    Args:
        times: how often, where the library has tried again by itself.
    """

    def __init__(self, times: int = 1) -> None:
        super().__init__(times)
        self.times = times


class Pool(ABC):
    """Workers, wherever they are. `start` gives a handle that the other methods take.

    Attributes:
        width: stacks that are under way at once.
    """

    width: int

    @abstractmethod
    def start(self, order: Order) -> Any:
        """Give a stack to a worker."""

    @abstractmethod
    def done(self, handle: Any) -> bool:
        """Whether it has ended, one way or the other."""

    @abstractmethod
    def answer(self, handle: Any) -> Answer:
        """How it has ended; each is asked for once.

        Raises:
            WorkerDiedError: its worker has died.
            LabError: no worker can take it.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop at once, and leave no process behind."""


@dataclass
class _UnderWay:
    order: Order
    handle: Any
    deaths: int = 0
    told: tuple[int, int] = (0, 0)


def trained(open_pool: Callable[[], Pool], tasks: Iterable[Task], tell: Tell) -> Generator[tuple[Task, list[End]]]:
    """Train stacks with the workers of a pool, as many at once as it has room for.

    Args:
        open_pool: starts it, or connects to it.
        tasks: taken one by one when there is room.
        tell: takes what is known of stacks on the way.

    Raises:
        LabError: nothing can be written any more, or no worker can work.
    """
    pool, waiting = open_pool(), iter(tasks)
    under_way = list[_UnderWay]()
    try:
        while True:
            while len(under_way) < pool.width and (task := next(waiting, None)) is not None:
                under_way.append(_begun(pool, task))
            if not under_way:
                return
            for one in [one for one in under_way if pool.done(one.handle)]:
                if (ends := _ends(pool, one)) is not None:
                    under_way.remove(one)
                    _pass_on(one, tell)
                    withdraw(one.order.task)
                    lock_of(one.order.task).unlink(missing_ok=True)
                    yield one.order.task, ends
                    break  # there is room for another now, which comes before the other results
            else:
                _wait(pool, under_way, tell)
    finally:
        for one in under_way:
            withdraw(one.order.task)
        pool.close()


def _begun(pool: Pool, task: Task) -> _UnderWay:
    withdraw(task)
    slip = Path(f"{task.state}.{uuid.uuid4().hex[:8]}{SLIP}")
    slip.parent.mkdir(parents=True, exist_ok=True)
    slip.write_text("0 0\n")
    order = Order(task, str(slip), os.getcwd(), tuple(os.path.abspath(path) for path in sys.path))
    return _UnderWay(order, pool.start(order))


def _ends(pool: Pool, one: _UnderWay) -> list[End] | None:
    """How the members of a stack have ended; None: its worker has died, and another tries it."""
    task = one.order.task
    try:
        answer = pool.answer(one.handle)
    except WorkerDiedError as death:
        one.deaths += death.times
        if one.deaths >= DEATHS:
            return failed(task, f"its worker died {one.deaths} times: too little memory, most likely")
        one.handle = pool.start(one.order)
        return None
    if isinstance(answer, LabError):
        raise answer
    if answer is None:
        raise LabError(f"a worker does not see {Path(task.state).parent}, which all machines have to share")
    return answer


def _wait(pool: Pool, under_way: list[_UnderWay], tell: Tell) -> None:
    """Until something has ended, or there is something to tell."""
    until = time.monotonic() + EVERY
    while time.monotonic() < until and not any(pool.done(one.handle) for one in under_way):
        time.sleep(PAUSE)
    for one in under_way:
        _pass_on(one, tell)


def _pass_on(one: _UnderWay, tell: Tell) -> None:
    """Tell what a worker has written since the last time; less than before after a death."""
    now = read_slip(Path(one.order.slip)) or one.told
    if now != one.told:
        tell(one.order.task.stack, now[0] - one.told[0], now[1] - one.told[1])
    one.told = now
