"""From what is typed, and what a sweep file says, to jobs: held against lists written by hand."""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.config.section import as_typed
from src.errors import LabError
from src.sweep.grid import Axis, Grid
from src.sweep.jobs import Composer
from src.sweep.options import Sweeping, checked
from src.sweep.sweeper import GridSweeper, at_least
from tests.sweep.conftest import Multirun

Jobs = list[tuple[str, ...]]
DEFAULTS: dict[str, Any] = {
    **{"points": 10, "draws": None, "seed": 0, "confirm_seeds": 0, "report": False, "equal_within": 0.01},
    **{"rungs": [], "keep": "1/3"},
    **{"together": [], "search": {}, "params": {}, "against": [], "until": None, "most_seeds": 64},
}


def jobs(*words: str, **options: Any) -> Jobs:
    sweeper = GridSweeper()
    sweeper.options = checked(Sweeping, DEFAULTS | options, "hydra.sweeper")
    sweeper.context = SimpleNamespace(config_loader=None)  # type: ignore[assignment]
    sweeper.launcher, sweeper.composer = None, Composer()
    return sweeper.jobs(words)


def as_sets(found: Jobs) -> set[frozenset[str]]:
    assert len({frozenset(job) for job in found}) == len(found)
    return {frozenset(job) for job in found}


def test_typed_words_win_over_those_of_a_sweep_file() -> None:
    params = {"seed": "range(0,3)", "optimizer": "sgd,adam", "trainer.max_steps": 50, "callbacks": None}
    known = itertools.product(
        ["trainer.max_steps=50"], ["callbacks=null"], ["optimizer=sgd", "optimizer=adam"], ["seed=7"]
    )
    assert as_sets(jobs("seed=7", params=params)) == set(map(frozenset, known))


def test_a_choice_that_is_typed_has_its_range_too() -> None:
    search = {"optimizer=adam": {"optimizer.lr": "0.1,0.2"}, "optimizer=sgd": {"optimizer.lr": "1,2"}}
    params = {"optimizer": "sgd,adam"}
    assert as_sets(jobs("optimizer=adam", params=params, search=search)) == {
        frozenset(("optimizer=adam", f"optimizer.lr={lr}")) for lr in ("0.1", "0.2")
    }
    # a typed rate, of one value or of several, takes the place of the range
    assert as_sets(jobs("optimizer.lr=5", params=params, search=search)) == {
        frozenset((f"optimizer={name}", "optimizer.lr=5")) for name in ("sgd", "adam")
    }


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ([1, None, "a"], "[1,null,a]"), (0.1, "0.1"), ("1,2", "1,2")]
)
def test_a_value_of_a_file_as_it_would_be_typed(value: object, text: str) -> None:
    assert as_typed(value) == text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": 0}, "hydra.sweeper.points=0: must be greater than 0"),
        ({"draws": 1.5}, "hydra.sweeper.draws=1.5: must be a valid integer"),
        ({"together": ["seed"]}, "hydra.sweeper.together.0=seed: must be a valid list"),
        ({"search": {"optimizer=sgd": 3}}, "hydra.sweeper.search.optimizer=sgd=3: must be a"),
        ({"equal_within": 1}, "hydra.sweeper.equal_within=1: must be less than 1"),
        ({"rungs": [30, 10]}, "hydra.sweeper.rungs=[30,10]: must be steps one after the other, such as [100, 300]"),
        ({"rungs": 100}, "hydra.sweeper.rungs=100: must be a list of steps, such as [100, 300]"),
        ({"against": ["a.parquet"]}, "hydra.sweeper.against=[a.parquet]: a .parquet is given alone and without"),
        ({"rungs": [2.5]}, "hydra.sweeper.rungs.0=2.5: must be a valid integer"),
        ({"keep": "3/2"}, "hydra.sweeper.keep=3/2: must be a share between 0 and 1, such as 1/3 or 0.5"),
        ({"keep": "1/0"}, "hydra.sweeper.keep=1/0: must be a share between 0 and 1"),
        ({"until": "told"}, "hydra.sweeper.until=told: must be 'told_apart'"),
        ({"most_seeds": 4}, "hydra.sweeper.most_seeds=4: must be greater than or equal to 5"),
        ({"confirm_seeds": -1}, "hydra.sweeper.confirm_seeds=-1: must be greater than or equal to 0"),
    ],
)
def test_options_that_are_wrong(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LabError) as error:
        jobs("seed=1,2", **options)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("word", ["sweep=compare,optimizers", "confirm_seeds=1,2"])
def test_keys_of_which_a_sweep_takes_one_value(word: str) -> None:
    with pytest.raises(LabError, match=word.partition("=")[0]):
        jobs(word)


def test_how_many_jobs_there_are_at_least() -> None:
    axes = [Axis("a", ("1", "2")), Axis("b", ("1", "2", "3")), Axis("c", ("1", "2"))]
    assert at_least(axes, Grid()) == 12
    assert at_least(axes, Grid(together=[["a", "c"]])) == 6


# --- one's own against the rest ---

RANGES = {
    "optimizer=*": {"optimizer.lr": "tag(log,interval(0.01,1))"},
    "optimizer=sgd": {"optimizer.lr": "tag(log,interval(0.1,10))"},
    "optimizer=adam": {"optimizer.lr": "tag(log,interval(0.001,0.1))"},
}
MINE = "optimizer._target_=tests.optim.own.Own"


def contenders(
    found: Jobs, of: Callable[[str], bool] = lambda word: word.startswith(("optimizer=", "optimizer._t"))
) -> Any:
    """How many settings each has, and the seeds that they are crossed with."""
    settings: dict[str, set[frozenset[str]]] = {}
    seeds: dict[str, list[str]] = {}
    for job in found:
        name = next(word for word in job if of(word))
        rest = [word for word in job if not word.startswith("seed=")]
        settings.setdefault(name, set()).add(frozenset(rest))
        seeds.setdefault(name, []).extend(word for word in job if word.startswith("seed="))
    return {name: len(each) for name, each in settings.items()}, seeds


def test_every_contender_has_as_many_settings() -> None:
    words = [MINE, "+optimizer.rho=0.1,0.2", "optimizer.lr=0.1,0.2,0.3", "seed=0,1", "data.noise=0.5,1"]
    found = jobs(*words, against=["sgd", "adam"], search=RANGES)
    settings, seeds = contenders([tuple(word for word in job if not word.startswith("data.")) for job in found])
    assert settings == {MINE: 6, "optimizer=sgd": 6, "optimizer=adam": 6}
    assert len(found) == 3 * 6 * 2 * 2
    assert all(each.count("seed=0") == each.count("seed=1") == 12 for each in seeds.values())
    # what was typed of the optimizer is one's own alone
    assert {word for job in found if "optimizer=sgd" in job for word in job if "rho" in word} == set()
    rates = sorted({float(w.partition("=")[2]) for job in found if "optimizer=sgd" in job for w in job if ".lr=" in w})
    assert rates == pytest.approx([0.1 * 100 ** (k / 5) for k in range(6)], rel=1e-9)


def test_without_a_range_of_one_s_own_there_is_one_for_all() -> None:
    settings, _ = contenders(jobs(MINE, "+optimizer.rho=0.1,0.2", against=["sgd"], search=RANGES, points=3))
    assert settings == {MINE: 6, "optimizer=sgd": 6}


def test_with_draws_everyone_has_as_many() -> None:
    settings, _ = contenders(jobs(MINE, against=["sgd", "adam"], search=RANGES, draws=7))
    assert settings == {MINE: 7, "optimizer=sgd": 7, "optimizer=adam": 7}


def test_against_one_setting_the_defaults() -> None:
    assert as_sets(jobs(MINE, "optimizer.lr=0.3", "seed=0,1", against=["sgd", "adam"], search=RANGES)) == {
        frozenset((*own, seed))
        for own in ((MINE, "optimizer.lr=0.3"), ("optimizer=sgd",), ("optimizer=adam",))
        for seed in ("seed=0", "seed=1")
    }


def test_nobody_is_there_twice() -> None:
    """One's own adam at the usual numbers is adam; at others it is another contender."""
    options: dict[str, Any] = {"against": ["sgd", "adam"], "search": RANGES, "points": 4}
    assert contenders(jobs("optimizer=adam", **options))[0] == {"optimizer=adam": 4, "optimizer=sgd": 4}
    assert contenders(jobs("optimizer=adam", "optimizer.eps=1e-8", **options))[0]["optimizer=adam"] == 4
    assert contenders(jobs("optimizer=adam", "optimizer.eps=1e-4", **options))[0]["optimizer=adam"] == 8
    own = jobs("optimizer._target_=torch.optim.Adam", "+optimizer.betas=[0.9,0.999]", "+optimizer.eps=1e-8", **options)
    assert contenders(own)[0] == {"optimizer._target_=torch.optim.Adam": 4, "optimizer=sgd": 4}


def test_without_an_optimizer_of_one_s_own_the_others_alone() -> None:
    assert contenders(jobs("seed=0,1", against=["sgd", "adam"], search=RANGES, points=4))[0] == {
        "optimizer=sgd": 4, "optimizer=adam": 4,
    }  # fmt: skip


def test_an_unequal_comparison_is_refused() -> None:
    two = {"optimizer=sgd": {"optimizer.lr": "interval(0.1,1)", "optimizer.momentum": "interval(0,0.9)"}}
    with pytest.raises(LabError, match=r"Own has 4, sgd has 16: give each one interval .* hydra\.sweeper\.draws=50"):
        jobs(MINE, against=["sgd"], search=RANGES | two, points=4)
    with pytest.raises(LabError, match=r"cannot be of the optimizer and not: optimizer\.lr, seed"):
        jobs(MINE, "optimizer.lr=1,2", "seed=1,2", against=["sgd"], together=[["optimizer.lr", "seed"]])


def test_a_sweep_ends_in_a_report(multirun: Multirun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["optimizer=sgd,adam", "optimizer.lr=0.1,0.01", "seed=1,2", "hydra.sweeper.report=true"]
    assert multirun("s", *words) == 0
    page = tmp_path / "s" / "report.html"
    *_, verdict, last = capsys.readouterr().out.splitlines()
    assert last == str(page)
    assert verdict.endswith("Certainty: 2 seeds, not confirmed.")
    assert "Which optimizer" in page.read_text(encoding="utf-8")


def test_without_a_report_there_is_a_verdict(multirun: Multirun, capsys: pytest.CaptureFixture[str]) -> None:
    assert multirun("s", "optimizer=sgd,adam", "seed=1,2,3", "hydra.sweeper.report=false") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Certainty: 3 seeds, not confirmed.") == 1
    assert "2 seeds leave no interval" not in said


def test_a_report_that_fails_takes_nothing_from_the_sweep(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> list[Path]:
        raise ValueError("no ink")

    monkeypatch.setattr("src.report.__main__.report", refuse)
    assert multirun("s", "seed=1,2", "hydra.sweeper.report=true") == 0
    assert "no report (no ink); try again: python -m src.report" in capsys.readouterr().err
    assert (tmp_path / "s" / "results.csv").is_file()
