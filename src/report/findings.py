"""What sweeps say: every table, the data of every picture, and remarks on how far to trust them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from src.compare.contest import Problem, contest
from src.compare.statistics import Width
from src.errors import LabError
from src.plots.chart import Picture
from src.report import budget, courses, race, sensitivity, tables
from src.report.courses import Courses, Reach
from src.report.merged import merged
from src.report.reading import Run, Sweep
from src.report.tables import Cell, TableData
from src.run_directory import python_command
from src.sweep.summary import remarks as on_winners

__all__ = ["Cell", "Findings", "TableData", "findings"]

FEW = 5
MOST_SHOWN = 8
"""Problems that get pictures of their own; the tables hold all of them."""


@dataclass(frozen=True)
class Findings:
    """All that a page shows.

    Attributes:
        title: what was compared.
        command: that made it; empty where that is not known.
        environment: versions and machine.
        tables: in order.
        charts: in order.
        remarks: sentences on how far to trust the figures.
        config: as YAML.
    """

    title: str
    command: str
    environment: Mapping[str, str]
    tables: list[TableData]
    charts: list[Picture]
    remarks: list[str]
    config: str


def findings(sweeps: Sequence[Sweep], heat: tuple[str, str] | None = None) -> Findings:
    """What one sweep says, or several together.

    Args:
        sweeps: as `src.report.reading` finds them.
        heat: two swept keys, `optimizer` among them where that is, to be drawn against each other.
    """
    sweep = merged(sweeps)
    problems = contest(sweep)
    shown, widths = problems[:MOST_SHOWN], dict[tuple[str, str], Width | None]()
    opened, lost = courses.courses(sweep, shown)
    reached = dict[tuple[str, str], Reach]()
    for problem in problems:
        widths |= {(problem.label, one.label): sensitivity.good_rates(one) for one in problem.contenders}
    for problem in shown:
        found = courses.reaches(problem, opened, tables.WITHIN)
        reached |= {(problem.label, label): reach for label, reach in found.items()}
    ran = race.races(shown, opened)
    runs = [course.run for of_one in opened.values() for course in of_one]
    return Findings(
        title=_title(sweep, problems),
        command=_commands(sweeps),
        environment=_environment([*runs, sweep.first]),
        tables=list(_tables(problems, reached, widths, ran)),
        charts=list(_charts(problems, shown, opened, ran, heat)),
        remarks=[*_on_sweep(sweep, problems), *sweep.remarks, *lost, *_on_seconds(opened, reached)],
        config="\n".join(map(_config, sweeps)),
    )


def _tables(
    problems: Sequence[Problem],
    reached: Mapping[tuple[str, str], Reach],
    widths: Mapping[tuple[str, str], Width | None],
    ran: Sequence[race.Race],
) -> Iterator[TableData]:
    yield tables.headline(problems, reached, widths)
    if ran:
        yield race.table(ran)
    if (over_all := tables.across(problems)) is not None:
        yield over_all
    if found := tables.pairs(problems):
        yield tables.improvements(found)


def _charts(
    problems: Sequence[Problem],
    shown: Sequence[Problem],
    opened: Courses,
    ran: Sequence[race.Race],
    heat: tuple[str, str] | None,
) -> Iterator[Picture]:
    yield from map(race.animation, ran)
    for problem in shown:
        if (picture := sensitivity.picture(problem, opened)) is not None:
            yield picture
        yield from courses.pictures(problem, opened)
        if (spent := budget.picture(problem, opened)) is not None:
            yield spent
    if (over_all := budget.profiles(problems)) is not None:
        yield over_all
    yield from sensitivity.heats(problems if heat else shown, heat)


# --- what was run ----------------------------------------------------------------------------------------------------


def _title(sweep: Sweep, problems: Sequence[Problem]) -> str:
    """`sweep_of_mine: 3 optimizers on 2 problems, 135 runs and 30 to confirm`."""
    optimizers = len({one.label for problem in problems for one in problem.contenders})
    confirming = sum(row.confirms is not None for row in sweep.rows)
    what = f"{optimizers} optimizers" if optimizers > 1 else next(iter(problems)).contenders[0].label
    where = f" on {len(problems)} problems" if len(problems) > 1 else ""
    number = len(sweep.rows) - confirming
    runs = f"{number:,} {'run' if number == 1 else 'runs'}" + (f" and {confirming:,} to confirm" if confirming else "")
    return f"{sweep.name}: {what}{where}, {runs}"


def _commands(sweeps: Sequence[Sweep]) -> str:
    """What was typed, a line for each sweep."""
    told = dict.fromkeys(_command(sweep) for sweep in sweeps)
    return "\n".join(command for command in told if command)


def _command(sweep: Sweep) -> str:
    """That of a run; of a sweep by Hydra's own launcher, whose runs know theirs alone, from its `multirun.yaml`."""
    own = _environment(list(sweep.runs.values())[:20]).get("command", "")
    path = sweep.first.directory.parent / "multirun.yaml"
    if " -m src.train -m " in own or not path.is_file():
        return own
    try:
        words = yaml.safe_load(path.read_text(encoding="utf-8"))["hydra"]["overrides"]
        return python_command(["-m", *words["task"], *(w for w in words["hydra"] if not w.startswith("hydra.mode="))])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return own


def _environment(runs: Sequence[Run]) -> dict[str, str]:
    """Of the first run that tells."""
    for run in runs:
        try:
            known = run.result.get("environment")
        except LabError:
            continue
        if isinstance(known, dict):
            return {key: str(value) for key, value in known.items() if value is not None}
    return {}


def _config(sweep: Sweep) -> str:
    """The config of a run, and what the others have otherwise."""
    swept = f"# of run {sweep.first.name} of {sweep.name}"
    keys = [key for key in sweep.keys if len({row.words.get(key) for row in sweep.rows}) > 1]
    others = f"; swept: {', '.join(keys)}" if keys else ""
    return f"{swept}{others}\n{sweep.first.config_text}" if sweep.first.config_text else ""


# --- how far to trust it ---------------------------------------------------------------------------------------------


def _on_sweep(sweep: Sweep, problems: Sequence[Problem]) -> Iterator[str]:
    if sweep.unfinished:
        more = "one more run has" if sweep.unfinished == 1 else f"{sweep.unfinished:,} more runs have"
        yield f"{more} not ended: what is said here is of the settings that have, on every seed that any of them has"
    lost = {status: sum(row.status == status for row in sweep.rows) for status in ("diverged", "failed")}
    told = [f"{count:,} {status}" for status, count in lost.items() if count]
    if told:
        yield f"of {len(sweep.rows):,} runs {' and '.join(told)}"
    contenders = [one for problem in problems for one in problem.contenders]
    chance = _has_chance(sweep.first)
    alone = all(one.figure.interval is None for one in contenders)
    if chance and alone and any(one.came_through for one in contenders):
        yield "one seed only: there are no intervals, so it cannot be told what is due to chance"
    fewest = min((one.figure.seeds for one in contenders if one.figure.interval is not None), default=FEW)
    if fewest < FEW:
        yield f"a bootstrap of {fewest} seeds is narrower than it should be: {FEW} or more tell how wide it is"
    yield from on_winners([one.winner for one in contenders], chance)
    if len(problems) > MOST_SHOWN:
        names = "; ".join(problem.label for problem in problems[MOST_SHOWN : MOST_SHOWN + 3])
        yield (
            f"pictures and steps to the target are those of the first {MOST_SHOWN} of {len(problems)} problems; "
            f"the tables hold the others as well ({names}, ...)"
        )


def _has_chance(run: Run) -> bool:
    """Whether other seeds would be other runs; the gradient of a surface is exact, unless noise was asked for."""
    return not run.config.get("model._target_", "").endswith(".Surface") or float(run.config.get("data.noise", 0)) > 0


def _on_seconds(opened: Courses, reached: Mapping[tuple[str, str], Reach]) -> Iterator[str]:
    stacked = [key for key, reach in reached.items() if reach.seconds is None]
    if not stacked:
        return
    if any(course.result for key in stacked for course in opened[key]):
        who = "" if len(stacked) == len(reached) else f" of {', '.join(dict.fromkeys(label for _, label in stacked))}"
        yield f"seconds to the target{who} are not told: the runs were trained together, and share their time"
