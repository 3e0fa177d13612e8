"""A single run for the terminal and its page: how it ended, what was learned beside what is exact, what theory says."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from src.run_directory import Result

BY_HEART = 10
"""Times the loss of training that the loss of validation is at least where a run did not generalize."""


def headline(result: Result) -> str:
    """How it ended, in one line, and what to do about it in a second one, where there is anything to do."""
    reason, _, advice = result.reason.partition("; ")
    line = f"{result.status}: {reason} ({result.seconds['fit']:.2f} s on {result.device})"
    return f"{line}\n{advice}" if advice else line


def status(result: Result) -> str:
    """How it ended, in a few words."""
    if result.status == "diverged":
        return f"diverged after {result.steps:,} steps" if result.steps else "not finite at the start"
    return "completed" if result.cause == "all_steps" else f"stopped early after {result.steps:,} steps"


@dataclass(frozen=True)
class Compared:
    """A number of a run beside what it should have been.

    Attributes:
        name: of it.
        values: one a column; not a number where it is not finite, None where there is none.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Comparison:
    """What was learned beside what is true and what is exact.

    Attributes:
        columns: headings, the first of which is what the run itself came to.
        parameters: weights and biases, or a point.
        losses: by the names of the metrics.
    """

    columns: Sequence[str]
    parameters: Sequence[Compared]
    losses: Sequence[Compared]


def comparison(result: Result) -> Comparison:
    """The numbers of the table that a run ends with."""
    surface = "nearest" in result.exact
    columns = [
        "learned",
        *(["true"] if result.truth else []),
        *(["exact", "error"] if "weight" in result.exact or surface else []),
    ]
    titles = {"learned": "reached", "exact": "nearest minimum", "error": "difference"} if surface else {}
    beside = {"true": result.truth, "exact": {"point": result.exact["nearest"]} if surface else result.exact}
    others = {name: _numbers(result, values) for name, values in beside.items()}
    parameters, losses = [], []
    for name, value in _numbers(result, result.parameters).items():
        cells = {"learned": value, **{column: numbers.get(name) for column, numbers in others.items()}}
        # one of many exact answers is no better than what was learned
        cells["error"] = _difference(value, cells.get("exact")) if result.exact.get("unique") or surface else None
        parameters.append(Compared(name, [cells[column] for column in columns]))
    for name, loss in result.metrics.items():
        exact = result.exact.get(name)
        cells = {"learned": math.nan if loss is None else loss, "exact": exact, "error": _difference(loss, exact)}
        losses.append(Compared(name, [cells.get(column) for column in columns]))
    return Comparison([titles.get(column, column) for column in columns], parameters, losses)


def summary(result: Result, most: int = 12) -> Table:
    """A short table: what was learned beside what is true and what is exact, and the losses."""
    compared, table = comparison(result), Table()
    table.add_column("")
    for column in compared.columns:
        table.add_column(column, justify="right")
    for row in compared.parameters[:most]:
        table.add_row(Text(row.name), *map(shown, row.values))
    if len(compared.parameters) > most:
        table.add_row(f"... {len(compared.parameters) - most:,} more in result.json")
    for row in compared.losses:
        table.add_row(row.name, *map(shown, row.values), style="dim")
    return table


def in_theory(result: Result) -> list[str]:
    """What theory says beside the table, in lines: of the learning rate, of mini-batches, and where it is silent."""
    exact, lines = result.exact, []
    if "nearest" in exact:
        minima = ", ".join(f"({', '.join(map(_short, point))})" for point in exact["minima"])
        lines.append(f"f = {exact['formula']} ({exact['source']}): lowest, {_short(exact['train/loss'])}, at {minima}")
        lines.append(f"distance from the nearest minimum: {_short(exact['distance'])}")
    if "weight" in exact:
        lines.append(
            f"Hessian: λmax {_short(exact['hessian_eigenvalues'][-1])}, "
            f"condition number {_short(exact['condition_number'])}"
        )
        ball = exact["heavy_ball"]
        formula, rate = exact["critical_lr_formula"], exact["critical_lr"]
        critical = formula if rate == 0 else f"{formula} = {_short(rate)}"
        best = _short(exact["optimal_lr"])
        if (ball["momentum"] or 0) > 1e-12:  # with a condition number of 1, but for rounding, there is none to have
            best += f" without momentum, {_short(ball['lr'])} with {_short(ball['momentum'])}"
        near = " near the exact answer" if "certificate" in exact else ""
        lines.append(f"gradient descent{near}: critical learning rate {critical}, best {best}")
        if exact.get("decayed"):
            lines.append("the exact answer is that with weight decay; losses are without it, and may be below its own")
        lines += _many(exact)
        if "noise_floor" in exact:
            above = None if exact["noise_floor"] is None else exact["noise_floor"] - exact["train/loss"]
            lines.append(f"mini-batches at this learning rate keep the loss about {_short(above)} above the exact one")
    lines += [f"{what}: not applicable ({why})" for what, why in exact.get("not_applicable", {}).items()]
    return lines


def _many(exact: Mapping[str, Any]) -> list[str]:
    """Why there are other exact answers, and which this is, as one line; none where there are no others."""
    if exact["unique"]:
        return []
    why = {
        "columns": f"the columns depend on each other (rank {exact['rank']} of {exact['columns']})",
        "outputs": "the same numbers added to the weights and bias of every class change nothing",
        "level": "the loss is level around the exact answer",
    }
    reasons = " and ".join(why[one] for one in exact["many"])
    which = "one" if "level" in exact["many"] else "the one of least norm, in the coordinates that descent sees"
    return [f"{reasons}: of the many exact answers this is {which}"]


def by_heart(result: Result, first: float) -> str:
    """That the rows that were trained on are met far better than those of validation; empty where they are not.

    Args:
        result: of the run.
        first: its first loss, of training or validation: where that of validation is far below it, both are met.
    """
    train, val = (result.metrics.get(name) for name in ("train/loss", "val/loss"))
    if result.status != "completed" or train is None or val is None or not 0 < BY_HEART * max(train, 0) < val:
        return ""
    if BY_HEART * val < first:
        return ""
    times = f"{val / train:.0f}" if val < 1000 * train else "over 1,000"
    return f"val/loss is {times} times train/loss: the training rows were learned by heart, and others are not met"


def _short(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.4g}"


def shown(value: float | None) -> str:
    """A number as tables show it; nothing for None."""
    return "" if value is None else f"{value:.6g}" if math.isfinite(value) else "not finite"


def _difference(value: float | None, exact: float | None) -> float | None:
    return None if value is None or exact is None else value - exact


def _numbers(result: Result, values: Mapping[str, Any]) -> dict[str, float]:
    """Weights and biases by names that say which feature and target they belong to; a point by its coordinates."""
    point = zip(result.features, values.get("point", ()), strict=False)
    numbers = {name: math.nan if value is None else value for name, value in point}
    for index, row in enumerate(weight := values.get("weight", ())):
        for name, value in _by_output(result, row):
            labels = [result.features[index]] * (len(weight) > 1) + name
            numbers[_labelled("weight", labels)] = value
    for name, value in _by_output(result, values.get("bias", ())):
        numbers[_labelled("bias", name)] = value
    return numbers


def _by_output(result: Result, row: Sequence[float | None]) -> Iterator[tuple[list[str], float]]:
    """A number an output, with what it is called; nothing where there is one."""
    for name, value in zip(result.outputs(len(row)), row, strict=False):
        yield [name] * (len(row) > 1), math.nan if value is None else value


def _labelled(name: str, labels: Sequence[str]) -> str:
    return f"{name}[{', '.join(labels)}]" if labels else name
