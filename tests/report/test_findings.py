"""Tables, pictures and remarks, of sweeps whose numbers are known."""

import json
import math
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from src.errors import LabError
from src.plots.chart import Chart, Contours, Heat, Parallel
from src.report.findings import findings
from src.report.reading import Sweep, gather, read
from src.report.tables import Cell
from tests.report.sweeps import grid, sweep

RATES = [0.01, 0.1, 1.0, 10.0]
SEEDS = [0.9, 0.95, 1.0, 1.05, 1.1, 1.2]
EXACT = {
    "weight": [[1.0]],
    "train/loss": 0.25,
    "hessian_eigenvalues": [0.5, 4.0],
    "critical_lr": 0.5,
    "critical_lr_formula": "2/λmax",
    "optimal_lr": 2 / 4.5,
    "not_applicable": {"path and steps": "it is no linear map"},
}


def _losses(levels):
    """Six seeds around a level each; None where it diverged."""
    return [[None] * 6 if level is None else [level * seed for seed in SEEDS] for level in levels]


def _grid(**levels):
    """By optimizer the levels at each of `RATES`."""
    return {
        (name, rate): of_one for name, four in levels.items() for rate, of_one in zip(RATES, _losses(four), strict=True)
    }


JOBS = grid(_grid(sgd=[4.0, 1.0, 2.0, None], adam=[8.0, 4.0, 2.0, 3.0]), exact=EXACT)


def _found(path, jobs, shown=None, **more):
    one = read(sweep(path, jobs, shown))
    assert isinstance(one, Sweep)
    return findings([one], **more)


def _column(table, name):
    """Its cells; a column without any is left out of the table."""
    where = table.columns.index(name) if name in table.columns else None
    return [Cell("", None) if where is None else row[where] for row in table.rows]


def _texts(table, name):
    return [cell.text for cell in _column(table, name)]


def _chart(found, name, kind=Chart):
    picture = next(one for one in found.charts if one.name == name)
    assert isinstance(picture, kind)
    return picture


# --- the headline ----------------------------------------------------------------------------------------------------


def test_headline(tmp_path):
    table = _found(tmp_path, JOBS).tables[0]
    assert _texts(table, "optimizer") == ["sgd", "adam"]
    assert _texts(table, "best setting") == ["lr=0.1", "lr=1"]
    mean = stats.gmean(SEEDS)
    assert [cell.value for cell in _column(table, "val/loss")] == pytest.approx([mean, 2 * mean])
    assert _texts(table, "seeds") == ["6", "6"]
    assert _texts(table, "diverged settings") == ["1 of 4", "0 of 4"]
    assert _texts(table, "not told apart") == ["a", "b"]
    assert "on which the settings were selected" in table.caption


def test_a_setting_has_one_interval(tmp_path):
    """In the table, in the picture, and whatever the order of its seeds."""
    losses = np.random.default_rng(0).lognormal(size=10).tolist()
    found = [
        _found(tmp_path / name, grid({("sgd", 0.1): of_seeds, ("sgd", 0.2): [9e9] * 10}))
        for name, of_seeds in (("as drawn", losses), ("sorted", sorted(losses)))
    ]
    intervals = [_texts(one.tables[0], "95 % interval") for one in found]
    line = _chart(found[0], "sensitivity").lines[0]
    assert intervals == [[f"{line.low[0]:.4g} to {line.high[0]:.4g}"]] * 2


def test_steps_to_the_target(tmp_path):
    """On seed s sgd goes from 10 to e = s/2 in a straight line, and adam to s: within 10 % of e comes sgd alone.

    10 - (10 - e) k/100 <= 1.1 e from k = 100 (10 - 1.1 e)/(10 - e) on, which is above 90 of 100 for every seed's e.
    """
    table = _found(tmp_path, JOBS).tables[0]
    assert _texts(table, "steps to target") == ["100", "not reached"]
    assert "seconds to target" not in table.columns


def test_a_start_far_away_makes_a_wider_target(tmp_path):
    """A thousandth of the way from 1e4 is 10, which the last step but none reaches; that is far above 1.1 * 0.5."""
    jobs = [{**job, "start": 1e4, "steps": 10_000} for job in JOBS]
    table = _found(tmp_path, jobs).tables[0]
    assert _texts(table, "steps to target") == ["10,000", "10,000"]


def test_seconds_of_lone_runs(tmp_path):
    found = _found(tmp_path, [{**job, "stack_size": 1, "seconds": 3.0} for job in JOBS])
    assert [cell.value for cell in _column(found.tables[0], "seconds to target")] == [3.0, None]
    assert not any("seconds to the target" in remark for remark in found.remarks)
    stacked = _found(tmp_path / "stacked", JOBS)
    assert any("seconds to the target are not told" in remark for remark in stacked.remarks)


def test_decades_of_good_rates(tmp_path):
    """Linear in the logarithm: from 1 to 4 a decade lower, to 2 a decade higher, to 1.1 a 30th and a tenth of one."""
    table = _found(tmp_path, JOBS).tables[0]
    assert [cell.value for cell in _column(table, "decades of good rates")] == pytest.approx(
        [0.1 / 3 + 0.1, 0.1 + 0.2], rel=1e-9
    )


def test_a_range_beside_what_diverged_may_be_wider(tmp_path):
    table = _found(tmp_path, grid(_grid(sgd=[4.0, 2.0, 1.0, None]))).tables[0]
    assert _texts(table, "decades of good rates") == ["≥ 0.10"]


def test_an_edge_is_flagged(tmp_path):
    found = _found(tmp_path, grid(_grid(sgd=[4.0, 3.0, 2.0, 1.0])))
    assert _texts(found.tables[0], "best setting") == ["lr=10 (largest tried)"]
    assert any("try optimizer.lr=tag(log,interval" in remark for remark in found.remarks)


def test_the_confirmation_counts_where_there_is_one(tmp_path):
    fresh = [
        {"words": {**JOBS[first]["words"], "seed": str(seed)}, "losses": [9.0, 9.0, level + seed], "confirms": first}
        for first, level in ((6, 0.0), (36, 1.0))
        for seed in range(10, 14)
    ]
    assert JOBS[6]["words"] == {"optimizer": "sgd", "optimizer.lr": "0.1", "seed": "0"}
    found = _found(tmp_path, [*JOBS, *fresh])
    table = found.tables[0]
    assert [cell.value for cell in _column(table, "test/loss")] == pytest.approx(
        [stats.gmean([10, 11, 12, 13]), stats.gmean([11, 12, 13, 14])]
    )
    assert _texts(table, "seeds") == ["4", "4"]
    assert "over fresh seeds, on which nothing was selected: the confirmation's" in table.caption
    assert "runs 48 to 51" in str(_chart(found, "curves_train").lines[0].hover)
    assert found.title.endswith("2 optimizers, 48 runs and 8 to confirm")


def test_what_is_not_confirmed_is_not_compared_with_what_is(tmp_path):
    fresh = [
        {"words": {**JOBS[6]["words"], "seed": str(seed)}, "losses": [9.0, 9.0, 9.0 + seed], "confirms": 6}
        for seed in range(10, 14)
    ]
    found = _found(tmp_path, [*JOBS, *fresh])
    assert _texts(found.tables[0], "not told apart") == ["", ""]
    assert _texts(found.tables[0], "loss") == ["test/loss 20.47", "val/loss 2.057"]
    assert [table.name for table in found.tables] == ["Which optimizer, and how hard was it to tune?"]


def test_the_commands_of_the_verdict(tmp_path):
    """That which trains it is the winner's own words without seeds; that which confirms it goes on with the sweep."""
    one = sweep(tmp_path, JOBS)
    (one / "sweep.json").write_text(json.dumps({"jobs": JOBS}), encoding="utf-8")
    read_back = read(one)
    assert isinstance(read_back, Sweep)
    (answer,) = findings([read_back]).answers
    assert answer.sentences[0].startswith("Take sgd at lr=0.1: ")
    (trains, train), (confirms, confirm) = answer.commands
    assert (trains, confirms) == ("trains it", "confirms it")
    assert train.split()[1:] == ["-m", "src.train", "optimizer=sgd", "optimizer.lr=0.1"]
    assert confirm == f"python -m src.train -m ... confirm_seeds=20 hydra.sweep.dir={tmp_path}"


def test_of_a_sweep_file_the_command_is_a_sweep_of_one(tmp_path):
    jobs = [{**job, "words": {"sweep": "compare", **job["words"]}} for job in grid({("sgd", 0.1): [1.0, 2.0]})]
    (answer,) = _found(tmp_path, jobs).answers
    ((_, train),) = answer.commands
    assert train.split()[3:] == [
        *("-m", "sweep=compare", "optimizer=sgd", "optimizer.lr=0.1", "seed=0"),
        *("'hydra.sweeper.against=[]'", "confirm_seeds=0"),
    ]


def test_the_margin_is_that_of_the_sweep(tmp_path):
    jobs = grid({("sgd", 0.1): [1.0, 2.0, 3.0], ("adam", 0.1): [1.03, 2.061, 3.09]})
    assert _texts(_found(tmp_path, jobs).tables[1], "told")[0] != "practically equal"
    (tmp_path / "multirun.yaml").write_text("hydra: {sweeper: {equal_within: 0.05}}", encoding="utf-8")
    one = read(tmp_path)
    assert isinstance(one, Sweep)
    assert _texts(findings([one]).tables[1], "told") == ["practically equal"]
    assert _texts(findings([one], equal_within=0.01).tables[1], "told") != ["practically equal"]


def test_losses_above_the_exact_one(tmp_path):
    """Without validation rows the training loss is known to be at best 0.25: 0.3 is a third of the way above 0.4."""
    jobs = [
        {**job, "losses": [level * seed]}
        for job, (level, seed) in zip(
            grid({("sgd", 0.1): SEEDS, ("adam", 0.1): SEEDS}, exact={"train/loss": 0.25}),
            [(level, seed) for level in (0.3, 0.4) for seed in np.linspace(1, 1.02, 6)],
            strict=True,
        )
    ]
    found = _found(tmp_path, jobs)
    ratios = [(0.4 * seed - 0.225) / (0.3 * seed - 0.225) for seed in np.linspace(1, 1.02, 6)]
    assert _column(found.tables[1], "ratio of losses")[0].value == pytest.approx(stats.gmean(ratios))


# --- pairs and problems ----------------------------------------------------------------------------------------------


def test_the_same_is_said_of_two_everywhere(tmp_path):
    """Paired: sgd is lower on each of the six seeds, though some of adam's losses are below some of sgd's."""
    losses = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = _found(tmp_path, grid({("sgd", 0.1): losses.tolist(), ("adam", 0.1): (losses * 1.5).tolist()}))
    assert _texts(found.tables[0], "not told apart") == ["a", "b"]
    row = dict(zip(found.tables[1].columns, (cell.text for cell in found.tables[1].rows[0]), strict=True))
    assert (row["optimizer"], row["against"], row["ratio of losses"]) == ("sgd", "adam", "1.5")
    assert (row["probability"], row["seeds won"], row["told"]) == ("1.00", "6 of 6, lost 0", "better")
    (answer,) = found.answers
    assert answer.sentences[0].startswith("Take sgd at lr=0.1: it ends lower than the other on val/loss; ")
    assert answer.sentences[0].endswith("adam, is 50 % above it (50 % to 50 %), and higher on 6 of 6 seeds.")


def test_four_pairs_tell_nothing_apart(tmp_path):
    levels = {("sgd", 0.1): [1.0, 2.0, 3.0, 4.0], ("adam", 0.1): [1.5, 2.5, 3.5, 4.5]}
    found = _found(tmp_path, grid(levels))
    assert _texts(found.tables[1], "told")[0].startswith("not told apart")
    assert _texts(found.tables[1], "its interval") == [""]
    assert found.answers[0].sentences[0] == "Not told apart: sgd and adam."


def test_ties_are_no_results(tmp_path):
    """Five whose losses differ in the last digits only are ranked by their steps to the target, all with one letter."""
    random = np.random.default_rng(0)
    names = ["sgd", "momentum", "adam", "adagrad", "rmsprop"]
    jobs = []
    for index, name in enumerate(names):
        noise = 1 + 1e-6 * random.random(8)
        of_one = grid({(name, 0.1): (np.linspace(1, 2, 8) * noise).tolist()}, steps=10 * (index + 1))
        jobs += of_one
    found = _found(tmp_path, jobs)
    assert _texts(found.tables[0], "optimizer") == names
    assert set(_texts(found.tables[0], "not told apart")) == {"a"}
    assert set(_texts(found.tables[1], "told")) == {"practically equal"}
    assert (
        found.answers[0].sentences[0] == "Any of the five will do: final losses (val/loss) differ by less than 0.01 %."
    )
    assert found.answers[0].sentences[1].startswith("For speed take sgd at lr=0.1 (10 steps")
    apart = _found(tmp_path / "stricter", jobs, equal_within=0.0)
    assert "practically equal" not in _texts(apart.tables[1], "told")


def _two_problems():
    """sgd is best by a factor of 2 on one, adam by a factor of 4 on the other, whose losses are 100 times larger."""
    jobs = []
    for option, (ours, theirs) in {"line": (1.0, 2.0), "teacher": (400.0, 100.0)}.items():
        for job in grid(_grid(sgd=[9e3, ours, 9e3, None], adam=[9e3, theirs, 9e3, 9e3])):
            jobs.append({**job, "words": {"data": option, **job["words"]}})
    return jobs


def test_several_problems(tmp_path):
    found = _found(tmp_path, _two_problems())
    assert _texts(found.tables[0], "problem") == ["line", "line", "teacher", "teacher"]
    assert _texts(found.tables[0], "optimizer") == ["sgd", "adam", "adam", "sgd"]
    over = found.tables[1]
    mean = stats.gmean(SEEDS)
    scores = {"adam": [2, 1], "sgd": [1, 4]}  # times the best of each problem
    for label, cell in zip(_texts(over, "optimizer"), _column(over, "loss over the best"), strict=True):
        every = np.concatenate([factor * np.array(SEEDS) / mean for factor in scores[label]])
        assert cell.value == pytest.approx(stats.gmean(every))
    assert _texts(over, "problems won") == ["1 of 2", "1 of 2"]
    assert _texts(over, "won with others") == ["0 of 2", "0 of 2"]
    assert _texts(found.tables[2], "told") == ["better", "better"]
    assert [answer.problem for answer in found.answers] == ["line", "teacher"]
    names = [picture.name for picture in found.charts]
    assert len(set(names)) == len(names)
    profile = _chart(found, "profile")
    sgd = next(line for line in profile.lines if line.name == "sgd")
    assert profile.title == "Steps to the target over the problems"
    assert list(sgd.y) == [0.5, 0.5]  # each comes to the target of the problem that it is best on, and to no other
    assert "1 is the most: sgd 0.50, adam 0.50." in profile.caption
    assert {"sensitivity_1", "sensitivity_2", "curves_train_2", "budget_1", "heat_2"} <= {
        one.name for one in found.charts
    }


def test_only_optimizers_of_all_problems_are_compared_over_them(tmp_path):
    """momentum would look best over all, for it is missing where losses are bad."""
    more = grid(_grid(momentum=[9e3, 0.5, 9e3, None]))
    jobs = [*_two_problems(), *({**job, "words": {"data": "line", **job["words"]}} for job in more)]
    found = _found(tmp_path, jobs)
    assert set(_texts(found.tables[1], "optimizer")) == {"sgd", "adam"}
    assert _texts(found.tables[1], "problems won") == ["1 of 2", "1 of 2"]
    assert {line.name for line in _chart(found, "profile").lines} == {"sgd", "adam"}
    lost = [
        {**job, "losses": [None, None], "status": "diverged"}
        if job["words"]["optimizer"] != "momentum" and job["words"]["data"] == "line"
        else job
        for job in jobs
    ]
    assert "Over all problems" not in [table.name for table in _found(tmp_path / "lost", lost).tables]
    only = [job for job in jobs if job["words"]["optimizer"] != "adam" or job["words"]["data"] == "line"]
    assert "profile" not in [picture.name for picture in _found(tmp_path / "only", only).charts]


# --- pictures --------------------------------------------------------------------------------------------------------


def test_sensitivity(tmp_path):
    picture = _chart(_found(tmp_path, JOBS), "sensitivity")
    sgd = next(line for line in picture.lines if line.name == "sgd")
    mean = stats.gmean(SEEDS)
    assert list(sgd.x) == RATES
    assert list(sgd.y) == pytest.approx([4 * mean, mean, 2 * mean, math.inf])
    assert sgd.low is not None
    assert sgd.high is not None
    assert np.all(np.asarray(sgd.low)[:3] < np.asarray(sgd.y)[:3])
    assert np.all(np.asarray(sgd.high)[:3] > np.asarray(sgd.y)[:3])
    [region] = picture.regions
    assert (region.name, region.start, region.end) == ("sgd diverged", pytest.approx(math.sqrt(10.0)), None)
    levels = {level.name: level.at for level in picture.levels}
    assert levels == pytest.approx(
        {"critical rate, gradient descent": 2 / 4.0, "best rate, gradient descent": 2 / (0.5 + 4.0)}
    )
    assert picture.x.log
    assert "(run 6)" in sgd.hover[1]
    assert list(sgd.runs) == ["0", "6", "12", "18"]


def test_sensitivity_ends_where_a_loss_would_squeeze_all_others(tmp_path):
    """Three quarters of the eight end below 4, or half way to the next: the axis goes on to ten times that."""
    picture = _chart(_found(tmp_path, grid(_grid(sgd=[4.0, 1.0, 2.0, 1e8], adam=[4.0, 3.0, 2.0, 1.0]))), "sensitivity")
    assert picture.y.limits is not None
    assert picture.y.limits[1] == pytest.approx(40 * stats.gmean(SEEDS))
    assert picture.y.limits[0] < stats.gmean(SEEDS)
    assert picture.caption.endswith("lies beyond the axis.")


def test_training_losses_are_above_the_exact_one(tmp_path):
    """0.25: of sgd's best setting half of each seed is left. Where val/loss decides there is one picture more."""
    of_best = stats.gmean(np.array(SEEDS) / 2 - 0.25)
    without = _found(tmp_path / "train", [{**job, "losses": job["losses"][:1]} for job in JOBS])
    beside = _found(tmp_path / "val", JOBS)
    for found, name in ((without, "sensitivity"), (beside, "sensitivity_train")):
        picture = _chart(found, name)
        assert picture.y.label == "final train/loss above the exact one"
        assert next(line for line in picture.lines if line.name == "sgd").y[1] == pytest.approx(of_best)
        assert _column(found.tables[0], "train above exact")[0].value == pytest.approx(of_best)
    expected, every = _chart(without, "budget"), _chart(without, "parallel", Parallel)
    assert next(line for line in expected.lines if line.name == "sgd").y[-1] == pytest.approx(of_best)
    assert (every.axes[-1].label, every.curve_y.label) == ("train/loss above exact", expected.y.label[14:])
    assert every.settings[0].values[-1] == pytest.approx(of_best)
    # a penalty moves the exact answer of some: the lowest counts, unless a run ends below it
    for lowest, there in ((0.25, True), (0.5, False)):
        moved = [{**job, "exact": {"train/loss": lowest if "sgd" in job["words"].values() else 0.75}} for job in JOBS]
        found = _found(tmp_path / str(lowest), moved)
        assert ("sensitivity_train" in {one.name for one in found.charts}) is there
        assert ("train above exact" in found.tables[0].columns) is there
    # of all: runs pass below it on their way to where they rest
    decayed = [{**job, "exact": job["exact"] | {"decayed": True}} for job in JOBS]
    found = _found(tmp_path / "decayed", decayed)
    assert "train above exact" not in found.tables[0].columns
    assert "at the exact answer" in {level.name for level in _chart(found, "curves_train").levels}


def test_sensitivity_around_the_own_best_rate(tmp_path):
    """sgd is best at 0.1 and practically as good at 1, adam at 10."""
    picture = _chart(_found(tmp_path, grid(_grid(sgd=[4.0, 1.0, 1.001, 9.0], adam=[8.0, 4.0, 2.0, 1.0]))), "shifted")
    sgd, adam = picture.lines
    assert adam.x == pytest.approx(np.array(RATES) / 10, rel=0.02)
    assert sgd.x[1] * sgd.x[2] == pytest.approx(1, rel=0.1)  # one as far below as the other is above


def test_steps_against_the_rate(tmp_path):
    """Straight from 10 to the end at 100 the target of 1.1 times the best one's end is passed near the end."""
    picture = _chart(_found(tmp_path, grid(_grid(sgd=[4.0, 1.0, 1.02, None], adam=[8.0] * 4), exact=EXACT)), "steps")
    (sgd, theory) = picture.lines
    np.testing.assert_array_equal(sgd.y, [np.nan, 100, 100, np.nan])
    assert sgd.runs == ["0", "6", "12", "18"]
    assert theory.name == "theory, gradient descent"
    assert np.nanmax(np.asarray(theory.x)[np.isfinite(theory.y)]) < 0.5  # 2/λmax
    assert "At no rate: adam." in picture.caption


def test_settings_drawn_at_random_are_points(tmp_path):
    jobs = [
        {"words": {"optimizer.lr": str(rate), "optimizer.eps": str(rate * eps)}, "losses": [1.0, rate + eps]}
        for rate, eps in ((0.1, 1.0), (0.2, 3.0), (0.4, 2.0))
    ]
    picture = _chart(_found(tmp_path, jobs), "sensitivity")
    assert not picture.lines
    assert list(picture.points[0].x) == [0.1, 0.2, 0.4]
    assert list(picture.points[0].y) == pytest.approx([1.1, 3.2, 2.4])


def test_curves(tmp_path):
    """Every run goes straight from 10 to its end; the line is their geometric mean, above the exact loss of 0.25."""
    picture = _chart(_found(tmp_path, JOBS), "curves_train")
    line = picture.lines[0]
    runs = 10 - (10 - np.array(SEEDS)[:, None] / 2) * np.asarray(line.x) / 100
    np.testing.assert_allclose(line.y, stats.gmean(runs - 0.25))
    assert picture.y.label == "train/loss above the exact one"
    assert str(line.hover) == "optimizer.lr=0.1 (runs 6 to 11)"
    assert "foresees no path" in picture.caption


def test_seed_by_seed(tmp_path):
    """Adam at 2 on every seed beside sgd at 1; of three contenders who is better than whom."""
    found = _found(tmp_path, [*JOBS, *grid(_grid(momentum=[4.0, 1.0001, 2.0, None]))])
    picture = _chart(found, "seeds")
    assert picture.y.names == ["adam", "momentum"]
    dots = {points.name: np.asarray(points.x) for points in picture.points}
    np.testing.assert_allclose(dots["adam"], [100.0] * 6)
    np.testing.assert_allclose(dots["momentum"], [0.01] * 6)
    assert sorted(level.at for level in picture.levels) == pytest.approx([-1 / 1.01, 0, 1])
    assert len(picture.points[0].runs) == 6
    wins = next(one for one in found.charts if one.name == "wins")
    assert isinstance(wins, Heat)
    assert list(wins.x) == list(wins.y) == ["sgd", "momentum", "adam"]
    np.testing.assert_array_equal(wins.values, [[0, 0, 1], [0, 0, 1], [-1, -1, 0]])
    assert wins.hover[2][0] == "lower on 0 of 6 seeds, higher on 6"


def test_far_apart_seeds_are_factors(tmp_path):
    picture = _chart(_found(tmp_path, grid(_grid(sgd=[1.0] * 4, adam=[100.0] * 4))), "seeds")
    assert picture.x.log
    assert np.asarray(picture.points[0].x).tolist() == pytest.approx([100.0] * 6)


def test_a_run_that_ended_early_keeps_its_last_loss(tmp_path):
    jobs = [
        {"words": {"optimizer": "sgd", "seed": "0"}, "losses": [2.0, 2.0], "steps": 50},
        {"words": {"optimizer": "sgd", "seed": "1"}, "losses": [4.0, 4.0], "steps": 100},
    ]
    line = _chart(_found(tmp_path, jobs), "curves_train").lines[0]
    assert (list(line.x)[-1], list(line.y)[-1]) == (100, pytest.approx(math.sqrt(8)))


def test_budget(tmp_path):
    """One draw: the mean, in which what diverged counts as the start, 10; all draws: the best."""
    found = _found(tmp_path, JOBS)
    picture, chances = _chart(found, "budget"), _chart(found, "best_after")
    mean = stats.gmean(SEEDS)
    sgd = next(line for line in picture.lines if line.name == "sgd")
    values = np.array([4 * mean, mean, 2 * mean, 10.0])
    assert list(sgd.x) == [1, 2, 3, 4]
    assert list(sgd.y) == pytest.approx([np.mean([min(c) for c in combinations(values, k)]) for k in (1, 2, 3, 4)])
    assert sgd.low is not None
    assert sgd.high is not None
    assert (np.less(sgd.low, sgd.y) & np.less(sgd.y, sgd.high)).all()
    assert chances.stacked
    # of the 16 pairs of one setting each sgd is lower in 8 and two are the same
    assert [line.y[0] for line in chances.lines] == pytest.approx([9 / 16, 7 / 16], abs=0.04)
    assert [line.y[-1] for line in chances.lines] == [1.0, 0.0]


# --- the race --------------------------------------------------------------------------------------------------------


def _racer(path, job, x, y):
    rows = [f"{step},{one},{other},1.0" for step, (one, other) in enumerate(zip(x, y, strict=True))]
    (path / str(job) / "metrics.csv").write_text("step,point[0],point[1],train/loss\n" + "\n".join(rows) + "\n")


def test_race(tmp_path):
    """Over x² + (y² - 1)²/2 along x = 0: away from the saddle, below 0.45, from y² > 1 - sqrt(0.9) on, y > 0.2265."""
    config = "model:\n  _target_: src.models.surface.Surface\n  function: saddle\n"
    jobs = [
        {"words": {"optimizer": name, "optimizer.lr": "0.1"}, "losses": [loss], "config": config}
        for name, loss in (("adam", 0.1), ("sgd", 0.5))
    ]
    sweep(tmp_path, jobs)
    _racer(tmp_path, 0, [0.0] * 6, [0.001, 0.1, 0.2, 0.25, 0.5, 0.9])
    _racer(tmp_path, 1, [0.0] * 6, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006])
    one = read(tmp_path)
    assert isinstance(one, Sweep)
    found = findings([one])
    table = found.tables[1]
    assert _texts(table, "optimizer") == ["adam", "sgd"]
    assert _texts(table, "away from the saddle at step") == ["3", "not within the run"]
    distance = [cell.value for cell in _column(table, "final distance to the nearest minimum")]
    assert distance == pytest.approx([0.1, 0.994])
    animation = found.charts[0]
    assert isinstance(animation, Contours)
    assert [path.name for path in animation.paths] == ["adam", "sgd"]
    assert list(animation.paths[0].y) == [0.001, 0.1, 0.2, 0.25, 0.5, 0.9]
    assert list(animation.frames) == [0, 1, 2, 3, 4, 5]
    heights = animation.heights
    assert heights.shape == (121, 121)
    assert heights[60, 60] == pytest.approx(0.5)  # the saddle point, in the middle
    assert heights[0, 60] == pytest.approx((1.5**2 - 1) ** 2 / 2)


@pytest.mark.parametrize("noise", ["", "0.0", "0.5", "swept"])
def test_only_what_is_drawn_flatters_itself(tmp_path, noise):
    """Down a surface nothing is drawn, unless its gradient is noisy: another seed would be the same run."""
    config = "model:\n  _target_: src.models.surface.Surface\n  function: saddle\n"
    config += f"data:\n  noise: {noise}\n" if noise and noise != "swept" else ""
    more = {"data.noise": "0.5"} if noise == "swept" else {}
    words = [{"optimizer.lr": rate, **more} for rate in ("0.1", "0.2")]
    found = _found(tmp_path, [{"words": one, "losses": [0.1], "config": config} for one in words])
    drawn, said = noise in ("0.5", "swept"), " ".join([found.tables[0].caption, *found.remarks])
    assert ("flatters itself" in said, "nothing here is drawn" in said) == (drawn, not drawn)
    assert ("one seed" in said) == drawn


# --- tables ----------------------------------------------------------------------------------------------------------


def test_scores_of_the_winners_stand_beside_the_loss(tmp_path):
    jobs = grid(_grid(sgd=[4.0, 1.0, 2.0, None], adam=[8.0, 4.0, 2.0, 3.0]))
    one = read(sweep(tmp_path, jobs))
    assert isinstance(one, Sweep)
    rows = tuple(
        replace(
            row,
            metrics={
                **row.metrics,
                "val/rmse[a, b]": 3 * (row.metrics["val/loss"] or math.nan),
                "test/r2": 1.0,
                "val/accuracy": None if row.metrics["val/loss"] is None else 1 / (1 + row.metrics["val/loss"]),
            },
        )
        for row in one.rows
    )
    found = findings([replace(one, rows=rows)])
    table = found.tables[0]
    accurate = np.mean(1 / (1 + np.array(SEEDS)))
    assert _column(table, "val/accuracy")[0].value == pytest.approx(accurate)
    every = _chart(found, "parallel", Parallel)
    assert every.axes[-2].label == "final val/accuracy"
    assert every.settings[0].values[-2] == pytest.approx(accurate)
    assert [cell.value for cell in _column(table, "val/rmse[a, b]")] == pytest.approx(
        [3 * cell.value for cell in _column(table, "val/loss")]
    )
    assert "test/r2" not in table.columns
    assert "in the units of the table" in table.caption


def test_what_losses_are_is_said_where_it_is_not_the_data_s_units(tmp_path):
    def said(loss):
        path = tmp_path / str(len(loss))
        one = read(sweep(path, JOBS))
        assert isinstance(one, Sweep)
        result = json.loads((path / "0" / "result.json").read_text(encoding="utf-8"))
        (path / "0" / "result.json").write_text(json.dumps({**result, "loss": loss, "targets": ["price"]}))
        return [remark for remark in findings([one]).remarks if remark.startswith("losses")]

    assert said({"least_squares": True, "units": "data", "logarithm": True}) == [
        "losses and parameters are of the logarithm of price"
    ]
    assert said({"least_squares": True, "units": "data", "logarithm": False, "reduction": "mean"}) == said({}) == []


def test_accuracy_along_the_steps_is_the_mean_with_students_interval(tmp_path):
    path, shares = sweep(tmp_path, grid({("sgd", 0.1): SEEDS})), np.array([0.9, 0.8, 0.95, 1.0, 0.85, 0.9])
    for run, share in enumerate(shares):
        text = f"step,train/loss,val/loss,val/accuracy\n0,1.0,1.0,0.5\n100,0.5,0.5,{share}\n"
        (path / str(run) / "metrics.csv").write_text(text, encoding="utf-8")
    picture = _chart(findings(gather([read(path)])), "curves_accuracy")
    (line,) = picture.lines
    low, high = stats.t.interval(0.95, 5, shares.mean(), stats.sem(shares))
    assert (list(line.x), line.y) == ([0, 100], pytest.approx([0.5, shares.mean()]))
    assert (line.low[1], line.high[1]) == pytest.approx((low, high))
    assert picture.y.limits == pytest.approx((0.5 - 0.1 * (high - 0.5), min(1, high + 0.1 * (high - 0.5))))


def test_a_loss_is_called_what_it_is(tmp_path):
    one = read(sweep(tmp_path, JOBS))
    loss = {"name": "cross_entropy", "least_squares": False, "reduction": "mean"}
    for path in (tmp_path / "0" / "result.json", tmp_path / "6" / "result.json"):  # the first, and one that is shown
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "loss": loss}))
    found = findings(gather([one]))
    levels = {level.name for level in _chart(found, "sensitivity").levels}
    assert levels == {"critical rate near the answer, gradient descent", "best rate near the answer, gradient descent"}
    assert "the loss is the cross-entropy, its mean over rows" in found.remarks


# --- how far to trust it ---------------------------------------------------------------------------------------------


def test_one_seed_has_no_interval_and_it_is_said(tmp_path):
    found = _found(tmp_path, [job for job in JOBS if job["words"]["seed"] == "0"])
    assert _texts(found.tables[0], "95 % interval") == ["", ""]
    assert _texts(found.tables[0], "not told apart") == ["", ""]
    assert any(remark.startswith("one seed only") for remark in found.remarks)
    assert _texts(found.tables[1], "told") == ["not told apart"]
    assert found.answers[0].sentences[0] == "One seed cannot tell what is due to chance."
    low = _chart(found, "sensitivity").lines[0].low
    assert low is not None
    assert np.isnan(low).all()


def test_two_seeds_have_no_interval_and_it_is_said(tmp_path):
    found = _found(tmp_path, [job for job in JOBS if job["words"]["seed"] in "01"])
    assert _texts(found.tables[0], "95 % interval") == ["", ""]
    assert any(remark.startswith("2 seeds only: there are no intervals") for remark in found.remarks)
    assert "2 seeds leave no interval: type seed=range(0,8)." in found.answers[0].sentences


def test_everything_diverged(tmp_path):
    found = _found(tmp_path, grid(_grid(sgd=[None] * 4, adam=[None] * 4)))
    assert _texts(found.tables[0], "best setting") == ["none of 4 came through"] * 2
    assert _texts(found.tables[0], "train/loss") == ["6 of 6 seeds diverged"] * 2
    assert _texts(found.tables[0], "diverged settings") == ["4 of 4"] * 2
    assert found.charts == []
    assert any("of 48 runs 48 diverged" in remark for remark in found.remarks)
    assert found.answers[0].text == (
        "Nothing came through: of 8 settings 8 diverged on one seed or more. The smallest rate tried was 0.01: try "
        "optimizer.lr=tag(log,interval(1e-05,0.01))."
    )
    assert not found.answers[0].commands


def test_failed_runs_are_counted(tmp_path):
    jobs = [{**job, "status": "failed"} if job["words"]["optimizer.lr"] == "10" else job for job in JOBS]
    found = _found(tmp_path, jobs)
    assert _texts(found.tables[0], "diverged settings") == ["0 of 4, 1 failed"] * 2
    assert any("of 48 runs 12 failed" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("name", "text"), [("metrics.csv", "step,train/loss\n0,low\n"), ("result.json", "{"), ("metrics.csv", None)]
)
def test_a_broken_file_of_a_run_that_is_shown(tmp_path, name, text):
    sweep(tmp_path, JOBS)
    path = tmp_path / "6" / name
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    one = read(tmp_path)
    assert isinstance(one, Sweep)
    found = findings([one])
    assert any(f"6/{name}" in remark for remark in found.remarks)
    assert _column(found.tables[0], "val/loss")[0].value == pytest.approx(stats.gmean(SEEDS))
    assert _chart(found, "curves_train").lines[0].name == "sgd"


def test_run_directories_that_are_gone(tmp_path):
    found = _found(tmp_path, JOBS, shown=[])
    assert _texts(found.tables[0], "steps to target") == ["", ""]
    assert "curves_train" not in [picture.name for picture in found.charts]
    assert any("12 more" in remark or "more files" in remark for remark in found.remarks)


def test_keys_with_markup_are_kept_as_they_are(tmp_path):
    jobs = [{**job, "words": {"+data.<b>": "[red]", **job["words"]}} for job in JOBS]
    jobs += [{**job, "words": {"+data.<b>": "</script>", **job["words"]}} for job in JOBS]
    found = _found(tmp_path, [{**job, "words": {k.lstrip("+"): v for k, v in job["words"].items()}} for job in jobs])
    assert set(_texts(found.tables[0], "problem")) == {"<b>=[red]", "<b>=</script>"}


def test_optimizers_of_two_sweeps_are_compared(tmp_path):
    """The same but that new's sgd is twice as good."""
    better = [{**job, "losses": [job["losses"][0], job["losses"][1] and job["losses"][1] / 2]} for job in JOBS[:24]]
    sweeps = [read(sweep(tmp_path / name, jobs)) for name, jobs in (("old", JOBS[:24]), ("new", better))]
    found = findings([one for one in sweeps if isinstance(one, Sweep)])
    assert _texts(found.tables[0], "optimizer") == ["sgd (new)", "sgd (old)"]
    assert [cell.text for cell in found.tables[1].rows[0]][:3] == ["sgd (new)", "sgd (old)", "2"]
    which = found.tables[-1]
    assert (which.name, _texts(which, "directory"), _texts(which, "holds"), _texts(which, "runs")) == (
        *("Directories", ["old", "new"], ["sgd (old)", "sgd (new)"], ["24", "24"]),
    )
    assert _texts(which, "path") == [str(tmp_path / "old"), str(tmp_path / "new")]


def test_single_runs_of_different_seeds_cannot_be_held_against_each_other(tmp_path):
    jobs = [
        {"words": {"optimizer": name, "seed": seed}, "losses": [1.0, 1.0]}
        for name, seed in (("sgd", "0"), ("adam", "1"))
    ]
    sweep(tmp_path, jobs)
    found = findings(gather([read(tmp_path / "1"), read(tmp_path / "0")]))
    assert (
        found.answers[0].sentences[0] == "Each was trained on a seed of its own, so none can be held against another."
    )
    assert any(remark.startswith("no two share a seed, and the data of their seeds differ") for remark in found.remarks)
    assert _texts(found.tables[-1], "directory") == ["1", "0"]
    assert _texts(found.tables[-1], "holds") == ["adam", "sgd"]


def test_batch_sizes_are_compared_whatever_advances_with_them(tmp_path):
    """Of 80 rows: batches of 8 make 10 steps an epoch, and 10 epochs of either reach the target at their last step."""
    jobs = [
        {
            "words": {
                "data.batch_size": size,
                "trainer.max_steps": str(steps),
                "optimizer.lr": rate,
                "seed": str(seed),
            },
            "losses": [loss, loss],
            "steps": steps,
            "config": "data:\n  rows: 80\noptimizer:\n  _target_: torch.optim.SGD\n",
        }
        for size, steps in (("8", 100), ("full", 10))
        for rate, loss in (("0.1", 1.0), ("0.2", 2.0))
        for seed in range(2)
    ]
    found = _found(tmp_path, jobs)
    table = found.tables[0]
    assert found.title.endswith(": 2 batch sizes with sgd, 8 runs")
    assert (table.name, table.columns[0]) == ("Which batch size, and how hard was it to tune?", "batch size")
    assert _texts(table, "batch size") == ["batch_size=8", "batch_size=full"]
    assert _texts(table, "best setting") == ["lr=0.1 (smallest tried)"] * 2
    assert _texts(table, "epochs to target") == ["10", "10"]
    curves = _chart(found, "curves_train")
    assert curves.x.label == "epoch"
    assert [list(line.x)[-1] for line in curves.lines] == [10, 10]
    assert "data.batch_size stands for trainer.max_steps as well, for these advance together" in found.remarks


def test_more_problems_than_are_drawn(tmp_path):
    jobs = [{**job, "words": {"data.rows": str(rows), **job["words"]}} for rows in range(10, 20) for job in JOBS[:12]]
    found = _found(tmp_path, jobs, shown=[])
    assert len(found.tables[0].rows) == 10
    assert any("the first 8 of 10 problems" in remark for remark in found.remarks)


def test_an_optimizer_of_ones_own_is_called_by_its_class(tmp_path):
    jobs = grid({("sgd", 0.1): [1.0, 2.0]})
    jobs += [{**job, "words": {"optimizer._target_": "mine.Sgd", "seed": job["words"]["seed"]}} for job in jobs]
    assert set(_texts(_found(tmp_path, jobs).tables[0], "optimizer")) == {"sgd", "Sgd"}


def test_command_config_and_environment(tmp_path):
    found = _found(tmp_path, JOBS)
    assert found.command == "python -m src.train -m ..."
    assert found.environment["torch"] == "2.13.0"
    assert found.config.startswith(f"# of run 0 of {tmp_path.name}; swept: optimizer, optimizer.lr, seed\n")
    assert "_target_: torch.optim.SGD" in found.config


def test_torch_is_not_imported(tmp_path):
    """In a process of its own, for this one has torch."""
    import subprocess

    sweep(tmp_path, JOBS)
    code = (
        "import sys, pathlib; from src.report.reading import read; from src.report.findings import findings; "
        "findings([read(pathlib.Path(sys.argv[1]))]); print('torch' in sys.modules, 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_setting_that_has_not_ended_on_every_seed_cannot_win(tmp_path):
    """Its one seed is the easy one: 0.1 there, against 1 and 3 of the setting that ended on both."""
    jobs = grid({("sgd", 0.1): [1.0, 3.0], ("sgd", 0.2): [0.1, 9.0]})
    one = read(sweep(tmp_path, jobs[:3]))
    assert isinstance(one, Sweep)
    assert _texts(findings([one]).tables[0], "best setting")[0].startswith("lr=0.1")


def test_experiments_of_two_sweeps_are_one_problem_only_where_they_are_the_same(tmp_path):
    """Both sweep `experiment`, and one has ten times the rows: its runs are not to be ranked beside the other's."""

    def made(name, rows):
        config = f"data:\n  batch_size: full\n  rows: {rows}\noptimizer:\n  _target_: torch.optim.SGD\n"
        words = [{"experiment": one, "seed": str(seed)} for one in ("line", "other") for seed in range(2)]
        return read(sweep(tmp_path / name, [{"words": each, "losses": [1.0, 1.0], "config": config} for each in words]))

    same, more = made("a", 100), made("b", 1000)
    alike = findings([same, made("c", 100)]).tables[0]
    apart = findings([same, more]).tables[0]
    assert sorted(set(_texts(alike, "problem"))) == ["line", "other"] or len(set(_texts(alike, "problem"))) == 2
    assert len(set(_texts(apart, "problem"))) == 4


@pytest.mark.parametrize("broken", [{"seconds": None}, {"seconds": {}}, {"exact": "no"}, {"exact": None}])
def test_a_result_that_somebody_has_been_at_is_no_traceback(tmp_path, broken):
    path = sweep(tmp_path, grid({("sgd", 0.1): [1.0, 3.0]}, stack_size=1))
    for file in path.glob("*/result.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), **broken}))
    one = read(path)
    assert isinstance(one, Sweep)
    assert _texts(findings([one]).tables[0], "best setting") == ["lr=0.1"]


def test_a_job_that_is_there_twice_is_not_believed(tmp_path):
    path = sweep(tmp_path, grid({("sgd", 0.1): [1.0, 3.0]}))
    header, first, _ = (path / "results.csv").read_text().splitlines()
    (path / "results.csv").write_text("\n".join([header, first, first]) + "\n")
    with pytest.raises(LabError, match="a job is there twice"):
        read(path)


def test_a_race_is_played_at_one_speed():
    from src.report.race import frames

    assert frames(5) == [0, 1, 2, 3, 4, 5]
    assert set(np.diff(frames(300))) == {2, 3}
    assert (frames(300)[0], frames(300)[-1]) == (0, 300)


def test_where_the_variance_comes_from(tmp_path):
    """Losses e^(0.1 d) of three data seeds d and two starts: a variance of 0.01, all of it the data's; 0.1 is 11 %."""
    jobs = [
        {"words": {"data.seed": f"{data}", "model.seed": f"{start}"}, "losses": [1.0, math.exp(0.1 * data)]}
        for data in range(3)
        for start in range(2)
    ]
    found = _found(tmp_path, jobs)
    assert sum("ought to be up to 1.6 times as wide" in remark for remark in found.remarks) == 1
    (table,) = [one for one in found.tables if one.name == "Where the variance comes from"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["sgd", "data (data.seed)", "100.0 %", "11 %", "3"],
        ["sgd", "start (model.seed)", "0.0 %", "0 %", "2"],
        ["sgd", "rest (together)", "0.0 %", "0 %", "6"],
    ]
    fresh = [{"words": {"data.seed": f"{9 + i}"}, "losses": [1.0, 1.0, 1.0 + i], "confirms": 0} for i in range(3)]
    assert not any("ought to be" in remark for remark in _found(tmp_path / "fresh", [*jobs, *fresh]).remarks)
    assert not [one for one in _found(tmp_path / "plain", JOBS).tables if one.name == table.name]
