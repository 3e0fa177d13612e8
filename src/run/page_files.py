"""What a page needs of a run beyond its curves, as files: what is drawn of the data.

A reader of these files needs neither torch nor the checkpoint, and draws no data.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.problem import Problem, Scaling
from src.engine.scores import decided
from src.engine.watchers.fitted_line import Drawn, grid_of
from src.losses.loss import Loss
from src.run_directory import CLASS_COLUMNS, MOST_ROWS, PREDICTION_COLUMNS, RunDirectory
from src.tables.account import Account

MOST_CLASSES = 10


def write_fit(directory: Path, problem: Problem, predict: Callable[[Tensor], Tensor]) -> None:
    """Write `fit.csv` of a problem with one feature and one target; no file of any other.

    Its rows `kind,x,y,rows`, in the data's units, are of three kinds: `train`, training rows, every so many of them
    where they are many; `moments`, points that have the means, variances and covariance of all training rows, by which
    the mean loss of any line is that of all rows; `fitted`, the final predictions over the training rows' range. `rows`
    is how many training rows a point stands for.

    Args:
        directory: of the run.
        problem: its data.
        predict: inputs `[N, 1]` as descent sees them to predictions `[N, 1]`, with the final parameters.

    Raises:
        OSError: it cannot be written.
    """
    if problem.inputs != 1 or problem.outputs != 1 or problem.classes:  # which have a file of their own
        return

    def fitted(inputs: Tensor) -> Tensor:
        try:
            return predict(inputs)
        except Exception:  # a user's module may take no other number of rows; its run has ended well all the same
            return torch.full((len(inputs), 1), math.nan, dtype=torch.float64)

    drawn = Drawn.of(problem, fitted)
    x, y = drawn.rows
    every = -(-len(x) // MOST_ROWS)
    points = moments(x, y)
    share = repr(len(x) / len(points))
    body = [f"train,{_cell(a)},{_cell(b)},1.0" for a, b in zip(x[::every], y[::every], strict=True)]
    body += [f"moments,{_cell(a)},{_cell(b)},{share}" for a, b in points]
    body += [f"fitted,{_cell(a)},{_cell(b)}," for a, b in zip(*drawn.fitted, strict=True)]
    _write(RunDirectory(directory).fit_path, ["kind,x,y,rows", *body])


def write_classes(
    directory: Path, problem: Problem, predict: Callable[[Tensor], Tensor], loss: Loss, exact: Mapping[str, Any]
) -> None:
    """Write `classes.csv` of a problem with one feature and one target of at most `MOST_CLASSES` classes; else nothing.

    Its rows `kind,class,x,probability`, in the data's units, are of three kinds: `train`, training rows without a
    probability, every so many of them where they are many; `fitted`, the final probabilities of each class over those
    rows' range; `exact`, those of the exact answer, where there is one. Of two classes the second's alone.

    Args:
        directory: of the run.
        problem: its data.
        predict: inputs `[N, 1]` as descent sees them to predictions `[N, O]`, with the final parameters.
        loss: of the run.
        exact: as `Result.exact`, in the units of the data.

    Raises:
        OSError: it cannot be written.
    """
    names = [_quoted(name) for name in problem.classes]
    if problem.inputs != 1 or len(problem.targets) != 1 or not 1 < len(names) <= MOST_CLASSES:
        return
    scaling, grid = problem.scaling or Scaling.identity(1, 1), grid_of(problem)
    own, x = (values.double() * scaling.input_scale + scaling.input_mean for values in (problem.train.inputs, grid))
    known, every = loss.chosen(problem.train.targets)[:, 0], -(-len(own) // MOST_ROWS)
    shown = zip(own[::every, 0].tolist(), known[::every].tolist(), strict=True)
    body = [f"train,{names[k]},{a!r}," for a, k in shown]
    try:
        with torch.no_grad():
            curves = {"fitted": loss.probabilities(predict(grid))}
    except Exception:  # a user's module may take no other number of rows; its run has ended well all the same
        return
    if "weight" in exact:
        weight, bias = (torch.tensor(exact.get(name, 0.0), dtype=torch.float64) for name in ("weight", "bias"))
        curves["exact"] = loss.probabilities(x @ weight + bias)
    for kind, probabilities in curves.items():
        for name, column in list(zip(names, probabilities.T.tolist(), strict=True))[len(names) == 2 :]:
            body += [f"{kind},{name},{a!r},{_cell(p)}" for a, p in zip(x[:, 0].tolist(), column, strict=True)]
    _write(RunDirectory(directory).classes_path, [",".join(CLASS_COLUMNS), *body])


def write_predictions(directory: Path, problem: Problem, predict: Callable[[Tensor], Tensor], loss: Loss) -> None:
    """Write `predictions.csv`: `part,target,predicted,actual`, in the data's units, of training and validation rows.

    Of classes these are names, and `probability` beside them is that of the predicted one, empty where the loss has
    none. Of a part with more than `MOST_ROWS` rows it has every so many of them. No file where what is predicted has
    another shape than what is given, or cannot be computed on some rows alone.

    Args:
        directory: of the run.
        problem: its data.
        predict: inputs `[N, I]` as descent sees them to predictions `[N, O]`, with the final parameters.
        loss: of the run.

    Raises:
        OSError: it cannot be written.
    """
    columns, body = [*PREDICTION_COLUMNS, *["probability"] * bool(problem.classes)], list[str]()
    for part, rows in (("train", problem.train), ("val", problem.val)):
        if rows is None or not len(rows):
            continue
        every = -(-len(rows) // MOST_ROWS)
        try:
            with torch.no_grad():
                own = predict(rows.inputs[::every])
        except Exception:  # a user's module may take no other number of rows; its run has ended well all the same
            return
        actual = rows.targets[::every].double()
        if own.shape != actual.shape:
            return
        for name, rows_of_one in zip(problem.targets, _shown(problem, loss, own, actual), strict=True):
            body += [f"{part},{_quoted(name)},{','.join(cells)}" for cells in rows_of_one]
    _write(RunDirectory(directory).predictions_path, [",".join(columns), *body])


def _shown(problem: Problem, loss: Loss, own: Tensor, actual: Tensor) -> Iterator[Iterable[tuple[str, ...]]]:
    """Of each target the cells of every row: predicted, actual and of classes the probability."""
    if not problem.classes:
        scaling = problem.scaling or Scaling.identity(problem.inputs, problem.outputs)
        values = [scaling.predictions(one).T.tolist() for one in (loss.expected(own), actual)]
        yield from (zip(map(_cell, a), map(_cell, b), strict=True) for a, b in zip(*values, strict=True))
        return
    names = [_quoted(name) for name in problem.classes]
    places, probabilities = decided(loss, own)
    known = loss.chosen(actual)
    certain = probabilities.gather(-1, places[..., None])[..., 0].T.tolist()
    for a, b, p in zip(places.T.tolist(), known.T.tolist(), certain, strict=True):
        yield zip([names[k] for k in a], [names[k] for k in b], map(_cell, p), strict=True)


def moments(x: Sequence[float], y: Sequence[float]) -> list[list[float]]:
    """Points `[2 k, 2]`, k at most 2, whose means, variances and covariance are those of `x [N]` and `y [N]`.

    With the covariance C = Rᵀ R they are the mean ± √k R's rows: the sigma points of Julier and Uhlmann 1997, with
    κ = 0. R comes from the QR factorization of the centred rows, so that nothing is squared.
    """
    rows = torch.tensor([x, y], dtype=torch.float64).T
    mean = rows.mean(0)
    factor = torch.linalg.qr((rows - mean) / math.sqrt(len(rows)), mode="r")[1]
    away = math.sqrt(len(factor)) * factor
    return torch.cat([mean + away, mean - away]).tolist()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def split_text(account: Account) -> str:
    """The text of `split.csv`: a row `row,part` for every row of a table that was used, in the order of the file."""
    rows = np.concatenate(list(account.split.values()))
    parts = np.repeat(list(account.split), [len(of_one) for of_one in account.split.values()])
    order = np.argsort(rows)
    lines = map("{},{}".format, rows[order].tolist(), parts[order].tolist())
    return _text(["row,part", *lines])


def _write(path: Path, rows: Sequence[str]) -> None:
    path.write_bytes(_text(rows).encode())


def _text(rows: Sequence[str]) -> str:
    return "\r\n".join(rows) + "\r\n"
