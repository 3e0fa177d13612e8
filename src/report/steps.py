"""How many steps it takes: to the target against the rate and over problems, and who is ahead after so many."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from src.compare.contest import TRAIN, Problem, everywhere
from src.compare.roles import noun
from src.compare.rows import short
from src.compare.selection import RATE
from src.compare.statistics import Numbers, area, carried, mean_ranks, profile, ratios, thinned
from src.compare.verdict import Reach
from src.plots import chart
from src.report.all_curves import NO_LINE
from src.report.opened_runs import OpenRun, Shown
from src.report.reading import Sweep
from src.report.run_files import is_number
from src.report.target import Reaches, Target

MOST_POINTS, FINE = 100, 300


# --- to the target ---------------------------------------------------------------------------------------------------


def against_rate(sweep: Sweep, shown: Shown, target: Target | None) -> chart.Chart | None:
    """Steps to the target against the learning rate; None where no optimizer comes to it at two rates.

    Args:
        sweep: that the problem is of.
        shown: the problem.
        target: of it.
    """
    if target is None:
        return None
    tried = {one.label: one.along(RATE) for one in shown.problem.contenders if one.came_through}
    rates = sorted({rate for of_one in tried.values() for rate, _ in of_one})
    lines, never = list[chart.Line](), list[str]()
    for label, of_one in tried.items():
        found = [(rate, target.of(sweep, one) if target.ends(one) else [math.inf]) for rate, one in of_one]
        steps = np.array([float(np.median(each)) for _, each in found])
        if not np.isfinite(steps).any():
            never.append(label)
            continue
        names = [one.rows[0].name for _, one in of_one]
        hover = [
            f"{short(one.tuned)}, on {sum(map(math.isfinite, each))} of {len(each)} seeds (run {name})"
            for (_, one), (_, each), name in zip(of_one, found, names, strict=True)
        ]
        x = [rate for rate, _ in of_one]
        lines.append(
            chart.Line(label, x, np.where(np.isfinite(steps), steps, np.nan), hover=hover, markers=True, runs=names)
        )
    if not any(np.isfinite(line.y).sum() > 1 for line in lines):
        return None
    longest = max(row.steps for one in shown.problem.contenders for row in one.best.rows)
    foreseen = list(_foreseen(shown, target, rates, 2 * longest))
    return chart.Chart(
        shown.problem.named("steps"),
        f"{target.unit.name.capitalize()}s to the target{shown.problem.suffix}",
        chart.Axis("learning rate", log=shown.problem.log_spaced(RATE), switch=True),
        chart.Axis(f"{target.unit.name}s", log=True, switch=True),
        f"The median over seeds of the {target.unit.name} from which on a run is at the target; gaps where half of "
        "them do not come there."
        + (f" At no rate: {', '.join(never)}." if never else "")
        + (" Dashed: by theory, if the slowest direction decides." if foreseen else ""),
        [*lines, *foreseen],
    )


def _foreseen(shown: Shown, target: Target, rates: Sequence[float], most: float) -> Iterator[chart.Line]:
    """Of gradient descent and heavy balls on least squares alone, as far as it is at most so many steps.

    Along an eigenvector of the Hessian a step multiplies the distance by 1 - aλ, with momentum β in the end by the
    larger root of z² - (1 + β - aλ) z + β (Polyak 1964); the loss falls with the square of it.
    """
    if min(rates) <= 0 or not shown.quadratic:
        return
    fine = np.geomspace(min(rates), max(rates), FINE)
    drawn = set[float]()
    for label, runs in shown.runs.items():
        # a setting's runs have it in common
        damped = not runs or runs[0].run.config.get("optimizer.dampening", "0") not in ("0", "0.0")
        known = [] if damped else [each for run in runs if (each := _known(run, target)) is not None]
        # critical is 2 (1 + β)/λmax
        betas = {round(float(run.exact["critical_lr"]) * max(eigenvalues) / 2 - 1, 6) for run, eigenvalues, _ in known}
        if not known or len(known) < len(runs) or len(betas) > 1 or (beta := betas.pop()) < 0 or beta in drawn:
            continue
        drawn.add(beta)
        steps = np.median(
            [steps_within(fine, np.array(eigenvalues), beta, share) for _, eigenvalues, share in known], 0
        )
        name = f"theory, {label}" if beta else "theory, gradient descent"
        yield chart.Line(name, fine, np.where(steps <= most, steps, np.nan), role="reference")


def _known(run: OpenRun, target: Target) -> tuple[OpenRun, list[float], float] | None:
    """The eigenvalues above 0, and the share of the loss above the exact one that is left at the target."""
    eigenvalues, exact = run.exact.get("hessian_eigenvalues"), run.exact.get(TRAIN)
    _, losses = run.curves.get(TRAIN, NO_LINE)
    plain = is_number(run.exact.get("critical_lr"))
    if not (plain and isinstance(eigenvalues, list) and eigenvalues and is_number(exact) and len(losses)):
        return None
    share = (target.training(run.row.seed) - exact) / (losses[0] - exact)
    above = [one for one in eigenvalues if one > 1e-12 * eigenvalues[-1]]
    return (run, above, float(share)) if above and 0 < share < 1 else None


def steps_within(rates: Numbers, eigenvalues: Numbers, momentum: float, share: float) -> Numbers:
    """Steps after which the loss above the exact one is `share` of what it was, along the slowest eigenvector.

    Args:
        rates: `[N]`.
        eigenvalues: of the Hessian, above 0, `[d]`.
        momentum: β; 0 for gradient descent.
        share: below 1.

    Returns:
        `[N]`, infinite where it diverges.
    """
    trace = 1 + momentum - rates[:, None] * eigenvalues
    inside = np.sqrt(np.maximum(trace**2 - 4 * momentum, 0.0))
    slowest = np.maximum((np.abs(trace) + inside) / 2, math.sqrt(momentum)).max(1)
    with np.errstate(divide="ignore"):
        needed = np.ceil(math.log(share) / (2 * np.log(slowest)))
    return np.where(slowest < 1, np.maximum(needed, 1), np.inf)


# --- over problems ---------------------------------------------------------------------------------------------------


def profiles(problems: Sequence[Problem], reached: Reaches) -> chart.Chart | None:
    """On which share of the problems an optimizer comes to the target within a factor of the steps of the fastest.

    None of fewer than two that have a target which anybody reached. Only optimizers that were tried on all of them can
    be held against each other.
    """
    usable = [one for one in problems if any(math.isfinite(each.steps) for each in reached.get(one.label, {}).values())]
    labels = everywhere(usable)
    if len(usable) < 2 or len(labels) < 2:
        return None
    steps = [[_reached(reached[one.label], label) for label in labels] for one in usable]
    over = ratios(np.maximum(np.array(steps), 1.0))  # a run may start there
    by_area = sorted(((area(of_one), label) for label, of_one in zip(labels, over.T, strict=True)), reverse=True)
    scores = ", ".join(f"{label} {score:.2f}" for score, label in by_area)
    return profile_of(
        labels,
        over,
        4.0,
        "Steps to the target over the problems",
        "steps over those of the fastest on the problem",
        f"On which share of {len(usable)} problems each {noun(usable[0].compared)} comes to the target within so many "
        "times the steps of the fastest, at the setting that is soonest; one that does not come there counts as "
        f"infinitely slow (Dolan and Moré 2002). The area up to 4 times (Dahl et al. 2023), 1 is the most: {scores}.",
    )


def _reached(of_one: Mapping[str, Reach], label: str) -> float:
    return of_one[label].steps if label in of_one else math.inf


def profile_of(labels: Sequence[str], over: Numbers, least: float, title: str, what: str, caption: str) -> chart.Chart:
    """A performance profile of `ratios`, `[problems, labels]`, drawn up to a factor of `least` at least."""
    end, lines = max(least, 1.1 * float(over[np.isfinite(over)].max(initial=1.0))), list[chart.Line]()
    for label, of_one in zip(labels, over.T, strict=True):
        factors, share = profile(of_one)
        lines.append(chart.Line(label, np.append(factors, end), np.append(share, share[-1]), stairs=True))
    x, y = chart.Axis(what, log=True, switch=True), chart.Axis("share of problems", limits=(0.0, 1.05))
    return chart.Chart("profile", title, x, y, caption, lines)


# --- who is ahead ----------------------------------------------------------------------------------------------------


def ranks(shown: Shown, within: float) -> chart.Chart | None:
    """The mean rank of each optimizer after so many steps; None of fewer than three.

    Args:
        shown: the problem.
        within: the share of a loss within which two are practically equal.
    """
    problem = shown.problem
    exact = shown.whole if problem.metric == TRAIN else {}
    curves = {
        label: {
            run.row.seed: (steps / shown.unit.of(run.row), losses)
            for run in runs
            for steps, losses in [run.curves.get(problem.metric, NO_LINE)]
        }
        for label, runs in shown.runs.items()
    }
    seeds = [seed for seed in next(iter(curves.values()), ()) if all(seed in of_one for of_one in curves.values())]
    # what is practically equal is so of nine tenths of the exact loss on, as wherever two are compared
    base = {seed: loss - abs(loss) / 10 for seed, loss in exact.items()}
    lines = [
        (steps, losses - base.get(seed, 0.0))
        for of_one in curves.values()
        for seed in seeds
        for steps, losses in [of_one[seed]]
    ]
    if len(curves) < 3 or not lines or not all(len(steps) for steps, _ in lines):
        return None
    at = np.unique(np.concatenate([steps for steps, _ in lines]))
    at = thinned(at[(at > 0) & (at >= max(steps[0] for steps, _ in lines))], MOST_POINTS)
    if len(at) < 4:
        return None
    losses = np.array([carried(steps, values, at) for steps, values in lines]).reshape(len(curves), len(seeds), -1)
    found = mean_ranks(np.where(np.isnan(losses), np.inf, losses), within)
    labels = list(curves)
    return chart.Chart(
        problem.named("ranks"),
        f"Who is ahead{problem.suffix}",
        chart.Axis(shown.unit.name, log=True, switch=True),
        chart.Axis("mean rank" if len(seeds) > 1 else "rank"),
        f"The rank of each {noun(problem.compared)}'s {problem.metric} among all {len(labels)} at their best settings, "
        f"1 the lowest{f', mean over {len(seeds)} seeds' if len(seeds) > 1 else ''}; those that are practically equal "
        "share theirs." + (" A star: another comes into the lead." if (leads := _leads(labels, at, found)) else ""),
        [chart.Line(label, at, mean) for label, mean in zip(labels, found, strict=True)],
        leads,
    )


def _leads(labels: Sequence[str], at: Numbers, mean: Numbers) -> list[chart.Points]:
    """Where another optimizer gets the lowest mean rank, by half a rank or more: what is less seeds do."""
    leader, found = int(mean[:, 0].argmin()), list[tuple[float, float, str]]()
    for index, step in enumerate(at):
        first = int(mean[:, index].argmin())
        if mean[first, index] < mean[leader, index] - 0.5:
            leader = first
            found.append((float(step), float(mean[first, index]), f"{labels[first]} leads"))
    if not found:
        return []
    x, y, hover = zip(*found, strict=True)
    return [chart.Points("another leads", x, y, hover=hover, role="star")]
