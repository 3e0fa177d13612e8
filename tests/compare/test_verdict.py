"""Verdicts of made rows: which kind they are of, whom they name, and every number in their sentences."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from src.compare.contest import contest
from src.compare.grid_edges import Edge
from src.compare.rows import Row
from src.compare.sentences import sentences
from src.compare.verdict import Reach, Verdict, verdict
from tests.compare.sweeps import grid, run

geometric = statistics.geometric_mean
RATES = (0.01, 0.1, 1.0, 10.0, 100.0)
SEEDS = (0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.0, 0.97)
NUDGES = (0.001, -0.0005, 0.0007, -0.0012, 0.0004, -0.0003, 0.0009, -0.0001)


def rows_of(levels: Mapping[str, Sequence[float | None]], nudge: Mapping[str, float] | None = None) -> list[Row]:
    """Of each optimizer a loss at each of `RATES` on 8 seeds, some of whose losses are nudged a little."""
    by = nudge or {}
    return grid(
        {
            f"optimizer={name} optimizer.lr={rate:g}": [
                None if level is None else level * seed * (1 + by.get(name, 0) * one)
                for seed, one in zip(SEEDS, NUDGES, strict=True)
            ]
            for name, of_one in levels.items()
            for rate, level in zip(RATES, of_one, strict=False)
        }
    )


def of(rows: Sequence[Row], steps: Mapping[str, tuple[int, float]] | None = None, drawn: bool = True) -> Verdict:
    """Their verdict; `steps` has of each label the index of the setting that was soonest, and when."""
    (problem,) = contest(rows, drawn=drawn)
    by_label = {one.label: one for one in problem.contenders}
    reached = {
        label: Reach("val/loss", by_label[label].settings[index], when, None, 8, 8)
        for label, (index, when) in (steps or {}).items()
    }
    return verdict(problem, reached, drawn)


FLAT = [5.0, 1.0, 1.05, 2.0, None]
PEAK = [5.0, 4.0, 1.0, 2.0, 3.0]


def test_any_will_do() -> None:
    """The issue's own case: losses tie; the fastest is one, the safest another, and so is who is good in four tries."""
    rows = rows_of({"sgd": PEAK, "momentum": [*FLAT[:4], 3.0], "adam": [5.0, 4.0, 1.0, 2.0, None]}, {"adam": 1})
    one = of(rows, {"sgd": (1, 30.0), "momentum": (2, 40.0), "adam": (2, 60.0)})
    assert (one.kind, one.seeds, one.confirmed) == ("equal", 8, False)
    assert one.take is one.fastest
    assert one.fastest is not None
    assert (one.fastest.who.label, one.fastest.setting.tuned, one.fastest.steps) == ("sgd", {"optimizer.lr": "0.1"}, 30)
    assert one.safest is not None
    assert one.safest.width is not None
    # from 0.1 by (1.1 - 1) / (5 - 1) of a decade down, from 1 by (1.1 - 1.05) / (2 - 1.05) of one up
    assert one.safest.width.decades == pytest.approx(1 + 0.1 / 4 + 0.05 / 0.95)
    assert one.safest.who.label == "momentum"
    assert one.spread is not None
    assert 0.0005 < one.spread < 0.001
    assert sentences(one) == [
        "Any of the three will do: final losses (val/loss) differ by less than 0.08 %.",
        "For speed take sgd at lr=0.1 (30 steps).",
        "For safety take momentum at lr=1: good over 1.1 decades (0.094 to 1.1).",
        # momentum: with 0.8 it has its best, and with 0.2 · 0.04 neither of the others has; those have it with 0.8
        "With four tries: momentum, in 82 % the best or practically equal to it (sgd in 80 %, adam in 80 %).",
        "Certainty: 8 seeds, not confirmed.",
    ]


def test_who_is_nearest_to_the_exact_loss_is_told_where_no_other_loss_tells() -> None:
    """Validation losses tie; of training sgd is 0.5 above an exact 1 times the seed, momentum 0.25."""
    rows = rows_of({"sgd": FLAT, "momentum": FLAT})
    left = {"sgd": 0.5, "momentum": 0.25}
    rows = [replace(row, metrics={**row.metrics, "train/loss": 1 + left[row.words["optimizer"]]}) for row in rows]
    (problem,) = contest(rows)
    told = sentences(verdict(problem, {}, exact=lambda row: 1.0))
    assert "The training loss ends above the exact one by 0.25 (momentum) and 0.5 (sgd)." in told
    assert sentences(verdict(problem, {}, exact=lambda row: 1.0 if row.words["optimizer"] == "sgd" else None)) == told
    below = sentences(verdict(problem, {}, exact=lambda row: 1.3))
    assert not any("exact" in one for one in below)


def test_a_ratio_of_training_losses_is_said_to_be_above_the_exact_one() -> None:
    rows = [
        replace(row, metrics={"train/loss": row.metrics["val/loss"]})
        for row in rows_of({"sgd": FLAT, "momentum": [9.0, 9.0, 9.0, 9.0, 9.0]})
    ]
    (problem,) = contest(rows, exact=lambda row: 0.5)
    said = sentences(verdict(problem, {}, exact=lambda row: 0.5))
    # 9 times a seed less 0.45 over that seed less 0.45
    assert "momentum, is 16 times as high" in said[0]
    assert "What is above another is counted from nine tenths of the exact loss on." in said


def test_some_will_do_and_others_end_higher() -> None:
    one = of(rows_of({"sgd": PEAK, "momentum": FLAT, "adam": [9.0, 9.0, 9.0, 8.0, 9.0]}), {"momentum": (2, 1.0)})
    first, speed, *_ = sentences(one)
    assert (
        first == "Either of sgd and momentum will do: final losses (val/loss) are the same; the other one ends higher."
    )
    assert speed == (
        "For speed and safety take momentum at lr=1 (1 step; 1 of 5 rates diverged), good over 1.1 decades "
        "(0.094 to 1.1)."
    )


def test_expected_after_four_tries() -> None:
    """Who is lowest at the best rate need not be who is expected to be lowest after four."""
    lucky, steady = [9.0, 9.0, 0.5, 9.0, 9.0], [1.0, 1.1, 1.0, 1.1, 1.0]
    one = of(rows_of({"lucky": lucky, "steady": steady}))
    assert one.leaders[0].label == "lucky"
    assert one.few is not None
    assert [share.loss for share in one.few] == pytest.approx(
        [
            geometric(SEEDS) * np.mean([min(four) for four in itertools.combinations(of_one, 4)])
            for of_one in (lucky, steady)
        ]
    )
    assert "With four tries: lucky, most likely (80 %); lower on average is steady." in sentences(one)


def test_a_clear_winner() -> None:
    """On every seed adam is at 1, sgd at 1.5, momentum at 4."""
    levels: dict[str, list[float | None]] = {
        "sgd": [5.0, 1.5, 4.0, 9.0, None],
        "momentum": [6.0, 4.0, 5.0, 7.0, 8.0],
        "adam": [5.0, 4.0, 1.0, 2.0, 3.0],
    }
    one = of(rows_of(levels, {"sgd": 1}), {"adam": (2, 1200.0)})
    assert (one.kind, one.leaders[0].label) == ("winner", "adam")
    assert one.rival is not None
    assert (one.rival.second, one.rival.won, one.rival.seeds) == ("sgd", 8, 8)
    assert one.rival.ratio == pytest.approx(1.5, rel=1e-3)
    assert sentences(one) == [
        "Take adam at lr=1: it ends lower than the other two on val/loss; the nearest, sgd, is 50 % above it "
        "(50 % to 50 %), and higher on 8 of 8 seeds.",
        "Good over 0.1 decades (0.93 to 1.3).",
        "It comes to the target in 1,200 steps.",
        # without its best, with 1 in 5, it is best only if sgd is without its own; 0.8 · 1 + 0.2 · 2 against 2
        "With four tries: adam, most likely (84 %); sgd is 67 % above.",
        "Certainty: 8 seeds, not confirmed.",
    ]


def test_a_winner_over_those_that_came_to_nothing() -> None:
    one = of(rows_of({"sgd": [None] * 5, "adam": PEAK}))
    assert (
        sentences(one)[0] == "Take adam at lr=1, good over 0.1 decades (0.93 to 1.3): the other did not come through."
    )


def test_a_winner_that_is_soonest_elsewhere() -> None:
    one = of(rows_of({"sgd": [9.0] * 5, "adam": PEAK}), {"adam": (3, 20.0)})
    assert "It comes to the target soonest at lr=10, in 20 steps." in sentences(one)


def test_who_comes_to_the_target_before_the_winner_is_named() -> None:
    rows = rows_of({"sgd": [9.0, 8.0, 1.05, 8.0, 9.0], "adam": PEAK})
    one = of(rows, {"adam": (2, 87.0), "sgd": (2, 9.0)})
    assert one.kind == "winner"
    assert sentences(one)[2:4] == ["It comes to the target in 87 steps.", "sgd comes there first, at lr=1, in 9 steps."]
    assert of(rows, {"adam": (2, 9.0), "sgd": (2, 87.0)}).sooner is None
    assert of(rows, {"adam": (2, 9.0), "sgd": (2, 9.0)}).sooner is None


def test_a_winner_at_an_edge_of_its_grid() -> None:
    one = of(rows_of({"sgd": [9.0, 8.0, 7.0, 8.0, 9.0], "adam": [5.0, 4.0, 3.0, 2.0, 1.0]}))
    assert one.edges == [("adam", Edge("optimizer.lr", "100", "largest", 5, "tag(log,interval(1,10000))"))]
    assert (
        "At an edge: adam's lr=100 is the largest of 5 tried: try optimizer.lr=tag(log,interval(1,10000))."
    ) in sentences(one)


def test_a_winner_over_those_at_an_edge_of_theirs() -> None:
    one = of(rows_of({"sgd": [9.0, 8.0, 7.0, 6.0, 5.0], "momentum": [9.0, 8.0, 7.0, 6.0, 5.0], "adam": PEAK}))
    assert one.others_at_edges == ["sgd", "momentum"]
    assert "sgd and momentum may do better beyond what was tried, for the best was at an edge." in sentences(one)
    assert of(rows_of({"sgd": [5.0, 4.0, 3.0, 2.0, 1.0], "adam": [5.0, 4.0, 3.0, 2.0, 1.0]})).others_at_edges == []


def test_not_told_apart_and_how_many_seeds_it_takes() -> None:
    """Differences of -0.1, give or take 0.2: 34 pairs for half a deviation, at the level that Holm leaves."""
    noise = [0.3, -0.1, 0.05, -0.35, 0.2, -0.15, 0.1, -0.05]
    rows = grid(
        {
            "optimizer=sgd optimizer.lr=1": list(SEEDS),
            "optimizer=adam optimizer.lr=1": [seed * (1.1 + one) for seed, one in zip(SEEDS, noise, strict=True)],
            "optimizer=adagrad optimizer.lr=1": [9 * seed for seed in SEEDS],
        }
    )
    one = of(rows)
    assert one.kind == "open"
    assert [each.label for each in one.leaders] == ["sgd", "adam"]
    assert one.rival is not None
    assert one.rival.needed is not None
    told = sentences(one)
    assert told[0] == "Not told apart: sgd and adam; the other one ends higher."
    low, high = one.rival.ratio_interval or (0, 0)
    assert told[1] == (
        f"Lowest so far is sgd at lr=1; adam is {100 * (one.rival.ratio - 1):.2g} % above it ("
        f"{100 * (low - 1):.2g} % to {100 * (high - 1):.2g} %), and higher on {one.rival.lower} of 8 seeds."
    )
    assert low < 1 < one.rival.ratio < high
    assert told[2] == f"To tell sgd from adam takes about {one.rival.needed - 8} more seeds."
    assert told[-1] == "Certainty: 8 seeds, not confirmed."


def test_of_many_those_are_counted_that_are_practically_equal() -> None:
    """Six that are equal, one lower by what seeds blur, one above, one far above, one that was lost."""
    wide = [0.3, -0.3, 0.2, -0.25, 0.1, -0.1, 0.05, 0.0]
    losses: dict[str, list[float | None]] = {
        f"optimizer=o{index} optimizer.lr=1": [seed * (1 + 1e-4 * index) for seed in SEEDS] for index in range(6)
    }
    losses |= {
        "optimizer=low optimizer.lr=1": [seed * (0.95 + one) for seed, one in zip(SEEDS, wide, strict=True)],
        "optimizer=high optimizer.lr=1": [seed * (1.1 + one) for seed, one in zip(SEEDS, wide, strict=True)],
        "optimizer=far optimizer.lr=1": [9 * seed for seed in SEEDS],
        "optimizer=lost optimizer.lr=1": [None] * 8,
    }
    assert sentences(of(grid(losses)))[0] == (
        "Not told apart: seven of 10; of these six (o0, o1, o2 and so on) are practically equal; high, far and lost "
        "end higher or did not come through."
    )


def test_one_seed_far_below_makes_the_lowest_mean_but_not_the_better_one() -> None:
    rows = grid({"optimizer=sgd optimizer.lr=1": [*[1.0] * 7, 1e-6], "optimizer=adam optimizer.lr=1": [0.9] * 8})
    assert sentences(of(rows))[1] == "Lowest so far is sgd at lr=1; adam is lower on 7 of 8 seeds, but not on average."


def test_of_one_seed_that_runs_higher_the_others_are_not_said_to_win() -> None:
    """As often lower as higher, beyond the margin: how far it is above the lowest says more."""
    adam = [1.06, 0.985, *[0.996] * 6]
    rows = grid({"optimizer=sgd optimizer.lr=1": [1.0] * 8, "optimizer=adam optimizer.lr=1": adam})
    assert sentences(of(rows))[1].startswith("Lowest so far is sgd at lr=1; adam is 0.24 % above it (")
    assert sentences(of(rows))[1].endswith("and higher on 1 of 8 seeds.")


def test_one_run_tells_where_it_ended() -> None:
    ended: dict[str, list[float | None]] = {"optimizer=adam optimizer.lr=1": [0.25]}
    assert sentences(of(grid(ended)))[1] == "adam at lr=1 ended at val/loss 0.25."
    lost: dict[str, list[float | None]] = {"optimizer=adam optimizer.lr=1": [None]}
    assert sentences(of(grid(lost)))[0] == "Nothing came through: the one setting diverged."


def test_confirmed() -> None:
    rows = rows_of({"sgd": PEAK, "adam": [9.0] * 5})
    firsts = {
        row.words["optimizer"]: row.job for row in rows if row.words["seed"] == "0" and row.words["optimizer.lr"] == "1"
    }
    firsts["adam"] = next(row.job for row in rows if row.words["optimizer"] == "adam")
    fresh = [
        run(
            1000 + 10 * i + seed,
            f"optimizer={name} optimizer.lr={lr} seed={8 + seed}",
            1.0,
            confirms=firsts[name],
            test=loss,
        )
        for i, (name, lr, losses) in enumerate([("sgd", "1", SEEDS), ("adam", "0.01", [2 * s for s in SEEDS])])
        for seed, loss in enumerate(losses)
    ]
    one = of([*rows, *fresh])
    assert (one.confirmed, one.seeds, one.kind) == (True, 8, "winner")
    assert sentences(one)[0].startswith("Take sgd at lr=1: it ends lower than the other on test/loss;")
    assert sentences(one)[-1] == "Certainty: confirmed on 8 fresh seeds."


def test_who_was_not_confirmed_is_not_said_to_end_higher() -> None:
    """Two confirmed on 8 seeds that tell them apart, beside the runs of another sweep that only searched."""
    rows = rows_of({"sgd": PEAK, "adam": [9.0] * 5, "adagrad": FLAT, "momentum": PEAK})
    firsts = {(row.words["optimizer"], row.words["optimizer.lr"]): row.job for row in reversed(rows)}
    fresh = [
        run(
            1000 + 10 * i + seed,
            f"optimizer={name} optimizer.lr={lr} seed={8 + seed}",
            confirms=firsts[name, lr],
            test=of,
        )
        for i, (name, lr, level) in enumerate([("sgd", "1", 1), ("adam", "0.01", 2)])
        for seed, of in enumerate(level * one for one in SEEDS)
    ]
    one = of([*rows, *fresh])
    assert (one.kind, [each.label for each in one.apart]) == ("winner", ["adagrad", "momentum"])
    told = sentences(one)
    assert told[0].startswith("Take sgd at lr=1: it ends lower than the other on test/loss; the nearest, adam, is 2 ")
    assert "Not confirmed, and so not compared: adagrad and momentum." in told
    assert of(rows).apart == ()


def test_higher_on_a_seed_by_little_is_higher_on_it() -> None:
    """Within the margin on five seeds of eight, above it on three: higher on all eight."""
    above = [1.001, 1.002, 1.003, 1.004, 1.005, 1.3, 1.4, 1.5]
    rows = grid({"optimizer=sgd optimizer.lr=1": [1.0] * 8, "optimizer=adam optimizer.lr=1": above})
    one = of(rows)
    assert one.rival is not None
    assert (one.rival.lower, one.rival.won) == (8, 3)
    assert sentences(one)[1].endswith("and higher on 8 of 8 seeds.")


def test_four_seeds_tell_nothing_apart_and_it_says_so() -> None:
    rows = [row for row in rows_of({"sgd": PEAK, "adam": [5.0] * 5}) if row.words["seed"] in "0123"]
    assert "To tell sgd from adam takes about 1 more seed, for fewer than five tell nothing apart." in sentences(
        of(rows)
    )


def test_whom_to_take_for_safety_says_how_much_higher_it_ends() -> None:
    """Four seeds tell nothing apart: all rates of one are as good, 5 times as high as the best of the other."""
    rows = [row for row in rows_of({"sgd": PEAK, "adam": [5.0] * 5}) if row.words["seed"] in "0123"]
    (safety,) = [one for one in sentences(of(rows)) if one.startswith("For safety")]
    assert safety.endswith("; its loss is 5 times sgd's so far.")


def test_crossed_seeds_are_said_to_be_less_sure() -> None:
    """The data decide the loss, so that of six runs there are but three draws."""
    rows = grid(
        {
            f"optimizer={name} optimizer.lr=1 data.seed={data}": [level + data, level + data]
            for name, level in (("sgd", 1.0), ("adam", 2.0))
            for data in range(3)
        }
    )
    rows = [
        replace(row, words={**{k: w for k, w in row.words.items() if k != "seed"}, "model.seed": row.words["seed"]})
        for row in rows
    ]
    assert sentences(of(rows))[-1] == (
        "Certainty: 6 seeds, not confirmed; they are crossed, so it is less sure than its intervals say."
    )


def test_one_seed() -> None:
    rows = [row for row in rows_of({"sgd": PEAK, "adam": FLAT}) if row.words["seed"] == "0"]
    one = of(rows)
    assert one.kind == "one seed"
    assert sentences(one)[:3] == [
        "One seed cannot tell what is due to chance.",
        "Lowest on it is sgd at lr=1; adam is 0 % above it.",
        "Type seed=range(0,8) to have eight.",
    ]
    assert sentences(one)[-1] == "Certainty: 1 seed, not confirmed."


def test_two_seeds() -> None:
    rows = [row for row in rows_of({"sgd": PEAK, "adam": [5.0] * 5}) if row.words["seed"] in "01"]
    assert "2 seeds leave no interval: type seed=range(0,8)." in sentences(of(rows))


def test_where_nothing_is_drawn_one_run_is_enough() -> None:
    rows = [row for row in rows_of({"sgd": PEAK, "adam": [5.0, 4.0, 2.0, 2.5, 3.0]}) if row.words["seed"] == "2"]
    one = of(rows, drawn=False)
    assert one.kind == "winner"
    assert (
        sentences(one)[0]
        == "Take sgd at lr=1: it ends lower than the other on val/loss; the nearest, adam, is 2 times as high."
    )
    assert sentences(one)[-1] == "Certainty: nothing here is drawn, so other seeds would say the same."


def test_everything_diverged() -> None:
    one = of(rows_of({"sgd": [None] * 5, "adam": [None] * 5}))
    assert one.kind == "lost"
    assert one.take is None
    assert sentences(one) == [
        "Nothing came through: of 10 settings 10 diverged on one seed or more.",
        "The smallest rate tried was 0.01: try optimizer.lr=tag(log,interval(1e-05,0.01)).",
    ]


def test_one_optimizer_alone() -> None:
    one = of(rows_of({"sgd": FLAT}))
    interval = one.leaders[0].figure.interval
    assert interval is not None
    assert sentences(one) == [
        f"sgd at lr=0.1: the best of 5 settings, val/loss {one.leaders[0].figure.value:.4g} "
        f"(95 %: {interval[0]:.4g} to {interval[1]:.4g}).",
        "Good over 1.1 decades (0.094 to 1.1); 1 of 5 rates diverged.",
        "Certainty: 8 seeds, not confirmed.",
    ]


def test_of_those_that_are_as_fast_the_safest_is_named() -> None:
    one = of(rows_of({"sgd": PEAK, "momentum": FLAT}), {"sgd": (2, 30.0), "momentum": (1, 30.0)})
    assert one.fastest is not None
    assert one.fastest.who.label == "momentum"


def test_of_those_that_are_as_wide_the_safest_is_who_lost_the_fewest_settings() -> None:
    one = of(rows_of({"sgd": [5.0, 1.0, 1.0, 2.0, None], "adam": [5.0, 1.0, 1.0, 2.0, 9.0]}))
    assert one.safest is not None
    assert one.safest.who.label == "adam"


def test_contenders_that_share_no_seed() -> None:
    rows = rows_of({"sgd": PEAK, "adam": PEAK})
    moved = [
        Row(row.job, {**row.words, "seed": str(90 + int(row.words["seed"]))}, row.status, row.steps, row.metrics)
        if row.words["optimizer"] == "adam"
        else row
        for row in rows
    ]
    assert sentences(of(moved))[1] == "They share no seed, so none can be held against another."


def test_who_shares_no_seed_is_not_held_against_who_was_told_apart() -> None:
    """b is told from a, and c has seeds of its own: how many more seeds tell a from b is no answer."""
    rows = rows_of({"a": [1.0], "b": [1.5]})
    rows += [
        replace(row, job=100 + row.job, words={**row.words, "optimizer": "c", "seed": f"10{row.job}"})
        for row in rows[:8]
    ]
    one = of(rows)
    assert (one.kind, one.rival, [who.label for who in one.leaders]) == ("open", None, ["a", "c"])
    assert sentences(one)[:2] == [
        "Not told apart: a and c; the other one ends higher.",
        "They share no seed, so none can be held against another.",
    ]


def test_a_range_of_one_rate_is_not_safe() -> None:
    """At 0.1 it is twice as good as anywhere: no range of good rates, so nothing to take for safety."""
    sharp = [50.0, 1.0, 50.0, None, None]
    one = of(rows_of({"sgd": sharp, "adam": sharp}, {"adam": 1}))
    assert (one.kind, one.safest) == ("equal", None)


def test_differences_in_the_last_digits_are_told_in_words() -> None:
    one = of(rows_of({"sgd": [1.0], "adam": [1.0 + 1e-9]})[::8])
    assert "adam is under 0.01 % above it" in " ".join(sentences(one))
