"""What TensorBoard is given instead of outputs/: links to the curves of few runs, rows of the HParams table for many.

It takes every event file below its directory, and a few hundred runs make its page slow.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from src.board.choice import Choice, Shown, ended, shares
from src.board.sessions import Columns, Session, event_file
from src.errors import LabError
from src.report.reading import Sweep, filled, read
from src.report.run_files import Run
from src.sweep.ledger import NAME, RESULTS

PREFIX = "events.out.tfevents."
OURS = f"{PREFIX}0000000000.board"
"""Comes before a run's own event file: of what both say on hyperparameters, TensorBoard keeps what it reads first."""
MOST = 500
"""Runs in all: where there are more, TensorBoard ticks none in its list, and so shows no curve."""


@dataclass(frozen=True)
class Found:
    """What lies below a directory.

    Attributes:
        runs: the event files of each run that belongs to no sweep.
        sweeps: when the files that say what is in each were written.
    """

    runs: Mapping[Path, tuple[str, ...]]
    sweeps: Mapping[Path, tuple[int, ...]]


def find(source: Path) -> Found:
    """Runs and sweeps below a directory, which may be one itself, in the order of their names."""
    runs, sweeps = dict[Path, tuple[str, ...]](), dict[Path, tuple[int, ...]]()
    for folder, inside, files in os.walk(source):
        inside[:] = sorted(name for name in inside if not name.startswith(".") and name != "checkpoints")
        path = Path(folder)
        if NAME in files:
            sweeps[path] = tuple(_written(path / name) for name in (NAME, RESULTS))
            inside.clear()
        elif events := tuple(sorted(name for name in files if name.startswith(PREFIX))):
            runs[path] = events
    return Found(runs, sweeps)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class View:
    """A directory for TensorBoard that follows what is trained.

    Args:
        source: outputs/, a directory in it, a sweep or a run.
        directory: of the view; it is there, and empty.
    """

    def __init__(self, source: Path, directory: Path) -> None:
        self.source, self.directory = source, directory
        self._found: Found | None = None
        self._read: dict[Path, tuple[tuple[int, ...], Choice | str]] = {}
        self._there: set[str] = set()
        self._columns: Columns | None = None

    def update(self) -> list[str]:
        """Bring it up to date.

        The columns of the HParams table stay those of its first rows: TensorBoard does not read them again.

        Returns:
            What is shown, a sentence each; nothing where nothing has changed.
        """
        found = find(self.source)
        if found == self._found:
            return []
        self._found = found
        chosen = [self._choice(path, written) for path, written in found.sweeps.items()]
        choices = [choice for choice in chosen if isinstance(choice, Choice)]
        shown = self._lone(list(found.runs), list(dict.fromkeys(key for one in choices for key in one.sweep.keys)))
        told = [f"{len(shown):,} single {'run' if len(shown) == 1 else 'runs'}"] if shown else []
        left = MOST - len(shown) - sum(choice.always for choice in choices)
        for choice, most in zip(choices, shares([choice.rows for choice in choices], left), strict=True):
            name = self._name(choice.path)
            shown |= {f"{name}/{own}" if name else own: run for own, run in choice.shown(most).items()}
            told.append(choice.told(most))
        self._write(shown)
        return [*told, *(choice for choice in chosen if isinstance(choice, str))]

    def _name(self, path: Path) -> str:
        """What a run or a sweep is called: its path from the source on, without the folder that all are in."""
        parts = path.relative_to(self.source).parts
        return "/".join(parts[1:] if len(parts) > 1 and parts[0] in ("runs", "sweeps") else parts)

    def _choice(self, path: Path, written: tuple[int, ...]) -> Choice | str:
        """What is shown of a sweep, or why nothing is; it is read again only where it has changed."""
        before = self._read.get(path)
        if before is None or before[0] != written:
            try:
                sweep = read(path)
                assert isinstance(sweep, Sweep)
                before = written, Choice(path, sweep)
            except LabError as error:
                before = written, str(error)
            self._read[path] = before
        return before[1]

    def _lone(self, paths: list[Path], swept: list[str]) -> dict[str, Shown]:
        """Single runs by name, in the table with what is swept elsewhere and what tells them apart."""
        runs = [Run(path) for path in paths]
        typed = [key for key in dict.fromkeys(key for run in runs for key in run.words) if not key.startswith("hydra.")]
        own = [key for key in typed if len(runs) == 1 or len({run.words.get(key) for run in runs}) > 1]
        keys = list(dict.fromkeys([*swept, *own]))
        return {
            self._name(run.directory) or run.directory.resolve().name: Shown(_session(run, keys), run.directory)
            for run in runs
        }

    def _write(self, shown: Mapping[str, Shown]) -> None:
        for name in self._there - shown.keys():
            shutil.rmtree(self.directory / name, ignore_errors=True)
        if self._columns is None and shown:
            self._columns = Columns.of(run.session for run in shown.values())
        for name, run in shown.items():
            folder = self.directory / name
            if name not in self._there:
                assert self._columns is not None
                folder.mkdir(parents=True, exist_ok=True)
                (folder / OURS).write_bytes(event_file(self._columns, run.session, losses=run.directory is None))
            if run.directory is not None:
                _link(run.directory, folder)
        self._there = set(shown)


def _session(run: Run, keys: list[str]) -> Session:
    """The row of a single run, which may not have ended."""
    words = filled(run.words, keys, run)
    try:
        result = run.result
    except LabError:
        return Session(words, "", 0, {}, ended(run.directory))
    return Session(words, result["status"], int(result["steps"]), result["metrics"], ended(run.directory))


def _link(directory: Path, folder: Path) -> None:
    """Have the event files of a run in a folder of the view."""
    with suppress(OSError):  # the run has been taken away
        for path in directory.glob(f"{PREFIX}*"):
            link = folder / path.name
            if not link.is_symlink():
                link.symlink_to(path.resolve())
