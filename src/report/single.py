"""What a single run says: what was learned beside what is exact, and its pictures."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.text import Text

from src import results
from src.errors import LabError, one_line
from src.plots.chart import Animation, Picture
from src.plots.one_run import Histogram, Straight, Valley, fit, histograms, losses, way
from src.report.findings import Findings, findings
from src.report.reading import gather
from src.report.run_files import EVENTS, Run
from src.report.tables import Cell, TableData

if TYPE_CHECKING:
    from src.data import Problem

BATCHING = ("batch_size", "shuffle_seed")
OURS = "src.data."
MOST_ROWS, MOST_HISTOGRAMS = 2_000, 24
# what a config, a checkpoint or a table that was changed by hand can raise
BROKEN = (
    OmegaConfBaseException,
    HydraException,
    yaml.YAMLError,
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
)
FORESEEN = ("predicted_loss", "noise_floor")


def findings_of(run: Run) -> Findings:
    """Tables, pictures and remarks of a run.

    Raises:
        LabError: it is unfinished, or its `result.json` is broken.
    """
    result = _result(run)
    remarks = [result.reason, *results.in_theory(result)]
    pictures = list[Picture]()
    pictures += _losses(run, result, remarks)
    pictures += _of_the_data(run, result, remarks)
    pictures += _surface(run)
    pictures += _histograms(run)
    return Findings(
        title=f"One run: {run.directory.resolve().name}",
        command=str(result.environment.get("command", "")),
        environment=_environment(result),
        tables=[_learned(result)],
        charts=pictures,
        remarks=[remark for remark in remarks if remark],
        config=run.config_text,
    )


def _result(run: Run) -> results.Result:
    known = {name: run.result[name] for name in results.Result.__dataclass_fields__ if name in run.result}
    try:
        return results.Result(**known, directory=run.directory)
    except TypeError:
        missing = sorted(set(results.Result.__dataclass_fields__) - set(known) - {"directory"})
        raise LabError(f"{run.directory / 'result.json'} is broken ({', '.join(missing)} missing)") from None


def _environment(result: results.Result) -> dict[str, str]:
    seconds = ", ".join(f"{name} {value:.3g} s" for name, value in result.seconds.items())
    own = {"seconds": seconds, "stack size": result.stack_size, "seed": result.seed, "fingerprint": result.fingerprint}
    told = {name: value for name, value in result.environment.items() if name != "command" and value is not None}
    return {name: str(value) for name, value in (told | own).items()}


def _learned(result: results.Result) -> TableData:
    """The table that a run ends with, as a table of the page."""
    table = results.summary(result, most=1_000)
    columns = [str(column.header) for column in table.columns]
    rows = list(zip(*(list(column.cells) for column in table.columns), strict=True))
    cells = [[_cell(one) for one in row] for row in rows]
    return TableData("What was learned", ["what", *columns[1:]], cells, f"Status: {result.status}.")


def _cell(shown: Any) -> Cell:
    text = shown.plain if isinstance(shown, Text) else str(shown)
    try:
        return Cell(text, float(text))
    except ValueError:
        return Cell(text, text if text and text != "not finite" else math.inf)


# --- losses ----------------------------------------------------------------------------------------------------------


def _losses(run: Run, result: results.Result, remarks: list[str]) -> Iterator[Picture]:
    try:
        taken = run.curves
    except LabError as error:
        remarks.append(str(error))
        return
    foreseen = {name: curve for name in FORESEEN if (curve := run.foreseen(name)) is not None}
    chart = losses(taken, foreseen, _number(result.exact.get("train/loss")))
    if chart is not None:
        yield chart


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _surface(run: Run) -> list[Picture]:
    """The way over a known surface, as a race of one."""
    if run.config.get("model._target_") != "src.models.Surface":
        return []
    return [picture for picture in findings(gather([run])).charts if isinstance(picture, Animation)]


# --- data with one feature -------------------------------------------------------------------------------------------


def _of_the_data(run: Run, result: results.Result, remarks: list[str]) -> Iterator[Picture]:
    """The lines through the data, and the way over the loss of a linear model."""
    if len(result.features) != 1 or len(result.targets) != 1:
        return
    try:
        config = OmegaConf.create(run.config_text)
        problem = _problem(config)
        fitted = _fitted(run, problem)
    except (*BROKEN, LabError) as error:
        remarks.append(f"the data cannot be drawn again, so they are not shown ({one_line(error)})")
        return
    x, y = _rows(problem)
    shown = slice(None, None, -(-len(x) // MOST_ROWS))
    named = (result.features[0], result.targets[0])
    yield fit((x[shown], y[shown]), fitted, list(_known(result)), named)
    learned = _pair(result.parameters)
    if learned is not None and _bias(config):
        valley = Valley(x, y, summed=OmegaConf.select(config, "model.loss") == "sum")
        steps, weight, bias = _path(run, result, learned, remarks)
        if np.isfinite(weight[:1]).all() and np.isfinite(bias[:1]).all():
            yield way(valley, steps, weight, bias)


def _problem(config: Any) -> "Problem":
    """The data of the run, drawn or read again; only by this project's own classes."""
    from hydra.utils import instantiate  # torch comes with the data

    section = OmegaConf.to_container(OmegaConf.create({"seed": config.seed, "data": config.data}), resolve=True)
    assert isinstance(section, dict)
    data = {key: value for key, value in section["data"].items() if key not in BATCHING}
    if not str(data.get("_target_", "")).startswith(OURS):
        raise LabError(f"data._target_={data.get('_target_')} is not a class of {OURS[:-1]}")
    problem: Problem = instantiate(data, _convert_="all").problem()
    return problem


def _rows(problem: "Problem") -> tuple[np.ndarray, np.ndarray]:
    """Features and targets of the training rows in the units of the data, `[N]` each."""
    x, y = problem.train.inputs.double(), problem.train.targets.double()
    if problem.scaling is not None:
        x = x * problem.scaling.input_scale + problem.scaling.input_mean
        y = problem.scaling.predictions(y)
    return x[:, 0].numpy(), y[:, 0].numpy()


def _fitted(run: Run, problem: "Problem") -> tuple[np.ndarray, np.ndarray]:
    """The model's predictions over the range of the training rows, in the units of the data."""
    import torch

    from src import checkpoint as checkpoints
    from src.data.problem import Scaling

    model = checkpoints.model_of(checkpoints.read(results.RunDirectory(run.directory).last_checkpoint))
    scaling = problem.scaling or Scaling.identity(1, 1)
    inputs = problem.train.inputs.double()
    grid = torch.linspace(float(inputs.min()), float(inputs.max()), 200, dtype=torch.float64)[:, None]
    with torch.no_grad():
        heights = scaling.predictions(model(grid.to(next(model.parameters()).dtype)[None])[0])
    return (grid * scaling.input_scale + scaling.input_mean)[:, 0].numpy(), heights[:, 0].numpy()


def _known(result: results.Result) -> Iterator[Straight]:
    for name, values in (("exact", result.exact), ("true", result.truth)):
        pair = _pair(values)
        if pair is not None:
            yield Straight(f"{name}: {pair[0]:.4g} x + {pair[1]:.4g}".replace("+ -", "- "), *pair)


def _pair(values: Mapping[str, Any]) -> tuple[float, float] | None:
    """Weight and bias of a line; a bias that is not there is 0."""
    try:
        weight, bias = float(values["weight"][0][0]), float(values.get("bias", [0.0])[0])
    except (KeyError, IndexError, TypeError):
        return None
    return (weight, bias) if math.isfinite(weight) and math.isfinite(bias) else None


def _bias(config: Any) -> bool:
    return OmegaConf.select(config, "model._target_") == "src.models.Linear" and bool(config.model.bias)


def _path(
    run: Run, result: results.Result, learned: tuple[float, float], remarks: list[str]
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


# --- histograms ------------------------------------------------------------------------------------------------------


def _histograms(run: Run) -> Iterator[Picture]:
    """Of every parameter of more than one number and of its gradient, as TensorBoard's files have them."""
    for index, (tag, taken) in enumerate(list(_recorded(run).items())[:MOST_HISTOGRAMS]):
        kind, _, name = tag.partition("/")
        what = {"parameters": "value", "gradients": "gradient"}.get(kind, kind)
        title = f"{'Gradient of' if kind == 'gradients' else 'Values of'} {name or tag}"
        ordered = [taken[step] for step in sorted(taken)]
        yield histograms(f"histogram_{index}", title, what, ordered)


def _recorded(run: Run) -> dict[str, dict[int, Histogram]]:
    paths = sorted(run.directory.glob(EVENTS))
    if not paths:
        return {}
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found = dict[str, dict[int, Histogram]]()
    for path in paths:
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value if event.HasField("summary") else ():
                if value.HasField("histo") and value.histo.num > 1:
                    found.setdefault(value.tag, {})[event.step] = _histogram(event.step, value.histo)
    return found


def _histogram(step: int, histo: Any) -> Histogram:
    """TensorBoard's buckets: each has its upper edge; the lowest value is the lower edge of the first."""
    upper, counts = np.array(histo.bucket_limit), np.array(histo.bucket)
    edges = np.clip(np.concatenate([[histo.min], upper]), histo.min, histo.max)
    return Histogram(step, np.maximum.accumulate(edges), counts)
