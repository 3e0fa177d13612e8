"""Which settings win, against tables worked out by hand."""

import math

import numpy as np
import pytest

from src.compare.rows import Row
from src.compare.selection import contenders
from src.compare.statistics import over_seeds
from tests.compare.sweeps import grid, only, run


def test_the_best_of_each_optimizer() -> None:
    found = contenders(
        grid(
            {
                "optimizer=sgd optimizer.lr=0.1": [3, 3, 3, 9],
                "optimizer=sgd optimizer.lr=0.2": [2, 2, 2, 2],
                "optimizer=adam optimizer.lr=0.01": [16, 1, 1, 1],
                "optimizer=adam optimizer.lr=0.02": [4, 4, 4, 4],
            }
        )
    )
    assert [(w.name, w.best.tuned, w.figure.value) for w in found] == [
        ("sgd", {"optimizer.lr": "0.2"}, 2.0),
        ("adam", {"optimizer.lr": "0.01"}, 2.0),  # the fourth root of 16
    ]
    assert found[0].first_job == 4
    assert [row.job for row in found[1].best.rows] == [8, 9, 10, 11]


def test_every_problem_has_winners_of_its_own() -> None:
    rows = grid(
        {
            "data=line optimizer.lr=0.1": [1, 1],
            "data=line optimizer.lr=0.2": [2, 2],
            "data=teacher optimizer.lr=0.1": [8, 8],
            "data=teacher optimizer.lr=0.2": [7, 7],
        }
    )
    assert [(w.problem, w.best.tuned, len(w.settings)) for w in contenders(rows)] == [
        ({"data": "line"}, {"optimizer.lr": "0.1"}, 2),
        ({"data": "teacher"}, {"optimizer.lr": "0.2"}, 2),
    ]


def test_a_size_of_batches_is_judged_by_its_own_range() -> None:
    rates = {1: (0.001, 0.002, 0.003), 8: (0.01, 0.02, 0.03)}
    rows = grid(
        {
            f"data.batch_size={b} trainer.max_steps={800 // b} optimizer.lr={lr}": [loss]
            for b in rates
            for lr, loss in zip(rates[b], (3.0, 2.0, 1.0) if b == 1 else (2.0, 1.0, 2.0), strict=True)
        }
    )
    one, eight = contenders(rows)
    assert [one.label, eight.label] == ["batch_size=1", "batch_size=8"]
    assert [(edge.key, edge.end, edge.tried) for edge in one.edges] == [("optimizer.lr", "largest", 3)]
    assert eight.edges == ()


def test_an_edge_is_none_where_a_number_inside_does_as_well() -> None:
    def ends(*losses: float) -> list[str]:
        rates = (0.1, 0.2, 0.4)
        tried = zip(rates, losses, strict=True)
        return [edge.end for edge in only(grid({f"optimizer.lr={lr}": [loss] for lr, loss in tried})).edges]

    assert ends(3.0, 1.02, 1.0) == ["largest"]
    assert ends(3.0, 1.005, 1.0) == []


def test_an_edge_is_that_of_the_range_of_the_winner_s_own_choice() -> None:
    rates = {"step": (0.001, 0.002, 0.003), "none": (0.01, 0.02, 0.03)}
    rows = grid(
        {
            f"optimizer=sgd scheduler={name} optimizer.lr={lr}": [loss]
            for name in rates
            for lr, loss in zip(rates[name], (3.0, 2.0, 1.0) if name == "step" else (4.0, 4.0, 4.0), strict=True)
        }
        | {"optimizer=adam scheduler=none optimizer.lr=0.1": [9.0]}
    )
    assert [(edge.value, edge.end, edge.tried) for edge in contenders(rows)[0].edges] == [("0.003", "largest", 3)]


def test_a_setting_that_diverged_on_any_seed_does_not_win() -> None:
    winner = only(grid({"optimizer.lr=0.1": [1, 1, 1, None], "optimizer.lr=0.2": [9, 9, 9, 9]}))
    assert (winner.best.tuned, len(winner.settings), winner.diverged) == ({"optimizer.lr": "0.2"}, 2, 1)


def test_a_run_that_failed_or_has_no_finite_loss_loses() -> None:
    rows = [
        run(0, "optimizer.lr=1 seed=0", 0.0, "failed"),
        run(1, "optimizer.lr=2 seed=0", None),
        run(2, "optimizer.lr=3 seed=0", 5.0),
    ]
    winner = only(rows)
    assert (winner.best.tuned, winner.diverged, winner.failed) == ({"optimizer.lr": "3"}, 1, 1)


def test_of_equally_good_settings_the_earlier_wins() -> None:
    rows = grid({"optimizer.lr=0.3": [2, 2], "optimizer.lr=0.1": [2, 2], "optimizer.lr=0.2": [2, 2]})
    assert only(rows).best.tuned == {"optimizer.lr": "0.3"}
    assert only(rows[::-1]).best.tuned == {"optimizer.lr": "0.3"}  # whatever the order they are told in


def test_without_validation_rows_the_training_loss_selects() -> None:
    rows = [Row(lr, {"optimizer.lr": str(lr)}, "completed", 10, {"train/loss": 5.0 - lr}) for lr in (1, 2)]
    winner = only(rows)
    assert (winner.metric, winner.best.loss, winner.best.tuned) == ("train/loss", 3.0, {"optimizer.lr": "2"})


def test_all_diverged() -> None:
    winner = only(grid({"optimizer=sgd optimizer.lr=1": [None, 1], "optimizer=sgd optimizer.lr=2": [None, None]}))
    assert math.isinf(winner.figure.value)
    assert (winner.diverged, len(winner.settings), winner.figure.interval, winner.edges) == (2, 2, None, ())


def test_seeds_alone() -> None:
    winner = only(grid({"": [1, 2, 3]}))
    assert (winner.name, winner.best.tuned, len(winner.settings)) == ("", {}, 1)
    assert winner.figure.value == pytest.approx(6 ** (1 / 3))


def test_no_runs_have_no_contenders() -> None:
    assert contenders([]) == []


# --- confirmation ---


def test_confirmed_on_the_test_loss_of_fresh_seeds() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=0.1": [1, 1], "optimizer=sgd optimizer.lr=0.2": [3, 3]})
    fresh = [
        run(4 + seed, f"optimizer=sgd optimizer.lr=0.1 seed={seed}", 1.0, confirms=0, test=loss)
        for seed, loss in enumerate([2.0, 4.0, 4.0, 8.0], start=2)
    ]
    other = [run(9, "optimizer=sgd optimizer.lr=0.2 seed=2", 0.0, confirms=2, test=0.0)]  # of an earlier winner
    winner = only([*rows, *fresh, *other])
    assert winner.best.loss == 1.0
    assert winner.confirmed
    assert (winner.figure.metric, winner.figure.value, winner.figure.seeds) == ("test/loss", 4.0, 4)
    _, low, high = over_seeds([np.array([2.0, 4.0, 4.0, 8.0])])
    assert winner.figure.interval == (low[0], high[0])


def test_a_confirmation_that_diverged_is_no_figure() -> None:
    fresh = [run(1, "seed=1", 1.0, confirms=0, test=1.0), run(2, "seed=2", None, "diverged", confirms=0)]
    figure = only([run(0, "seed=0"), *fresh]).figure
    assert (figure.value, figure.diverged, figure.seeds, figure.interval) == (math.inf, 1, 2, None)


def test_what_is_compared_is_the_loss_whatever_stands_beside_it() -> None:
    def of(job: int, lr: str, losses: tuple[float, float], rmse: float, r2: float, confirms: int | None = None) -> Row:
        scores = {"val/rmse[a, b]": rmse, "test/rmse[a, b]": rmse, "test/r2[a, b]": r2}
        metrics = {"val/rmse[a, b]": rmse, "val/loss": losses[0], "test/loss": losses[1], **scores}
        return Row(job, {"optimizer.lr": lr}, "completed", 10, metrics, confirms)

    rows = [of(0, "0.1", (1.0, 4.0), 9.0, -2.0), of(1, "0.2", (2.0, 3.0), 1.0, 0.5)]
    winner = only(rows)
    assert (winner.metric, winner.best.tuned, winner.scores) == (
        "val/loss", {"optimizer.lr": "0.1"}, {"val/rmse[a, b]": 9.0},
    )  # fmt: skip
    confirmed = only([*rows, of(2, "0.1", (1.0, 4.0), 8.0, -1.0, 0), of(3, "0.1", (1.0, 4.0), 6.0, 0.5, 0)])
    assert confirmed.figure.metric == "test/loss"
    assert confirmed.scores == {"test/rmse[a, b]": pytest.approx(math.sqrt(48)), "test/r2[a, b]": -0.25}
