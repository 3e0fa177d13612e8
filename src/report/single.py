"""What a single run says: what was learned beside what is exact, and its pictures."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.compare.contest import TRAIN, contest
from src.compare.roles import BATCH
from src.compare.statistics import above
from src.errors import LabError
from src.plots.chart import Picture
from src.plots.one_run import (
    MEASURED,
    PARTS,
    TITLES,
    Curve,
    Valley,
    accuracy,
    classes,
    fit,
    histograms,
    loss_surface,
    losses,
    predicted,
    residuals,
    watched,
)
from src.plots.one_run import above as above_exact
from src.report import play, race
from src.report.all_curves import NO_LINE
from src.report.findings import Findings, Section
from src.report.opened_runs import ACCURACY, VAL, OpenRun, Shown
from src.report.play import Play
from src.report.reading import gather
from src.report.run_files import Line, Run, is_number, noted
from src.report.run_summary import by_heart, comparison, in_theory, shown, status
from src.report.tables import Cell, TableData
from src.run_directory import MOST_ROWS, Result, what_it_is
from src.tables.account import Account

MOST_PARAMETERS, MOST_HISTOGRAMS, MOST_TARGETS, MOST_CLASSES = 1_000, 24, 4, 30
PATIENCE = 10
"""Of `callbacks=early_stopping`: what conf/callbacks/early_stopping.yaml says."""


def findings_of(run: Run) -> Findings:
    """Tables, pictures and remarks of a run.

    Raises:
        LabError: it is unfinished, or its `result.json` is broken.
    """
    result = _result(run)
    remarks = [result.reason, what_it_is(result.loss), *in_theory(result)]
    pictures, parts = list[Picture](), dict[str, dict[str, Line]]()
    log = bool(result.loss.get("logarithm"))
    with noted(remarks):
        pictures += _losses(run, result, remarks)
    plays = list[Play]()
    with noted(remarks):
        pictures += _of_the_data(run, result, remarks)
    with noted(remarks):
        parts = _predictions(run, result)
        if len(result.features) > 1:  # of one the lines through the data say it
            pictures += [predicted(_named("predicted", one, parts), one, own, log) for one, own in parts.items()]
    with noted(remarks):
        if (way := _way(run, result, remarks)) is not None:
            pictures.append(loss_surface(*way))
            valley, steps, weight, bias = way
            # of a run that left only its end the start is not known
            places = np.stack([weight, bias], 1) if len(steps) > 1 else np.zeros((1, 2))
            plays += filter(None, [play.of_line(run, valley, places)])
    for one in _surface(run):
        pictures.append(race.animation(one))
        plays.append(play.of_race(one))
    with noted(remarks):
        pictures += _watched(run, remarks)
    pictures += [residuals(_named("residuals", one, parts), one, own, log) for one, own in parts.items()]
    with noted(remarks):
        pictures += _histograms(run)
    tables = [_learned(result)]
    with noted(remarks):
        tables += confusions(run, run.result.get("classes") or [])
    tables += _of_the_table(result)
    return Findings(
        title=f"One run: {run.name}",
        command=run.environment.get("command", ""),
        environment=run.environment | _circumstances(result),
        sections=[Section(tables=tables, charts=pictures, plays=plays)],
        remarks=[remark for remark in remarks if remark],
        config=run.config_text,
        status=status(result),
    )


def _result(run: Run) -> Result:
    fields = set(Result.__dataclass_fields__) - {"directory"}
    later = {"loss", "table", "classes"}  # runs of before have none
    try:
        there = {name: run.result[name] for name in fields if name not in later or name in run.result}
        return Result(**there, directory=run.directory)
    except KeyError:
        missing = sorted(fields - later - set(run.result))
        raise LabError(f"{run.directory / 'result.json'} is broken ({', '.join(missing)} missing)") from None


def _circumstances(result: Result) -> dict[str, str]:
    seconds = ", ".join(f"{name} {value:.3g} s" for name, value in result.seconds.items())
    own = {"seconds": seconds, "stack size": result.stack_size, "seed": result.seed, "fingerprint": result.fingerprint}
    return {name: str(value) for name, value in own.items()}


def _learned(result: Result) -> TableData:
    """The table that a run ends with, as a table of the page."""
    table = comparison(result)
    lines = [*table.parameters[:MOST_PARAMETERS], *table.losses]
    rows = [[Cell.of(line.name), *(Cell(shown(value), value) for value in line.values)] for line in lines]
    more = len(table.parameters[MOST_PARAMETERS:])
    caption = f"{more} more parameters are in result.json." if more else ""
    name = "Where it ended" if "nearest" in result.exact else "What was learned"
    return TableData(name, ["what", *table.columns], rows, caption)


def _of_the_table(result: Result) -> list[TableData]:
    """What was done to the table before the fit."""
    if not result.table:
        return []
    lines = Account(**result.table).lines()
    return [TableData("The table", ["what was done to it"], [[Cell.of(line)] for line in lines])]


# --- losses ----------------------------------------------------------------------------------------------------------


def _losses(run: Run, result: Result, remarks: list[str]) -> Iterator[Picture]:
    taken, foreseen, exact = run.curves, dict[str, Line](), result.exact.get("train/loss")
    with noted(remarks):
        foreseen = run.foreseen
        if not foreseen and "weight" in result.exact:
            remarks.append("what theory foresees of the loss is not shown: there is no theory.csv")
    best = None
    if result.status == "completed" and (found := best_step(*taken.get(VAL, ((), ())))) is not None:
        best = found.step
        kept = (
            "; its parameters are in checkpoints/best.ckpt"
            if (run.directory / "checkpoints" / "best.ckpt").is_file()
            else ""
        )
        remarks.insert(1, found.sentence(kept))
    starts = [float(of_one[0]) for name in (TRAIN, VAL) if len(of_one := taken.get(name, NO_LINE)[1])]
    if told := by_heart(result, max(starts, default=math.nan)):
        remarks.insert(1, told)
    level = float(exact) if is_number(exact) and math.isfinite(exact) else None
    decayed = bool(result.exact.get("decayed"))  # which moves the answer off the lowest training loss
    chart = losses(taken, foreseen, level, best, decayed)
    steps, training = taken.get(TRAIN, NO_LINE)
    known = (
        level
        and not decayed
        and len(steps) > 1
        and run.config.get(BATCH, "full") == "full"
        and np.isfinite(training).all()
    )
    if chart is not None and not (known and VAL not in taken):
        yield chart
    if len(taken.get(ACCURACY, NO_LINE)[0]) > 1:
        yield accuracy(taken[ACCURACY])
    if level and known:
        path = foreseen.get("predicted_loss")
        left = None if path is None else (path[0], path[1] - level)
        yield above_exact((steps, above(training, level)), left, level)


@dataclass(frozen=True)
class BestStep:
    """Where the validation loss was lowest, of a run that went on to a worse one.

    Attributes:
        step: that one.
        loss: there.
        end: the last one.
        stop: the step at which early stopping would have ended the run without having missed that one; None for never.
        patience: validations that it would have had to wait for; None for as many as `callbacks=early_stopping` does.
    """

    step: int
    loss: float
    end: float
    stop: int | None
    patience: int | None

    def sentence(self, kept: str) -> str:
        """It in words; `kept` says where its parameters are."""
        rise = self.end / self.loss - 1
        above = f"{100 * rise:.3g} % above that" if rise < 1 else f"{self.end / self.loss:.3g} times that"
        said = f"validation loss was lowest at step {self.step:,} ({self.loss:.4g}{kept}), and is {above} at the end: "
        if self.stop is None:
            return f"{said}trainer.max_steps={self.step} ends there"
        more = "" if self.patience is None else f" callbacks.early_stopping.patience={self.patience}"
        return f"{said}callbacks=early_stopping{more} would have stopped at step {self.stop:,}"


def best_step(steps: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray) -> BestStep | None:
    """Where a validation loss was lowest; None where it ended within 1 % of that.

    Args:
        steps: `[N]`, of the validations.
        losses: `[N]`.
    """
    losses = np.asarray(losses, np.float64)
    if not len(losses) or not np.isfinite(losses).all():
        return None
    best, low = int(losses.argmin()), float(losses.min())
    if not losses[-1] > 1.01 * low or low <= 0:
        return None
    better = np.flatnonzero(losses < np.minimum.accumulate(np.append(np.inf, losses[:-1])))
    waited = int(np.diff(better).max(initial=1))  # a patience of less would have ended it before
    after = len(losses) - 1 - best
    patience = max(waited, PATIENCE if after > PATIENCE else after // 2)
    stop = int(steps[best + patience]) if patience < after else None
    return BestStep(int(steps[best]), low, float(losses[-1]), stop, None if patience == PATIENCE else patience)


def _surface(run: Run) -> list[race.Race]:
    """The path over a surface, as a race of one, which takes part though it may have diverged."""
    if run.config.get("model._target_") != "src.models.surface.Surface":
        return []
    (sweep,) = gather([run])
    (problem,), (row,) = contest(sweep.rows), sweep.rows
    return race.races([Shown(problem, {problem.contenders[0].label: [OpenRun(row, run, run.curves, run.result, {})]})])


# --- data with one feature -------------------------------------------------------------------------------------------


def _of_the_data(run: Run, result: Result, remarks: list[str]) -> Iterator[Picture]:
    """The lines through the data."""
    if len(result.features) != 1 or len(result.targets) != 1:
        return
    names = result.features[0], result.targets[0]
    if run.fitted_classes:
        rows = {name: x for name, (x, _) in run.fitted_classes["train"].items()}
        yield classes(rows, run.fitted_classes["fitted"], run.fitted_classes.get("exact", {}), names)
        return
    data = run.fit
    if data is None:
        remarks.append("its data are not shown: there is no fit.csv, which runs that were trained alone leave")
        return
    others = _other_lines(result, np.asarray(data.fitted[0]))
    yield fit(data.train, data.fitted, others, names)


def _predictions(run: Run, result: Result) -> dict[str, dict[str, Line]]:
    """Predicted and actual values, by target and part, where those are numbers of more than two kinds."""
    if result.status == "diverged":
        return {}
    return {
        target: parts
        for target, parts in list(run.predictions.items())[:MOST_TARGETS]
        if len(np.unique(np.concatenate([actual for _, actual in parts.values()]))) > 2
    }


def confusions(run: Run, order: Sequence[str]) -> Iterator[TableData]:
    """How often rows of each class were taken for which, a table for each target and part.

    Of more than `MOST_CLASSES` the pairs that were mixed up most often instead.
    """
    for target, parts in list(run.classified.items())[:MOST_TARGETS]:
        of = f" of {target}" if len(run.classified) > 1 else ""
        for part, pairs in parts.items():
            times = Counter(pairs)
            right = sum(number for (actual, predicted), number in times.items() if actual == predicted)
            name = f"Predicted classes{of}, {PARTS[part]} rows"
            few = (
                "" if len(pairs) <= MOST_ROWS / 2 else f" of predictions.csv, which has at most {MOST_ROWS} of a part,"
            )
            share = 100 * right / max(len(pairs), 1)
            caption = f"{right:,} of {len(pairs):,} rows{few} are right ({share:.3g} %)."
            there = {one for pair in pairs for one in pair}
            named = [one for one in order if one in there] + sorted(there - set(order))
            if len(named) > MOST_CLASSES:
                mixed = [each for each in times.most_common() if each[0][0] != each[0][1]][:MOST_CLASSES]
                rows = [[Cell.of(actual), Cell.of(predicted), Cell.of(number)] for (actual, predicted), number in mixed]
                yield TableData(name, ["actual", "predicted", "rows"], rows, f"{caption} Most often mixed up.")
                continue
            rows = [[Cell.of(actual), *(Cell.of(times[actual, one]) for one in named)] for actual in named]
            yield TableData(
                name, ["actual", *named], rows, f"A row an actual class, a column a predicted one. {caption}"
            )


def _named(picture: str, target: str, targets: Collection[str]) -> str:
    """The name of a picture of one of several targets."""
    return f"{picture}_{list(targets).index(target)}" if len(targets) > 1 else picture


def _way(
    run: Run, result: Result, remarks: list[str]
) -> tuple[Valley, list[int], NDArray[np.float64], NDArray[np.float64]] | None:
    """The loss of a line over weight and bias, and steps, weights and biases of the way over it."""
    one = len(result.features) == 1 == len(result.targets)
    data, learned = run.fit if one else None, _pair(result.parameters) if one else None
    if data is None or learned is None:
        return None
    loss = result.loss
    if not loss or "model.bias" not in run.config:
        missing = (
            ".hydra/config.yaml, which tells the model, cannot be read" if loss else "result.json does not tell it"
        )
        remarks.append(f"the way over the loss is not shown: {missing}")
    elif run.config["model.bias"] == "true" and loss["least_squares"] and not loss["logarithm"]:
        valley = Valley(*data.moments, unit=data.rows if loss["reduction"] == "sum" else 1)
        steps, weight, bias = _path(run, result, learned, remarks)
        if np.isfinite(weight[:1]).all() and np.isfinite(bias[:1]).all():
            return valley, steps, weight, bias
    return None


def _other_lines(result: Result, x: np.ndarray) -> dict[str, Curve]:
    """The exact line and the true one over x `[N]`, by what the legend says of them."""
    pairs = {"exact": _pair(result.exact), "true": _pair(result.truth)}
    curves = dict[str, Curve]()
    for name, pair in pairs.items():
        if pair is not None:
            formula, y = f"{pair[0]:.4g} x + {pair[1]:.4g}".replace("+ -", "- "), pair[0] * x + pair[1]
            log = result.loss.get("logarithm") or result.loss.get("name") == "poisson"  # of its mean
            curves[f"{name}: exp({formula})" if log else f"{name}: {formula}"] = (x, np.exp(y) if log else y)
    return curves


def _pair(values: Mapping[str, Any]) -> tuple[float, float] | None:
    """Weight and bias of a line; a bias that is not there is 0."""
    try:
        weight, bias = float(values["weight"][0][0]), float(values.get("bias", [0.0])[0])
    except (KeyError, IndexError, TypeError):
        return None
    return (weight, bias) if math.isfinite(weight) and math.isfinite(bias) else None


def _path(
    run: Run, result: Result, learned: tuple[float, float], remarks: list[str]
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Steps, weights and biases as far as they were recorded; else only where the run ended."""
    try:
        (at, weight), (there, bias) = run.curves["weight"], run.curves["bias"]
        if len(at) > 1 and np.array_equal(at, there):
            return at.astype(int).tolist(), weight, bias
    except (KeyError, LabError):
        pass
    remarks.append("the way over the loss was not recorded, only its end: train with callbacks=parameters to see it")
    return [result.steps], np.array(learned[:1]), np.array(learned[1:])


# --- what was watched ------------------------------------------------------------------------------------------------


def _watched(run: Run, remarks: list[str]) -> list[Picture]:
    """Curves that are no losses, nor the way of two parameters, which has a picture of its own."""
    own = {name for name in run.way if len(run.way) == 2}
    curves = {
        name: line
        for name, line in run.curves.items()
        if name not in (*MEASURED, ACCURACY, *own) and len(line[0]) and np.isfinite(line[1]).all()
    }
    remarks += [
        f"{TITLES.get(name, name).lower()}: {values[0]:.4g} all the way"
        for name, (_, values) in curves.items()
        if "/" not in name and "[" not in name and not np.ptp(values) > 0
    ]
    return list(watched(curves))


# --- histograms ------------------------------------------------------------------------------------------------------


def _histograms(run: Run) -> Iterator[Picture]:
    """Of every parameter of more than one number and of its gradient."""
    for index, (tag, taken) in enumerate(list(run.histograms.items())[:MOST_HISTOGRAMS]):
        kind, _, name = tag.partition("/")
        what = {"parameters": "value", "gradients": "gradient"}.get(kind, kind)
        title = f"{'Gradient of' if kind == 'gradients' else 'Values of'} {name or tag}"
        yield histograms(f"histogram_{index}", title, what, [taken[step] for step in sorted(taken)])
