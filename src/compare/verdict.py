"""What a comparison comes to: which optimizer, at which setting, how sure; `src.compare.sentences` says it in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from src.compare.contest import Exact, Problem, above_exact, exact_by_seed
from src.compare.draws import Share, Tried, final, outcomes, shares
from src.compare.grid_edges import Edge
from src.compare.pairs import Pair
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import Width

FEW_TRIES = 4

Kind = Literal["winner", "equal", "open", "one seed", "alone", "lost"]


@dataclass(frozen=True)
class Reach:
    """When a contender came to the target that all of a problem share, by the setting that did so soonest.

    Attributes:
        metric: the loss that is watched, by which settings were judged.
        setting: which was the soonest; the best one where none came there on more than half of the seeds.
        steps: the median over seeds; infinite where half of them or more did not stay there.
        seconds: the same in seconds of training; None where runs were trained together, for then it cannot be said.
        reached: on how many seeds it did.
        seeds: of how many.
        unit: what `steps` counts: "epoch" where batches differ in size.
    """

    metric: str
    setting: Setting
    steps: float
    seconds: float | None
    reached: int
    seeds: int
    unit: str = "step"


@dataclass(frozen=True)
class Choice:
    """An optimizer at a setting.

    Attributes:
        who: the optimizer.
        setting: of it.
        steps: to the target; None where that is not what it is chosen for, or not known.
        width: of its good rates; None where that is not known.
        unit: what `steps` counts.
    """

    who: Contender
    setting: Setting
    steps: float | None = None
    width: Width | None = None
    unit: str = "step"


@dataclass(frozen=True)
class Verdict:
    """What was found on one problem.

    Attributes:
        kind: "winner": one is better than all others; "equal": it and those that are practically equal to it are
            better than all others; "open": what was run cannot tell which of several is best; "one seed": nor can it
            tell anything; "alone": there was but one optimizer; "lost": no setting came through.
        problem: its label; empty where there is but one.
        contenders: all of them, the best one first.
        leaders: those than which none is better, the best one first.
        alike: the most of the leaders of which every two are practically equal; empty where no two are.
        rival: the best one and who comes nearest to it, or cannot be told from it; None for one alone, and where those
            that leave it open share no seed.
        take: what to train: of a winner its best setting, of equal ones the fastest, else the lowest so far.
        fastest: of the leaders, where steps to the target are known.
        sooner: of a winner who came to the target before it; None where nobody did.
        safest: with the widest range of good rates among the leaders, at the rate in the middle of it.
        few: what `FEW_TRIES` of the settings that were tried come to; None where that is no choice.
        spread: of equal ones the share within which their losses lie, by the ends of the intervals; else None.
        seeds: behind the figures that count.
        confirmed: whether those are fresh seeds.
        drawn: whether anything of the runs is, so that other seeds would be other runs.
        looks: how often the figures that count were looked at while seeds came in; 0 where nobody looked again.
        above: of the leaders how far the training loss ended above the exact one, by label, the nearest first; empty
            where that is not known.
    """

    kind: Kind
    problem: str
    contenders: tuple[Contender, ...]
    leaders: tuple[Contender, ...]
    alike: tuple[Contender, ...]
    rival: Pair | None
    take: Choice | None
    fastest: Choice | None
    sooner: Choice | None
    safest: Choice | None
    few: Sequence[Share] | None
    spread: float | None
    seeds: int
    confirmed: bool
    drawn: bool
    looks: int = 0
    above: Mapping[str, float] = field(default_factory=dict)

    @property
    def apart(self) -> tuple[Contender, ...]:
        """Who came through, but on no fresh seeds, where those of the best one are: they cannot be compared."""
        alone = self.kind in ("alone", "one seed", "lost")
        return (
            ()
            if alone
            else tuple(one for one in self.contenders if one.came_through and one.confirmed < self.confirmed)
        )

    @property
    def edges(self) -> list[tuple[str, Edge]]:
        """Whose chosen numbers lie at an end of those tried, by label."""
        chosen = [one for one in (self.take, self.safest) if one is not None]
        return list(dict.fromkeys((one.who.label, edge) for one in chosen for edge in one.who.edges_of(one.setting)))

    @property
    def others_at_edges(self) -> list[str]:
        """Who else, so that tuning it further might turn the verdict; only where there is one that this could turn."""
        if self.kind not in ("winner", "open"):
            return []
        named = {who for who, _ in self.edges}
        return [one.label for one in self.contenders if one.edges and one.label not in named]


def verdict(
    problem: Problem,
    reached: Mapping[str, Reach],
    drawn: bool = True,
    tried: Tried | None = None,
    exact: Exact = lambda row: None,
) -> Verdict:
    """What was found on a problem.

    Args:
        problem: of `src.compare.contest.contest`.
        reached: when each contender came to the target, by its label; empty where no curves were read.
        drawn: as of `contest`.
        tried: what settings came to, with what one counts that came to nothing; None for the worst loss that did not.
        exact: the exact training loss of a run.
    """
    contenders = problem.contenders
    leaders = tuple(problem.unbeaten({one.label for one in contenders}))
    best = leaders[0] if leaders else contenders[0]
    against = {one.label: pair for one in contenders if (pair := problem.pair(best.label, one.label)) is not None}
    beside = [against.get(one.label) for one in leaders[1:]]
    unknown = [pair for pair in beside if pair is not None and pair.relation == "unknown"]
    kind: Kind = "winner"
    if not leaders:
        kind = "lost"
    elif drawn and best.figure.seeds == 1:
        kind = "one seed"
    elif len(contenders) == 1:
        kind = "alone"
    elif beside:
        kind = "open" if unknown or None in beside else "equal"
    # who shares no seed with the best one leaves it open, and whoever else was told from it does not say how much
    rival = min(unknown if kind == "open" else against.values(), key=_distance, default=None)
    fastest, sooner, safest = _fastest(leaders, reached), _fastest(contenders, reached), _safest(leaders)
    lowest = None
    if leaders:
        reach = reached.get(best.label)
        soon = reach.steps if reach is not None and math.isfinite(reach.steps) else None
        own = soon if reach and reach.setting is best.best else None
        lowest = Choice(best, best.best, own, best.good_rates, reach.unit if reach else "step")
    return Verdict(
        kind,
        problem.label,
        contenders,
        leaders,
        _alike(problem, leaders),
        rival,
        (fastest or safest or lowest) if kind == "equal" else lowest,
        fastest,
        sooner if kind == "winner" and _before(sooner, fastest) else None,
        safest,
        _few(problem, drawn, tried),
        max(_furthest(pair) for pair in beside if pair is not None) if kind == "equal" else None,
        best.figure.seeds,
        best.confirmed,
        drawn,
        max((pair.look for pair in problem.pairs), default=0),
        _above(problem, leaders, exact),
    )


def _above(problem: Problem, leaders: Sequence[Contender], exact: Exact) -> dict[str, float]:
    known = exact_by_seed(problem.contenders, exact)
    found = {one.label: above_exact(one, known) for one in leaders} if known else {}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _alike(problem: Problem, leaders: Sequence[Contender]) -> tuple[Contender, ...]:
    """From each on those are gathered that are equal to all that were: of so few the largest such set, as a rule."""

    def equal(one: Contender, other: Contender) -> bool:
        pair = problem.pair(one.label, other.label)
        return pair is not None and pair.relation == "equal"

    sets = []
    for first in leaders:
        found = [first]
        for one in leaders:
            found += [one] if all(equal(one, other) for other in found) else []
        sets.append(found)
    most = max(sets, key=len, default=[])
    return tuple(one for one in leaders if one in most) if len(most) > 1 else ()


def _distance(pair: Pair) -> float:
    return abs(math.log(pair.ratio)) if 0 < pair.ratio < math.inf else math.inf


def _furthest(pair: Pair) -> float:
    """How far apart two losses may be, as a share."""
    ends = pair.ratio_interval or (pair.ratio, pair.ratio)
    return max(math.exp(abs(math.log(end))) - 1 for end in ends)


def _fastest(leaders: Sequence[Contender], reached: Mapping[str, Reach]) -> Choice | None:
    there = [(one, reach) for one in leaders if (reach := reached.get(one.label)) and math.isfinite(reach.steps)]
    if not there:
        return None
    # of those that are as fast the safest
    who, reach = min(there, key=lambda each: (each[1].steps, -_decades(each[0]), each[0].settings[0].rows[0].job))
    return Choice(who, reach.setting, reach.steps, unit=reach.unit)


def _before(one: Choice | None, other: Choice | None) -> bool:
    steps = [math.inf if each is None or each.steps is None else each.steps for each in (one, other)]
    return steps[0] < steps[1]


def _decades(one: Contender) -> float:
    return 0.0 if one.good_rates is None else round(one.good_rates.decades, 1)


def _safest(leaders: Sequence[Contender]) -> Choice | None:
    """Of those that are as wide to a tenth of a decade the one that lost the fewest settings, then the first typed."""
    there = [(one, width) for one in leaders if (width := one.good_rates) is not None and _decades(one) > 0]
    if not there:
        return None

    def risk(each: tuple[Contender, Width]) -> tuple[float, int, int]:
        one, _ = each
        return -_decades(one), one.diverged + one.failed, one.settings[0].rows[0].job

    who, width = min(there, key=risk)
    middle = math.sqrt(width.low * width.high)
    good = [(rate, setting) for rate, setting in who.along(RATE) if width.low <= rate * (1 + 1e-9)]
    good = [(rate, setting) for rate, setting in good if rate <= width.high * (1 + 1e-9)]
    _, setting = min(good, key=lambda each: abs(math.log(each[0] / middle)))
    return Choice(who, setting, width=width)


def _few(problem: Problem, drawn: bool, tried: Tried | None) -> list[Share] | None:
    if sum(len(one.settings) > FEW_TRIES for one in problem.contenders) < 2:
        return None
    tried = tried or final(problem, drawn)
    return None if tried is None else shares(tried, outcomes(tried, [FEW_TRIES]), -1, 0)
