"""The runs of an earlier comparison in the words of a newcomer's sweep."""

import pytest

from src.compare.baseline import beside, unlike
from src.compare.contest import contest
from tests.compare.sweeps import run

MINE = "optimizer._target_=my.Own optimizer.lr=0.1"


def test_they_are_numbered_and_named_behind_the_newcomer_s() -> None:
    own = [run(0, f"{MINE} seed=0"), run(7, f"{MINE} seed=1")]
    others = [run(0, "optimizer=sgd optimizer.lr=1 seed=0"), run(1, "optimizer=sgd optimizer.lr=1 seed=5", confirms=0)]
    found = beside(own, others)
    assert [(row.job, row.confirms, row.words) for row in found] == [
        (8, None, others[0].words),
        (9, 8, others[1].words),
    ]
    assert {row.name for row in found} == {"baseline/"}


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("data.noise=1e-1 seed=0", "data.noise=0.1 seed=0", "data.noise=1e-1 seed=0"),  # one number, two spellings
        ("seed=0", "data.noise=0.1 seed=0", "seed=0"),  # it has one value in all runs of both
        ("data.noise=0.1 seed=0", "seed=0", "seed=0 data.noise=0.1"),
        ("", "optimizer=my.Own", "optimizer=my.Own (baseline)"),
    ],
)
def test_words_that_say_the_same_are_the_same(own: str, other: str, expected: str) -> None:
    (row,) = beside([run(0, f"{MINE} {own}")], [run(0, other)])
    assert " ".join(f"{key}={word}" for key, word in row.words.items()) == expected


def test_one_s_own_of_before_is_another_contender() -> None:
    own = [run(seed, f"optimizer=adam optimizer.lr=0.1 seed={seed}", 1.0) for seed in range(3)]
    (problem,) = contest([*own, *beside(own, own)])
    assert [one.label for one in problem.contenders] == ["adam", "adam (baseline)"]
    (pair,) = problem.pairs
    assert (pair.seeds, pair.ratio) == (3, 1.0)


def test_where_runs_were_trained() -> None:
    here = {"torch": "2.9", "processor": "a", "device": "cpu", "git": "x"}
    assert unlike(here, here | {"git": "y"}) == ""
    assert unlike({}, here) == ""
    assert unlike(here | {"torch": "2.8"}, here) == (
        "baseline.parquet was trained with torch 2.8 (now 2.9): last digits may differ, and seconds do"
    )
