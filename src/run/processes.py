"""Several processes for one run (ddp) on this machine, each a command of its own: `src.run.one_process`.

`torch.multiprocessing.spawn` imports the main module anew in every process: a script that calls `src.run.run` outside
`if __name__ == "__main__"` would start itself over and over. Torch's elastic launcher takes many seconds to end.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from src.errors import FULL_ERROR, LabError
from src.run.build import Member, RunSpec
from src.run_directory import RunDirectory

EVERY = 0.05
"""Seconds between two looks at the processes."""


def launched() -> bool:
    """Whether this process is one of several already, started here or by torchrun."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def first_process() -> bool:
    """Whether this process writes and talks: it is the first of several, or alone."""
    return int(os.environ.get("RANK", 0)) == 0


def check_shared(one: Member) -> None:
    """Refuse a module or a loss that several processes cannot share.

    Raises:
        LabError: the module has buffers, or the loss is not written per member.
    """
    if one.config.trainer.strategy != "ddp":
        return
    if not one.loss.per_member:
        raise LabError(
            f"trainer=ddp: {one.config.loss.target_} is one number of a batch, and losses of its shards do not add up "
            "to it; a src.losses.loss.Loss's do"
        )
    if any(True for _ in one.model.buffers()):
        raise LabError(
            "trainer=ddp: a module with buffers (BatchNorm, say) sees only its own process's rows, "
            "so two processes cannot have the curve of one"
        )


def launch(processes: int, spec: RunSpec) -> None:
    """Train a run in so many processes and wait for them; when one of them ends otherwise, the others are killed.

    Raises:
        LabError: one of them failed.
        KeyboardInterrupt: this one was interrupted.
    """
    environment = {**os.environ, "MASTER_ADDR": "localhost", "MASTER_PORT": str(_free_port())}
    environment |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "GROUP_RANK": "0"}
    environment["TORCHELASTIC_RUN_ID"] = spec.directory.name  # by which Lightning knows that all of this is set
    if not FULL_ERROR:  # a command sets it for itself; here the processes are to tell a mistake in a sentence
        environment.pop("HYDRA_FULL_ERROR", None)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        path = Path(folder, "run.pickle")  # ten thousand listed points are too long for an argument
        path.write_bytes(pickle.dumps(spec))
        command, started = [sys.executable, "-m", "src.run.one_process", str(path)], list[subprocess.Popen[bytes]]()
        for own in map(str, range(processes)):
            started.append(subprocess.Popen(command, env=environment | {"RANK": own, "LOCAL_RANK": own}))
            at_end.callback(_end, started[-1])
        while None in (codes := [process.poll() for process in started]) or any(codes):
            for rank, code in enumerate(codes):
                if code:
                    raise LabError(_why(rank, processes, code, spec))
            time.sleep(EVERY)


def _why(rank: int, processes: int, code: int, spec: RunSpec) -> str:
    """How a process has failed: in words of its own, unless it was killed."""
    if code > 0:
        return f"process {rank} of {processes} failed with exit code {code}; see above"
    how = RunDirectory(spec.directory).how_to_go_on(spec.command)
    return f"process {rank} of {processes} was killed ({signal.Signals(-code).name}){how}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def end_with(parent: int) -> None:
    """End this process, whatever it is at, once that one is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
