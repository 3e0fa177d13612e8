"""Lightning's side of a training: the LightningModule hosts a loop, the LightningDataModule yields blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from src.data.batch_order import Spans
from src.data.problem import Problem
from src.engine.checkpoint import KEY, member_file, read_member
from src.engine.curves import Curves
from src.engine.loop import Loop
from src.engine.outcome import Cause, Outcome
from src.engine.torch_stepper import TorchStepper
from src.engine.watchers.watcher import summary_of
from src.interrupts import stop_if_asked
from src.run.callbacks.boards import show_together, tensorboards
from src.run.lightning_private import count, go_on_from, leave_signals
from src.run.resume import Resume
from src.run_directory import MetricsFile


class Descent(L.LightningModule):
    """Hosts a loop in the Trainer (manual optimization): a batch is a block of optimizer steps.

    Callbacks and loggers listen to it: a pass of the loader ends at every validation, Lightning validates there, and
    then the loop decides. A stack, to which nobody listens, does without: see `src.run.stack`.

    Args:
        loop: of the one member.
        model: the member's own, for callbacks to see and to save.
        about: what a checkpoint keeps of the run.
        file: its `metrics.csv`; None in all but the first of several processes.
        hyperparameters: what loggers show of the config, flat.
        resume: the checkpoint that is loaded before the first step; None: the run begins.
    """

    def __init__(
        self,
        loop: Loop,
        model: nn.Module,
        *,
        about: Mapping[str, Any] | None = None,
        file: MetricsFile | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        resume: Resume | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False
        self.loop, self.about, self.file = loop, about or {}, file
        self.hyperparameters, self.resume = hyperparameters or {}, resume
        self.model = model
        if file is not None:
            loop.curves = Curves(self.record)

    def __getstate__(self) -> dict[str, Any]:
        """A copy (of a callback that averages weights) is of the model, not of the training."""
        return {**super().__getstate__(), "loop": None, "file": None}

    # --- blocks and validations ---

    def training_step(self, block: range, batch_idx: int) -> None:
        """Take the block's optimizer steps."""
        count(self.trainer, self.loop.advance(block))
        if self.loop.over:
            self.trainer.should_stop = True

    def on_train_batch_start(self, block: range, batch_idx: int) -> None:
        """Between two blocks a run can be interrupted: what the last one has led to is decided, and saved."""
        stop_if_asked()

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """The loss over all validation rows, and the accuracy where there is one."""
        for name, value in self.loop.validate().items():
            if name.startswith("val/"):
                self.log(name, value[0], batch_size=1, logger=False)

    def on_train_epoch_end(self) -> None:
        """A validation: before a callback of the user's looks, it is decided."""
        loop = self.loop
        if "val" not in loop.stepper.data.parts:
            loop.validate()
        if self.file is not None:
            self.file.write(before=self.trainer.global_step)
        if loop.last_loss is not None:
            self.log("train/loss", loop.last_loss[0].double() * loop.unit[0], logger=False)
        own = {name: value for name, value in self.trainer.callback_metrics.items() if value.numel() == 1}
        loop.metrics = {**{name: value.double().cpu().view(1) for name, value in own.items()}, **loop.metrics}
        loop.decide()
        if loop.over:
            self.trainer.should_stop = True

    def on_train_start(self) -> None:
        """Go on from a checkpoint, after what Lightning does to gradients and state; the first point of every curve."""
        leave_signals(self.trainer)
        self.begin()
        if any(watcher.together for watcher in self.loop.intervals.watchers):
            show_together(self.trainer)
        self.loop.start()

    def begin(self) -> None:
        """Take up what is gone on from."""
        if self.resume is not None:
            read_member(self.loop, self.resume.checkpoint, self.resume.in_place)
            if self.resume.changed:
                self.loop.best = None
        self.loop.stepper.train()

    def on_train_end(self) -> None:
        """The parameters that are kept, their losses, and hyperparameters beside them in the loggers."""
        loop, step = self.loop, self.loop.step
        if loop.ended is None and step < loop.intervals.max_steps:
            loop.ended = [Outcome(self._stopped_by(), step)]
        loop.finish()
        if self.file is not None:
            self.file.write()
        metrics = {f"final/{name}": float(loss[0]) for name, loss in loop.final.items() if bool(loss[0].isfinite())}
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(dict(self.hyperparameters), metrics, step=step)
            else:
                logger.log_hyperparams(dict(self.hyperparameters))
                logger.log_metrics(metrics, step=step)

    def _stopped_by(self) -> Cause:
        timers = [one for one in self.trainer.callbacks if isinstance(one, Timer)]  # type: ignore[attr-defined]
        left = [timer.time_remaining() for timer in timers]
        return "time_limit" if any(one is not None and one <= 0 for one in left) else "callback"

    # --- what others see ---

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return self.model(inputs)

    def expected_rows(self, inputs: Tensor) -> Tensor:
        """What targets `[N, O]` are on average by their predictions for inputs `[N, I]`: see `Loss.expected`."""
        return self.loop.stepper.loss.expected(self.predict_rows(inputs))

    def predict_rows(self, inputs: Tensor) -> Tensor:
        """Predictions `[N, O]` for inputs `[N, I]`, both as descent sees them, on the CPU."""
        with self.loop.stepper.evaluating():
            return self.loop.stepper.predictions(inputs[None])[0]

    def record(self, step: int, name: str, value: float | list[float]) -> None:
        """Add a value to the curves and loggers, at a true optimizer step; of profiles TensorBoard takes a summary."""
        if self.file is None or not self.file.record(step, {name: value}):
            return
        if isinstance(value, list):
            summary = summary_of(self.loop, 0, name, value, step) if tensorboards(self.trainer) else None
            for board in tensorboards(self.trainer):
                board.experiment.file_writer.add_summary(summary, step)
            return
        for logger in self.trainer.loggers:
            logger.log_metrics({name: value}, step=step)

    # --- Lightning's other hooks ---

    def setup(self, stage: str) -> None:
        """The hyperparameters for hparams.yaml, which TensorBoard's logger writes once, right after this."""
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.hparams.update(self.hyperparameters)

    def configure_optimizers(self) -> Any:
        """The run's own, for callbacks to see: their steps are taken by the stepper. Rules have none."""
        if not isinstance(self.loop.stepper, TorchStepper):
            return None
        update = self.loop.stepper.update
        if update.scheduler is None:
            return update.optimizer
        return {"optimizer": update.optimizer, "lr_scheduler": {"scheduler": update.scheduler, "monitor": "val/loss"}}

    def on_validation_start(self) -> None:
        """Evaluate with the parameters that are kept."""
        self.loop.stepper.eval()

    def on_validation_model_zero_grad(self) -> None:
        """Leave the gradients: Lightning would zero them before a validation, and they may be there to add up."""

    def on_validation_end(self) -> None:
        """Back to those that are trained."""
        if self.trainer.training or self.trainer.state.fn == "fit":
            self.loop.stepper.train()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A run's own file, see `src.engine.checkpoint`, with the state of callbacks that Lightning has put in."""
        pending = self.file.pending if self.file is not None else {}
        whole = member_file(self.loop, 0, self.about, pending={step: dict(row) for step, row in pending.items()})
        for key in (KEY, "optimizer_states", "lr_schedulers"):
            checkpoint[key] = whole[key]  # the rest Lightning has put in, or a callback that averages weights
        del checkpoint["loops"]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Steps and passes; `on_train_start` takes up the rest, which Lightning would cast or zero."""
        step = int(checkpoint["global_step"])
        go_on_from(self.trainer, step, step // self.loop.intervals.val_every)
        checkpoint["optimizer_states"], checkpoint["lr_schedulers"] = [], []


class LabDataModule(L.LightningDataModule):
    """A problem as blocks: ranges of optimizer steps. The stepper takes their rows itself, on its device.

    Args:
        problem: its rows, for callbacks to see.
        max_steps: the last step.
        pass_length: steps at whose multiples a pass of the loader ends, and Lightning validates.
        block_size: the most steps of a block.
        cuts: intervals at whose multiples a block ends.
        validates: whether Lightning does.
    """

    def __init__(
        self,
        problem: Problem,
        max_steps: int,
        pass_length: int,
        block_size: int,
        cuts: Sequence[int],
        *,
        validates: bool = False,
    ) -> None:
        super().__init__()
        self.problem, self.max_steps, self.pass_length = problem, max_steps, pass_length
        self.block_size, self.cuts, self.validates = block_size, cuts, validates

    def train_dataloader(self) -> Spans:
        """Blocks from the Trainer's step to the end of the pass."""
        trainer = self.trainer
        assert trainer is not None
        return Spans(lambda: trainer.global_step, self.max_steps, self.pass_length, self.block_size, self.cuts)

    def val_dataloader(self) -> range | list[Any]:
        """One batch, a number that stands for all validation rows, in every process."""
        return range(1) if self.validates else []

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Give the range back: it has no tensors."""
        return batch
