"""The directory that TensorBoard is given, for real runs and a real sweep, and the command."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from src.board.__main__ import arguments, show
from src.board.view import OURS, View, find
from src.compose import compose
from src.config import check
from src.errors import LabError
from src.results import Result
from src.stack.program import why_alone
from tests.sweep.conftest import Multirun, multirun

__all__ = ["multirun"]
Train = Callable[..., Result]
QUICK = ("trainer.max_steps=20", "logger=tensorboard")


@pytest.fixture
def view(tmp_path: Path) -> View:
    (tmp_path / "view").mkdir()
    return View(tmp_path / "outputs", tmp_path / "view")


def names(view: View) -> set[str]:
    return {str(path.parent.relative_to(view.directory)) for path in view.directory.rglob(OURS)}


def hyperparameters(folder: Path) -> dict[str, str | float]:
    found = EventAccumulator(str(folder)).Reload()
    content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    return {key: value.string_value or value.number_value for key, value in start.hparams.items()}


def test_nothing_there_yet_and_then_a_run(view: View, train: Train) -> None:
    assert view.update() == []
    result = train("outputs/runs/a", *QUICK)
    assert view.update() == ["1 single run"]
    assert view.update() == []
    read = EventAccumulator(str(view.directory / "a")).Reload()
    (final,) = read.Scalars("final/train/loss")
    assert final.value == pytest.approx(result.metrics["train/loss"], rel=2**-23)


def test_single_runs_are_in_the_table_with_what_tells_them_apart(view: View, train: Train) -> None:
    train("outputs/runs/a", *QUICK, "optimizer=adam", "optimizer.lr=0.02")
    train("outputs/runs/b", *QUICK, "data.rows=30")
    train("outputs/runs/c", "trainer.max_steps=20")  # logs nothing
    assert view.update() == ["2 single runs"]
    assert hyperparameters(view.directory / "a") == {"optimizer": "adam", "optimizer.lr": 0.02, "data.rows": 500}
    assert hyperparameters(view.directory / "b") == {"optimizer": "sgd", "optimizer.lr": 0.1, "data.rows": 30}


def test_a_sweep_shows_its_best_runs_and_a_row_for_each_and_is_read_again_when_it_grows(
    view: View, multirun: Multirun
) -> None:
    words = ["optimizer=sgd,adam", "optimizer.lr=0.01,0.1", "logger=tensorboard"]
    assert multirun("outputs/sweeps/s", *words) == 0
    path = view.source / "sweeps" / "s"
    assert view.update() == [f"{path}: the best run of each of 2 optimizers; all 4 runs in HParams"]
    assert names(view) == {"s/sgd lr=0.1, run 1", "s/adam lr=0.1, run 3", "s/table/0", "s/table/2"}
    links = [link for link in view.directory.rglob("events*") if link.is_symlink()]
    assert {link.resolve().parent.name for link in links} == {"1", "3"}
    assert hyperparameters(view.directory / "s" / "table" / "0") == {"optimizer": "sgd", "optimizer.lr": 0.01}
    assert hyperparameters(view.directory / "s" / "sgd lr=0.1, run 1") == {"optimizer": "sgd", "optimizer.lr": 0.1}
    assert multirun("outputs/sweeps/s", words[0], "optimizer.lr=0.4", words[2]) == 0
    assert view.update() == [f"{path}: the best run of each of 2 optimizers; all 6 runs in HParams"]
    assert len(names(view)) == 6
    assert "s/table/1" in names(view)


def test_a_sweep_of_which_all_is_shown(view: View, multirun: Multirun) -> None:
    words = ["seed=1,2,3", "logger=tensorboard", "logger.tensorboard.runs=all"]
    assert multirun("outputs/sweeps/s", *words) == 0
    assert view.update() == [f"{view.source / 'sweeps' / 's'}: all 3 runs"]
    assert len([link for link in view.directory.rglob("events*") if link.is_symlink()]) == 3


def test_a_sweep_that_cannot_be_read_is_told_and_the_rest_is_shown(view: View, train: Train) -> None:
    train("outputs/runs/a", *QUICK)
    broken = view.source / "sweeps" / "s"
    broken.mkdir(parents=True)
    (broken / "sweep.json").write_text("{")
    told = view.update()
    assert told[0] == "1 single run"
    assert "cannot be read as a sweep" in told[1]
    assert names(view) == {"a"}


def test_a_run_that_is_taken_away_goes(view: View, train: Train) -> None:
    train("outputs/runs/a", *QUICK)
    view.update()
    (view.source / "runs" / "a").rename(view.source.parent / "gone")
    view.update()
    assert names(view) == set()


def test_a_run_directory_itself(tmp_path: Path, train: Train) -> None:
    train("mine", *QUICK)
    (tmp_path / "view").mkdir()
    shown = View(tmp_path / "mine", tmp_path / "view")
    assert shown.update() == ["1 single run"]
    assert names(shown) == {"mine"}


def test_checkpoints_and_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    for folder in ("checkpoints", ".stacks", "run"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "events.out.tfevents.1").touch()
    assert list(find(tmp_path).runs) == [tmp_path / "run"]


# --- the command -----------------------------------------------------------------------------------------------------


def test_arguments(tmp_path: Path) -> None:
    assert arguments([]) == (Path("outputs"), [])
    assert arguments([str(tmp_path), "--", "--port", "7"]) == (tmp_path, ["--port", "7"])
    with pytest.raises(LabError, match="is not there: give outputs"):
        arguments([str(tmp_path / "none")])
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="is a file: give outputs"):
        arguments([str(tmp_path / "file")])


def test_tensorboard_is_started_with_what_it_is_given(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--version` is TensorBoard's own, which answers and ends."""
    assert show(tmp_path, ["--version"]) == 0
    told = capfd.readouterr().out.splitlines()
    assert told[0] == f"{tmp_path} holds no run yet; what is trained there is shown as it comes"
    assert told[-1].startswith("2.")


def test_it_starts_without_torch() -> None:
    code = "import sys, src.board.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- logger.tensorboard.runs -----------------------------------------------------------------------------------------


HERE = ("logger.tensorboard.save_dir=outputs",)  # what it interpolates is there in a run only


def test_runs_is_for_the_view_alone() -> None:
    """A stack takes such a run, and its numbers have the same fingerprint."""
    one, other = (check(compose([*HERE, f"logger.tensorboard.runs={runs}"])) for runs in ("best", "all"))
    assert why_alone(other) is None
    assert one.fingerprint() == other.fingerprint()


def test_runs_is_best_or_all() -> None:
    with pytest.raises(LabError, match=r"logger\.tensorboard\.runs=some: must be 'best' or 'all'"):
        check(compose([*HERE, "logger.tensorboard.runs=some"]))


def test_a_lone_run_takes_it(train: Train) -> None:
    result = train("run", *QUICK, "logger.tensorboard.runs=all")
    assert len(list(result.directory.glob("events*"))) == 1
