"""The race down a surface: where each optimizer was at each step, and when it got away from a saddle point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.contest import Problem
from src.compare.selection import Contender
from src.compare.statistics import Numbers, thinned
from src.config.surfaces import FUNCTIONS, Function
from src.plots import chart
from src.report.opened_runs import OpenRun, Shown, named
from src.report.tables import NOTHING, Cell, TableData, best_setting

GRID, FRAMES, MOST_POINTS = 121, 120, 600
POSITION = ("point[0]", "point[1]")


@dataclass(frozen=True)
class Race:
    """A problem that is a surface.

    Attributes:
        problem: it.
        name: of the function.
        function: it.
        racers: the contenders whose positions were recorded, the best one first, each with its runs, one a seed.
    """

    problem: Problem
    name: str
    function: Function
    racers: Sequence[tuple[Contender, Sequence[OpenRun]]]


def races(shown: Sequence[Shown]) -> list[Race]:
    """The problems that are surfaces, as far as positions were recorded (`callbacks=parameters`)."""
    found = []
    for one in shown:
        racers, name = list[tuple[Contender, Sequence[OpenRun]]](), ""
        for contender in one.problem.contenders:
            runs = [run for run in one.of(contender) if all(key in run.curves for key in POSITION)]
            if runs and _on_surface(runs[0]):
                name = runs[0].run.config["model.function"]
                racers.append((contender, runs))
        if racers:
            found.append(Race(one.problem, name, FUNCTIONS[name], racers))
    return found


def _on_surface(run: OpenRun) -> bool:
    config = run.run.config
    return config.get("model._target_", "").endswith(".Surface") and config.get("model.function") in FUNCTIONS


def way(run: OpenRun) -> tuple[Numbers, Numbers, Numbers]:
    """Steps and coordinates of a run, each `[T]`."""
    (steps, x), (_, y) = (run.curves[key] for key in POSITION)
    return steps, x, y


def heights(function: Function, x: Numbers, y: Numbers) -> Numbers:
    """Of the surface, `[T]`; not finite where a run that diverged is not."""
    with np.errstate(all="ignore"):
        return np.asarray(function.value(x, y, np), dtype=np.float64)


# --- the picture -----------------------------------------------------------------------------------------------------


def animation(race: Race) -> chart.Contours:
    """Contours of the surface, and a path per optimizer that grows."""
    function, (ends_x, ends_y) = race.function, race.function.window
    grid_x, grid_y = np.linspace(*ends_x, GRID), np.linspace(*ends_y, GRID)
    paths = [_path(function, *racer) for racer in race.racers]
    points = [_points("minimum", function.minima, "star")]
    points += [_points("saddle point", function.saddles, "saddle")] if function.saddles else []
    starts = dict.fromkeys((float(path.x[0]), float(path.y[0])) for path in paths)
    points.append(_points("start", list(starts), "start"))
    seeds = max(len(runs) for _, runs in race.racers)
    alone = len(race.racers) == 1 == seeds
    best = ", each optimizer at its best setting" + (", the first of its seeds" if seeds > 1 else "")
    return chart.Contours(
        race.problem.named("race"),
        f"{'The way down' if alone else 'Race on'} {race.name}{race.problem.suffix}",
        chart.Axis("x", limits=ends_x),
        chart.Axis("y", limits=ends_y),
        grid_x,
        grid_y,
        heights(function, *np.meshgrid(grid_x, grid_y)),
        "f(x, y)",
        paths=paths,
        points=points,
        caption=f"f(x, y) = {function.formula} ({function.source}){'' if alone else best}.",
        frames=frames(max(path.steps[-1] for path in paths)),
    )


def frames(last: int) -> list[int]:
    """The steps of a film's frames, evenly spaced: who is ahead in it was ahead by as many steps."""
    return [int(step) for step in np.unique(np.linspace(0, last, min(last, FRAMES) + 1).round())]


def _path(function: Function, one: Contender, runs: Sequence[OpenRun]) -> chart.Path:
    steps, x, y = way(runs[0])
    kept = np.isin(steps, thinned(steps, MOST_POINTS))
    hover = f"{named(one, runs)}, seen: run {runs[0].row.name}"
    return chart.Path(
        one.label, steps[kept].astype(int).tolist(), x[kept], y[kept], hover, heights(function, x[kept], y[kept])
    )


def _points(name: str, positions: Sequence[tuple[float, float]], role: chart.Role) -> chart.Points:
    x, y = zip(*positions, strict=True)
    return chart.Points(name, x, y, hover=name, role=role)


# --- the table -------------------------------------------------------------------------------------------------------


def table(found: Sequence[Race]) -> TableData:
    """When each optimizer got away from the saddle point, and how far from a minimum it ended."""
    rows = [
        {
            "function": Cell.of(race.name if len(found) > 1 else ""),
            "optimizer": Cell.of(one.label),
            "best setting": Cell.of(best_setting(one)),
            "away from the saddle at step": _away(race.function, runs),
            **_ends(race.function, runs),
        }
        for race in found
        for one, runs in race.racers
    ]
    caption = "Each optimizer at its best setting; of several seeds the median."
    if levels := [f"{race.function.away:g} ({race.name})" for race in found if race.function.away is not None]:
        caption += f" Away from the saddle point is the first recorded step at which f is below {', '.join(levels)}."
    return TableData.of("The race", rows, caption)


def _left_saddle(function: Function, run: OpenRun) -> float:
    """The first recorded step at which a run has got away from the saddle point; infinite where it has not."""
    assert function.away is not None
    steps, x, y = way(run)
    below = heights(function, x, y) < function.away
    return float(steps[below.argmax()]) if below.any() else math.inf


def _away(function: Function, runs: Sequence[OpenRun]) -> Cell:
    if function.away is None:
        return NOTHING
    steps = [_left_saddle(function, run) for run in runs]
    middle, got = float(np.median(steps)), sum(map(math.isfinite, steps))
    on = f" ({got} of {len(steps)} seeds)" if got < len(steps) and len(steps) > 1 else ""
    return Cell((f"{middle:,.10g}" if math.isfinite(middle) else "not within the run") + on, middle)


def _ends(function: Function, runs: Sequence[OpenRun]) -> dict[str, Cell]:
    """Distance to the nearest minimum, and height, at the last recorded positions."""
    last = [(float(x[-1]), float(y[-1])) for _, x, y in map(way, runs)]
    distance = np.median([function.nearest(*point)[1] for point in last])
    height = np.median([float(function.value(*point, np)) for point in last])
    return {"final distance to the nearest minimum": Cell.of(float(distance)), "final f": Cell.of(float(height))}
