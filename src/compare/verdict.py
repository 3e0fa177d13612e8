"""What a comparison comes to: which optimizer, at which setting, how sure; values first, a paragraph from them last."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.compare.contest import Problem
from src.compare.pairs import MOST, Pair
from src.compare.remarks import counted
from src.compare.rows import number, short
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import FEWEST, Width, expected_best

FEW_TRIES = 4
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

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
    """

    metric: str
    setting: Setting
    steps: float
    seconds: float | None
    reached: int
    seeds: int


@dataclass(frozen=True)
class Choice:
    """An optimizer at a setting.

    Attributes:
        who: the optimizer.
        setting: of it.
        steps: to the target; None where that is not what it is chosen for, or not known.
        width: of its good rates; None where that is not known.
    """

    who: Contender
    setting: Setting
    steps: float | None = None
    width: Width | None = None


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
        rival: the best one and who comes nearest to it, or cannot be told from it; None for one alone.
        take: what to train: of a winner its best setting, of equal ones the fastest, else the lowest so far.
        fastest: of the leaders, where steps to the target are known.
        safest: with the widest range of good rates among the leaders, at the rate in the middle of it.
        few: who is expected to be best after `FEW_TRIES` settings drawn from those tried; None where that is no choice.
        spread: of equal ones the share within which their losses lie, by the ends of the intervals; else None.
        seeds: behind the figures that count.
        confirmed: whether those are fresh seeds.
        drawn: whether anything of the runs is, so that other seeds would be other runs.
    """

    kind: Kind
    problem: str
    contenders: tuple[Contender, ...]
    leaders: tuple[Contender, ...]
    rival: Pair | None
    take: Choice | None
    fastest: Choice | None
    safest: Choice | None
    few: Contender | None
    spread: float | None
    seeds: int
    confirmed: bool
    drawn: bool

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Whose chosen number lies at an end of those tried, and in which words."""
        chosen = dict.fromkeys(
            (one.who.label, edge)
            for one in (self.take, self.safest)
            if one is not None
            for edge in one.who.edges_of(one.setting)
        )
        return [
            (who, f"{_key(edge.key)}={short(edge.value)} is the {edge.end} of {edge.tried} tried: try "
             f"{edge.key}={edge.search}")
            for who, edge in chosen
        ]  # fmt: skip

    @property
    def others_at_edges(self) -> list[str]:
        """Who else, so that tuning it further might turn the verdict; only where there is one that this could turn."""
        if self.kind not in ("winner", "open"):
            return []
        named = {who for who, _ in self.edges}
        return [one.label for one in self.contenders if one.edges and one.label not in named]


def verdict(problem: Problem, reached: Mapping[str, Reach], drawn: bool = True) -> Verdict:
    """What was found on a problem.

    Args:
        problem: of `src.compare.contest.contest`.
        reached: when each contender came to the target, by its label; empty where no curves were read.
        drawn: as of `contest`.
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
    rival = min(unknown or against.values(), key=_distance, default=None)
    fastest, safest = _fastest(leaders, reached), _safest(leaders)
    lowest = None
    if leaders:
        reach = reached.get(best.label)
        soon = reach.steps if reach is not None and math.isfinite(reach.steps) else None
        lowest = Choice(best, best.best, soon if reach and reach.setting is best.best else None, best.good_rates)
    return Verdict(
        kind,
        problem.label,
        contenders,
        leaders,
        rival,
        (fastest or safest or lowest) if kind == "equal" else lowest,
        fastest,
        safest,
        _few(problem),
        max(_furthest(pair) for pair in beside if pair is not None) if kind == "equal" else None,
        best.figure.seeds,
        best.confirmed,
        drawn,
    )


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
    return Choice(who, reach.setting, reach.steps)


def _decades(one: Contender) -> float:
    return 0.0 if one.good_rates is None else round(one.good_rates.decades, 1)


def _safest(leaders: Sequence[Contender]) -> Choice | None:
    """Of those that are as wide to a tenth of a decade the one that was typed first."""
    there = [(one, width) for one in leaders if (width := one.good_rates) is not None and width.decades > 0]
    if not there:
        return None
    who, width = min(there, key=lambda each: (-_decades(each[0]), each[0].settings[0].rows[0].job))
    middle = math.sqrt(width.low * width.high)
    good = [(rate, setting) for rate, setting in who.along(RATE) if width.low <= rate * (1 + 1e-9)]
    good = [(rate, setting) for rate, setting in good if rate <= width.high * (1 + 1e-9)]
    _, setting = min(good, key=lambda each: abs(math.log(each[0] / middle)))
    return Choice(who, setting, width=width)


def _few(problem: Problem) -> Contender | None:
    """What did not come through counts as the worst loss that did."""
    finite = np.concatenate([one.means[np.isfinite(one.means)] for one in problem.contenders])
    there = [one for one in problem.contenders if len(one.settings) > FEW_TRIES]
    if len(there) < 2 or not len(finite):
        return None
    worst = float(finite.max())
    expected = [float(expected_best(np.minimum(one.means, worst), [FEW_TRIES])[0]) for one in there]
    return there[int(np.argmin(expected))]


# --- in words --------------------------------------------------------------------------------------------------------


def sentences(verdict: Verdict) -> list[str]:
    """The verdict as sentences, the answer first, how sure it is last."""
    found = {
        "winner": _winner,
        "equal": _equal,
        "open": _open,
        "one seed": _one_seed,
        "alone": _alone,
        "lost": _lost,
    }[verdict.kind](verdict)
    found += [f"At an edge: {who}'s {words}." for who, words in verdict.edges]
    if others := verdict.others_at_edges:
        found.append(f"{_listed(others, 'and')} may do better beyond what was tried, for the best was at an edge.")
    if verdict.kind not in ("lost", "alone", "one seed") and verdict.few is not None:
        found.append(f"With {NUMBERS[FEW_TRIES]} tries: {verdict.few.label}.")
    return found if verdict.kind == "lost" else [*found, _certainty(verdict)]


def _winner(verdict: Verdict) -> list[str]:
    best, rival = verdict.leaders[0], verdict.rival
    others = len(verdict.contenders) - 1
    beaten = "the other" if others == 1 else f"the other {_count(others)}"
    came = [one for one in verdict.contenders[1:] if one.came_through]
    if rival is None:
        lost = "did not come through" if not came else "cannot be compared with it"
        return [f"Take {_named(verdict.take)}{_range(verdict.take)}: {beaten} {lost}."]
    than = f"than {beaten} on {_metric(best)}; the nearest, {rival.second}, is {_above(rival)}"
    return [f"Take {_named(verdict.take)}: it ends lower {than}.", *_good(verdict)]


def _good(verdict: Verdict) -> list[str]:
    """How wide the range of good rates is, and what diverged, of the one to take."""
    take = verdict.take
    assert take is not None
    about = [part for part in (_range(take).removeprefix(", "), _lost_rates(take.who)) if part]
    found = [f"{about[0][0].upper()}{'; '.join(about)[1:]}."] if about else []
    fast = verdict.fastest
    if fast is not None and fast.setting is take.setting:
        found.append(f"It comes to the target in {_steps(fast)}.")
    elif fast is not None:
        found.append(f"It comes to the target soonest at {_setting(fast.setting)}, in {_steps(fast)}.")
    return found


def _equal(verdict: Verdict) -> list[str]:
    spread, leaders = verdict.spread, verdict.leaders
    assert spread is not None
    differ = f"differ by less than {_share(spread)}" if spread > 0 else "are the same"
    if len(leaders) == len(verdict.contenders):
        who = "Either will do" if len(leaders) == 2 else f"Any of the {_count(len(leaders))} will do"
        return [f"{who}: final losses ({_metric(leaders[0])}) {differ}.", *_for(verdict)]
    worse = len(verdict.contenders) - len(leaders)
    who = f"Any of {_listed([one.label for one in leaders], 'and')} will do"
    return [f"{who}: final losses ({_metric(leaders[0])}) {differ}; {_higher(worse)}.", *_for(verdict)]


def _for(verdict: Verdict) -> list[str]:
    """Whom to take for speed, and for safety."""
    fast, safe, found = verdict.fastest, verdict.safest, []
    if fast is not None and safe is not None and fast.setting is safe.setting:
        about = "; ".join(filter(None, (_steps(fast), _lost_rates(fast.who))))
        return [f"For speed and safety take {_named(fast)} ({about}){_range(safe)}."]
    if fast is not None:
        about = "; ".join(filter(None, (_steps(fast), _lost_rates(fast.who))))
        found.append(f"For speed take {_named(fast)} ({about}).")
    if safe is not None:
        found.append(f"For safety take {_named(safe)}{_range(safe).replace(', ', ': ', 1)}.")
    return found


def _open(verdict: Verdict) -> list[str]:
    rival, leaders = verdict.rival, verdict.leaders
    labels = [one.label for one in leaders]
    beaten = len(verdict.contenders) - len(leaders)
    better = f"; {_higher(beaten)}" if beaten else ""
    which = f"{_count(len(labels))} of {len(verdict.contenders)}" if beaten else f"all {_count(len(labels))}"
    which = _listed(labels, "and") if len(labels) < 6 else which
    found = [f"Not told apart: {which}{better}."]
    if rival is None:
        return [*found, "They share no seed, so none can be held against another.", *_for(verdict)]
    lowest = rival.first if rival.first == labels[0] else labels[0]
    other = rival.second if rival.first == lowest else rival.first
    by = _above(rival) if rival.first == lowest else f"within {_share(_furthest(rival))} of it"
    found.append(f"Lowest so far is {_named(verdict.take)}; {other} is {by}.")
    if rival.seeds < FEWEST:
        found.append(f"{rival.seeds} seeds leave no interval: type seed=range(0,8).")
    elif rival.needed is None:
        found.append(f"More than {MOST:,} seeds would be needed to tell: the difference is small beside what seeds do.")
    else:
        found.append(f"To tell {lowest} from {other} takes about {rival.needed - rival.seeds:,} more seeds.")
    return found + _for(verdict)


def _one_seed(verdict: Verdict) -> list[str]:
    rival = verdict.rival
    found = ["One seed cannot tell what is due to chance."]
    if rival is not None or len(verdict.leaders[0].settings) > 1:
        second = "" if rival is None else f"; {rival.second} is {_above(rival)}"
        found.append(f"Lowest on it is {_named(verdict.take)}{second}.")
    return [*found, "Type seed=range(0,8) to have eight."]


def _alone(verdict: Verdict) -> list[str]:
    one = verdict.leaders[0]
    what = f"the best of {len(one.settings):,} settings" if len(one.settings) > 1 else "its loss"
    ends = "" if (interval := one.figure.interval) is None else f" (95 %: {interval[0]:.4g} to {interval[1]:.4g})"
    return [f"{_named(verdict.take)}: {what}, {_metric(one)} {one.figure.value:.4g}{ends}.", *_good(verdict)]


def _lost(verdict: Verdict) -> list[str]:
    settings = sum(len(one.settings) for one in verdict.contenders)
    numbers = {"diverged": sum(one.diverged for one in verdict.contenders)}
    numbers["failed"] = sum(one.failed for one in verdict.contenders)
    found = [f"Nothing came through: of {settings:,} settings {counted(numbers)} on one seed or more."]
    rates = [rate for one in verdict.contenders for rate in one.numbers(RATE) if rate > 0]
    if numbers["diverged"] and rates:
        low = min(rates)
        found.append(
            f"The smallest rate tried was {low:.3g}: try optimizer.lr=tag(log,interval({low / 1000:.3g},{low:.3g}))."
        )
    return found


def _certainty(verdict: Verdict) -> str:
    if not verdict.drawn:
        return "Certainty: nothing here is drawn, so other seeds would say the same."
    seeds = f"{verdict.seeds:,} {'seed' if verdict.seeds == 1 else 'seeds'}"
    if verdict.confirmed:
        return f"Certainty: confirmed on {seeds.replace(' ', ' fresh ')}."
    return f"Certainty: {seeds}, not confirmed."


# --- parts of sentences ----------------------------------------------------------------------------------------------


def _metric(one: Contender) -> str:
    return one.figure.metric


def _named(choice: Choice | None) -> str:
    """`sgd at lr=0.6813`."""
    assert choice is not None
    return f"{choice.who.label} {'as it is' if not choice.setting.tuned else f'at {_setting(choice.setting)}'}"


def _setting(setting: Setting) -> str:
    return " ".join(f"{_key(key)}={_word(word)}" for key, word in setting.tuned.items()) or "as it is"


def _word(word: str) -> str:
    value = number(word)
    return f"{value:.2g}" if value is not None and len(word) > 6 else word


def _key(key: str) -> str:
    return key.lstrip("+").removeprefix("optimizer.")


def _count(several: int) -> str:
    return NUMBERS[several] if several < len(NUMBERS) else f"{several:,}"


def _higher(others: int) -> str:
    return f"the other {_count(others)} {'ends' if others == 1 else 'end'} higher"


def _steps(choice: Choice) -> str:
    assert choice.steps is not None
    return f"{choice.steps:,.10g} step{'' if choice.steps == 1 else 's'}"


def _lost_rates(one: Contender) -> str:
    """`1 of 25 rates diverged`; settings where more than the rate was tuned."""
    lost = counted({"diverged": one.diverged, "failed": one.failed})
    what = "rates" if set(one.best.tuned) == {RATE} else "settings"
    return f"{lost.replace(' ', f' of {len(one.settings):,} {what} ', 1)}" if lost else ""


def _range(choice: Choice | None) -> str:
    width = None if choice is None else choice.width
    if width is None:
        return ""
    if width.decades < 0.05:
        return ", at no other rate nearly as good"
    least = "at least " if width.at_least else ""
    return f", good over {least}{width.decades:.1f} decades ({width.low:.2g} to {width.high:.2g})"


def _above(pair: Pair) -> str:
    """`4 % above it (2 % to 6 %), and higher on 7 of 8 seeds`."""
    if not math.isfinite(pair.ratio):
        return f"lost on a seed, or far above it, and higher on {pair.won} of {pair.seeds} seeds"
    ends, seeds = pair.ratio_interval, f", and higher on {pair.won} of {pair.seeds} seeds" if pair.seeds > 1 else ""
    if pair.ratio >= 2:
        return f"{pair.ratio:.2g} times as high{seeds}"
    between = "" if ends is None else f" ({_percent(ends[0])} to {_percent(ends[1])})"
    return f"{_percent(pair.ratio)} above it{between}{seeds}"


def _percent(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:,.0f} %"


def _share(share: float) -> str:
    """Rounded up to one digit, from 0.01 % on: `0.1 %` of 0.00083."""
    percent = max(100 * share, 0.01)
    digits = -math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**digits - 1e-9) / 10**digits:.{max(0, digits)}f} %"


def _listed(labels: Sequence[str], word: str) -> str:
    """`a, b and c`."""
    return f"{', '.join(labels[:-1])} {word} {labels[-1]}" if len(labels) > 1 else labels[0]
