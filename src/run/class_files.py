"""What a page draws of classes over one feature, as a file: the rows, and the probabilities that a model gives them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.data.problem import Problem, Scaling
from src.losses.loss import Loss
from src.run_directory import CLASS_COLUMNS, RunDirectory

MOST_ROWS, POINTS, MOST_CLASSES = 500, 200, 10


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
    classes = problem.classes
    if problem.inputs != 1 or len(problem.targets) != 1 or not 1 < len(classes) <= MOST_CLASSES:
        return
    scaling = problem.scaling or Scaling.identity(1, 1)
    inputs, targets = problem.train.inputs.double(), problem.train.targets.double()
    grid = torch.linspace(float(inputs.min()), float(inputs.max()), POINTS, dtype=torch.float64)[:, None]
    x, own = ((values * scaling.input_scale + scaling.input_mean)[:, 0].tolist() for values in (grid, inputs))
    known = targets[:, 0].long() if targets.shape[1] == 1 else targets.argmax(1)
    every = -(-len(own) // MOST_ROWS)
    body = [f"train,{_quoted(classes[k])},{a!r}," for a, k in zip(own[::every], known[::every].tolist(), strict=True)]
    try:
        with torch.no_grad():
            body += _curves("fitted", classes, x, loss.probabilities(predict(grid)))
    except Exception:  # a user's module may take no other number of rows; its run has ended well all the same
        return
    if "weight" in exact:
        weight = torch.tensor(exact["weight"], dtype=torch.float64)
        bias = torch.tensor(exact.get("bias", 0.0), dtype=torch.float64)
        body += _curves("exact", classes, x, loss.probabilities(torch.tensor(x)[:, None].double() @ weight + bias))
    text = "\r\n".join([",".join(CLASS_COLUMNS), *body, ""])
    RunDirectory(directory).classes_path.write_bytes(text.encode())


def _curves(kind: str, classes: Sequence[str], x: Sequence[float], probabilities: Tensor) -> Iterator[str]:
    """Rows of probabilities `[N, C]`."""
    for k, name in enumerate(classes):
        if len(classes) > 2 or k == 1:
            for a, p in zip(x, probabilities[:, k].tolist(), strict=True):
                yield f"{kind},{_quoted(name)},{a!r},{repr(p) if math.isfinite(p) else ''}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
