"""Where stacks are trained: here, one after the other, or spread over cores and machines.

A backend is a line of `BACKENDS` and the file of that name with two functions. `count(options)` is into how many stacks
runs are cut at least, so that every worker has one; it raises a `LabError` where an option is wrong or nobody answers.
`start(options, scratch, at_end)` returns `Workers`, and puts into the stack of exits `at_end` what stops them.
"""

import importlib
import os
import shutil
import signal
import socket
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from itertools import chain
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from src.errors import FULL_ERROR, LabError, nearest, one_line
from src.interrupts import stop_if_asked
from src.sweep.options import Launching
from src.sweep.worker import EVERY, End, Heartbeat, StackTask, attempt, ends, work

INLINE = "inline"
BACKENDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    INLINE: ("src", ()),
    "loky": ("loky", ("workers",)),
    "dask": ("distributed", ("workers", "address")),
    "ray": ("ray", ("workers", "address")),
    "submitit": ("submitit", ("workers", "submitit")),
}
"""Of each the package that it needs, and the options of the launcher that it has a use for."""

BLOCK, UNBLOCK = (signal.SIG_BLOCK, {signal.SIGINT}), (signal.SIG_UNBLOCK, {signal.SIGINT})
"""Ctrl-C, for `signal.pthread_sigmask`: processes and threads that are started while it is blocked never hear it."""

SCRATCH = ".scratch"
"""Folders beside the checkpoints of stacks, one for each command: in it are heartbeats, and what a backend writes."""

DEATHS = 3
"""So many workers may die of a stack before it counts as failed."""

PATIENCE = 5
"""Seconds until an address is given up."""

Tell = Callable[[int, int, int], None]
"""Takes the number of a stack, how many of its runs have ended and how many run-steps it took since the last call."""


class Workers(NamedTuple):
    """What stacks are given to.

    Attributes:
        submit: that of a `concurrent.futures.Executor`.
        width: stacks that it takes at once.
        died: what its futures raise where the worker has died.
    """

    submit: Callable[..., Future[Any]]
    width: int
    died: type[Exception] | tuple[type[Exception], ...]


def check_backend(options: Launching) -> None:
    """Refuse a backend that is not there, cannot be reached or has no use for an option, before anything is written.

    Raises:
        LabError: so it is.
    """
    name = options.backend
    if name not in BACKENDS:
        raise LabError(f"hydra.launcher.backend={name}: must be one of {', '.join(BACKENDS)}{nearest(name, BACKENDS)}")
    for key in dict.fromkeys(key for _, keys in BACKENDS.values() for key in keys):
        takers = [other for other, (_, keys) in BACKENDS.items() if key in keys]
        if getattr(options, key) and name not in takers:
            choose = f"hydra.launcher.backend={'|'.join(takers)}"
            raise LabError(f"hydra.launcher.{key} has no meaning for backend={name}: {choose}")
    if find_spec(BACKENDS[name][0]) is None:
        needed = f"needs {BACKENDS[name][0]}, which is not installed: pip install 'descent-lab[{name}]'"
        raise LabError(f"hydra.launcher.backend={name} {needed}")
    pieces(options)


def pieces(options: Launching) -> int:
    """Into how many stacks the runs of a program are cut at least, so that every worker has some."""
    return 1 if options.backend == INLINE else _backend(options).count(options)


@contextmanager
def reaching(address: str, port: int | None, what: str, command: str) -> Iterator[None]:
    """Find out whether anybody answers at the address of a cluster, before its library is asked, which may wait long.

    Args:
        address: as it was typed.
        port: if it names none; None: it is no address of a machine.
        what: there should be.
        command: that starts it.

    Raises:
        LabError: nobody does, or the library fails to connect.
    """
    try:
        if port:
            url = urlsplit(address if "://" in address else f"//{address}")
            socket.create_connection((url.hostname or "", url.port or port), timeout=PATIENCE).close()
        yield
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # of a tls address without certificates, say
        answer = f"no {what} answers there ({one_line(error)}): start one with: {command}"
        raise LabError(f"hydra.launcher.address={address}: {answer}") from None


def _backend(options: Launching) -> Any:
    """Its module: imported when it is chosen, since it imports what need not be installed."""
    return importlib.import_module(f"src.sweep.executors.{options.backend}")


def spread(tasks: Iterable[StackTask], options: Launching, tell: Tell) -> Generator[tuple[StackTask, list[End]]]:
    """Train stacks where the options say; each with its ends, as they come. To be closed when it is left early.

    Args:
        tasks: of one sweep; taken one by one when there is room, since each takes memory.
        options: of the launcher.
        tell: takes what is known of stacks on the way; steps that died with a worker are taken back.

    Raises:
        LabError: nothing can be written any more, or no worker can take a stack.
    """
    left = iter(tasks)
    if (first := next(left, None)) is None:
        return
    left, stacks = chain([first], left), Path(first.kept).parent
    stacks.mkdir(parents=True, exist_ok=True)
    for folder in stacks.glob(f"*{SCRATCH}"):  # of an earlier command that was killed, whose workers stop now
        shutil.rmtree(folder, ignore_errors=True)
    if options.backend == INLINE:
        for task in left:
            yield task, work(task, partial(tell, task.number))
            stop_if_asked()
        return
    with ExitStack() as at_end:
        # what workers inherit: one thread for BLAS, as stacks choose their own number; no switch to tracebacks but the
        # user's, as the command has set one for itself; and no ear for Ctrl-C, which is for the command
        at_end.callback(os.environ.update, dict(os.environ))
        resource_tracker.ensure_running()  # else the first worker has Python start it, which unblocks Ctrl-C for all
        at_end.callback(signal.pthread_sigmask, *UNBLOCK)
        signal.pthread_sigmask(*BLOCK)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        if not FULL_ERROR:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        scratch = TemporaryDirectory(suffix=SCRATCH, dir=stacks, ignore_cleanup_errors=True)
        folder = Path(at_end.enter_context(scratch))
        workers = _backend(options).start(options, folder, at_end)
        yield from _trained(workers, left, folder, tell)


def _trained(
    workers: Workers, tasks: Iterator[StackTask], beats: Path, tell: Tell
) -> Iterator[tuple[StackTask, list[End]]]:
    """Give stacks to workers, as many at once as there is room for; one whose worker died is given to another."""
    under_way, deaths, seen = dict[Future[Any], StackTask](), Counter[int](), dict[int, list[int]]()

    def submit(task: StackTask) -> None:
        under_way[workers.submit(attempt, task, Heartbeat(beats / str(task.number)))] = task

    while True:
        while len(under_way) < workers.width and (task := next(tasks, None)) is not None:
            (beats / str(task.number)).write_text("0 0\n")
            submit(task)
        if not under_way:
            return
        signal.pthread_sigmask(*UNBLOCK)
        ended, _ = wait(under_way, EVERY, FIRST_COMPLETED)
        signal.pthread_sigmask(*BLOCK)
        for number in [task.number for task in under_way.values()]:
            with suppress(OSError, ValueError):  # it cannot be read just now
                now, before = [int(n) for n in (beats / str(number)).read_text().split()], seen.get(number, [0, 0])
                tell(number, now[0] - before[0], now[1] - before[1])  # less than nothing after a death
                seen[number] = now
        for future in list(ended)[:1]:  # there is room for another stack now, which comes before the other results
            task = under_way.pop(future)
            try:
                answer = future.result()
            except workers.died as death:
                deaths[task.number] += 1 + getattr(death, "allowed_failures", 0)  # Dask has tried so often by itself
                if (times := deaths[task.number]) < DEATHS:
                    submit(task)
                    continue
                answer = ends(task, {}, f"its worker died {times} times: too little memory, most likely")
            except Exception as error:  # it cannot import this project, say, or the scheduler is gone
                if FULL_ERROR:
                    raise
                last = (str(error).strip().splitlines() or [""])[-1]  # of a traceback, if that is what there is
                raise LabError(f"no worker can take a stack ({type(error).__name__}: {last})") from error
            if isinstance(answer, LabError):
                raise answer
            yield task, answer
