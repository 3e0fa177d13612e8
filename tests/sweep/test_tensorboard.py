"""What a sweep has TensorBoard show, read back by TensorBoard's own reader and held against the runs' own files."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from src.compare.rows import Row
from src.config.compose import compose
from src.config.schema import check
from src.engine.choose_stepper import choose_stepper
from src.errors import LabError
from src.run_directory import Result, read_rows
from src.sweep import tensorboard
from src.sweep.call import Call
from src.sweep.ledger import Entry, Ledger, Outcome
from src.sweep.tensorboard import MOST, folder_of, remark, thinned, write
from tests.sweep.conftest import Multirun, snapshot
from tests.sweep.test_launcher import stop_after

Train = Callable[..., Result]
SHOWN = ("logger=tensorboard", "model.dtype=float64")
GRID = ("optimizer=sgd,adam", "optimizer.lr=0.01,0.1", "seed=1,2")


def runs(place: Path) -> set[str]:
    """What TensorBoard calls the runs that it finds there."""
    return {str(path.parent.relative_to(place)) for path in place.rglob("*tfevents*")}


def read(folder: Path) -> EventAccumulator:
    assert len(list(folder.glob("*"))) == 1
    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = read(folder)
    return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def curves(run: Path) -> dict[str, list[tuple[int, Any]]]:
    """The same from the files of a run, to the 24 bits of a float32."""
    lines: dict[str, list[tuple[int, Any]]] = {}
    for name, prefix in (("metrics.csv", ""), ("theory.csv", "theory/")):
        for step, row in read_rows(run / name) if (run / name).exists() else []:
            for tag, value in row.items():
                lines.setdefault(prefix + tag, []).append((step, pytest.approx(value, rel=2**-23, nan_ok=True)))
    return lines


def setting(folder: Path) -> tuple[dict[str, str | float], int, dict[str, float]]:
    """A row of HParams: the words, the status, and the losses."""
    found = read(folder)
    content = {tag: found.SummaryMetadata(tag).plugin_data.content for tag in found.Tags()["tensors"]}
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    words = {key: value.string_value or value.number_value for key, value in start.hparams.items()}
    return words, end.status, {tag: found.Scalars(tag)[-1].value for tag in found.Tags()["scalars"]}


def metrics(run: Path) -> dict[str, float]:
    return dict(json.loads((run / "result.json").read_text())["metrics"])


def events_in_runs(sweep: Path) -> list[Path]:
    found = [*sweep.glob("[0-9]*/**/*tfevents*"), *sweep.glob("[0-9]*/hparams.yaml")]
    return [path.relative_to(sweep) for path in found]


# --- real sweeps -----------------------------------------------------------------------------------------------------


def test_curves_of_the_best_settings_and_a_row_for_each(multirun: Multirun, tmp_path: Path) -> None:
    assert multirun("sweep", *GRID, *SHOWN) == 0
    sweep = tmp_path / "sweep"
    place = sweep / "tensorboard"
    names = [f"{optimizer} lr={lr}" for optimizer in ("sgd", "adam") for lr in ("0.01", "0.1")]
    best = ["sgd lr=0.1", "adam lr=0.1"]  # after 20 steps the larger rate is the better one
    assert runs(place) == {f"settings/{name}" for name in names} | {f"{name}/seed={n}" for name in best for n in (1, 2)}
    for index, name in enumerate(names):
        own = [sweep / str(2 * index + seed) for seed in range(2)]
        words, status, losses = setting(place / "settings" / name)
        optimizer, _, lr = name.partition(" lr=")
        assert words == {"optimizer": optimizer, "optimizer.lr": float(lr)}
        assert status == api_pb2.STATUS_SUCCESS
        both = [metrics(run) for run in own]
        assert losses == {
            # the geometric mean of both
            f"final/{loss}": pytest.approx(math.sqrt(both[0][loss] * both[1][loss]), rel=2**-22)
            for loss in both[0]
        }
        for seed, run in enumerate(own, 1):
            if name in best:
                assert scalars(place / name / f"seed={seed}") == curves(run)
    assert {"train/loss", "val/loss", "theory/exact_loss", "theory/predicted_loss"} <= curves(sweep / "2").keys()
    assert events_in_runs(sweep) == []


def test_it_goes_on_with_the_sweep_and_leaves_what_has_not_changed(multirun: Multirun, tmp_path: Path) -> None:
    place = tmp_path / "sweep" / "tensorboard"
    assert multirun("sweep", "optimizer.lr=0.01,0.1", "seed=1,2", *SHOWN) == 0
    before = snapshot(place)
    assert multirun("sweep", "optimizer.lr=0.01,0.1", "seed=1,2", *SHOWN) == 0
    assert snapshot(place) == before
    assert multirun("sweep", "optimizer.lr=0.1,0.3", "seed=1,2", *SHOWN) == 0
    assert runs(place) == {
        *("settings/sgd lr=0.01", "settings/sgd lr=0.1", "settings/sgd lr=0.3"),
        *("sgd lr=0.3/seed=1", "sgd lr=0.3/seed=2"),
    }
    kept = {path: content for path, content in before.items() if "settings" in path}
    assert snapshot(place).items() >= kept.items()


@pytest.mark.parametrize("killed", ["while it writes", "before it takes away", "before anything is there"])
def test_who_is_killed_leaves_nothing_broken_and_the_next_makes_it_whole(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    place = tmp_path / "sweep" / "tensorboard"
    assert multirun("sweep", "optimizer.lr=0.01,0.02", "seed=1,2", *SHOWN) == 0
    if killed == "before anything is there":
        shutil.rmtree(place)

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    def half(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / tensorboard.UNFINISHED).write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    words = ["optimizer.lr=0.01,0.02,0.1", "seed=1,2", *SHOWN]
    with monkeypatch.context() as patch:
        if killed == "before it takes away":
            patch.setattr(tensorboard, "_take_away", die)
        else:
            patch.setattr(tensorboard, "_put", half)
        assert multirun("sweep", *words) == 130
    for run in runs(place):  # the reader raises where a record is broken or cut off
        EventAccumulator(str(place / run)).Reload()
    assert multirun("sweep", *words) == 0
    assert multirun("whole", *words) == 0
    assert runs(place) == runs(tmp_path / "whole" / "tensorboard")
    assert not list(place.rglob(tensorboard.UNFINISHED))
    assert all(len(list((place / run).glob("*"))) == 1 for run in runs(place))


def test_an_interrupted_sweep_shows_what_has_ended(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["optimizer=sgd,adam,adagrad", "seed=1,2", *SHOWN]
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert multirun("sweep", *words) == 130
    place = tmp_path / "sweep" / "tensorboard"
    assert "sgd/seed=1" in runs(place)
    assert "settings/adagrad" not in runs(place)
    assert multirun("sweep", *words) == 0
    assert runs(place) == {
        *(f"settings/{name}" for name in ("sgd", "adam", "adagrad")),
        *(f"{name}/seed={seed}" for name in ("sgd", "adam", "adagrad") for seed in (1, 2)),
    }


def test_it_is_there_as_soon_as_a_stack_has_ended(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, original = [], tensorboard.write

    def watched(ledger: Ledger, place: Path) -> None:
        original(ledger, place)
        seen.append(len(runs(place)))

    monkeypatch.setattr(tensorboard, "write", watched)
    assert multirun("sweep", "optimizer=sgd,adam", "seed=1,2", *SHOWN) == 0
    assert seen == [3, 6]  # a row and two seeds a stack, the last of them at the end


def test_runs_that_train_one_by_one(multirun: Multirun, tmp_path: Path) -> None:
    """Another logger of theirs stays."""
    words = ["optimizer=lbfgs", "seed=1,2", "logger=[tensorboard,csv]", "model.dtype=float64"]
    assert multirun("sweep", *words) == 0
    sweep = tmp_path / "sweep"
    assert runs(sweep / "tensorboard") == {"settings/lbfgs", "lbfgs/seed=1", "lbfgs/seed=2"}
    for job in range(2):
        assert scalars(sweep / "tensorboard" / f"lbfgs/seed={job + 1}") == curves(sweep / str(job))
        assert (sweep / str(job) / "csv" / "metrics.csv").is_file()
    assert events_in_runs(sweep) == []


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_run_has_its_own_as_well_where_that_is_asked(multirun: Multirun, tmp_path: Path, optimizer: str) -> None:
    words = [f"optimizer={optimizer}", "seed=1,2", *SHOWN, "logger.tensorboard.runs=all"]
    assert multirun("sweep", *words) == 0
    sweep = tmp_path / "sweep"
    assert {path.parts[0] for path in events_in_runs(sweep)} == {"0", "1"}
    assert len(events_in_runs(sweep)) == 4
    assert runs(sweep / "tensorboard") == {f"{optimizer}/seed=1", f"{optimizer}/seed=2", f"settings/{optimizer}"}


def test_a_sweep_without_a_logger_has_none(multirun: Multirun, tmp_path: Path) -> None:
    for name, words in (("none", ["logger=none"]), ("csv", ["logger=csv"])):
        assert multirun(name, "seed=1,2", *words) == 0
        assert not list((tmp_path / name).rglob("tensorboard"))
        assert not list((tmp_path / name).rglob("*tfevents*"))


def test_another_directory_for_it(multirun: Multirun, tmp_path: Path) -> None:
    """A folder of the sweep's name there, which another sweep of that name has not; what else is there stays."""
    boards = tmp_path / "boards"
    place = f"logger.tensorboard.save_dir={boards}"
    assert multirun("one/sweep", "seed=1,2", *SHOWN, place) == 0
    (folder,) = boards.iterdir()
    assert re.fullmatch("sweep-[0-9a-f]{6}", folder.name)
    assert runs(folder) == {"sgd/seed=1", "sgd/seed=2", "settings/sgd"}
    others = [
        boards / "events.out.tfevents.1.other",
        folder / "events.out.tfevents.1700000000.host.1.0",
        folder / "sgd" / "seed=1" / "events.out.tfevents.1700000000.host.1.0",
        folder / "theirs" / "of a user" / "events.out.tfevents.1700000000.7.1234.0",
    ]
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        other.touch()
    before = snapshot(folder)
    assert multirun("two/sweep", "seed=1,2", "optimizer=adam", *SHOWN, place) == 0
    assert snapshot(folder) == before
    (other_folder,) = set(boards.glob("sweep-*")) - {folder}
    assert runs(other_folder) == {"adam/seed=1", "adam/seed=2", "settings/adam"}
    assert multirun("one/sweep", "seed=1,2", "optimizer.lr=0.01,0.3", *SHOWN, place) == 0
    assert all(other.is_file() for other in others)
    assert {"settings/sgd lr=0.01", "settings/sgd lr=0.3"} <= runs(folder)
    assert not list(folder.glob("settings/sgd"))
    assert not list(tmp_path.glob("*/sweep/tensorboard"))


def test_another_directory_within_the_sweep_has_its_name(tmp_path: Path) -> None:
    config = check(compose([*SHOWN, f"logger.tensorboard.save_dir={tmp_path / 'sweep' / 'boards'}"]))
    assert folder_of(config, tmp_path / "sweep") == tmp_path / "sweep" / "boards" / "sweep"


def test_winners_that_are_confirmed(multirun: Multirun, tmp_path: Path) -> None:
    assert multirun("sweep", "optimizer.lr=0.01,0.1", "seed=1,2", "confirm_seeds=2", *SHOWN) == 0
    place = tmp_path / "sweep" / "tensorboard"
    names = ("seed=1", "seed=2", "confirmed seed=3", "confirmed seed=4")
    assert runs(place) == {
        *(f"sgd lr=0.1/{name}" for name in names),
        *("settings/sgd lr=0.01", "settings/sgd lr=0.1"),
    }
    assert scalars(place / "sgd lr=0.1" / "confirmed seed=4") == curves(tmp_path / "sweep" / "5")


def test_one_that_diverged_is_a_failure_without_losses(multirun: Multirun, tmp_path: Path) -> None:
    assert multirun("sweep", "optimizer.lr=0.1,1000", "seed=1,2", *SHOWN) == 0
    place = tmp_path / "sweep" / "tensorboard" / "settings"
    assert setting(place / "sgd lr=1000") == ({"optimizer.lr": 1000}, api_pb2.STATUS_FAILURE, {})
    assert setting(place / "sgd lr=0.1")[1] == api_pb2.STATUS_SUCCESS


# --- ledgers of made-up runs -----------------------------------------------------------------------------------------


def ledger(directory: Path, words: list[tuple[str, ...]], losses: list[float | None] | None = None) -> Ledger:
    """Of runs that have ended, with curves of one point."""
    call = Call([], [], [], {}, [], {"optimizer": "momentum"})
    made = Ledger(directory, [call])
    for job, (own, loss) in enumerate(zip(words, losses or [0.5] * len(words), strict=True)):
        status = "diverged" if loss is None else "completed"
        outcome = Outcome(status, "", 10, {"val/loss": loss}, str(job))
        made.entries.append(Entry(job, str(job), own, 0, outcome=outcome))
        (directory / str(job)).mkdir(parents=True)
        (directory / str(job) / "metrics.csv").write_text(f"step,train/loss\n0,{job}\n")
    return made


def test_of_250_settings_200_are_rows_and_it_says_so(tmp_path: Path) -> None:
    many = ledger(
        tmp_path, [(f"optimizer.lr={lr}",) for lr in range(1, 251)], [1.0 - (lr == 78) for lr in range(1, 251)]
    )
    write(many, tmp_path / "tensorboard")
    shown = {name for name in runs(tmp_path / "tensorboard") if name.startswith("settings/")}
    assert len(shown) == MOST == 200
    assert {f"settings/momentum lr={lr}" for lr in (1, 78, 250)} <= shown
    assert remark(many.ended()) == (
        "TensorBoard's HParams has 200 of 250 settings, more would slow it down; results.csv has all"
    )
    assert remark(many.ended()[:200]) is None


def test_a_sweep_says_what_it_leaves_out(
    multirun: Multirun, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tensorboard, "MOST", 2)
    assert multirun("sweep", "optimizer.lr=0.01,0.02,0.1", *SHOWN) == 0
    assert "TensorBoard's HParams has 2 of 3 settings" in capfd.readouterr().out
    assert multirun("none", "optimizer.lr=0.01,0.02,0.1") == 0
    assert "TensorBoard" not in capfd.readouterr().out


def test_the_values_of_a_column_are_of_one_type(tmp_path: Path) -> None:
    made = ledger(tmp_path, [("data.rows=12", "+optimizer.rho=1e-3"), ("data.rows=null", "+optimizer.rho=2")])
    write(made, tmp_path / "tensorboard")
    assert setting(tmp_path / "tensorboard/settings/momentum data.rows=12 rho=1e-3")[0] == {
        "data.rows": "12",
        "optimizer.rho": 1e-3,
    }


@pytest.mark.parametrize("value", ["a/b", "ü" * 300, "[1,2]", "a\tb", "x\\y"])
def test_a_name_can_be_one_of_a_directory(tmp_path: Path, value: str) -> None:
    write(ledger(tmp_path, [("optimizer=sgd", f"data.path={value}")]), tmp_path / "tensorboard")
    (name,) = (tmp_path / "tensorboard" / "settings").iterdir()
    assert name.name.startswith("sgd data.path=")
    assert runs(tmp_path / "tensorboard") == {f"settings/{name.name}", f"{name.name}/run 0"}


def test_equal_names_are_told_apart_by_the_job(tmp_path: Path) -> None:
    words = [(f"optimizer._target_={module}.Own", "seed=3") for module in ("mine", "theirs")]
    write(ledger(tmp_path, [*words, words[1]]), tmp_path / "tensorboard")
    assert runs(tmp_path / "tensorboard") == {
        *("settings/Own, run 0", "settings/Own, run 1"),
        *("Own, run 0/seed=3", "Own, run 1/seed=3, run 1", "Own, run 1/seed=3, run 2"),
    }


def test_a_run_without_curves_is_left_out(tmp_path: Path) -> None:
    made = ledger(tmp_path, [("seed=1",), ("seed=2",)])
    shutil.rmtree(tmp_path / "0")
    write(made, tmp_path / "tensorboard")
    assert runs(tmp_path / "tensorboard") == {"settings/momentum", "momentum/seed=2"}


@given(number=st.integers(0, 40), most=st.integers(0, 50), best=st.sets(st.integers(0, 40), max_size=5))
def test_thinned_keeps_the_best_and_no_setting_twice(number: int, most: int, best: set[int]) -> None:
    settings = [[Row(job, {}, "completed", 1, {})] for job in range(number)]
    kept = [of_one[0].job for of_one in thinned(settings, best, most)]
    assert kept == sorted(set(kept))
    assert len(kept) == min(number, most)
    there = best & set(range(number))
    assert there <= set(kept) or len(there) > most


def test_it_is_written_without_torch(tmp_path: Path) -> None:
    """A finished sweep does without its import."""
    ledger(tmp_path, [("seed=1",)])
    code = (
        "import sys; from pathlib import Path; from src.sweep.ledger import Ledger, Entry, Outcome\n"
        "from src.sweep.tensorboard import write\n"
        "outcome = Outcome('completed', '', 1, {'val/loss': 0.5}, '')\n"
        "made = Ledger(Path(sys.argv[1]), [], [Entry(0, '', ('seed=1',), 0, outcome=outcome)])\n"
        "made.rows = lambda: [(made.entries[0], {'seed': '1'})]\n"
        "write(made, made.directory / 'tensorboard'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
    assert runs(tmp_path / "tensorboard") == {"settings/as it is", "as it is/seed=1"}


# --- logger.tensorboard.runs -----------------------------------------------------------------------------------------

HERE = ("logger.tensorboard.save_dir=outputs",)  # what it interpolates is there in a run only


def test_runs_is_for_the_sweep_alone() -> None:
    """A stack takes such a run, and its numbers have the same fingerprint."""
    one, other = (check(compose([*HERE, f"logger.tensorboard.runs={runs}"])) for runs in ("best", "all"))
    assert choose_stepper(other).stepper == "rules"
    assert one.fingerprint() == other.fingerprint()


def test_runs_is_best_or_all() -> None:
    with pytest.raises(LabError, match=r"logger\.tensorboard\.runs=some: must be 'best' or 'all'"):
        check(compose([*HERE, "logger.tensorboard.runs=some"]))


@pytest.mark.parametrize("runs", ["best", "all"])
def test_a_lone_run_takes_it(train: Train, runs: str) -> None:
    result = train("run", "trainer.max_steps=20", "logger=tensorboard", f"logger.tensorboard.runs={runs}")
    assert len(list(result.directory.glob("events*"))) == 1
