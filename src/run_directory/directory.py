"""Where the files of a run are, and how it is looked at and gone on with."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import LabError, unwritable
from src.run_directory.digests import changed, of_directory
from src.run_directory.place import COLUMNS, place, settle_file
from src.run_directory.result import Result
from src.run_directory.seal import damage, owner

if TYPE_CHECKING:
    from src.run_directory.columns import KeptRun

CLASS_COLUMNS = ("kind", "class", "x", "probability")
"""Of `classes.csv`: see `src.run.page_files`."""
PREDICTION_COLUMNS = ("part", "target", "predicted", "actual")
"""Of `predictions.csv`: a row for each target of some rows of a part, `train` or `val`; of classes, which are names,
there is a fifth, the `probability` of the predicted one."""
MOST_ROWS = 500
"""Rows of a part that `predictions.csv` and `fit.csv` have at most; of more every so many."""


def typed(path: Path) -> str:
    """A path as it would be typed from here."""
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def check_once(paths: Iterable[Path]) -> None:
    """Refuse a directory that is given twice: its runs would be compared with themselves.

    Raises:
        LabError: it names the directory.
    """
    seen = set[Path]()
    for path in paths:
        if path.resolve() in seen:
            raise LabError(f"{path} is given twice: give every directory once")
        seen.add(path.resolve())


def look_at(directory: Path, boards: Path | None, page: bool = False) -> str:
    """The commands that show a run or a sweep, in one line that can be typed from here; empty where there is none.

    Args:
        directory: of it.
        boards: where TensorBoard's files of it are; None: nowhere.
        page: whether it has its page already.
    """
    commands = [] if page else [[Path(sys.executable).name, "-m", "src.report", typed(directory)]]
    if boards is not None:
        there = typed(boards)
        commands.append(["tensorboard", "--logdir", there if there.startswith(("/", ".")) else Path(there).parts[0]])
    return f"look at it with {' or '.join(map(shlex.join, commands))}" if commands else ""


@dataclass(frozen=True)
class RunDirectory:
    """Where the files of a run are."""

    path: Path

    @property
    def result_path(self) -> Path:
        """Written last: a directory without it holds an unfinished run."""
        return self.path / "result.json"

    @property
    def curves_path(self) -> Path:
        """`metrics.csv`: the curves, a row a step."""
        return self.path / "metrics.csv"

    @property
    def theory_path(self) -> Path:
        """`theory.csv`: what theory foresees of the loss; none where it has nothing to say."""
        return self.path / "theory.csv"

    @property
    def fit_path(self) -> Path:
        """`fit.csv`: what is drawn of data with one feature and one target, of a run that was trained alone."""
        return self.path / "fit.csv"

    @property
    def classes_path(self) -> Path:
        """`classes.csv`: the same of a target that is a class."""
        return self.path / "classes.csv"

    @property
    def predictions_path(self) -> Path:
        """`predictions.csv`: predicted beside actual values of some rows, of a run that was trained alone."""
        return self.path / "predictions.csv"

    @property
    def split_path(self) -> Path:
        """`split.csv`: which rows of a table were for what, with `data.write_split=true`."""
        return self.path / "split.csv"

    @property
    def way_path(self) -> Path:
        """`way.csv`: both parameters of a model that has two, of a run that was trained alone."""
        return self.path / "way.csv"

    @property
    def histograms_path(self) -> Path:
        """`histograms.csv`: of parameters and gradients, with `callbacks=histograms`."""
        return self.path / "histograms.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of `last.ckpt` and `best.ckpt`."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """Enough to go on from, bit for bit."""
        return self.checkpoints / "last.ckpt"

    def how_to_go_on(self, command: str) -> str:
        """What to say after an interrupted run's end; nothing where there is no checkpoint yet.

        Args:
            command: what was typed.
        """
        if not self.last_checkpoint.is_file() or not command:
            return ""
        from src.config.overrides import quoted  # it imports Hydra

        words = shlex.split(command)
        if not any(word.startswith("hydra.run.dir=") for word in words):
            words.append(f"hydra.run.dir={quoted(str(self.path))}")
        return f"; go on with: {shlex.join(words)}"

    @property
    def finished(self) -> bool:
        """Whether the run has ended, whichever way it is kept."""
        return self.result_path.is_file() or self.kept is not None

    @property
    def kept(self) -> "KeptRun | None":
        """The run as its sweep keeps it in columns, without this directory; None: it does not."""
        if self.result_path.is_file() or not (self.path.parent / COLUMNS).is_dir():
            return None
        from src.run_directory.columns import kept  # it imports polars, which others do without

        return kept(self.path)

    def make(self) -> bool:
        """Write the directory of a run that its sweep keeps in columns, to the bytes that it would have had.

        Returns:
            Whether there was anything to write.

        Raises:
            LabError: what is kept cannot be read, or the directory cannot be written.
        """
        run = self.kept
        try:
            if run is not None:
                run.whole().write(self.path)
        except OSError as error:
            raise LabError(unwritable(error)) from None
        return run is not None

    def result(self) -> Result:
        """The result that is in it."""
        return Result(**self.read_result(), directory=self.path)

    def write_result(self, result: Result, durable: bool = True) -> None:
        """Write `result.json` atomically: it is there whole, or not at all.

        Args:
            result: what it holds.
            durable: wait until it is on the disk, after all that it stands for: even a power cut cannot take it.
        """
        for path in [*self.path.iterdir(), *self.checkpoints.glob("*")] if durable else ():
            if path.is_file():
                settle_file(path)
        place(self.result_path, result.as_text(of_directory(self.path)).encode(), durable)

    def read_result(self) -> dict[str, Any]:
        """What `result.json` holds, without its digests.

        Raises:
            LabError: the run is unfinished, or the file is broken, or was changed.
        """
        return {key: value for key, value in self._whole_result().items() if key not in ("files", "digest")}

    @property
    def digests(self) -> dict[str, str]:
        """Those that its result has of its files, by their names; nothing of a result of before there were any.

        Raises:
            LabError: as of `read_result`.
        """
        return dict(self._whole_result().get("files", {}))

    def check(self, name: str) -> None:
        """Refuse a file of a finished run that is not what its result stands for.

        Raises:
            LabError: it is not there, or was changed; or as of `read_result`.
        """
        if not self.finished or name not in (digests := self.digests):
            return
        now = of_directory(self.path, [name]) if (run := self.kept) is None else run.digests
        if now.get(name) != digests[name]:
            where = self.path / name if run is None else run.part.path(".curves.parquet")
            raise LabError(f"{where} is not as it was when {self.path}'s result was written: its digest is another")

    def wrong(self) -> Iterator[str]:
        """What of a finished run is not as it was written, a sentence each."""
        try:
            result, digests = self.read_result(), self.digests
        except LabError as error:
            yield str(error)
            return
        for name in digests:
            try:
                self.check(name)
            except LabError as error:
                yield str(error)
        for path in sorted(self.checkpoints.glob("*.ckpt")) if self.kept is None else ():
            content = path.read_bytes()
            if damaged := damage(content):
                yield f"{path}: {damaged}"
            elif owner(content) not in ("", result["fingerprint"]):
                yield f"{path}: it is of another run"

    def _whole_result(self) -> dict[str, Any]:
        run = self.kept
        if run is None and not self.result_path.is_file():
            raise LabError(f"{self.path} holds no finished run (there is no result.json)")
        where = self.result_path if run is None else run.where
        try:
            text = where.read_text(encoding="utf-8") if run is None else run.result
            result = json.loads(text)
            if changed(text):
                raise ValueError("it is not as it was written: its digest is another")
            return {"status": result["status"], **result}
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{where} is broken ({error})") from None

    def hydra(self, name: str) -> str:
        """The text of a file in `.hydra/`; empty where it cannot be read."""
        if (run := self.kept) is not None:
            return run.hydra(name)
        try:
            return (self.path / ".hydra" / name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    @property
    def ended_at(self) -> int:
        """When its result was written, in nanoseconds since the epoch.

        Raises:
            OSError: there is none.
        """
        return run.part.written if (run := self.kept) is not None else self.result_path.stat().st_mtime_ns
