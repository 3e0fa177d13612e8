"""The example notebook, cell by cell: what it makes of its frames is what the page says."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from src.compare.contest import contest
from src.report.reading import Sweep, read
from src.report.target import reaches
from tests.sweep.conftest import Multirun

NOTEBOOK = Path(__file__).parents[2] / ".github" / "compare.ipynb"


def test_its_frames_say_what_the_page_says(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained, real = list[Path](), subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        """A sweep in this process, where torch is there already."""
        if command[1:4] != ["-m", "src.train", "-m"]:
            return real(command, **options)
        *words, where = command[4:]
        trained.append(tmp_path / where.removeprefix("hydra.sweep.dir="))
        assert multirun(str(trained[0].relative_to(tmp_path)), *words) == 0
        return None

    monkeypatch.setattr(subprocess, "run", run)
    display = ModuleType("IPython.display")
    display.SVG = str  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    said: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), said)
    found = read(trained[0])
    assert isinstance(found, Sweep)
    (problem,) = contest(found.rows)
    assert "Certainty: 8 seeds, not confirmed." in capsys.readouterr().out
    # a dot a seed: what the pairs are made of
    first, *others = (one.label for one in problem.contenders)
    for label in others:
        pair = problem.pair(first, label)
        assert pair is not None
        dots = np.log1p(said["dots"].filter(optimizer=label)["above"].to_numpy() / 100)
        assert dots * (-1 if pair.first == first else 1) == pytest.approx(pair.differences, abs=1e-12)
    # steps to the target at the best rate for that
    soonest = dict(said["steps"].group_by("optimizer").agg(said["pl"].col("steps").min()).iter_rows())
    assert soonest == {label: reach.steps for label, reach in reaches(found, problem).items()}
