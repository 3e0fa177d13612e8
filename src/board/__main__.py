"""Look at outputs/ in TensorBoard: `python -m src.board [DIRECTORY] [-- --port 6007 ...]`."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from src.board.view import View
from src.errors import LabError, told

OUTPUTS = Path("outputs")
SECONDS = 10.0
"""Between two looks at what has been trained since; TensorBoard itself looks every 5 seconds."""


def arguments(words: Sequence[str]) -> tuple[Path, list[str]]:
    """The directory to look at, and what TensorBoard is given.

    Raises:
        LabError: there is no such directory.
    """
    own, further = list(words), list[str]()
    if "--" in own:
        place = own.index("--")
        own, further = own[:place], own[place + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m src.board",
        description="Look at runs in TensorBoard: single runs, and of a sweep the best run of each optimizer and a row "
        "of the HParams table for every run; logger.tensorboard.runs=all in a sweep shows every curve.",
        epilog="What follows -- is passed on to TensorBoard, such as -- --port 6007.",
    )
    parser.add_argument("directory", nargs="?", type=Path, default=OUTPUTS, help="outputs, a sweep or a run")
    directory = parser.parse_args(own).directory
    if not directory.is_dir() and directory != OUTPUTS:
        what = "is a file" if directory.exists() else "is not there"
        raise LabError(f"{directory} {what}: give outputs, a sweep directory or a run directory")
    return directory, further


def show(source: Path, further: Sequence[str]) -> int:
    """Start TensorBoard and keep what it shows up to date until it ends.

    Args:
        source: see `View`.
        further: arguments of TensorBoard.

    Returns:
        Its exit status.
    """
    with TemporaryDirectory(prefix="descent-lab-board-") as directory:
        view = View(source, Path(directory))
        sentences = view.update() or [f"{source} holds no run yet; what is trained there is shown as it comes"]
        print("\n".join(sentences), flush=True)
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", directory, "--window_title", "Descent Lab"]
        signal.signal(signal.SIGTERM, _end)  # so that TensorBoard and its directory go with it
        process = subprocess.Popen([*command, *further])
        try:
            while True:
                try:
                    return process.wait(timeout=SECONDS)
                except subprocess.TimeoutExpired:
                    view.update()
        finally:
            process.terminate()
            process.wait()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The command."""
    with told():
        raise SystemExit(show(*arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
