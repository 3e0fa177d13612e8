"""Winners of a sweep, against scipy's statistics and tables worked out by hand."""

import math
import tracemalloc
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from src.compare.selection import Row, Winner, figure, fresh_jobs, interquartile_mean, interval, winners

losses = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def run(
    job: int,
    words: str,
    val: float | None = 1.0,
    status: str = "completed",
    confirms: int | None = None,
    **metrics: float,
) -> Row:
    known = {f"{name}/loss": loss for name, loss in metrics.items()}
    loss = {"train/loss": 0.5, "val/loss": val, **known}
    pairs = {key: value for key, _, value in (word.partition("=") for word in words.split())}
    return Row(job, pairs, status, 100, loss, confirms)


def grid(values: Mapping[str, Sequence[float | None]], **more: str) -> list[Row]:
    """Runs of each words, one for every value (None diverged), seeded 0, 1, 2 and so on."""
    rows: list[Row] = []
    for words, of_seeds in values.items():
        for seed, val in enumerate(of_seeds):
            status = "completed" if val is not None else "diverged"
            rows.append(run(len(rows), f"{words} seed={seed}", val, status))
    return rows


def only(rows: Sequence[Row]) -> Winner:
    (winner,) = winners(rows)
    return winner


# --- statistics ---


@given(losses)
def test_the_mean_is_scipy_s_trimmed_mean(values: list[float]) -> None:
    known = stats.trim_mean(values, 0.25)
    assert float(interquartile_mean(np.array(values))) == pytest.approx(known, rel=1e-9, abs=1e-9)


def test_the_mean_by_hand() -> None:
    assert float(interquartile_mean(np.array([100.0, 3.0, 1.0, 2.0, -50.0, 4.0, 5.0, 6.0]))) == (2 + 3 + 4 + 5) / 4


@pytest.mark.parametrize("seeds", [2, 5, 8, 20])
def test_the_interval_is_scipy_s_percentile_bootstrap(seeds: int) -> None:
    values = np.random.default_rng(seeds).lognormal(size=seeds)
    known = stats.bootstrap(
        (values,),
        lambda data, axis: stats.trim_mean(data, 0.25, axis=axis),
        method="percentile",
        n_resamples=9_999,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert interval(values.tolist()) == pytest.approx((known.low, known.high), rel=1e-12)


def test_the_interval_covers_a_known_mean() -> None:
    """Of samples of 20 from a symmetric distribution around 3, nine in ten or more intervals hold the 3."""
    generator = np.random.default_rng(1)
    intervals = [interval(generator.normal(3, 1, 20).tolist()) for _ in range(60)]
    assert sum(found is not None and found[0] <= 3 <= found[1] for found in intervals) >= 54


def test_many_seeds_take_little_memory() -> None:
    tracemalloc.start()
    found = interval(np.random.default_rng(0).normal(size=3_000).tolist())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert found[1] - found[0] == pytest.approx(2 * 1.96 * 1.09 / math.sqrt(3_000), rel=0.15)  # Agarwal's efficiency
    assert peak < 400e6


def test_one_seed_has_no_interval() -> None:
    assert figure([run(0, "seed=3", 2.0)], "val/loss").interval is None
    assert only([run(0, "seed=3", 2.0)]).figure.value == 2.0


# --- selection ---


def test_the_best_of_each_optimizer() -> None:
    found = winners(
        grid(
            {
                "optimizer=sgd optimizer.lr=0.1": [3, 3, 3, 9],
                "optimizer=sgd optimizer.lr=0.2": [2, 2, 2, 2],
                "optimizer=adam optimizer.lr=0.01": [5, 1, 1, 1],
                "optimizer=adam optimizer.lr=0.02": [4, 4, 4, 4],
            }
        )
    )
    assert [(w.contender, w.tuned, w.figure.value) for w in found] == [
        ("sgd", {"optimizer.lr": "0.2"}, 2.0),
        ("adam", {"optimizer.lr": "0.01"}, 1.0),  # 5 is the highest quarter
    ]
    assert found[0].first_job == 4
    assert [row.job for row in found[1].rows] == [8, 9, 10, 11]


def test_every_problem_has_winners_of_its_own() -> None:
    rows = grid(
        {
            "data=line optimizer.lr=0.1": [1, 1],
            "data=line optimizer.lr=0.2": [2, 2],
            "data=teacher optimizer.lr=0.1": [8, 8],
            "data=teacher optimizer.lr=0.2": [7, 7],
        }
    )
    assert [(w.problem, w.tuned, w.settings) for w in winners(rows)] == [
        ({"data": "line"}, {"optimizer.lr": "0.1"}, 2),
        ({"data": "teacher"}, {"optimizer.lr": "0.2"}, 2),
    ]


def test_what_is_tuned_and_what_is_the_problem() -> None:
    words = (
        "model.hidden=8 optimizer=sgd +optimizer.rho=1 scheduler=cosine scheduler.eta_min=0 "
        "trainer.gradient_clip_val=1 data.batch_size=4 trainer.max_steps=9 "
        "data.seed=1 model.seed=1 data.shuffle_seed=1 seed=1"
    )
    winner = only([run(0, words)])
    assert winner.problem == {"model.hidden": "8", "trainer.max_steps": "9"}
    assert list(winner.tuned) == [
        "+optimizer.rho", "scheduler", "scheduler.eta_min", "trainer.gradient_clip_val", "data.batch_size",
    ]  # fmt: skip


def test_steps_that_go_with_the_batch_size_are_tuned() -> None:
    zipped = {
        f"optimizer={name} data.batch_size={b} trainer.max_steps={s} optimizer.lr={lr}": [1.0]
        for name in ("sgd", "adam")
        for b, s in ((1, 800), (8, 100))
        for lr in (1, 2)
    }
    assert [winner.settings for winner in winners(grid(zipped))] == [4, 4]
    sizes = [f"optimizer=sgd data.batch_size={b}" for b in (1, 8)]
    crossed = {f"{size} trainer.max_steps={s}": [1.0] for size in sizes for s in (800, 100)}
    assert [w.problem for w in winners(grid(crossed))] == [{"trainer.max_steps": "800"}, {"trainer.max_steps": "100"}]
    with_rows = {f"{size} data.rows={s} trainer.max_steps={s}": [1.0] for size in sizes for s in (80, 90)}
    assert len(winners(grid(with_rows))) == 2


def test_with_one_optimizer_batch_sizes_are_compared_each_by_its_own_range() -> None:
    rates = {1: (0.001, 0.002, 0.003), 8: (0.01, 0.02, 0.03)}
    rows = grid(
        {
            f"data.batch_size={b} trainer.max_steps={800 // b} optimizer.lr={lr}": [loss]
            for b in rates
            for lr, loss in zip(rates[b], (3.0, 2.0, 1.0) if b == 1 else (2.0, 1.0, 2.0), strict=True)
        }
    )
    one, eight = winners(rows)
    assert [one.problem, eight.problem] == [{"data.batch_size": "1"}, {"data.batch_size": "8"}]
    assert [(edge.key, edge.end, edge.tried) for edge in one.edges] == [("optimizer.lr", "largest", 3)]
    assert eight.edges == ()


def test_an_edge_is_that_of_the_range_of_the_winner_s_own_choice() -> None:
    rates = {"step": (0.001, 0.002, 0.003), "none": (0.01, 0.02, 0.03)}
    rows = grid(
        {
            f"optimizer=sgd scheduler={name} optimizer.lr={lr}": [loss]
            for name in rates
            for lr, loss in zip(rates[name], (3.0, 2.0, 1.0) if name == "step" else (4.0, 4.0, 4.0), strict=True)
        }
    )
    assert [(edge.value, edge.end, edge.tried) for edge in only(rows).edges] == [("0.003", "largest", 3)]


def test_one_s_own_adam_beside_the_usual_one() -> None:
    """As `sweep=compare optimizer=adam 'optimizer.betas=[0.8,0.9]'` makes them: each gets its own row and budget."""
    found = winners(
        grid(
            {
                "optimizer=adam optimizer.betas=[0.8,0.9] optimizer.lr=0.1": [3],
                "optimizer=adam optimizer.lr=0.1": [2],
                "optimizer=sgd optimizer._target_=mypackage.My optimizer.lr=0.1": [1],
            }
        )
    )
    assert [w.contender for w in found] == ["adam", "adam", "mypackage.My"]
    assert found[0].tuned == {"optimizer.betas": "[0.8,0.9]", "optimizer.lr": "0.1"}


def test_a_setting_that_diverged_on_any_seed_does_not_win() -> None:
    winner = only(grid({"optimizer.lr=0.1": [1, 1, 1, None], "optimizer.lr=0.2": [9, 9, 9, 9]}))
    assert (winner.tuned, winner.settings, winner.diverged) == ({"optimizer.lr": "0.2"}, 2, 1)


def test_a_run_that_failed_or_has_no_finite_loss_loses() -> None:
    rows = [
        run(0, "optimizer.lr=1 seed=0", 0.0, "failed"),
        run(1, "optimizer.lr=2 seed=0", None),
        run(2, "optimizer.lr=3 seed=0", 5.0),
    ]
    winner = only(rows)
    assert (winner.tuned, winner.diverged, winner.failed) == ({"optimizer.lr": "3"}, 1, 1)


def test_of_equally_good_settings_the_earlier_wins() -> None:
    rows = grid({"optimizer.lr=0.3": [2, 2], "optimizer.lr=0.1": [2, 2], "optimizer.lr=0.2": [2, 2]})
    assert only(rows).tuned == {"optimizer.lr": "0.3"}
    assert only(rows[::-1]).tuned == {"optimizer.lr": "0.3"}  # whatever the order they are told in


def test_without_validation_rows_the_training_loss_selects() -> None:
    rows = [Row(lr, {"optimizer.lr": str(lr)}, "completed", 10, {"train/loss": 5.0 - lr}) for lr in (1, 2)]
    winner = only(rows)
    assert (winner.selected.metric, winner.selected.value, winner.tuned) == ("train/loss", 3.0, {"optimizer.lr": "2"})


def test_all_diverged() -> None:
    winner = only(grid({"optimizer=sgd optimizer.lr=1": [None, 1], "optimizer=sgd optimizer.lr=2": [None, None]}))
    assert math.isinf(winner.figure.value)
    assert (winner.diverged, winner.settings, winner.figure.interval, winner.edges) == (2, 2, None, ())
    assert fresh_jobs(winner, list(winner.rows), 5) == []


def test_seeds_alone() -> None:
    winner = only(grid({"": [1, 2, 3]}))
    assert (winner.contender, winner.tuned, winner.figure.value, winner.settings) == ("", {}, 2.0, 1)


def test_no_runs_have_no_winners() -> None:
    assert winners([]) == []


# --- confirmation ---


def test_confirmed_on_the_test_loss_of_fresh_seeds() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=0.1": [1, 1], "optimizer=sgd optimizer.lr=0.2": [3, 3]})
    fresh = [
        run(4 + seed, f"optimizer=sgd optimizer.lr=0.1 seed={seed}", 1.0, confirms=0, test=loss)
        for seed, loss in enumerate([2.0, 4.0, 4.0, 8.0], start=2)
    ]
    other = [run(9, "optimizer=sgd optimizer.lr=0.2 seed=2", 0.0, confirms=2, test=0.0)]  # of an earlier winner
    winner = only([*rows, *fresh, *other])
    assert winner.selected.value == 1.0
    assert winner.confirmed is not None
    assert (winner.figure.metric, winner.figure.value, winner.figure.seeds) == ("test/loss", 4.0, 4)
    assert winner.figure.interval == interval([2.0, 4.0, 4.0, 8.0])


def test_a_confirmation_that_diverged_is_no_figure() -> None:
    fresh = [run(1, "seed=1", 1.0, confirms=0, test=1.0), run(2, "seed=2", None, "diverged", confirms=0)]
    figure = only([run(0, "seed=0"), *fresh]).figure
    assert (figure.value, figure.diverged, figure.seeds, figure.interval) == (math.inf, 1, 2, None)


def test_fresh_seeds_are_the_same_for_every_winner() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=0.1": [1, 2, 3], "optimizer=adam optimizer.lr=0.2": [1, 2]})
    sgd, adam = (fresh_jobs(winner, rows, 3) for winner in winners(rows))
    assert sgd == [{"optimizer": "sgd", "optimizer.lr": "0.1", "seed": str(seed)} for seed in (3, 4, 5)]
    assert [job["seed"] for job in adam] == ["3", "4", "5"]
    confirmed = [*rows, run(9, "optimizer=sgd optimizer.lr=0.1 seed=3", 1.0, confirms=0)]
    assert fresh_jobs(winners(confirmed)[0], confirmed, 3) == sgd  # the same when the sweep is run again


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
