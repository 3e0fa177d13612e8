"""A verdict in words: a paragraph whose every number is one of its values."""

import math
from collections.abc import Sequence

from src.compare.contest import TRAIN
from src.compare.draws import Share, Tried
from src.compare.pairs import FEWEST_APART, MOST, Pair
from src.compare.remarks import counted, listed
from src.compare.roles import OPTIMIZER
from src.compare.rows import number, short
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import FEWEST
from src.compare.variance import WIDER, widening
from src.compare.verdict import FEW_TRIES, Choice, Verdict

ALIKE, LIKELY = 0.975, 0.55
"""Chances above which one is said to be practically equal to the best, and most likely the best: by more than one half,
which draws tell to 0.02."""
TIMES = 2
"""From so many times the lowest loss on that of whom to take for safety is told."""
MOST_NAMED = 5
"""More than that are counted."""
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


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
    if len(verdict.above) > 1 and verdict.kind in ("equal", "open"):
        found.append(_above_exact(verdict))
    if verdict.above and verdict.kind in ("winner", "open") and verdict.rival and _metric(verdict.leaders[0]) == TRAIN:
        found.append("What is above another is counted from nine tenths of the exact loss on.")
    if apart := [one.label for one in verdict.apart]:
        who = listed(apart) if len(apart) <= MOST_NAMED else f"{_count(len(apart))} ({_some(apart)})"
        found.append(f"Not confirmed, and so not compared: {who}.")
    found += [
        f"At an edge: {who}'s {_key(edge.key)}={short(edge.value)} is the {edge.end} of {edge.tried} tried: try "
        f"{edge.key}={edge.search}."
        for who, edge in verdict.edges
    ]
    if others := verdict.others_at_edges:
        found.append(f"{listed(others)} may do better beyond what was tried, for the best was at an edge.")
    if verdict.kind not in ("lost", "alone", "one seed") and verdict.few is not None:
        found.append(_who(f"With {NUMBERS[FEW_TRIES]} tries", verdict.few))
    return found if verdict.kind == "lost" else [*found, _certainty(verdict)]


def _winner(verdict: Verdict) -> list[str]:
    best, rival = verdict.leaders[0], verdict.rival
    others = len(verdict.contenders) - 1 - (0 if rival is None else len(verdict.apart))
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
    if (sooner := verdict.sooner) is not None:
        found.append(f"{sooner.who.label} comes there first, at {_setting(sooner.setting)}, in {_steps(sooner)}.")
    return found


def _equal(verdict: Verdict) -> list[str]:
    spread, leaders = verdict.spread, verdict.leaders
    assert spread is not None
    differ = f"differ by less than {_share(spread)}" if spread > 0 else "are the same"
    others = [one for one in verdict.contenders if one not in (*leaders, *verdict.apart)]
    worse = f"; {_higher(others)}" if others else ""
    who = _any_of([one.label for one in leaders], len(verdict.contenders))
    return [
        f"{who[0].upper()}{who[1:]} will do: final losses ({_metric(leaders[0])}) {differ}{worse}.",
        *_for(verdict),
    ]


def _above_exact(verdict: Verdict) -> str:
    """Who came how near to the exact training loss."""
    ends = [f"{value:.2g}" for value in verdict.above.values()]
    if len(set(ends)) == 1:
        return f"The training loss of each ends within {ends[0]} of the exact one."
    if len(ends) > MOST_NAMED:
        first, *_, last = verdict.above
        return f"Their training losses end {ends[0]} ({first}) to {ends[-1]} ({last}) above the exact one."
    told = [f"{end} ({label})" for label, end in zip(verdict.above, ends, strict=True)]
    return f"The training loss ends above the exact one by {listed(told)}."


def _for(verdict: Verdict) -> list[str]:
    """Whom to take for speed, and for safety."""
    fast, safe, found = verdict.fastest, verdict.safest, []
    about = "" if fast is None else "; ".join(filter(None, (_steps(fast), _lost_rates(fast.who))))
    if fast is not None and safe is not None and fast.setting is safe.setting:
        return [f"For speed and safety take {_named(fast)} ({about}){_range(safe)}."]
    if fast is not None:
        found.append(f"For speed take {_named(fast)} ({about}).")
    if safe is not None:
        best, higher = verdict.leaders[0], ""
        if verdict.kind == "open" and 0 < TIMES * best.figure.value <= safe.who.figure.value:
            higher = f"; its loss is {_times(safe.who.figure.value / best.figure.value)} {best.label}'s so far"
        found.append(f"For safety take {_named(safe)}{_range(safe).replace(', ', ': ', 1)}{higher}.")
    return found


def _open(verdict: Verdict) -> list[str]:
    rival, labels, alike = verdict.rival, *([one.label for one in of] for of in (verdict.leaders, verdict.alike))
    others = [one for one in verdict.contenders if one.label not in labels]
    beaten = [one for one in others if one not in verdict.apart]
    several = f"{_count(len(labels))} of {len(verdict.contenders)}" if others else f"all {_count(len(labels))}"
    about = [listed(labels) if len(labels) <= MOST_NAMED else several]
    if alike:
        who = listed(alike) if len(alike) <= MOST_NAMED else f"{_count(len(alike))} ({_some(alike)})"
        about.append(f"of these {who} are practically equal")
    if beaten:
        about.append(_higher(beaten, named=len(beaten) < len(labels) > MOST_NAMED >= len(beaten)))
    found = [f"Not told apart: {'; '.join(about)}."]
    if rival is None:
        who = "Not all of these share seeds, so not all" if alike else "They share no seed, so none"
        return [*found, f"{who} can be held against another.", *_for(verdict)]
    lowest, (other, by) = labels[0], _beside(labels[0], rival)
    found.append(f"Lowest so far is {_named(verdict.take)}; {other} is {by}.")
    if rival.seeds < FEWEST:
        few = "One seed leaves" if rival.seeds == 1 else f"{rival.seeds} seeds leave"
        found.append(f"{few} no interval: type seed=range(0,8).")
    elif rival.needed is None:
        found.append(f"More than {MOST:,} seeds would be needed to tell: the difference is small beside what seeds do.")
    else:
        more = _several(rival.needed - rival.seeds, "more seed")
        least = f", for fewer than {_count(FEWEST_APART)} tell nothing apart" * (rival.needed <= FEWEST_APART)
        found.append(f"To tell {lowest} from {other} takes about {more}{least}.")
    return found + _for(verdict)


def _beside(lowest: str, rival: Pair) -> tuple[str, str]:
    """Who cannot be told from the lowest, and how it compares."""
    if rival.first == lowest or (rival.won <= rival.lost and rival.ratio <= 1):
        seen = rival.seen_from(lowest)
        return seen.second, _above(seen)
    return rival.first, f"lower on {rival.lower} of {rival.seeds} seeds, but not on average"


def at_a_look(verdict: Verdict) -> str:
    """What a look at winners has found, in a clause: `adam is lowest; sgd is 4 % above it (2 % to 6 %): told apart`."""
    if not verdict.leaders:
        return "nothing came through"
    best, rival = verdict.leaders[0].label, verdict.rival
    if verdict.kind == "equal":
        assert verdict.spread is not None
        leaders = listed([one.label for one in verdict.leaders])
        return f"{leaders} differ by at most {_share(verdict.spread)}: practically equal"
    if rival is None:
        return f"{best} alone came through"
    if verdict.kind == "winner":
        return f"{best} is lowest; {rival.second}, the nearest, is {_above(rival)}: told apart"
    other, by = _beside(best, rival)
    return f"{best} is lowest so far; {other} is {by}: not told apart"


def _one_seed(verdict: Verdict) -> list[str]:
    rival = verdict.rival
    found = ["One seed cannot tell what is due to chance."]
    if rival is None and len(verdict.leaders) > 1:
        found = ["Each was trained on a seed of its own, so none can be held against another."]
    elif rival is not None or len(verdict.leaders[0].settings) > 1:
        second = "" if rival is None else f"; {rival.second} is {_above(rival)}"
        found.append(f"Lowest on it is {_named(verdict.take)}{second}.")
    else:
        one = verdict.leaders[0]
        found.append(f"{_named(verdict.take)} ended at {_metric(one)} {one.figure.value:.4g}.")
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
    if settings == 1:
        found = [f"Nothing came through: the one setting {'diverged' if numbers['diverged'] else 'failed'}."]
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
    cut, tried = (sum(each) for each in zip(*((one.cut, len(one.settings)) for one in verdict.contenders), strict=True))
    raced = f"; {cut:,} of {tried:,} settings were cut before their end" if cut else ""
    if verdict.confirmed:
        looks = f"after {_count(verdict.looks)} looks" if verdict.looks > 1 else "at the first look"
        spent = f", {looks} (alpha spending: each takes half of what is left of 5 %)" if verdict.looks else ""
        return f"Certainty: confirmed on {seeds.replace(' ', ' fresh ')}{spent}{raced}."
    crossed = bool(verdict.leaders) and widening(verdict.leaders[0]) > WIDER
    sure = "; they are crossed, so it is less sure than its intervals say" if crossed else ""
    return f"Certainty: {seeds}, not confirmed{raced}{sure}."


# --- what a budget comes to ------------------------------------------------------------------------------------------


def of_budget(tried: Tried, shares: Sequence[Share], tries: int, steps: int, least: float) -> list[str]:
    """What so many tries of so many steps come to.

    Args:
        tried: what there is.
        shares: of its contenders, the best one first.
        tries: so many.
        steps: so many.
        least: the lowest expected loss of the whole budget.
    """
    several = [_several(tries, "try", "tries")] if tried.most > 1 else []
    lead = f"With {' of '.join([*several, *([_several(steps, 'step')] if len(tried.steps) > 1 else [])])}"
    if tried.drawn and tried.seeds == 1:
        lead = f"On one seed, with{lead.removeprefix('With')}"
    if not any(one.first for one in shares):
        return [f"{lead} nothing comes through."]
    lowest = min(shares, key=lambda one: one.loss)
    costs = f"{lowest.loss:.4g}" + ("" if not lowest.low < lowest.high else f" ({lowest.low:.4g} to {lowest.high:.4g})")
    if above := _beyond(lowest.loss, least):
        costs += f", {above} that of the whole budget"
    if len(shares) == 1:
        return [f"{lead} the expected {tried.metric} is {costs}."]
    who, expected = _who(lead, shares), f"expected {tried.metric}"
    if lowest is shares[0]:
        return [who, f"The {expected} of {lowest.label} is {costs}."]
    return [who, f"The lowest {expected} is that of {lowest.label}: {costs}."]


def _who(lead: str, shares: Sequence[Share]) -> str:
    """Who is best, how surely, and how far the next one is above."""
    alike = [one for one in shares if one.near >= ALIKE]
    best = alike or shares[:1]
    after = min((one for one in shares if one not in best), key=lambda one: one.loss, default=None)
    beyond = ""
    if after is not None and (above := _beyond(after.loss, best[0].loss)):
        beyond = f"; {after.label} is {above.replace('times', 'times as high')}"
    elif after is not None and _beyond(best[0].loss, after.loss):
        beyond = f"; lower on average is {after.label}"
    if len(alike) > 1:
        return f"{lead} {_any_of([one.label for one in alike], len(shares))} will do{beyond}."
    if best[0].first == 1 and best[0].low == best[0].high:  # nothing is drawn
        return f"{lead}: {best[0].label}{beyond}."
    if best[0].first > LIKELY:
        return f"{lead}: {best[0].label}, most likely ({_chance(best[0].first)}){beyond}."
    if best[0].near > LIKELY:
        others = ", ".join(f"{one.label} in {_chance(one.near)}" for one in shares[1:3])
        return f"{lead}: {best[0].label}, in {_chance(best[0].near)} the best or practically equal to it ({others})."
    likely = sorted(shares, key=lambda one: -one.first)[:3]
    lowest = min(shares, key=lambda one: one.loss)
    chances = ", ".join(f"{one.label} {_chance(one.first)}" for one in likely)
    return f"{lead} it cannot be told (best: {chances}); lowest on average is {lowest.label}."


def _beyond(loss: float, least: float) -> str:
    """`3 % above`, `2.4 times`; nothing where it is as low, or no share of it can be taken."""
    ratio = loss / least if least > 0 else 1.0
    if ratio < 1.005:
        return ""
    if ratio < 2:
        return f"{_percent(ratio)} above"
    return _times(ratio)


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times" if ratio < 1000 else "over 1,000 times"


def _chance(chance: float) -> str:
    return "over 99 %" if chance > 0.995 else f"{100 * chance:.0f} %"


def _any_of(labels: Sequence[str], several: int) -> str:
    """`either`, `any of the five`, `any of a, b and c`, of so many."""
    if len(labels) == several:
        return "either" if several == 2 else f"any of the {_count(several)}"
    if len(labels) > MOST_NAMED:
        return f"any of {_count(len(labels))} ({_some(labels)})"
    return f"{'either' if len(labels) == 2 else 'any'} of {listed(labels)}"


# --- parts of sentences ----------------------------------------------------------------------------------------------


def _metric(one: Contender) -> str:
    return one.figure.metric


def _named(choice: Choice | None) -> str:
    """`sgd at lr=0.6813`."""
    assert choice is not None
    if not choice.setting.tuned:
        return f"{choice.who.label} as it is" if choice.who.compared == OPTIMIZER else choice.who.label
    return f"{choice.who.label} at {_setting(choice.setting)}"


def _setting(setting: Setting) -> str:
    return " ".join(f"{_key(key)}={_word(word)}" for key, word in setting.tuned.items()) or "as it is"


def _word(word: str) -> str:
    value = number(word)
    return f"{value:.2g}" if value is not None and len(word) > 6 else word


def _key(key: str) -> str:
    return key.lstrip("+").removeprefix("optimizer.")


def _count(several: int) -> str:
    return NUMBERS[several] if several < len(NUMBERS) else f"{several:,}"


def _higher(others: Sequence[Contender], named: bool = False) -> str:
    """`the other two end higher`, and that some of them did not come through."""
    one, lost = len(others) == 1, sum(not each.came_through for each in others)
    who = listed([each.label for each in others]) if named else f"the other {_count(len(others))}"
    ends = "ends higher" if one else "end higher"
    if lost:
        ends = "did not come through" if lost == len(others) else "end higher or did not come through"
    return f"{who} {ends}"


def _several(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _steps(choice: Choice) -> str:
    assert choice.steps is not None
    return f"{choice.steps:,.{10 if choice.unit == 'step' else 3}g} {choice.unit}{'' if choice.steps == 1 else 's'}"


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
        return f"lost on a seed, or far above it, and higher on {pair.lower} of {pair.seeds} seeds"
    ends, seeds = pair.ratio_interval, f", and higher on {pair.lower} of {pair.seeds} seeds" if pair.seeds > 1 else ""
    if pair.ratio >= 2:
        return f"{_times(pair.ratio)} as high{seeds}"
    between = "" if ends is None else f" ({_percent(ends[0])} to {_percent(ends[1])})"
    return f"{_percent(pair.ratio)} above it{between}{seeds}"


def _percent(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    if abs(percent) < 0.005:
        return "under 0.01 %" if percent > 0 else "0 %"
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:,.0f} %"


def _share(share: float) -> str:
    """Rounded up to one digit, from 0.01 % on: `0.1 %` of 0.00083."""
    percent = max(100 * share, 0.01)
    digits = -math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**digits - 1e-9) / 10**digits:.{max(0, digits)}f} %"


def _some(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:3])} and so on"
