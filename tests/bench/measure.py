"""How ways of doing the same are measured: in turn, round by round, and told as figures with their spread."""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from src.errors import LabError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

Way = Callable[[], float]
"""Does it once, and says what it took."""
Rounds = Mapping[str, Sequence[float]]
"""Of each way what it took in each round."""


@dataclass(frozen=True)
class Figure:
    """A line of the table.

    Attributes:
        what: is told.
        values: of each round; empty: it was not measured.
        at_most: what is wanted of their median.
        at_least: the same from below.
        about: what it is made of, or why it was not measured.
        sampled: some of it was measured on a sample, and scaled.
        rounds: of each way it is made of, in seconds.
    """

    what: str
    values: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None
    about: str = ""
    sampled: bool = False
    rounds: Rounds = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        """As it is printed."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"

    @property
    def met(self) -> bool | None:
        """Whether it is what is wanted; None: nothing is, or it was not measured."""
        if not self.values or not self.wanted:
            return None
        middle = statistics.median(self.values)
        return middle <= self.at_most if self.at_most is not None else middle >= (self.at_least or 0.0)


def in_turn(ways: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    """Each way once, then each again: whatever else the machine does meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    return taken


def ratio(what: str, rounds: Rounds, over: str, under: str, unit: float = 1.0, in_: str = "s", **more: Any) -> Figure:
    """How many times as long as `under` the way `over` takes, round by round.

    Args:
        what: the figure tells.
        rounds: of all ways.
        over: a way.
        under: another.
        unit: that times are told in, in seconds.
        in_: its name.
        more: of the figure.
    """
    middle = {name: short(statistics.median(rounds[name]) / unit) for name in (over, under)}
    told = "; ".join(filter(None, [f"{over} {middle[over]}, {under} {middle[under]} {in_}", more.pop("about", "")]))
    values = [one / other for one, other in zip(rounds[over], rounds[under], strict=True)]
    return Figure(what, values, about=told, rounds={name: rounds[name] for name in (over, under)}, **more)


def short(value: float) -> str:
    """Three digits, whole numbers from 100 on."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def timed(do: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """What a command took: seconds by the clock and of the processor, and its largest memory in bytes."""

    seconds: float
    cpu: float
    memory: int


def command(*words: str) -> Command:
    """`python *words`, with its children.

    Raises:
        LabError: it failed; with the last line it said.
    """
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *words], stdout=said, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            raise
        seconds, child.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().split("\n") if child.returncode else []
    if child.returncode:
        last = next((line for line in reversed(lines) if line.strip()), "nothing")
        raise LabError(f"python {' '.join(words)} ended with {child.returncode}: {last}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Command(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


class Peer:
    """A process of its own, which goes on from one round to the next.

    Args:
        serve: a generator of its module: what it yields is told, one each time it is asked.
        arguments: of that.
    """

    def __init__(self, serve: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, serve, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self) -> Any:
        """The next.

        Raises:
            LabError: why there is none.
        """
        try:
            self._pipe.send("next")
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise LabError("a process of a peer has died") from None
        if isinstance(answer, Exception):
            raise LabError(f"a peer failed: {answer}")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _serve(pipe: Any, serve: Callable[..., Iterator[Any]], arguments: Sequence[Any]) -> None:
    served = serve(*arguments)
    while pipe.recv():
        try:
            pipe.send(next(served))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


# --- the machine ------------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What it was measured on, and by which versions."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in ("torch", "lightning", "hydra-core", "numpy", "jax", "optax"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "none"
    cpu = next(
        (
            line.partition(":")[2].strip()
            for path in [Path("/proc/cpuinfo")]
            if path.exists()
            for line in path.read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return {
        "processor": cpu,
        "cores": CORES,
        "memory": memory,
        "load": load,
        "python": platform.python_version(),
        **versions,
    }


def write(path: Path, rows: Mapping[str, Sequence[Figure]]) -> None:
    """Every figure with its rounds, and the machine, as JSON."""
    told = {name: [asdict(one) for one in figures] for name, figures in rows.items()}
    path.write_text(json.dumps({"machine": machine(), "rows": told}, indent=1) + "\n")
