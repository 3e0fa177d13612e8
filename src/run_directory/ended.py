"""What a run of a stack leaves, before it is written as a directory, or kept in columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.run_directory.curves import Line, write_rows, write_theory
from src.run_directory.place import place

Points = tuple[Sequence[int], NDArray[np.float64]]
"""Ascending steps, and the values there, `[T]`, of profiles `[T, n]`."""


@dataclass(frozen=True)
class EndedRun:
    """What the directory of a run of a stack holds, before it is written one way or the other.

    Attributes:
        texts: of its files, by name: of `result.json` and `split.csv`, and of `.hydra/`, as far as it is not there yet.
        curves: by name, those that have points.
        foreseen: what theory foresees.
        checkpoints: "last" and "best", as far as there are.
    """

    texts: Mapping[str, str]
    curves: Mapping[str, Points]
    foreseen: Mapping[str, Line]
    checkpoints: Mapping[str, Any] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write the directory; the result last, so that it stands for all.

        Raises:
            OSError: a file cannot be written.
        """
        from src.run_directory.checkpoint_file import written

        texts = dict(self.texts)
        result = texts.pop("result.json", None)
        directory.mkdir(parents=True, exist_ok=True)
        for name in texts:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(texts[name].encode())
        write_rows(directory / "metrics.csv", {name: (at, one.tolist()) for name, (at, one) in self.curves.items()})
        write_theory(directory / "theory.csv", self.foreseen)
        if self.checkpoints:
            (directory / "checkpoints").mkdir(exist_ok=True)
            trees = {id(tree): tree for tree in self.checkpoints.values()}  # the last state is the best one, mostly
            files = {key: written(tree) for key, tree in trees.items()}
            for name, tree in self.checkpoints.items():
                place(directory / "checkpoints" / f"{name}.ckpt", files[id(tree)])
        if result is not None:
            place(directory / "result.json", result.encode())
