"""What sweeps say: every table, the data of every picture, and remarks on how far to trust them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from src.compare.budgets import Budgets, budgets
from src.compare.contest import Exact, Problem, contest, standings
from src.compare.draws import Tried
from src.compare.pairs import EQUAL_WITHIN
from src.compare.remarks import counted
from src.compare.remarks import remarks as on_winners
from src.compare.roles import OPTIMIZER, noun, roles_of
from src.compare.rows import number
from src.compare.run_facts import below, parsed, text_of
from src.compare.statistics import FEWEST
from src.compare.verdict import verdict
from src.config.overrides import python_command
from src.errors import LabError
from src.plots.chart import Picture
from src.report import beside, budget, clicks, curves, heats, parallel, race, sensitivity, steps, tables, variance
from src.report.all_curves import exact_of, tried
from src.report.answer import Answer, answer
from src.report.merged import directories, merged
from src.report.opened_runs import Shown, opened
from src.report.play import Play, of_race
from src.report.reading import Sweep
from src.report.run_files import is_number
from src.report.tables import TableData
from src.report.target import Reaches, beside_each_other, reaches, target_of
from src.run_directory import units, what_it_is

MOST_SHOWN = 8
"""Problems that get a verdict and pictures of their own; the tables hold all of them."""


@dataclass(frozen=True)
class Section:
    """What is said of one problem, of all together, or of a run.

    Attributes:
        title: the problem; empty where there is nothing to tell it from.
        answer: the verdict; None where there is none.
        budgets: what smaller budgets would have said; None where that cannot be told.
        beside: pictures that stand beside each other, below the answer.
        tables: in order, the first one before the pictures.
        charts: pictures, in order.
        plays: to play with.
    """

    title: str = ""
    answer: Answer | None = None
    budgets: Budgets | None = None
    beside: Sequence[Picture] = ()
    tables: Sequence[TableData] = ()
    charts: Sequence[Picture] = ()
    plays: Sequence[Play] = ()


@dataclass(frozen=True)
class Findings:
    """All that a page shows.

    Attributes:
        title: what was compared.
        command: that made it; empty where nothing tells.
        environment: versions and machine.
        sections: in order.
        remarks: sentences on how far to trust the figures.
        config: as YAML.
        runs: of the runs that a point of a picture names, the directory and the command that trains it.
        status: of a single run, how it ended; empty of sweeps.
        ranked: names of what is compared, the best first.
    """

    title: str
    command: str
    environment: Mapping[str, str]
    sections: Sequence[Section]
    remarks: Sequence[str]
    config: str
    runs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    status: str = ""
    ranked: Sequence[str] = ()

    @property
    def answers(self) -> list[Answer]:
        """The verdicts, in order."""
        return [one.answer for one in self.sections if one.answer is not None]

    @property
    def tables(self) -> list[TableData]:
        """All of them, in order."""
        return [table for one in self.sections for table in one.tables]

    @property
    def charts(self) -> list[Picture]:
        """All pictures, in order."""
        return [picture for one in self.sections for picture in (*one.beside, *one.charts)]

    @property
    def plays(self) -> list[Play]:
        """All of them, in order."""
        return [play for one in self.sections for play in one.plays]


def findings(
    sweeps: Sequence[Sweep], heat: tuple[str, str] | None = None, equal_within: float | None = None
) -> Findings:
    """What one sweep says, or several together.

    Args:
        sweeps: as `src.report.reading` finds them.
        heat: two swept keys, `optimizer` among them where that is, to be drawn against each other.
        equal_within: the share of a loss within which two are practically equal; None for that of the first sweep.
    """
    sweep = merged(sweeps)
    chance = _has_chance(sweep)
    within = _within(sweeps[0]) if equal_within is None else equal_within
    exact = partial(exact_of, sweep)
    problems = contest(sweep.rows, within, chance, exact, sweep.looks)
    shown, lost = opened(sweep, problems[:MOST_SHOWN])
    reached = {problem.label: reaches(sweep, problem) for problem in problems[:MOST_SHOWN]}
    races = race.races(shown)
    commands = list(filter(None, dict.fromkeys(map(_command, sweeps))))
    spent = {one.problem.label: tried(sweep, one.problem, chance) for one in shown}
    verdicts = [
        verdict(problem, reached.get(problem.label, {}), chance, spent[problem.label], exact)
        for problem in problems[:MOST_SHOWN]
    ]
    first = [run.run for one in shown for runs in one.runs.values() for run in runs]
    of_one = {
        one.problem.label: Section(
            one.problem.label,
            answer(said, sweep, commands[0] if len(sweeps) == len(commands) == 1 else ""),
            None if (tries := spent[one.problem.label]) is None else budgets(tries),
            beside=list(_beside(sweep, one, reached, within)),
            charts=[
                *_charts(one, tries, within, [each for each in races if each.problem is one.problem]),
                *heats.of_problem(sweep, one, heat),
                *filter(None, [parallel.picture(one, sweep, len(shown))]),
            ],
            plays=[of_race(each) for each in races if each.problem is one.problem],
        )
        for one, said in zip(shown, verdicts, strict=True)
    }
    profile = steps.profiles(problems, reached) or budget.profiles(problems)
    of_all = Section(
        "All problems" if len(problems) > 1 else "",
        tables=[
            *_tables(problems, reached, races, within, chance, exact),
            *filter(None, [directories(sweeps, sweep, problems, _command)]),
        ],
        charts=[one for one in (profile, *heats.over_problems(problems, heat)) if one is not None],
    )
    if len(problems) == 1:
        (alone,) = of_one.values()
        sections = [replace(alone, title="", tables=of_all.tables, charts=[*alone.charts, *of_all.charts])]
    else:
        sections = [of_all, *of_one.values()]
    return Findings(
        title=_title(sweep, problems),
        command="\n".join(commands),
        environment=next((run.environment for run in first if run.environment), sweep.first.environment),
        sections=sections,
        remarks=[
            *_on_sweep(sweep, problems, chance),
            *_on_losses(sweep, problems[:MOST_SHOWN]),
            *sweep.remarks,
            *lost,
            *_on_seconds(shown, reached),
        ],
        config="\n".join(map(_config, sweeps)),
        ranked=[one.label for problem in problems for one in tables.ranked(problem, reached)],
        runs=clicks.runs(sweep, [picture for one in sections for picture in (*one.beside, *one.charts)]),
    )


def _within(sweep: Sweep) -> float:
    """What the sweep's own config says; the usual where there is none."""
    node = below(_multirun(sweep), "hydra", "sweeper", "equal_within")
    return float(node) if is_number(node) else EQUAL_WITHIN


def _multirun(sweep: Sweep) -> Any:
    """What `multirun.yaml` holds; None where it cannot be read."""
    return parsed(text_of(sweep.first.directory.parent / "multirun.yaml"))


def _tables(
    problems: Sequence[Problem],
    reached: Reaches,
    races: Sequence[race.Race],
    within: float,
    chance: bool,
    exact: Exact,
) -> Iterator[TableData]:
    yield tables.headline(problems, reached, chance, exact)
    if races:
        yield race.table(races)
    over_all, number = standings(problems)
    if over_all:
        yield tables.across(over_all, number, noun(problems[0].compared))
    if (beside := tables.against_the_best(problems, reached, within)) is not None:
        yield beside
    if (sources := variance.table(problems)) is not None:
        yield sources


def _beside(sweep: Sweep, one: Shown, reached: Reaches, within: float) -> Iterator[Picture]:
    """What the answer rests on."""
    order = tables.ranked(one.problem, reached)
    drawn = [
        beside.seeds(one.problem, order, within, bool(one.judged_above)),
        steps.against_rate(sweep, one, target_of(sweep, one.problem)),
        beside.matrix(one.problem, order),
    ]
    yield from (picture for picture in drawn if picture is not None)


def _charts(one: Shown, tries: Tried | None, within: float, races: Sequence[race.Race]) -> Iterator[Picture]:
    """The pictures of a problem."""
    yield from map(race.animation, races)
    drawn = [
        *sensitivity.pictures(one),
        sensitivity.shifted(one, within),
        *curves.pictures(one),
        steps.ranks(one, within),
        *budget.pictures(one, tries),
    ]
    yield from (picture for picture in drawn if picture is not None)


# --- what was run ----------------------------------------------------------------------------------------------------


def _title(sweep: Sweep, problems: Sequence[Problem]) -> str:
    """`sweep_of_mine: 3 optimizers on 2 problems, 135 runs and 30 to confirm`; `4 batch sizes with sgd`."""
    contenders = {one.label: one for problem in problems for one in problem.contenders}
    confirming = sum(row.confirms is not None for row in sweep.rows)
    what, compared = next(iter(contenders)), problems[0].compared
    if len(contenders) > 1:
        what = f"{len(contenders)} {noun(compared, several=True)}"
        what += f" with {name}" if compared != OPTIMIZER and (name := sweep.rows[0].words.get(OPTIMIZER)) else ""
    where = f" on {len(problems)} problems" if len(problems) > 1 else ""
    number = len(sweep.rows) - confirming
    runs = f"{number:,} {'run' if number == 1 else 'runs'}" + (f" and {confirming:,} to confirm" if confirming else "")
    return f"{sweep.name}: {what}{where}, {runs}"


def _command(sweep: Sweep) -> str:
    """That of a run; of a sweep by Hydra's own launcher, whose runs know theirs alone, from its `multirun.yaml`."""
    first = list(sweep.runs.values())[:20]
    own = next((run.environment for run in first if run.environment), {}).get("command", "")
    if " -m src.train -m " in own or (multirun := _multirun(sweep)) is None:
        return own
    try:
        words = multirun["hydra"]["overrides"]
        return python_command(["-m", *words["task"], *(w for w in words["hydra"] if not w.startswith("hydra.mode="))])
    except (KeyError, TypeError):
        return own


def _config(sweep: Sweep) -> str:
    """The config of a run, and what the others have otherwise."""
    swept = f"# of run {sweep.first.name} of {sweep.name}"
    keys = [key for key in sweep.keys if len({row.words.get(key) for row in sweep.rows}) > 1]
    others = f"; swept: {', '.join(keys)}" if keys else ""
    return f"{swept}{others}\n{sweep.first.config_text}" if sweep.first.config_text else ""


# --- how far to trust it ---------------------------------------------------------------------------------------------


def _on_sweep(sweep: Sweep, problems: Sequence[Problem], chance: bool) -> Iterator[str]:
    if sweep.unfinished:
        more = "one more run has" if sweep.unfinished == 1 else f"{sweep.unfinished:,} more runs have"
        yield f"{more} not ended: what is said here is of the settings that have, on every seed that any of them has"
    lost = {status: sum(row.status == status for row in sweep.rows) for status in ("diverged", "failed")}
    if any(lost.values()):
        yield f"of {len(sweep.rows):,} runs {counted(lost)}"
    contenders = [one for problem in problems for one in problem.contenders]
    most = max((one.figure.seeds for one in contenders if one.came_through), default=FEWEST)
    if chance and most < FEWEST:
        how_many = "one seed" if most == 1 else f"{most} seeds"
        yield f"{how_many} only: there are no intervals, so it cannot be told what is due to chance"
    for problem in problems[:MOST_SHOWN]:
        if sum(one.came_through for one in problem.contenders) > 1 and not beside_each_other(sweep, problem):
            yield (
                f"{f'{problem.label}: ' * bool(problem.label)}no two share a seed, and the data of their seeds differ: "
                "they have no target together, and who ends lower may have had easier data"
            )
    yield from on_winners(contenders, chance)
    followers = roles_of(row for row in sweep.rows if row.confirms is None).followers
    for leader in dict.fromkeys(followers.values()):
        keys = [key for key, other in followers.items() if other == leader]
        yield f"{leader} stands for {' and '.join(keys)} as well, for these advance together"
    if len(problems) > MOST_SHOWN:
        names = "; ".join(problem.label for problem in problems[MOST_SHOWN : MOST_SHOWN + 3])
        yield (
            f"verdicts, pictures and steps to the target are those of the first {MOST_SHOWN} of {len(problems)} "
            f"problems; the tables hold the others as well ({names}, ...)"
        )


def _has_chance(sweep: Sweep) -> bool:
    """Whether other seeds would be other runs; the gradient of a surface is exact, unless noise was asked for."""
    noise = [sweep.first.config.get("data.noise"), *(row.words.get("data.noise") for row in sweep.rows)]
    drawn = any(number(word) for word in noise if word is not None)
    return drawn or not sweep.first.config.get("model._target_", "").endswith(".Surface")


def _on_losses(sweep: Sweep, problems: Sequence[Problem]) -> Iterator[str]:
    """What the losses are, and in which units, where those are not the data's."""
    told = dict[str, list[str]]()
    for problem in problems:
        with suppress(LabError):
            first = min(row.job for one in problem.contenders for setting in one.settings for row in setting.rows)
            result = sweep.runs[first].result
            loss, targets = result.get("loss") or {}, result.get("targets") or []
            for sentence in filter(None, (what_it_is(loss), units(loss, targets))):
                told.setdefault(sentence, []).append(problem.label)
    for sentence, labels in told.items():
        yield f"{', '.join(labels)}: {sentence}" if len(labels) < len(problems) else sentence


def _on_seconds(shown: Sequence[Shown], reached: Reaches) -> Iterator[str]:
    flat = {(problem, label): reach for problem, of_one in reached.items() for label, reach in of_one.items()}
    stacked = [key for key, reach in flat.items() if reach.seconds is None]
    runs = {(one.problem.label, label): runs for one in shown for label, runs in one.runs.items()}
    if any(run.result for key in stacked for run in runs[key]):
        who = "" if len(stacked) == len(flat) else f" of {', '.join(dict.fromkeys(label for _, label in stacked))}"
        yield f"seconds to the target{who} are not told: the runs were trained together, and share their time"
