"""Where stacks are trained: here, one after the other, or spread over cores and machines."""

import importlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from src.errors import FULL_ERROR, LabError, nearest
from src.sweep.executors.work import lock_of, withdraw
from src.sweep.options import Launching
from src.sweep.task import End, Task, train_task

if TYPE_CHECKING:
    from src.sweep.executors.pool import Pool

Tell = Callable[[int, int, int], None]
"""Takes which stack it is of, how many of its runs have ended and how many run-steps it took since the last call."""

INLINE = "inline"
PACKAGES: Mapping[str, str] = {"loky": "loky", "dask": "distributed", "ray": "ray", "submitit": "submitit"}
"""What each backend needs; each is a module of this package, with a class `Workers`."""

BACKENDS = (INLINE, *PACKAGES)
ONLY_OF: Mapping[str, tuple[str, ...]] = {
    "workers": tuple(PACKAGES),
    "address": ("dask", "ray"),
    "submitit": ("submitit",),
}
"""Options that other backends have no use for."""


def check_backend(options: Launching) -> None:
    """Refuse a backend that is not there, cannot be reached or has no use for an option, before anything is written.

    Raises:
        LabError: so it is.
    """
    name = options.backend
    if name not in BACKENDS:
        raise LabError(f"hydra.launcher.backend={name}: must be one of {', '.join(BACKENDS)}{nearest(name, BACKENDS)}")
    for key, backends in ONLY_OF.items():
        if getattr(options, key) and name not in backends:
            choose = "|".join(backends)
            raise LabError(f"hydra.launcher.{key} has no meaning for backend={name}: hydra.launcher.backend={choose}")
    if name != INLINE:
        if find_spec(PACKAGES[name]) is None:
            needed = f"needs {PACKAGES[name]}, which is not installed: pip install 'descent-lab[{name}]'"
            raise LabError(f"hydra.launcher.backend={name} {needed}")
        _module(name).check(options)


def pieces(options: Launching) -> int:
    """Into how many stacks the runs of a program are cut at least, so that every worker has some."""
    return 1 if options.backend == INLINE else _module(options.backend).number(options)


def spread(tasks: Iterable[Task], options: Launching, tell: Tell) -> Generator[tuple[Task, list[End]]]:
    """Train stacks where the options say; each with its ends, as they come. To be closed when it is left early.

    Args:
        tasks: the stacks; taken one by one when there is room, since each takes memory.
        options: of the launcher.
        tell: takes what is known of stacks on the way; steps that died with a worker are taken back.

    Raises:
        LabError: nothing can be written any more.
    """
    if options.backend == INLINE:
        for task in tasks:
            withdraw(task)
            ends = train_task(task, partial(tell, task.stack))
            lock_of(task).unlink(missing_ok=True)
            yield task, ends
        return
    from src.sweep.executors.pool import trained

    with _environment_of_workers():
        yield from trained(lambda: _module(options.backend).Workers(options), tasks, tell)


class _Backend(Protocol):
    """What the module of a backend has."""

    def check(self, options: Launching) -> None: ...
    def number(self, options: Launching) -> int: ...
    def Workers(self, options: Launching) -> "Pool": ...  # noqa: N802


def _module(name: str) -> _Backend:
    """Imported when it is chosen, since it imports what need not be installed."""
    return cast(_Backend, importlib.import_module(f"src.sweep.executors.{name}"))


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """What processes that are started meanwhile inherit: one thread for BLAS, as stacks choose their own number, and
    not the switch to tracebacks that the command has set for itself.
    """
    before = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if not FULL_ERROR:
        os.environ.pop("HYDRA_FULL_ERROR", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
