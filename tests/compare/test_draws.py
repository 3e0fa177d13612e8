"""What budgets come to, of losses written out and of simulated ones whose truth is known."""

import itertools

import numpy as np
import pytest
from scipy import stats

from src.compare.budgets import budgets
from src.compare.draws import Numbers, Tried, outcomes, shares
from src.compare.statistics import area, mean_ranks, profile, ratios
from tests.compare.simulated import SETTINGS


def tried(*losses: Numbers, steps: tuple[int, ...] = (100,), given_up: float = 1e3, **more: bool) -> Tried:
    """Of contenders a, b and so on, `[settings, seeds]` or `[S, settings, seeds]` each."""
    named = {name: one.reshape(len(steps), *one.shape[-2:]) for name, one in zip("abcdefghij", losses, strict=False)}
    unknown = np.full(losses[0].shape[-1], np.nan)
    return Tried("val/loss", steps, named, given_up, unknown, 0.01, more.get("drawn", True))


def test_chances_are_those_of_all_pairs_of_draws() -> None:
    """Nothing is drawn but the settings: each two of a's three beside each two of b's three; 2 ties with 2.01."""
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([2.01, 1.5, 4.0])
    found = outcomes(tried(ours[:, None], theirs[:, None], drawn=False), [2])
    pairs = [
        (min(one), min(other)) for one in itertools.combinations(ours, 2) for other in itertools.combinations(theirs, 2)
    ]
    first = np.mean([0.5 if abs(a - b) < 0.02 else a < b for a, b in pairs])
    assert found.first[:, 0, 0] == pytest.approx([first, 1 - first], abs=0.03)
    assert found.loss[:, 0, 0] == pytest.approx([4 / 3, (2 * 1.5 + 2.01) / 3])


def test_identical_optimizers_have_the_same_chance() -> None:
    """Over 40 sweeps of four whose settings and seeds are drawn from one distribution."""
    random = np.random.default_rng(3)
    first = [
        outcomes(tried(*random.lognormal(0, 1, (4, 6, 1)) * random.lognormal(0, 0.3, (4, 6, 5))), [1, 3, 6]).first[:, 0]
        for _ in range(40)
    ]
    assert np.array(first).sum(1) == pytest.approx(1.0)
    # a sweep's own chances at all settings vary by 0.35 or so
    assert np.mean(first, 0) == pytest.approx(0.25, abs=3 * 0.35 / np.sqrt(40))
    assert np.std(first, 0)[:, 0].max() < np.std(first, 0)[:, 2].max()


@pytest.mark.parametrize(("settings", "seeds"), [(10, 3), (25, 8)])
def test_how_often_the_best_of_so_many_lies_in_the_interval(settings: int, seeds: int) -> None:
    """Of rates around a best one, whose losses are known: of some of them the best one by what seeds show."""
    random, tries = np.random.default_rng(0), [1, 2, 4, settings]
    within = []
    for _ in range(150):
        levels = SETTINGS["valley"](random, (settings,))
        losses = levels[:, None] * random.lognormal(0, 0.3, (settings, seeds))
        found, seen = outcomes(tried(losses, given_up=1e9), tries), np.log(losses).mean(1)
        drawn = [random.permutation(settings)[:k] for k in tries]
        best = np.array([levels[some[seen[some].argmin()]] for some in drawn])
        within.append((found.low[0, 0] <= best) & (best <= found.high[0, 0]))
    assert np.mean(within, 0) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 150))


def test_of_all_settings_the_interval_is_student_s() -> None:
    losses = np.random.default_rng(1).lognormal(0, 0.2, (3, 8))
    found, best = outcomes(tried(losses), [3]), np.log(losses[np.log(losses).mean(1).argmin()])
    ends = np.exp(stats.t.interval(0.95, 7, best.mean(), stats.sem(best)))
    assert [found.low[0, 0, 0], found.high[0, 0, 0]] == pytest.approx(ends, rel=1e-9)


def test_what_diverged_counts_as_given_up_and_is_never_best() -> None:
    lost, seeds = np.full((2, 3), np.inf), np.array([1.0, 1.1, 0.9])
    one = tried(lost, np.stack([5 * seeds, np.full(3, np.inf)]), given_up=10.0)
    found = outcomes(one, [1, 2])
    assert found.loss[:, 0] == pytest.approx(np.array([[10, 10], [5 * 0.99666 / 2 + 5, 5 * 0.99666]]), rel=1e-4)
    assert found.first[:, 0] == pytest.approx(np.array([[0, 0], [0.5, 1]]), abs=0.03)
    assert [share.label for share in shares(one, found, 0, 1)] == ["b", "a"]


def test_every_kind_of_sentence() -> None:
    seeds = np.array([1.0, 1.1, 0.9, 1.05, 0.95])
    early = np.array([[9.0, 8.0], [4.0, 3.0], [9.0, 9.0]])[:, :, None] * seeds
    late = np.array([[1.0, 1.3], [1.0, 1.3], [2.6, 8.0]])[:, :, None] * seeds
    found = budgets(tried(*np.stack([early, late], 1), steps=(10, 1000)))
    assert found is not None
    assert (list(found.tries), list(found.steps)) == ([1, 2], [10, 1000])
    said = [found.spent[k][s].sentences[0] for k, s in ((1, 0), (1, 1), (0, 0))]
    assert said == [
        "With 2 tries of 10 steps: b, most likely (over 99 %); a is 2.7 times as high.",
        "With 2 tries of 1,000 steps either of a and b will do; c is 2.6 times as high.",
        "With 1 try of 10 steps: b, most likely (over 99 %); a is 2.4 times as high.",
    ]
    # b's two draws are a's, and either comes with one half to 1
    assert found.spent[0][1].sentences[0].startswith("With 1 try of 1,000 steps: ")
    assert "% the best or practically equal to it (" in found.spent[0][1].sentences[0]
    mean, least = np.exp(np.log(seeds).mean()), found.spent[1][1].shares[0]
    assert found.spent[1][1].sentences[1] == (
        f"The expected val/loss of a is {mean:.4g} ({least.low:.4g} to {least.high:.4g})."
    )
    assert found.spent[0][1].sentences[1].endswith(", 15 % above that of the whole budget.")


def test_sentences_where_there_is_little() -> None:
    lost = budgets(tried(np.full((2, 3), np.inf), np.full((2, 3), np.inf)))
    assert lost is not None
    assert lost.spent[0][0].sentences == ["With 1 try nothing comes through."]
    alone = budgets(tried(np.array([[1.0], [3.0]])))
    assert alone is not None
    assert alone.spent[0][0].sentences == [
        "On one seed, with 1 try the expected val/loss is 2, 2 times that of the whole budget."
    ]
    assert budgets(tried(np.ones((1, 3)), np.ones((1, 3)))) is None
    exact = budgets(tried(np.array([[4.0], [1.0]]), np.array([[3.0], [3.0]]), drawn=False))
    assert exact is not None
    assert exact.spent[1][0].sentences == ["With 2 tries: a; b is 3 times as high.", "The expected val/loss of a is 1."]


def test_losses_below_0_are_compared_as_they_are() -> None:
    found = outcomes(tried(np.full((1, 4), -2.0), np.full((1, 4), -1.99), np.full((1, 4), 1.0)), [1])
    assert found.loss[:, 0, 0].tolist() == [-2.0, -1.99, 1.0]
    assert found.first[:, 0, 0].tolist() == [0.5, 0.5, 0.0]


def test_area_of_a_profile() -> None:
    """Steps on three problems; the third is solved by a alone, b is out of reach on the second."""
    over = ratios(np.array([[10.0, 20.0, 10.0], [30.0, 300.0, 60.0], [5.0, np.inf, np.inf]]))
    # of b from 2 on a third: (4 - 2)/3; of c from 1 on a third, from 2 on two thirds
    assert [area(one) for one in over.T] == pytest.approx([1.0, 2 / 9, (3 + 2) / 9])
    assert profile(over[:, 1])[1] == pytest.approx([0, 1 / 3, 2 / 3])


def test_mean_ranks() -> None:
    """Two seeds and one step: c is lower on the second only; a and b are within 1 %."""
    losses = np.array([[1.0, 2.0], [1.005, 2.0], [3.0, 1.0]])[:, :, None]
    assert mean_ranks(losses, 0.01)[:, 0].tolist() == [2.0, 2.0, 2.0]
    assert mean_ranks(losses[:, :1], 0.01)[:, 0].tolist() == [1.5, 1.5, 3.0]
    assert mean_ranks(np.array([np.inf, np.inf, 1.0])[:, None, None], 0.01)[:, 0].tolist() == [2.5, 2.5, 1.0]
