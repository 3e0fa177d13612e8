"""One's own optimizer against an export: what is trained, and what is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from src.compare import load
from src.compare.frames import read
from src.errors import LabError
from src.sweep.grid import Grid, axes_of
from src.sweep.hydra_files import to_yaml
from src.sweep.jobs import Composer
from src.sweep.newcomer import differences, newcomer
from tests.report.sweeps import sweep
from tests.sweep.conftest import Multirun

MINE = "optimizer._target_=torch.optim.NAdam"
COMPOSER = Composer()


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings each of sgd and adam, on seeds 0 and 1, of 100 steps."""
    directory = tmp_path_factory.mktemp("newcomer")
    jobs = [
        {
            "words": {"optimizer": name, "optimizer.lr": rate, "seed": seed},
            "losses": [1.0, 1.0],
            "config": to_yaml(COMPOSER.compose(["trainer.max_steps=100", f"optimizer={name}", f"seed={seed}"])),
        }
        for name in ("sgd", "adam")
        for rate in ("0.1", "0.2")
        for seed in ("0", "1")
    ]
    load(str(sweep(directory / "old", jobs))).write(directory / "old.parquet")
    return directory / "old.parquet"


def asked(path: Path, *words: str, confirm: int = 0, grid: Grid | None = None) -> set[frozenset[str]]:
    shared, axes = axes_of(words)
    fixed, jobs = newcomer(shared, axes, grid or Grid(), path, confirm, COMPOSER)
    return {frozenset((*fixed, *job)) for job in jobs}


STEPS, SEEDS, RATES = "trainer.max_steps=100", "seed=0,1", "optimizer.lr=1,2"


def test_the_newcomer_alone_is_trained(baseline: Path) -> None:
    known = {frozenset((MINE, STEPS, f"optimizer.lr={lr}", f"seed={seed}")) for lr in "12" for seed in "01"}
    assert asked(baseline, MINE, STEPS, SEEDS, RATES) == known
    rates = {word for job in asked(baseline, MINE, STEPS, SEEDS, "optimizer.lr=interval(1,2)") for word in job}
    assert {word for word in rates if ".lr" in word} == {"optimizer.lr=1.0", "optimizer.lr=2.0"}
    # where it is trained and how much is logged decides nothing
    assert asked(baseline, MINE, STEPS, SEEDS, RATES, "trainer.log_every_n_steps=5", "logger=none")


@pytest.mark.parametrize(
    ("words", "confirm", "sentence"),
    [
        ([STEPS, SEEDS], 0, "needs a newcomer to train"),
        ([MINE, SEEDS, RATES], 0, "trainer.max_steps is 1000 here and 100 in FILE: make it the same"),
        ([MINE, STEPS, SEEDS, RATES, "data.noise=0.5"], 0, "data.noise is 0.5 here and 0.1 in FILE"),
        ([MINE, STEPS, SEEDS, RATES, "data.noise=0.1,0.5"], 0, "data.noise is 0.1, 0.5 here and 0.1 in FILE"),
        ([MINE, STEPS, SEEDS, RATES, "scheduler=cosine"], 0, "scheduler._target_ is torch.optim.lr_scheduler.Cos"),
        ([MINE, STEPS, SEEDS, RATES, "callbacks=early_stopping"], 0, "callbacks.early_stopping._target_ is src"),
        ([MINE, STEPS, "seed=0,1,2", RATES], 0, "seed is 0, 1, 2 here and 0, 1 in FILE"),
        ([MINE, STEPS, RATES, "data.seed=0,1"], 0, "data.seed is 0, 1 here and ${seed} in FILE"),
        ([MINE, STEPS, SEEDS, "optimizer.lr=1,2,3"], 0, "NAdam has 3 settings here, and each optimizer 2 in FILE"),
        ([MINE, STEPS, SEEDS, RATES], 20, "confirm_seeds is 20 here and 0 in FILE"),
    ],
)
def test_what_differs_is_refused_by_name(baseline: Path, words: list[str], confirm: int, sentence: str) -> None:
    with pytest.raises(LabError, match=re.escape(sentence.replace("FILE", str(baseline)))):
        asked(baseline, *words, confirm=confirm)


def test_of_a_table_its_rows_count_and_not_where_they_lie(baseline: Path) -> None:
    known = read(baseline)
    about = replace(known.about, config={"data.path": ["a.csv"], "data.rows": [5]}, contents=["abc"])
    here = [{"data": {"path": "elsewhere/b.csv", "rows": 5.0}}]
    assert differences(here, {"abc"}, replace(known, about=about), baseline) == []
    (told,) = differences(here, {"xyz"}, replace(known, about=about), baseline)
    assert told.startswith("the rows of the table are not those that")
    (told,) = differences(here, set(), replace(known, about=about), baseline)
    assert told.startswith("data.path is elsewhere/b.csv here and a.csv in")


def test_a_newcomer_is_trained_beside_what_was_exported(
    baseline: Path, multirun: Multirun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = [STEPS, SEEDS, "trainer.val_every_n_steps=100"]  # where the fixture of a short sweep says 10
    words = [MINE, *same, "optimizer.lr=interval(0.1,0.2)", f"hydra.sweeper.against={baseline}"]
    assert multirun("mine", *words) == 0
    told = capsys.readouterr().out
    assert [line.split()[1] for line in told.splitlines() if "lr=0." in line and line.startswith("│")]
    assert "baseline.parquet was trained with torch 2.13.0 (now" in " ".join(told.split())
    ledger = json.loads((tmp_path / "mine" / "sweep.json").read_text(encoding="utf-8"))
    assert [job["swept"][0] for job in ledger["jobs"]] == [MINE] * 4
    runs = load(str(tmp_path / "mine")).runs
    assert runs["optimizer"].to_list() == ["NAdam"] * 4 + ["sgd"] * 4 + ["adam"] * 4
    assert runs["run"].to_list() == [*"0123", *(f"baseline/{number}" for number in range(8))]
    # another baseline is refused, and the same one wherever it lies is not
    copied = tmp_path / "copied.parquet"
    copied.write_bytes(baseline.read_bytes())
    assert multirun("mine", *words[:-1], f"hydra.sweeper.against={copied}") == 0
    load(str(tmp_path / "mine")).write(copied)
    assert multirun("mine", *words[:-1], f"hydra.sweeper.against={copied}") == 1
    assert "baseline.parquet is of another comparison than" in capsys.readouterr().err
