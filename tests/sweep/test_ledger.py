"""What a sweep directory is known to hold, and what is refused."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from src.errors import LabError
from src.run_directory import write_rows
from src.run_directory.digests import of_run, signed
from src.sweep.call import Call
from src.sweep.jobs import Composer, Job
from src.sweep.ledger import Ledger, Outcome


def call(**common: object) -> Call:
    return Call(["trainer.max_steps=20"], ["seed"], ["seed", "data.seed"], dict(common), [], {"optimizer": "sgd"})


CONFIG = Composer().job(["logger=none"]).config


def job(number: int, fingerprint: str | None = None) -> Job:
    words = ("trainer.max_steps=20", f"seed={number}")
    return Job(words, words[1:], {}, CONFIG, fingerprint or f"of {number}")


def finish(directory: Path, number: int, fingerprint: str) -> None:
    """A run directory with a result in it."""
    run = directory / str(number)
    run.mkdir(parents=True)
    metrics = {"train/loss": 0.5, "val/loss": number / 8}
    result = {"status": "completed", "reason": "all, 20", "steps": 20, "metrics": metrics, "fingerprint": fingerprint}
    (run / "result.json").write_text(json.dumps(result))


def begun(directory: Path, *jobs: Job) -> Ledger:
    """A ledger with these jobs, written."""
    directory.mkdir(exist_ok=True)
    ledger = Ledger.read(directory)
    entries = ledger.enter(jobs, ledger.begin(call()))
    ledger.stacks[0] = [entry.number for entry in entries]
    ledger.save()
    return ledger


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    ledger = begun(tmp_path, *map(job, range(5)))
    ledger.entries[3].failure, ledger.entries[4].confirms = "no such table", 1
    ledger.save()
    again = Ledger.read(tmp_path)
    assert (again.calls, again.entries, again.stacks) == (ledger.calls, ledger.entries, ledger.stacks)
    assert [entry.status for entry in again.entries] == [*["unfinished"] * 3, "failed", "unfinished"]


def test_after_a_power_cut_runs_that_are_not_whole_are_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path, *map(job, range(4)))
    for number in range(4):
        finish(tmp_path, number, f"of {number}")
        run, curves = tmp_path / str(number), {"train/loss": ([0, 5], [1.0, 0.5])}
        write_rows(run / "metrics.csv", curves)
        lines = (run / "result.json").read_text()[1:-1].split(', "fingerprint')
        text = signed([f'{lines[0]}, "fingerprint{lines[1]}', f'"files": {json.dumps(of_run(curves, {}, {}))}'])
        (run / "result.json").write_text(text)
    (tmp_path / "1" / "metrics.csv").write_text("")
    (tmp_path / "2" / "result.json").write_text("")
    there = json.loads((tmp_path / "sweep.json").read_text())
    with pytest.raises(LabError, match=r"2/result.json is broken"):
        Ledger.read(tmp_path)
    (tmp_path / "sweep.json").write_text(json.dumps(there | {"boot": "of yesterday"}))
    statuses = ["completed", "unfinished", "unfinished", "completed"]
    assert [entry.status for entry in Ledger.read(tmp_path).entries] == statuses
    assert "the machine went down before all was on its disk; 2 runs are trained again" in capsys.readouterr().err
    assert [entry.status for entry in Ledger.read(tmp_path).entries] == statuses


def test_a_finished_run_is_found_by_its_fingerprint(tmp_path: Path) -> None:
    """Wherever its directory has been moved to; another run in its place keeps that place."""
    begun(tmp_path, *map(job, range(4)))
    finish(tmp_path, 0, "of 0")
    finish(tmp_path, 1, "of 2")
    finish(tmp_path, 77, "of 3")
    ledger = Ledger.read(tmp_path)
    assert [(entry.number, entry.status) for entry in ledger.entries] == [
        (0, "completed"), (78, "unfinished"), (1, "completed"), (77, "completed"),
    ]  # fmt: skip
    assert ledger.entries[2].outcome == Outcome(
        "completed", "all, 20", 20, {"train/loss": 0.5, "val/loss": 0.125}, "of 2"
    )


def test_what_names_a_run_by_its_number_follows_it(tmp_path: Path) -> None:
    """A confirmation is of the same winner, and a stack has the same members, where their directory was moved to."""
    ledger = begun(tmp_path, *map(job, range(3)))
    ledger.entries[2].confirms = 0
    ledger.save()
    finish(tmp_path, 8, "of 0")
    again = Ledger.read(tmp_path)
    assert (again.entries[0].number, again.entries[2].confirms) == (8, 8)
    assert again.stacks == {0: [8, 1, 2]}


def test_new_jobs_get_the_next_free_numbers(tmp_path: Path) -> None:
    begun(tmp_path, job(0), job(1))
    finish(tmp_path, 5, "of nobody here")
    ledger = Ledger.read(tmp_path)
    entries = ledger.enter([job(7), job(1), job(8), job(0)], ledger.begin(call()))
    assert [entry.number for entry in entries] == [6, 1, 7, 0]


def test_jobs_of_one_fingerprint_are_matched_in_their_order(tmp_path: Path) -> None:
    twice = [job(0, "same"), job(1, "same")]
    begun(tmp_path, *twice)
    finish(tmp_path, 1, "same")
    ledger = Ledger.read(tmp_path)
    entries = ledger.enter([*twice, job(2, "same")], ledger.begin(call()))
    assert [(entry.number, entry.status) for entry in entries] == [
        (0, "unfinished"), (1, "completed"), (2, "unfinished"),
    ]  # fmt: skip


def test_jobs_of_one_fingerprint_are_matched_by_their_words_first(tmp_path: Path) -> None:
    """Such as those of several `trainer.log_every_n_steps`, in whatever order they are typed."""
    begun(tmp_path, job(0, "same"), job(1, "same"))
    ledger = Ledger.read(tmp_path)
    entries = ledger.enter([job(2, "same"), job(1, "same"), job(0, "same")], ledger.begin(call()))
    assert [(entry.number, entry.swept) for entry in entries] == [(2, ("seed=2",)), (1, ("seed=1",)), (0, ("seed=0",))]


def test_a_run_whose_words_say_something_else_by_now(tmp_path: Path) -> None:
    """A table, or a file of options of one's own, has changed: what is unfinished is another run, no new row."""
    begun(tmp_path, job(0), job(1))
    finish(tmp_path, 0, "of 0")
    ledger = Ledger.read(tmp_path)
    ledger.entries[1].choice = {"stepper": "torch"}
    later = call(**{"what is common": 1})  # as where the file that is swept has other keys
    (entry,) = ledger.enter([job(1, "new")], ledger.begin(replace(later, swept=["experiment"])))
    assert (entry.number, entry.fingerprint, entry.choice, len(ledger.entries)) == (1, "new", None, 2)
    with pytest.raises(
        LabError, match=r"what run 0 was trained with has changed since \(the table, or an option of your"
    ):
        ledger.enter([job(0, "new too")], 0)


def test_what_is_not_swept_must_be_the_same(tmp_path: Path) -> None:
    directory = tmp_path / "sweep"
    directory.mkdir()
    ledger = Ledger.read(directory)
    ledger.begin(call(**{"data.rows": 500, "data.seed": 1, "model.bias": True}))
    ledger.save()
    again = Ledger.read(directory)
    again.begin(call(**{"data.rows": 500.0, "data.seed": 2, "model.bias": True}))  # the seed is swept
    with pytest.raises(LabError) as error:
        again.begin(call(**{"data.rows": 100, "data.seed": 1}))
    assert "in what neither sweeps: data.rows (500 then, 100 now), model.bias (true then, unset now)" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("swept", "open_"), [("data", True), ("data.rows", True), ("dat", False), ("experiment", True)]
)
def test_a_swept_group_leaves_its_section_open(swept: str, open_: bool) -> None:
    assert Call([], [swept], [swept], {}, [], {}).leaves_open("data.rows") == open_


def test_words_that_only_later_commands_sweep(tmp_path: Path) -> None:
    """Rows of the first command have what they had then."""
    ledger = begun(tmp_path, job(0))
    ledger.calls[0].common["optimizer.lr"] = 0.1
    keys = ["optimizer", "+optimizer.lr", "seed"]
    later = Call([], keys, ["optimizer", "optimizer.lr", "seed"], {}, [], {})
    words = ("optimizer=adam", "+optimizer.lr=0.5", "seed=1")
    ledger.enter([Job(words, words, {}, CONFIG, "other")], ledger.begin(later))
    assert [words for _, words in ledger.rows()] == [
        {"seed": "0", "optimizer": "sgd", "+optimizer.lr": "0.1"},
        {"optimizer": "adam", "+optimizer.lr": "0.5", "seed": "1"},
    ]


def test_the_table_of_results(tmp_path: Path) -> None:
    begun(tmp_path, *map(job, range(3)))
    finish(tmp_path, 0, "of 0")
    ledger = Ledger.read(tmp_path)
    ledger.entries[2].failure = 'no "table", here'
    ledger.write_results()
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("job", "status", "reason", "seed", "steps", "train/loss", "val/loss", "confirms", "fingerprint"),
    ]
    assert [(row["job"], row["status"], row["reason"], row["seed"], row["val/loss"]) for row in rows] == [
        ("0", "completed", "all, 20", "0", "0.0"),
        ("1", "unfinished", "", "1", ""),
        ("2", "failed", 'no "table", here', "2", ""),
    ]
    assert not list(tmp_path.glob("*.tmp"))


# --- refused ---


@pytest.mark.parametrize("text", ["", "{", "[]", '{"calls": [{}]}', '{"calls": [], "stacks": []}'])
def test_a_broken_ledger_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(LabError, match=r"sweep\.json cannot be read as a sweep"):
        Ledger.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"status": "completed"}'])
def test_a_broken_result_is_not_written_over(tmp_path: Path, text: str) -> None:
    begun(tmp_path, job(0))
    finish(tmp_path, 0, "of 0")
    (tmp_path / "0" / "result.json").write_text(text)
    with pytest.raises(LabError, match=r"0/result\.json is broken"):
        Ledger.read(tmp_path)
