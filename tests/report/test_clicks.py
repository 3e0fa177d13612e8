"""What a click tells of a run."""

from pathlib import Path

import pytest

from src.plots.chart import Axis, Chart, Line, Parallel, Points, Setting
from src.report.clicks import runs, trains
from src.report.reading import Sweep, read
from src.report.run_files import Run
from src.run_directory import typed
from tests.report.sweeps import grid, sweep


@pytest.mark.parametrize(
    ("overrides", "alone", "without_seeds"),
    [
        ("- lr=1\n- confirm_seeds=3\n- seed=1\n- +data.seed=2\n", "lr=1 seed=1 +data.seed=2", "lr=1"),
        ("- sweep=a\n- confirm_seeds=5\n- s=1\n", *["-m sweep=a s=1 'hydra.sweeper.against=[]' confirm_seeds=0"] * 2),
        ("[]\n", "", ""),
    ],
)  # fmt: skip
def test_the_command_that_trains_it_alone(tmp_path: Path, overrides: str, alone: str, without_seeds: str) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(overrides, encoding="utf-8")
    told = [trains(Run(tmp_path), seeds).partition(" -m src.train")[2].strip() for seeds in (True, False)]
    assert told == [alone, without_seeds]


def test_a_run_whose_words_are_lost_has_no_command(tmp_path: Path) -> None:
    assert trains(Run(tmp_path)) == ""


def test_of_all_runs_those_that_pictures_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read(sweep(Path("outputs") / "mine", grid({("sgd", 0.1): [1.0] * 6})))
    assert isinstance(found, Sweep)
    axis = Axis("x")
    chart = Chart(
        *("c", "c", axis, axis),
        lines=[Line("sgd", [1, 2], [1, 2], runs=["1", ""])],
        points=[Points("sgd", [1], [1], runs=["3"])],
    )
    several = Parallel(
        "p", "p", [], [Setting("sgd", [], [], [], "4"), Setting("sgd", [], [], [], "no such")], axis, axis
    )
    told = runs(found, [chart, several])
    assert {name: directory for name, (directory, _) in told.items()} == {
        name: f"outputs/mine/{name}" for name in ("1", "3", "4")
    }
    assert told["3"][1].endswith("-m src.train optimizer=sgd optimizer.lr=0.1 seed=3")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # from where it is named whole
    assert typed(tmp_path / "outputs" / "mine" / "3") == f"{tmp_path}/outputs/mine/3"
