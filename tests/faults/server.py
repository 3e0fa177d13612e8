"""Commands with a fault in them, many a minute: a parent that has imported everything, and forks a child a command.

The parent is this module, run with the shim (`shim.c`) loaded; a child arms it, and takes its words through
`src.train` or `src.report` as a shell's command does.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from src.interrupts import listen

SOURCE = Path(__file__).with_name("shim.c")
HOW = ("once", "for good", "short", "kill")
"""What the shim does with the call, in the order of its `enum how`."""
IMPORTED = (
    *("src.train", "src.report.__main__", "src.report.run_summary", "src.run.command", "src.sweep.executors"),
    *("src.sweep.preflight", "src.sweep.progress", "src.sweep.training", "src.sweep.winners", "src.sweep.tables"),
    *("lightning.pytorch.loggers", "torch.utils.tensorboard", "src.optim.rules"),
)
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a command's files.

    Attributes:
        at: the call that it happens to, from 1; 0: none.
        error: errno.
        how: one of `HOW`.
        reading: whether files that are opened to be read are counted as well.
    """

    at: int = 0
    error: int = 0
    how: str = "once"
    reading: bool = False


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; less than 0: the signal that ended it.
        said: on standard output.
        told: on standard error.
        calls: kind and path of each file operation, as far as it was counted.
        seconds: that it took.
    """

    status: int
    said: str
    told: str
    calls: Sequence[tuple[str, str]] = ()
    seconds: float = 0.0


@dataclass
class Server:
    """The parent, seen from the suite.

    Attributes:
        folder: a new one, which goes with the server; commands may write there.
    """

    process: subprocess.Popen[str]
    folder: Path
    _numbers: Counter[str] = field(default_factory=Counter)

    def start(self, words: Sequence[str], fault: Fault | None = None, under: Path | None = None) -> Command:
        """Have a command begin.

        Args:
            words: `src.train`, say, and what follows.
            fault: what goes wrong; None: nothing, and nothing is counted.
            under: the directory whose files count.
        """
        self._numbers["commands"] += 1
        where = self.folder / f"told-{self._numbers['commands']}"
        where.mkdir()
        asked = {"words": list(words), "where": str(where), "fault": fault and asdict(fault), "under": str(under)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Command(self, int(self.process.stdout.readline()), where)

    def run(self, words: Sequence[str], fault: Fault | None = None, under: Path | None = None) -> Ended:
        """The same, and wait for its end."""
        return self.start(words, fault, under).wait()


@dataclass
class Command:
    """One that is under way; its number is that of its process group, too."""

    server: Server
    number: int
    where: Path
    began: float = field(default_factory=time.monotonic)

    def signal(self, which: signal.Signals, group: bool = False) -> None:
        """Send it a signal, or as a terminal does all of its processes."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.number, which)

    @property
    def begun(self) -> bool:
        """Whether it is at its first line."""
        return (self.where / "begun").exists()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return (self.where / "status").exists()

    def wait(self, seconds: float = 300) -> Ended:
        """Wait for its end.

        Raises:
            TimeoutError: it hangs; it was killed.
        """
        until = self.began + seconds
        while not self.over:
            if time.monotonic() > until:
                self.signal(signal.SIGKILL, group=True)
                raise TimeoutError(f"it hangs: {(self.where / 'stderr').read_text()}")
            time.sleep(0.005)
        status, seconds = json.loads((self.where / "status").read_text())
        said, told = ((self.where / name).read_text(errors="replace") for name in ("stdout", "stderr"))
        log = self.where / "calls"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        calls = [(kind, path) for kind, _, path in (line.partition(" ") for line in lines)]
        shutil.rmtree(self.where)
        return Ended(status, said, told, calls, seconds)


@contextmanager
def serving() -> Iterator[Server]:
    """A server, which ends with all of its commands.

    Raises:
        RuntimeError: there is no C compiler, or the machine has no LD_PRELOAD.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or sys.platform != "linux":
        raise RuntimeError("file operations are made to fail by a shim in C: that takes Linux, and cc")
    with TemporaryDirectory(prefix="descent-lab-faults-") as folder:
        shim = Path(folder, "shim.so")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, SOURCE, "-ldl"], check=True)
        environment = {**os.environ, **THREADS, "LD_PRELOAD": str(shim), "DESCENT_LAB_CACHE": f"{folder}/cache"}
        environment.pop("HYDRA_FULL_ERROR", None)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", str(shim)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        with process:
            yield Server(process, Path(folder))
            assert process.stdin is not None
            process.stdin.close()


# --- in the parent, and in its children ------------------------------------------------------------------------------


def main(shim: str) -> None:
    """Serve until standard input ends."""
    import_everything()
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    answers = os.fdopen(os.dup(1), "w")
    under_way = dict[int, tuple[Path, float]]()
    signal.signal(signal.SIGCHLD, lambda *_: _collect(under_way))
    for line in sys.stdin:
        asked = json.loads(line)
        where = Path(asked["where"])
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return _become(ctypes.CDLL(shim), where, asked)
        under_way[child] = where, time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        print(child, file=answers, flush=True)
    while under_way:
        time.sleep(0.01)


def import_everything() -> None:
    """What commands import, and what they do the first time only; TensorBoard's picture of a run is a black one."""
    for name in IMPORTED:
        importlib.import_module(name)
    from src.config.compose import compose
    from src.plots import files

    compose([])
    files.pixels = lambda picture: np.zeros((8, 8, 3), np.uint8)  # what draws it takes two seconds to start


def _collect(under_way: dict[int, tuple[Path, float]]) -> None:
    """Tell how commands have ended."""
    for child, (where, began) in list(under_way.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            del under_way[child]
            half = where / "status.part"
            half.write_text(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - began]))
            half.rename(where / "status")


def _become(shim: ctypes.CDLL, where: Path, asked: dict[str, Any]) -> None:
    """Be the process of a command; it ends as that does, on the way out of this module."""
    os.setsid()
    files = [os.open(where / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("stdout", "stderr")]
    for file, number in ((os.open(os.devnull, os.O_RDONLY), 0), (files[0], 1), (files[1], 2)):
        os.dup2(file, number)
        os.close(file)
    module = asked["words"][0]
    sys.argv = asked["words"]
    listen()
    if asked["fault"]:
        one = Fault(**asked["fault"])
        texts = (os.fsencode(str(text)) for text in (asked["under"], where / "calls"))
        shim.fault_arm(*texts, ctypes.c_long(one.at), one.error, HOW.index(one.how), one.reading)
    (where / "begun").touch()
    {"src.train": _train, "src.report": _report}[module]()


def _train() -> None:
    from src.train import main

    main()


def _report() -> None:
    from src.report.__main__ import main

    main()


if __name__ == "__main__":
    main(sys.argv[1])
