"""One of several processes of a run, as `processes.launch` starts it: `python -m src.run.one_process FILE`."""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

from src.engine.choose_stepper import choose_stepper
from src.errors import LabError, exit_on_error
from src.run.processes import end_with
from src.run.train import train

PEERS = 1.0
"""Seconds in which the command kills this process, if another one has failed."""


def main(path: str) -> None:
    """Train the run whose `RunSpec` is pickled in a file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for the command that has started this
    end_with(os.getppid())
    with exit_on_error():
        spec = pickle.loads(Path(path).read_bytes())
        (outcome,) = train([spec], choose_stepper(spec.config, alone=True))
        if isinstance(outcome, LabError):
            if isinstance(outcome.__cause__, RuntimeError):  # a peer has died, most likely, and the command tells it
                time.sleep(PEERS)
            raise outcome


if __name__ == "__main__":
    main(sys.argv[1])
