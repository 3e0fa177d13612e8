"""Several sweeps as one, so that their optimizers can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from src.compare.rows import SEED_KEYS, Row
from src.report.reading import Sweep, filled
from src.report.run_files import Run
from src.sweep.call import EVERYTHING

PROBLEM = ("data", "loss", "model", "trainer", "scheduler")
"""Sections that decide what is learned, and for how long."""
INDIFFERENT = ("accelerator", "devices", "strategy", "threads", "log_every_n_steps", "block_size", "profiler")
"""Keys of the trainer that decide no number."""


def merged(sweeps: Sequence[Sweep]) -> Sweep:
    """Several sweeps as one, in which each optimizer bears the name of its sweep: `adam (mine)`.

    A key that only some of them sweep has in the others the value that all their runs share, and so has one that none
    sweeps, but that is not the same in all: then they are different problems.
    """
    if len(sweeps) == 1:
        return sweeps[0]
    swept = list(dict.fromkeys(key for sweep in sweeps for key in sweep.keys))
    keys = [*swept, *_differing(sweeps, swept)]
    names = _names([sweep.name for sweep in sweeps])
    rows, runs, remarks = list[Row](), dict[int, Run](), list[str]()
    for sweep, name in zip(sweeps, names, strict=True):
        free = max((row.job for row in rows), default=-1) + 1
        absent, options = [key for key in keys if key not in sweep.keys], _options(sweep, swept)
        fixed = {chosen: filled({}, absent, run) for chosen, run in options.items()}
        for row in sweep.rows:
            words = _of_sweep({**fixed[_chosen(sweep, row, swept)], **row.words}, name)
            confirms = None if row.confirms is None else row.confirms + free
            rows.append(replace(row, job=row.job + free, words=words, confirms=confirms, name=f"{name}/{row.name}"))
        runs |= {job + free: run for job, run in sweep.runs.items()}
        remarks += [f"{name}: {remark}" for remark in sweep.remarks]
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    return Sweep(" and ".join(names), tuple(rows), runs, unfinished, tuple(remarks))


def _of_sweep(words: dict[str, str], name: str) -> dict[str, str]:
    """With the name of the sweep at what names the optimizer."""
    key = "optimizer._target_" if "optimizer._target_" in words else "optimizer"
    return {**words, key: f"{words.get(key, 'optimizer')} ({name})"}


def _differing(sweeps: Sequence[Sweep], swept: Sequence[str]) -> list[str]:
    """Keys that decide the problem, that no sweep varies, and whose values are not the same in all of them."""
    groups: dict[tuple[str | None, ...], list[Mapping[str, str]]] = {}
    for sweep in sweeps:
        for chosen, run in _options(sweep, swept).items():
            groups.setdefault(chosen, []).append(run.config)
    varied = {key for key in swept if key in PROBLEM}

    def counts(key: str) -> bool:
        section, _, rest = key.partition(".")
        indifferent = section == "trainer" and rest in INDIFFERENT
        return section in PROBLEM and section not in varied and key not in (*swept, *SEED_KEYS) and not indifferent

    keys = dict.fromkeys(key for group in groups.values() for config in group for key in config if counts(key))
    return [key for key in keys if any(len({config.get(key) for config in group}) > 1 for group in groups.values())]


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


def _names(names: Sequence[str]) -> list[str]:
    """Made different by a number where they are not."""
    return [
        name if names.count(name) == 1 else f"{name} #{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]
