"""The race down a known surface: where each optimizer was at each step, and when it got away from a saddle point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.contest import Contender, Problem
from src.compare.statistics import Numbers, thinned
from src.config.surfaces import FUNCTIONS, Function
from src.plots import chart
from src.report.courses import Course, Courses, named
from src.report.tables import NOTHING, Cell, TableData, best_setting, told

GRID, FRAMES, MOST_POINTS = 121, 120, 600
PLACE = ("point[0]", "point[1]")


@dataclass(frozen=True)
class Racer:
    """A contender on a surface.

    Attributes:
        contender: it.
        courses: its runs whose places are known, one a seed.
    """

    contender: Contender
    courses: Sequence[Course]


@dataclass(frozen=True)
class Race:
    """A problem that is a surface.

    Attributes:
        problem: it.
        name: of the function.
        function: it.
        racers: the best one first.
    """

    problem: Problem
    name: str
    function: Function
    racers: Sequence[Racer]


def races(problems: Sequence[Problem], of_all: Courses) -> list[Race]:
    """The problems that are surfaces, as far as places were recorded (`callbacks=parameters`)."""
    found = []
    for problem in problems:
        racers, name = list[Racer](), ""
        for one in problem.contenders:
            placed = [c for c in of_all.get((problem.label, one.label), ()) if all(key in c.curves for key in PLACE)]
            if placed and is_surface(placed[0]):
                name = placed[0].run.config["model.function"]
                racers.append(Racer(one, placed))
        if racers:
            found.append(Race(problem, name, FUNCTIONS[name], racers))
    return found


def is_surface(course: Course) -> bool:
    """Whether a run was on a surface that is known."""
    config = course.run.config
    return config.get("model._target_", "").endswith(".Surface") and config.get("model.function") in FUNCTIONS


def way(course: Course) -> tuple[Numbers, Numbers, Numbers]:
    """Steps and places of a run, each `[T]`."""
    (steps, x), (_, y) = (course.curves[key] for key in PLACE)
    return steps, x, y


# --- the picture -----------------------------------------------------------------------------------------------------


def animation(race: Race) -> chart.Contours:
    """Contours of the surface, and a path per optimizer that grows."""
    function, (ends_x, ends_y) = race.function, race.function.window
    grid_x, grid_y = np.linspace(*ends_x, GRID), np.linspace(*ends_y, GRID)
    heights = function.value(*np.meshgrid(grid_x, grid_y), np)
    paths = [_path(race, racer) for racer in race.racers]
    last = max(path.steps[-1] for path in paths)
    marks = [_mark("minimum", function.minima, "star")]
    marks += [_mark("saddle point", function.saddles, "data")] if function.saddles else []
    starts = dict.fromkeys((float(path.x[0]), float(path.y[0])) for path in paths)
    marks.append(_mark("start", list(starts), "data"))
    seeds = max(len(racer.courses) for racer in race.racers)
    return chart.Contours(
        race.problem.named("race"),
        f"Race on {race.name}{race.problem.suffix}",
        chart.Axis("x", limits=ends_x),
        chart.Axis("y", limits=ends_y),
        grid_x,
        grid_y,
        np.asarray(heights, dtype=np.float64),
        "f(x, y)",
        paths=paths,
        points=marks,
        caption=f"f(x, y) = {function.formula} ({function.source}), each optimizer at its best setting"
        + (", the first of its seeds." if seeds > 1 else "."),
        frames=frames(last),
    )


def frames(last: int) -> list[int]:
    """The steps that are shown, dense at first: getting away from a saddle takes a dozen steps of some hundred."""
    spaced = np.geomspace(1, max(1, last), FRAMES) if last > FRAMES else np.arange(last + 1)
    early = np.arange(min(last, 20) + 1)
    return [int(step) for step in np.unique(np.concatenate([early, spaced.round()]))]


def _path(race: Race, racer: Racer) -> chart.Path:
    steps, x, y = way(racer.courses[0])
    kept = np.isin(steps, thinned(steps, MOST_POINTS))
    with np.errstate(all="ignore"):  # a run that diverged is not finite any more
        heights = np.asarray(race.function.value(x[kept], y[kept], np))
    hover = f"{named(racer.contender)}, seen: run {racer.courses[0].run.name}"
    return chart.Path(racer.contender.label, steps[kept].astype(int).tolist(), x[kept], y[kept], hover, heights)


def _mark(name: str, places: Sequence[tuple[float, float]], role: str) -> chart.Points:
    x, y = [place[0] for place in places], [place[1] for place in places]
    return chart.Points(name, x, y, hover=name, role="star" if role == "star" else "data")


# --- the table -------------------------------------------------------------------------------------------------------


def table(found: Sequence[Race]) -> TableData:
    """When each optimizer got away from the saddle point, and how far from a minimum it ended."""
    several, away = len(found) > 1, any(race.function.away is not None for race in found)
    columns = [*(["function"] if several else []), "optimizer", "best setting"]
    columns += [*(["away from the saddle at step"] if away else []), "final distance to the nearest minimum", "final f"]
    rows = []
    for race in found:
        for racer in race.racers:
            ends = [_end(race.function, course) for course in racer.courses]
            distances, heights = zip(*ends, strict=True)
            cells = [*([told(race.name)] if several else []), told(racer.contender.label)]
            cells += [told(best_setting(racer.contender)), *([_away_cell(race, racer)] if away else [])]
            rows.append([*cells, Cell.of(float(np.median(distances))), Cell.of(float(np.median(heights)))])
    caption = "Each optimizer at its best setting; of several seeds the median."
    if away:
        levels = ", ".join(f"{race.function.away:g} ({race.name})" for race in found if race.function.away is not None)
        caption += f" Away from the saddle point is the first recorded step at which f is below {levels}."
    return TableData("The race", columns, rows, caption)


def left_saddle(function: Function, course: Course) -> float:
    """The first recorded step at which a run has got away from the saddle point; infinite where it has not."""
    assert function.away is not None
    steps, x, y = way(course)
    with np.errstate(all="ignore"):
        below = np.asarray(function.value(x, y, np)) < function.away
    return float(steps[below.argmax()]) if below.any() else math.inf


def _away_cell(race: Race, racer: Racer) -> Cell:
    if race.function.away is None:
        return NOTHING
    steps = [left_saddle(race.function, course) for course in racer.courses]
    middle, got = float(np.median(steps)), sum(map(math.isfinite, steps))
    on = f" ({got} of {len(steps)} seeds)" if got < len(steps) and len(steps) > 1 else ""
    return Cell((f"{middle:,.10g}" if math.isfinite(middle) else "not within the run") + on, middle)


def _end(function: Function, course: Course) -> tuple[float, float]:
    """Distance to the nearest minimum, and height, at a run's last recorded place."""
    _, x, y = way(course)
    last_x, last_y = float(x[-1]), float(y[-1])
    return function.nearest(last_x, last_y)[1], float(function.value(last_x, last_y, np))
