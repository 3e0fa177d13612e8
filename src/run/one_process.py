"""One of several processes of a run, as `processes.launch` starts it: `python -m src.run.one_process FILE`."""

import pickle
import sys
from pathlib import Path

from src.engine.choose_stepper import choose_stepper
from src.errors import LabError, exit_on_error
from src.run.train import train


def main(path: str) -> None:
    """Train the run whose `RunSpec` is pickled in a file."""
    with exit_on_error():
        spec = pickle.loads(Path(path).read_bytes())
        (outcome,) = train([spec], choose_stepper(spec.config, alone=True))
        if isinstance(outcome, LabError):
            raise outcome


if __name__ == "__main__":
    main(sys.argv[1])
