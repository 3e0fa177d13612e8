"""What a fit comes to beside its loss: of classes the accuracy, of numbers in a table RMSE and R².

These are of each target in the units of its table; where its logarithm is fitted, of that as well.

R² is the coefficient of determination over the rows of a part: 1 less the squared errors over the squared deviations
from those rows' own mean, as `sklearn.metrics.r2_score` has it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from src.data.problem import Problem, Scaling
from src.engine.stepper import Stepper
from src.losses.loss import Loss
from src.theory.exact import Exact

Scores = dict[str, Tensor]
"""Float64 on the CPU, each `[P]`: `train/accuracy`, the share of targets whose class is predicted, NaN where the loss
is not finite; `train/rmse` and `train/r2`, with several targets `train/rmse[price]` and so on.

Where the logarithm is fitted these are after `exp`, and `train/rmse_log` and `train/r2_log` are its own. R² is NaN
where a part's targets are constant.
"""


def scores(stepper: Stepper, part: str, losses: Tensor) -> Scores:
    """Of members at their parameters, over all rows of a part.

    Args:
        stepper: of the members.
        part: "train", "val" or "test".
        losses: of the members over that part, `[P]`, as descent sees them.
    """
    problems, loss = stepper.data.problems, stepper.loss
    if loss.classifies:
        return {f"{part}/accuracy": accuracies(stepper, part, losses)}
    scalings = [one.scaling for one in problems if one.scaling is not None]
    if len(scalings) < len(problems) or loss.targets != "numbers":
        return {}
    if loss.least_squares and problems[0].outputs == 1:
        rows = getattr(problems[0], part)
        squares = losses.double()[:, None] / (len(rows) if loss.reduction == "sum" else 1)
    else:
        squares = stepper.squares(part)
    after = None
    if scalings[0].log_target:
        after = stepper.squares(part, _together(scalings, stepper.data.device).predictions).cpu()
    return dict(_named(part, problems[: stepper.size], squares.cpu(), after))


def accuracies(stepper: Stepper, part: str, losses: Tensor) -> Tensor:
    """`Stepper.accuracies` on the CPU, NaN of whoever's loss over that part is not finite, `[P]` both."""
    return stepper.accuracies(part).where(losses.isfinite(), torch.nan).cpu()


def decided(loss: Loss, predictions: Tensor) -> tuple[Tensor, Tensor]:
    """The place `[N, T]` of the class that predictions `[N, O]` say of each of T targets, and the probability of each
    class, `[N, T, C]`; NaN where the loss has none.
    """
    places = loss.chosen(predictions)
    try:
        return places, loss.probabilities(predictions).unflatten(-1, (places.shape[-1], -1))
    except NotImplementedError:
        width = 2 if loss.targets == "binary" else predictions.shape[-1]
        return places, torch.full((*places.shape, width), torch.nan, dtype=predictions.dtype)


def exact_scores(problem: Problem, exact: Exact, loss: Loss) -> dict[str, float]:
    """Of the exact answer, over the training rows; nothing where the data are neither classes nor a table.

    Args:
        problem: the data.
        exact: the answer, as descent sees it.
        loss: as it trains.
    """
    rows, scaling = problem.train, problem.scaling

    def ends() -> tuple[Tensor, Tensor]:
        bias = 0.0 if exact.intercept is None else exact.intercept
        return rows.inputs.double() @ exact.weight + bias, rows.targets.double()

    if loss.classifies:
        predicted, known = map(loss.chosen, ends())
        return {"train/accuracy": float((predicted == known).double().mean())}
    if scaling is None or not loss.least_squares:
        return {}
    mean = exact.loss / (len(rows) if loss.reduction == "sum" else 1)
    squares, after = torch.tensor([[mean]], dtype=torch.float64), None
    if problem.outputs > 1 or scaling.log_target:
        predictions, targets = ends()
        squares = (predictions - targets).square().mean(0)[None]
        if scaling.log_target:
            after = (scaling.predictions(predictions) - scaling.predictions(targets)).square().mean(0)[None]
    return {name: float(value) for name, value in _named("train", [problem], squares, after)}


def _together(scalings: Sequence[Scaling], device: torch.device) -> Scaling:
    """Scalings of one kind as one of members, whose means and scales are `[P, 1, I]` and `[P, 1, O]`."""
    stacked: dict[str, Any] = {
        name: torch.stack([getattr(one, name) for one in scalings])[:, None].to(device)
        for name, value in vars(scalings[0]).items()
        if isinstance(value, Tensor)
    }
    return Scaling(**stacked, log_target=scalings[0].log_target)


def _named(
    part: str, problems: Sequence[Problem], squares: Tensor, after: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    """RMSE and R² by their names, from mean squared errors `[P, O]`: as descent sees them, and after `exp`."""
    scales = torch.stack([one.scaling.loss_scale() for one in problems if one.scaling is not None])
    spread = torch.stack([one.variances[part] for one in problems])
    kinds = [("" if after is None else "_log", squares * scales, spread * scales)]
    if after is not None:
        kinds.insert(0, ("", after, torch.stack([one.variances_after_exp[part] for one in problems])))
    targets = problems[0].targets
    of = [f"[{target}]" for target in targets] if len(targets) > 1 else [""]
    for kind, errors, deviations in kinds:
        for output, target in enumerate(of):
            mean, variance = errors[:, output], deviations[:, output]
            yield f"{part}/rmse{kind}{target}", mean.sqrt()
            yield f"{part}/r2{kind}{target}", (1 - mean / variance).where(variance > 0, torch.nan)
