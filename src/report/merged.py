"""Several sweeps as one, so that what they compare can be compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from src.compare.contest import Problem
from src.compare.roles import EVERYTHING, Kind, roles_of
from src.compare.rows import SEED_KEYS, Row
from src.compare.run_facts import INDIFFERENT
from src.report.reading import Sweep, filled
from src.report.run_files import Run
from src.report.tables import Cell, TableData

PROBLEM = ("data", "loss", "model", "trainer", "scheduler")
"""Sections that decide what is learned, and for how long."""


def merged(sweeps: Sequence[Sweep]) -> Sweep:
    """Several sweeps as one, in which what several of them hold bears the name of its sweep: `adam (mine)`.

    A key that only some of them sweep has in the others the value that all their runs share, and so has one that none
    sweeps, but that is not the same in all.
    """
    if len(sweeps) == 1:
        return sweeps[0]
    swept = list(dict.fromkeys(key for sweep in sweeps for key in sweep.keys))
    keys = [*swept, *_differing(sweeps, swept)]
    names = names_of(sweeps)
    rows, runs, remarks = list[Row](), dict[int, Run](), list[str]()
    for sweep, name in zip(sweeps, names, strict=True):
        free = max((row.job for row in rows), default=-1) + 1
        absent, options = [key for key in keys if key not in sweep.keys], _options(sweep, swept)
        fixed = {chosen: filled({}, absent, run) for chosen, run in options.items()}
        for row in sweep.rows:
            words = {**fixed[_chosen(sweep, row, swept)], **row.words}
            confirms = None if row.confirms is None else row.confirms + free
            rows.append(
                replace(row, job=row.job + free, words=words, confirms=confirms, name=f"{name}/{row.name}", origin=name)
            )
        runs |= {job + free: run for job, run in sweep.runs.items()}
        remarks += [f"{name}: {remark}" for remark in sweep.remarks]
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    looks = tuple(sorted({look for sweep in sweeps for look in sweep.looks}))
    return Sweep(" and ".join(names), tuple(_told_apart(rows)), runs, unfinished, tuple(remarks), looks=looks)


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """With the origin of those only that would be taken for runs of another sweep without it."""
    alike = [replace(row, origin="") for row in rows]
    roles, origins = roles_of(alike), dict[tuple[Kind, frozenset[tuple[str, str]]], set[str]]()
    for row, plain in zip(rows, alike, strict=True):
        origins.setdefault((roles.kind(plain), frozenset(roles.problem(plain).items())), set()).add(row.origin)
    mixed = {kind for (kind, _), of_one in origins.items() if len(of_one) > 1}
    return [row if roles.kind(plain) in mixed else plain for row, plain in zip(rows, alike, strict=True)]


def _differing(sweeps: Sequence[Sweep], swept: Sequence[str]) -> list[str]:
    """Keys that no sweep varies, and that decide what is learned, whose values are not the same in all of them.

    Of those below a group of which they have chosen different options that option tells enough.
    """
    runs: dict[tuple[str | None, ...], list[Run]] = {}
    for sweep in sweeps:
        for chosen, run in _options(sweep, swept).items():
            runs.setdefault(chosen, []).append(run)
    varied = {key for key in swept if key in PROBLEM}
    every = [run for group in runs.values() for run in group]
    groups = [key for key in PROBLEM if key not in ("trainer", *swept) and all(key in run.choices for run in every)]

    def counts(key: str) -> bool:
        section, _, rest = key.partition(".")
        indifferent = section == "trainer" and rest in INDIFFERENT
        return section in PROBLEM and section not in varied and key not in (*swept, *SEED_KEYS) and not indifferent

    def differs(key: str) -> bool:
        values: dict[tuple[object, ...], set[str | None]] = {}
        for chosen, group in runs.items():
            for run in group:
                section, dot, _ = key.partition(".")
                option = run.choices[section] if dot and section in groups else None
                values.setdefault((chosen, option), set()).add(run.config.get(key) if dot else run.choices[key])
        return any(len(of_one) > 1 for of_one in values.values())

    keys = dict.fromkeys(key for run in every for key in run.config if "." in key and counts(key))
    return [key for key in (*groups, *keys) if differs(key)]


def _chosen(sweep: Sweep, row: Row, swept: Sequence[str]) -> tuple[str | None, ...]:
    """What a run has chosen of the groups that set everything, an experiment say."""
    whole = [key for key in swept if key in EVERYTHING]
    return tuple(row.words.get(key) or filled({}, [key], sweep.first).get(key) for key in whole)


def _options(sweep: Sweep, swept: Sequence[str]) -> dict[tuple[str | None, ...], Run]:
    """Of each such choice a run."""
    found: dict[tuple[str | None, ...], Run] = {}
    for row in sweep.rows:
        found.setdefault(_chosen(sweep, row, swept), sweep.runs[row.job])
    return found


def directories(
    sweeps: Sequence[Sweep], whole: Sweep, problems: Sequence[Problem], command: Callable[[Sweep], str]
) -> TableData | None:
    """Which directory is which; None of one alone.

    Args:
        sweeps: as they were given.
        whole: all of them, as `merged` makes it.
        problems: of the whole.
        command: that made a sweep.
    """
    labels: dict[Path, dict[str, None]] = {}
    for one in (one for problem in problems for one in problem.contenders):
        for row in (row for setting in one.settings for row in setting.rows):
            directory = whole.runs[row.job].directory
            for key in (directory, directory.parent):
                labels.setdefault(key, {})[one.label] = None
    rows = []
    for sweep, name in zip(sweeps, names_of(sweeps), strict=True):
        runs = list(sweep.runs.values())
        lines = [(name, sweep.first.directory.parent, len(runs), command(sweep))]
        if sweep.lone:
            lines = [(run.name, run.directory, 1, run.environment.get("command", "")) for run in runs]
        for of_one, path, number, typed in lines:
            cells = {"directory": of_one, "holds": ", ".join(labels.get(path, ())), "path": str(path), "command": typed}
            rows.append({key: Cell.of(text) for key, text in cells.items()} | {"runs": Cell.of(number)})
    if len(rows) < 2:
        return None
    named = any(row.origin for row in whole.rows)
    return TableData.of("Directories", rows, "What several of them hold bears their name." if named else "")


def names_of(sweeps: Sequence[Sweep]) -> list[str]:
    """Their names, made different by a number where they are not."""
    names = [sweep.name for sweep in sweeps]
    return [
        name if names.count(name) == 1 else f"{name} #{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]
