"""What can be watched along a run, as curves and in TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from src.callbacks.boards import tensorboards
from src.callbacks.every import EveryNSteps
from src.data.module import LabDataModule
from src.data.problem import Rows
from src.descent import Descent
from src.plots.fit import fitted_line
from src.theory_files import Drawn, add_histograms


def training_rows(trainer: L.Trainer, module: Descent) -> Rows:
    """All rows that are trained on, with a member axis, on the module's device."""
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(datamodule, LabDataModule)
    rows = datamodule.rows("train", module.device)
    assert rows is not None
    return rows


class LearningRate(EveryNSteps):
    """The learning rate of the step to come: the curve `lr`."""

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before a block: a schedule that waits for a plateau steps after the block before has ended."""
        if trainer.global_step % self.every_n_steps == 0:
            self._act_once(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Nothing yet."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Record it."""
        rate = module.driven.optimizer.param_groups[0].get("lr")
        if rate is not None:
            module.record(step, {"lr": torch.full((module.members,), float(rate), dtype=torch.float64)})


class GradientNorm(EveryNSteps):
    """The norm of the gradient over all training rows, before any clipping: the curve `gradient_norm`."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Record it."""
        rows = training_rows(trainer, module)
        with module.evaluation_mode():
            _, gradients = module.gradients(rows.inputs, rows.targets)
        module.record(step, {"gradient_norm": module.gradient_norm(gradients).detach().double().cpu()})


class Parameters(EveryNSteps):
    """Every parameter as a curve, in the units of the data where the model is linear.

    Args:
        every_n_steps: optimizer steps.
        most: models with more numbers than this are left alone.
    """

    def __init__(self, every_n_steps: int, most: int = 20) -> None:
        super().__init__(every_n_steps)
        self.most = most

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Record them."""
        module.record(step, self.curves(module.reported_parameters()))

    def curves(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A curve `[P]` for every number of the parameters `[P, I, O]`; none where they are too many."""
        if sum(value[0].numel() for value in values.values()) > self.most:
            return {}
        curves = {}
        for name, value in values.items():
            flat = value.reshape(len(value), -1)
            for index in range(flat.shape[1]):
                curves[name if flat.shape[1] == 1 else f"{name}[{index}]"] = flat[:, index]
        return curves


class Histograms(EveryNSteps):
    """Histograms of every parameter and of its gradient over all training rows: `histograms.csv`, and TensorBoard."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Write them."""
        if not trainer.is_global_zero or module.members > 1:
            return
        rows = training_rows(trainer, module)
        with module.evaluation_mode():
            _, gradients = module.gradients(rows.inputs, rows.targets)
        found = [
            (f"{kind}/{name}", value.detach())
            for (name, parameter), gradient in zip(module.named_trained(), gradients, strict=True)
            for kind, value in (("parameters", parameter), ("gradients", gradient))
            if value is not None and bool(value.isfinite().all())
        ]
        add_histograms(Path(trainer.default_root_dir), step, found)
        for board in tensorboards(trainer):
            for name, value in found:
                board.experiment.add_histogram(name, value, step)


class FittedLine(EveryNSteps):
    """Data, the line that fits so far and the true line, as a figure in TensorBoard; for data with one feature."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Draw and log it."""
        boards = tensorboards(trainer)
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        if not boards or datamodule.problem.inputs != 1 or datamodule.problem.outputs != 1:
            return
        problem = datamodule.problem
        drawn, names = Drawn.of(problem, module.predict_rows), (problem.features[0], problem.targets[0])
        figure = fitted_line(drawn.rows, drawn.fitted, drawn.true, names, title=f"after {step:,} steps")
        for board in boards:
            board.experiment.add_figure("fitted_line", figure, step)
