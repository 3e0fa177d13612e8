"""What is read of run and sweep directories, whole, half-written and broken."""

import json

import numpy as np
import pytest

from src.compare.selection import contenders
from src.errors import LabError
from src.report.merged import merged
from src.report.reading import Run, Sweep, gather, read
from src.run_directory import RunDirectory
from src.sweep.ledger import FORMAT, Ledger
from tests.report.sweeps import grid, run, sweep

JOBS = grid({("sgd", 0.1): [1.0, 2.0], ("adam", 0.1): [3.0, None]})


def test_rows_of_results_csv(tmp_path):
    found = read(sweep(tmp_path / "mine", JOBS))
    assert isinstance(found, Sweep)
    assert found.name == "mine"
    assert [row.status for row in found.rows] == ["completed"] * 3 + ["diverged"]
    assert found.rows[2].words == {"optimizer": "adam", "optimizer.lr": "0.1", "seed": "0"}
    assert found.rows[2].metrics == {"train/loss": 1.5, "val/loss": 3.0, "test/loss": None}
    assert found.rows[3].metrics["val/loss"] is None
    assert found.rows[0].steps == 100
    assert found.runs[2].result["status"] == "completed"


def test_confirmations_name_what_they_confirm(tmp_path):
    found = read(sweep(tmp_path, [*JOBS, {**JOBS[0], "confirms": 0}]))
    assert isinstance(found, Sweep)
    assert [row.confirms for row in found.rows] == [None] * 4 + [0]


def test_a_key_that_a_run_does_not_have_is_not_among_its_words(tmp_path):
    jobs = [*JOBS, {"words": {"optimizer": "momentum", "optimizer.momentum": "0.9"}, "losses": [1.0, 1.0]}]
    found = read(sweep(tmp_path, jobs))
    assert isinstance(found, Sweep)
    assert found.rows[0].words.keys() == {"optimizer", "optimizer.lr", "seed"}
    assert found.rows[4].words == {"optimizer": "momentum", "optimizer.momentum": "0.9"}


def test_unfinished_runs_are_counted_and_left_out(tmp_path):
    found = read(sweep(tmp_path, [*JOBS, {"words": {"optimizer": "sgd"}, "losses": [], "status": "unfinished"}]))
    assert isinstance(found, Sweep)
    assert (len(found.rows), found.unfinished) == (4, 1)


def test_a_results_csv_that_is_behind_is_not_believed(tmp_path):
    """One more run has ended than it knows of, so the ledger is read."""
    sweep(tmp_path, JOBS[:2])
    run(tmp_path / "2", JOBS[2])
    call = {"shared": [], "keys": ["optimizer", "seed"], "swept": [], "common": {}, "varying": [], "choices": {}}
    swept = [[f"{key}={value}" for key, value in job["words"].items()] for job in JOBS[:3]]
    jobs = [{"number": n, "fingerprint": f"{n:0>16}", "swept": swept[n], "call": 0} for n in range(3)]
    kept = {"format": FORMAT, "calls": [call], "jobs": jobs, "stacks": {}}
    (tmp_path / "sweep.json").write_text(json.dumps(kept), encoding="utf-8")
    found = read(tmp_path)
    assert isinstance(found, Sweep)
    assert [row.metrics["val/loss"] for row in found.rows] == [1.0, 2.0, 3.0]
    assert found.rows[2].words["optimizer"] == "adam"
    assert len(Ledger.read(tmp_path).entries) == 3


def test_a_reason_with_commas_quotes_and_lines(tmp_path):
    found = read(sweep(tmp_path, [{**JOBS[0], "reason": 'all, "every"\nstep'}, *JOBS[1:]]))
    assert isinstance(found, Sweep)
    assert found.rows[0].metrics["val/loss"] == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job,status\n0,completed\n",
        "job,status,reason,steps,train/loss,confirms,fingerprint\n0,completed,,many,1.0,,a\n",
        "job,status,reason,steps,train/loss,confirms,fingerprint\n0,completed,,5,low,,a\n",
        "job,status,reason,steps,train/loss,confirms,fingerprint\n0,won,,5,1.0,,a\n",
        "job,status,reason,steps,train/loss,confirms,fingerprint\n0,completed,,5,1.0\n1,completed,,5,1.0,,a,b,c\n",
    ],
    ids=["empty", "other columns", "steps", "loss", "status", "ragged"],
)
def test_a_broken_results_csv_is_told(tmp_path, text):
    (tmp_path / "results.csv").write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=r"results\.csv"):
        read(tmp_path)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "results.csv").write_bytes(b"\xff\xfe\x00\x01" * 20)
    with pytest.raises(LabError, match=r"results\.csv"):
        read(tmp_path)


def test_places_without_runs(tmp_path):
    with pytest.raises(LabError, match="holds no finished run: give"):
        read(tmp_path)
    with pytest.raises(LabError, match="is not there"):
        read(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="is a file"):
        read(tmp_path / "file")
    (tmp_path / "half" / ".hydra").mkdir(parents=True)
    with pytest.raises(LabError, match=r"no finished run \(there is no result.json\)"):
        read(tmp_path / "half")
    sweep(tmp_path / "sweep", JOBS)
    (tmp_path / "sweep" / "sweep.json").write_text("{", encoding="utf-8")
    with pytest.raises(LabError, match=r"sweep\.json cannot be read"):
        read(tmp_path / "sweep")
    with pytest.raises(LabError, match="holds sweeps"):
        read(tmp_path)


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_run(tmp_path):
    run(tmp_path / "run", {**JOBS[0], "start": 10.0})
    found = read(tmp_path / "run")
    assert isinstance(found, Run)
    assert found.result["metrics"]["val/loss"] == 1.0
    steps, values = found.curves["train/loss"]
    np.testing.assert_allclose(values, 10.0 - 9.5 * steps / 100)
    assert [part.tolist() for part in found.curves["val/loss"]] == [[100.0], [1.0]]
    assert found.words == JOBS[0]["words"]
    assert found.config["optimizer.lr"] == "0.01"
    assert found.foreseen == {}
    assert found.fit is None
    assert found.histograms == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "won"}', '{"status": "completed", "steps": 1}'])
def test_a_broken_result(tmp_path, text):
    run(tmp_path, JOBS[0])
    RunDirectory(tmp_path).result_path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=r"result\.json is broken"):
        _ = Run(tmp_path).result


@pytest.mark.parametrize(
    "text", ["", "step\n", "loss\n1\n", "step,train/loss\n0,low\n", "step,train/loss\n1,2\n0,3\n", "step,a\n0,1,2\n"]
)
def test_broken_curves(tmp_path, text):
    """A file without rows is none of a run either: its first step is always in it."""
    run(tmp_path, JOBS[0])
    RunDirectory(tmp_path).curves_path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match="cannot be read as the curves"):
        _ = Run(tmp_path).curves


def test_curves_that_are_not_finite(tmp_path):
    run(tmp_path, JOBS[0])
    RunDirectory(tmp_path).curves_path.write_text("step,train/loss\n0,1e3\n1,inf\n2,nan\n", encoding="utf-8")
    assert Run(tmp_path).curves["train/loss"][1].tolist()[:2] == [1000.0, float("inf")]


def test_what_theory_foresaw(tmp_path):
    """Each line has its own steps; one without a value is none."""
    RunDirectory(tmp_path).theory_path.write_text(
        "step,predicted_loss,exact_loss,noise_floor\n0,3.0,0.25,\n5,2.0,,\n9,,0.25,\n", encoding="utf-8"
    )
    found = Run(tmp_path).foreseen
    assert {name: [part.tolist() for part in line] for name, line in found.items()} == {
        "predicted_loss": [[0.0, 5.0], [3.0, 2.0]],
        "exact_loss": [[0.0, 9.0], [0.25, 0.25]],
    }


def test_the_data_of_a_run(tmp_path):
    RunDirectory(tmp_path).fit_path.write_text(
        "kind,x,y,rows\ntrain,1.0,2.0,1\nmoments,0.0,1.0,1.5\nmoments,2.0,3.0,1.5\nfitted,0.0,,\n", encoding="utf-8"
    )
    found = Run(tmp_path).fit
    assert found is not None
    assert [part.tolist() for part in found.moments] == [[0.0, 2.0], [1.0, 3.0]]
    assert (found.train[0].tolist(), found.rows) == ([1.0], 3)
    assert np.isnan(found.fitted[1]).all()


def test_histograms_of_a_run(tmp_path):
    """One that was written again, after an interruption, counts once."""
    rows = '0,"parameters/a",0.0,1.0,1 2\n7,"parameters/a",0.0,4.0,0 3\n7,"parameters/a",0.0,2.0,3 0\n'
    RunDirectory(tmp_path).histograms_path.write_text(f"step,name,low,high,numbers\n{rows}", encoding="utf-8")
    (taken,) = Run(tmp_path).histograms.values()
    assert [(one.step, one.edges.tolist(), one.counts.tolist()) for one in taken.values()] == [
        (0, [0.0, 0.5, 1.0], [1.0, 2.0]),
        (7, [0.0, 1.0, 2.0], [3.0, 0.0]),
    ]


@pytest.mark.parametrize(
    "text", ["", "step\n", "\x00broken {", "kind,x,y,rows\n", "step,name,low,high,numbers\n0,a,1,0,2"]
)
def test_broken_files_of_a_page(tmp_path, text):
    directory = RunDirectory(tmp_path)
    for path in (directory.theory_path, directory.fit_path, directory.histograms_path):
        path.write_text(text, encoding="utf-8")
    for name in ("foreseen", "fit", "histograms"):
        if name == "histograms" and text.endswith("rows\n"):
            continue  # a table without a row holds no histogram
        with pytest.raises(LabError, match="cannot be read"):
            getattr(Run(tmp_path), name)


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_sweep_of_another_launcher(tmp_path):
    """Numbered runs, no results.csv; what all were started with tells nothing apart."""
    for number, job in enumerate(JOBS):
        run(tmp_path / str(number), {**job, "words": {**job["words"], "trainer.max_steps": "100"}})
    (tmp_path / "4" / ".hydra").mkdir(parents=True)
    found = read(tmp_path)
    assert isinstance(found, Sweep)
    told = [{key: job["words"][key] for key in ("optimizer", "seed")} for job in JOBS]  # all have one rate
    assert [row.words for row in found.rows] == told
    assert found.unfinished == 1


def test_a_run_that_was_not_given_a_key_has_its_own_value(tmp_path):
    run(tmp_path / "a", {"words": {}, "losses": [1.0, 1.0]})
    run(tmp_path / "b", {"words": {"optimizer": "adam", "optimizer.lr": "0.3"}, "losses": [2.0, 2.0]})
    found = read(tmp_path)
    assert isinstance(found, Sweep)
    assert [row.words for row in found.rows] == [
        {"optimizer": "sgd", "optimizer.lr": "0.01"},
        {"optimizer": "adam", "optimizer.lr": "0.3"},
    ]


def test_of_losses_the_result_tells_which(tmp_path):
    """That of a run which went on from a checkpoint, and of one's own, which are all custom."""
    for chosen, name, told in (
        ("squares", "huber", "huber"),
        ("custom", "Mine", "Mine"),
        ("sum_of_squares", "squares", "sum_of_squares"),
        ("squares", None, "squares"),
    ):
        directory = tmp_path / f"{chosen} {name}"
        run(directory, {"words": {}, "losses": [1.0]})
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        (directory / "result.json").write_text(json.dumps({**result, "loss": {"name": name}}), encoding="utf-8")
        choices = f"hydra:\n  runtime:\n    choices:\n      loss: {chosen}\n"
        (directory / ".hydra" / "hydra.yaml").write_text(choices, encoding="utf-8")
        assert Run(directory).choices == {"loss": told}


def test_what_only_watches_tells_no_runs_apart(tmp_path):
    for callback, words in (("run.callbacks.histograms.Histograms", 1), ("run.callbacks.time_limit.TimeLimit", 2)):
        folder = tmp_path / callback
        words_of = [{"optimizer": "adam", "callbacks": "x", "experiment": "null"}, {}]
        config = f"callbacks:\n  x:\n    _target_: src.{callback}\n"
        for name, own in zip("ab", words_of, strict=True):
            run(folder / name, {"words": own, "losses": [1.0], "config": config})
        found = read(folder)
        assert isinstance(found, Sweep)
        assert len(found.rows[0].words) == words


def test_a_broken_run_among_others_is_left_out_and_told(tmp_path):
    for number, job in enumerate(JOBS):
        run(tmp_path / str(number), job)
    (tmp_path / "1" / "result.json").write_text("{", encoding="utf-8")
    found = read(tmp_path)
    assert isinstance(found, Sweep)
    assert len(found.rows) == 3
    assert "1/result.json is broken" in found.remarks[0]


def test_a_run_that_repeats_another_counts_once(tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name, {**JOBS[0], "fingerprint": "f"})
    found = read(tmp_path)
    assert isinstance(found, Sweep)
    assert len(found.rows) == 1
    assert "b repeats a" in found.remarks[0]


def test_nothing_but_broken_runs(tmp_path):
    run(tmp_path / "0", JOBS[0])
    (tmp_path / "0" / "result.json").write_text("{", encoding="utf-8")
    with pytest.raises(LabError, match=r"no run of .* can be read"):
        read(tmp_path)


def test_single_runs_are_gathered(tmp_path):
    for number, job in enumerate(JOBS[:2]):
        run(tmp_path / str(number), job)
    one = read(sweep(tmp_path / "sweep", JOBS))
    together = gather([read(tmp_path / "0"), one, read(tmp_path / "1")])
    assert [len(found.rows) for found in together] == [4, 2]


# --- several sweeps --------------------------------------------------------------------------------------------------


def _read(path, jobs):
    found = read(sweep(path, jobs))
    assert isinstance(found, Sweep)
    return found


def test_two_sweeps_are_one_in_which_what_both_hold_bears_their_names(tmp_path):
    new = [JOBS[0], JOBS[1], {**JOBS[0], "words": {**JOBS[0]["words"], "optimizer": "momentum"}}, JOBS[3]]
    whole = merged([_read(tmp_path / "old", JOBS[:3]), _read(tmp_path / "new", [*new, {**JOBS[0], "confirms": 0}])])
    labels = [one.label for one in contenders(whole.rows)]
    assert labels == ["sgd (old)", "adam (old)", "sgd (new)", "momentum", "adam (new)"]
    assert [row.job for row in whole.rows] == list(range(8))
    assert whole.rows[7].confirms == 3
    assert whole.runs[3].directory == tmp_path / "new" / "0"
    assert whole.rows[3].name == "new/0"


def test_what_only_one_of_them_sweeps_is_filled_in(tmp_path):
    fixed = [{"words": {"seed": str(seed)}, "losses": [1.0, 1.0]} for seed in range(2)]
    whole = merged([_read(tmp_path / "a", JOBS), _read(tmp_path / "b", fixed)])
    assert whole.rows[4].words == {"optimizer": "sgd", "optimizer.lr": "0.01", "seed": "0"}


def test_where_nothing_is_called_the_same_no_sweep_is_named(tmp_path):
    """One optimizer: what it was given is what is compared, and of a group its option tells enough."""
    options = {"none": "scheduler: null\n", "cosine": "scheduler:\n  _target_: Cosine\n  T_max: 100\n"}
    sweeps = list[Sweep]()
    for name, config in options.items():
        words = [{"optimizer.lr": "0.1", "seed": str(seed)} for seed in range(2)]
        path = sweep(tmp_path / name, [{"words": each, "losses": [1.0, 1.0], "config": config} for each in words])
        for number in range(2):
            choices = f"hydra:\n  runtime:\n    choices:\n      optimizer: sgd\n      scheduler: {name}\n"
            (path / str(number) / ".hydra" / "hydra.yaml").write_text(choices, encoding="utf-8")
        found = read(path)
        assert isinstance(found, Sweep)
        sweeps.append(found)
    assert [one.label for one in contenders(merged(sweeps).rows)] == ["scheduler=none", "scheduler=cosine"]
    assert "scheduler.T_max" not in merged(sweeps).keys


def test_what_is_not_the_same_in_all_makes_another_problem(tmp_path):
    config = "data:\n  batch_size: full\n  rows: {rows}\ntrainer:\n  threads: {rows}\n"
    sweeps = [
        _read(tmp_path / str(rows), [{**job, "config": config.format(rows=rows)} for job in JOBS]) for rows in (50, 100)
    ]
    whole = merged(sweeps)
    assert [row.words["data.rows"] for row in whole.rows] == ["50"] * 4 + ["100"] * 4
    assert not any("trainer.threads" in row.words for row in whole.rows)  # it decides no number


def test_sweeps_of_one_name_are_numbered(tmp_path):
    whole = merged([_read(tmp_path / place / "x", JOBS) for place in ("a", "b")])
    labels = [one.label for one in contenders(whole.rows)]
    assert labels == ["sgd (x #1)", "adam (x #1)", "sgd (x #2)", "adam (x #2)"]
