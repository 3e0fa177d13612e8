"""Seeds on which winners are trained again."""

from src.compare.confirmation import fresh_jobs
from src.compare.selection import contenders
from tests.compare.sweeps import grid, only, run


def test_nothing_is_confirmed_where_no_setting_came_through() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=1": [None, 1], "optimizer=sgd optimizer.lr=2": [None, None]})
    assert fresh_jobs(only(rows), rows, 5) == []


def test_fresh_seeds_are_the_same_for_every_winner() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=0.1": [1, 2, 3], "optimizer=adam optimizer.lr=0.2": [1, 2]})
    sgd, adam = (fresh_jobs(winner, rows, 3) for winner in contenders(rows))
    assert sgd == [{"optimizer": "sgd", "optimizer.lr": "0.1", "seed": str(seed)} for seed in (3, 4, 5)]
    assert [job["seed"] for job in adam] == ["3", "4", "5"]
    confirmed = [*rows, run(9, "optimizer=sgd optimizer.lr=0.1 seed=3", 1.0, confirms=0)]
    assert fresh_jobs(contenders(confirmed)[0], confirmed, 3) == sgd  # the same when the sweep is run again


def test_fresh_seeds_of_the_keys_that_were_swept() -> None:
    rows = [run(i, f"seed={i} data.seed={100 + i} optimizer.lr=1") for i in range(3)]
    assert fresh_jobs(only(rows), rows, 2) == [
        {"optimizer.lr": "1", "seed": "3", "data.seed": "103"},
        {"optimizer.lr": "1", "seed": "4", "data.seed": "104"},
    ]
    rows = [run(i, f"optimizer.lr={i}", i) for i in range(3)]
    assert [job["seed"] for job in fresh_jobs(only(rows), rows, 2)] == ["1", "2"]
    assert [job["seed"] for job in fresh_jobs(only(rows), rows, 2, seed=7)] == ["8", "9"]


def test_fresh_seeds_stay_below_2_to_the_32() -> None:
    rows = [run(i, f"seed={seed}") for i, seed in enumerate((0, 2**32 - 2))]
    assert [int(job["seed"]) for job in fresh_jobs(only(rows), rows, 3)] == [2**32 - 1, 1, 2]
