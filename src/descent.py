"""The LightningModule: it takes the optimizer steps of a block, and says when a loss has diverged."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.checkpoint import CHECKPOINT_KEY, start_a_pass
from src.data.blocks import Block
from src.data.problem import Rows, Scaling
from src.errors import LabError
from src.models.custom import Custom
from src.models.linear import Linear
from src.models.loss import Loss
from src.optim.driven import Driven, load_state, restore_dtypes
from src.results import Curves


class Descent(L.LightningModule):
    """Gradient descent on a model, `K` optimizer steps to a block (manual optimization).

    Members' losses are independent, so the gradient of their sum is every member's own gradient.

    Args:
        model: parameters `[P, I, O]` (or `[I, O]`), predictions `[P, B, O]`.
        driven: its optimizer.
        loss: squared error, mean or sum; of a surface its value.
        gradient: "autograd" or "by_hand".
        zero_grad_every_n_steps: gradients add up in between; 0: they are never zeroed.
        gradient_clip_val: the largest norm (per member) or absolute value of a gradient; None: any.
        gradient_clip_algorithm: "norm" or "value".
        divergence_factor: times the larger of the first loss (without its sign) and `target_spread`, the loss that has
            diverged; None: only a loss that is not finite has.
        target_spread: the loss `[P]` of predicting the targets' mean (their variance, or its sum); of a surface 1.
        scaling: of a table, to report losses and parameters in its own units.
        create_graph: keep the graph of the gradients, for optimizers that differentiate them.
        log_every_n_steps: how far the recorded loss curve is thinned.
        curves: `metrics.csv` of each member.
        about: what a checkpoint keeps beside parameters and state.
        hyperparameters: what loggers show of the config, flat.

    Raises:
        LabError: gradients that add up or are clipped cannot be combined with this optimizer.
    """

    def __init__(
        self,
        model: nn.Module,
        driven: Driven,
        loss: Loss,
        *,
        gradient: str = "autograd",
        zero_grad_every_n_steps: int = 1,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str = "norm",
        divergence_factor: float | None = 1e8,
        target_spread: Tensor | None = None,
        scaling: Scaling | None = None,
        create_graph: bool = False,
        log_every_n_steps: int = 1,
        curves: Sequence[Curves] = (),
        about: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.driven, self.loss, self.gradient = model, driven, loss, gradient
        self._forward = model.forward  # straight there: Module's own call costs in the inner loop
        self.zero_every, self.create_graph = zero_grad_every_n_steps, create_graph
        self.clip, self.clip_by_norm = gradient_clip_val, gradient_clip_algorithm == "norm"
        ordinary = zero_grad_every_n_steps == 1 and gradient_clip_val is None and not create_graph
        self._plain = ordinary and gradient == "autograd"
        self.divergence_factor, self.target_spread, self.scaling = divergence_factor, target_spread, scaling
        self.log_every_n_steps, self.curves, self.about = log_every_n_steps, curves, about or {}
        self.trained = [p for p in model.parameters() if p.requires_grad]
        # a module of the user's own is one member, whatever the shapes of its parameters
        self._member_axis = self.trained[0].dim() == 3 and not isinstance(model, Custom)
        self.members = self.trained[0].shape[0] if self._member_axis else 1
        self._ones = torch.ones(self.members, dtype=self.trained[0].dtype)
        self.first_loss: Tensor | None = None
        self.last_loss: Tensor | None = None
        self.diverged_at: int | None = None
        self.final: dict[str, Tensor] = {}
        self.hyperparameters = hyperparameters or {}
        # a table has one target, so its losses have one unit
        self.loss_scale = 1.0 if scaling is None else float(scaling.loss_scale()[0])
        self._changed: dict[str, Any] = {}
        self._kept_state: Mapping[str, Any] | None = None
        self._gradients: list[Tensor | None] = []
        self._random: list[Tensor] | None = None
        if driven.closure and zero_grad_every_n_steps != 1:
            raise LabError(
                f"{driven.path} evaluates the gradient several times a step, so gradients cannot add up: "
                "trainer.zero_grad_every_n_steps=1"
            )
        if create_graph and gradient == "by_hand":
            raise LabError("trainer.create_graph=true needs model.gradient=autograd: a gradient by hand has no graph")

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return self.model(inputs)

    # --- one block ---

    def training_step(self, block: Block, batch_idx: int) -> None:
        """Take the block's optimizer steps; stop at the step whose loss has diverged."""
        before, losses = self._snapshot(), list[Tensor]()
        try:
            self.descend(block, len(block), losses)
        except Exception:  # the tail of a block that has diverged may overflow in any way
            if self._diverged_in(losses) is None:
                raise
        bad = self._diverged_in(losses)
        history, taken = torch.stack(losses), len(block)
        if bad is not None:
            # go back, so that a diverged run ends in the parameters whose loss it was, however blocks were cut
            self._restore(before)
            self.descend(block, bad, [])
            history, taken = history[: bad + 1], bad
            self.diverged_at = block.first + bad
            self.trainer.should_stop = True
        self.last_loss = history[-1]
        count(self.trainer, taken)
        self._record_losses(block.first, history)

    def descend(self, block: Block, steps: int, history: list[Tensor]) -> None:
        """Take the block's first `steps` optimizer steps; the loss `[P]` before each is added to `history`."""
        scheduler, several = self.driven.scheduler, self._several
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler = None  # steps at validations
        take = self._step_with_closure if self.driven.closure else self._step
        for index in range(steps):
            inputs, targets = block.batches[index]
            take(inputs, targets, block.sizes[index] if several else None, block.first + index, history)
            if scheduler is not None:
                scheduler.step()

    def _step(self, inputs: Tensor, targets: Tensor, rows: int | None, step: int, history: list[Tensor]) -> None:
        """One optimizer step; the loss `[P]` before it is added to `history`."""
        if self._plain and rows is None:
            losses = self._backward(inputs, targets)
        else:
            losses, gradients = self.gradients(inputs, targets, rows)
            self._assign(gradients, step)
        history.append(losses)
        self.driven.optimizer.step()

    def _backward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Zero the gradients and compute them: what `gradients` and `_assign` do, by torch's quickest way."""
        for parameter in self.trained:
            parameter.grad = None
        losses = self.loss.value(self._forward(inputs), targets)
        losses.backward(self._ones)
        return losses.detach()

    def gradients(self, inputs: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Sequence[Tensor]]:
        """Losses `[P]` and the gradient of each parameter.

        With `rows`, these are a shard of a batch of so many rows, and the result is the whole batch's in every process.
        """
        if self.gradient == "by_hand":
            with torch.no_grad():
                losses, gradients = self.model.by_hand(inputs, targets, self.loss, rows)  # type: ignore[operator]
            if self.trained[0].dim() == 2:
                gradients = [gradient[0] for gradient in gradients]
        else:
            value = self.loss.value(self._forward(inputs), targets, rows)
            gradients = torch.autograd.grad(
                value, self.trained, torch.ones_like(value), create_graph=self.create_graph, allow_unused=True
            )
            losses = value.detach()
        return (losses, gradients) if rows is None else self._summed(losses, gradients)

    @property
    def _several(self) -> bool:
        return self._trainer is not None and self._trainer.world_size > 1

    def _summed(self, losses: Tensor, gradients: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """Shards' losses and gradients added up over the processes, in one message."""
        pieces = [
            losses,
            *(torch.zeros_like(p) if g is None else g for g, p in zip(gradients, self.trained, strict=True)),
        ]
        flat = torch.cat([piece.reshape(-1) for piece in pieces])
        torch.distributed.all_reduce(flat)
        whole = [
            part.view_as(piece) for part, piece in zip(flat.split([p.numel() for p in pieces]), pieces, strict=True)
        ]
        return whole[0], whole[1:]

    def _assign(self, gradients: Sequence[Tensor], step: int) -> None:
        """Put gradients where the optimizer looks for them: added up since they were last zeroed, then clipped."""
        zero = self.zero_every == 1 or (self.zero_every and step % self.zero_every == 0)
        for parameter, gradient in zip(self.trained, gradients, strict=True):
            before = None if zero else parameter.grad
            parameter.grad = gradient if before is None or gradient is None else before + gradient
        if self.clip is not None:
            self._clip(self.clip)

    def _clip(self, limit: float) -> None:
        """Scale every member's own gradient to this norm, or cut its numbers to this absolute value, if it is above."""
        have = [parameter for parameter in self.trained if parameter.grad is not None]
        with torch.set_grad_enabled(self.create_graph):
            if not self.clip_by_norm:
                for parameter in have:
                    parameter.grad = parameter.grad.clamp(-limit, limit)  # type: ignore[union-attr]
                return
            factor = (limit / (self.gradient_norm([p.grad for p in have]) + 1e-6)).clamp(max=1.0)
            for parameter in have:
                shape = (-1, *[1] * (parameter.dim() - 1)) if self.members > 1 else ()
                parameter.grad = parameter.grad * factor.view(shape)  # type: ignore[operator]

    def gradient_norm(self, gradients: Sequence[Tensor | None]) -> Tensor:
        """The norm `[P]` of every member's gradient over all parameters."""
        squares = [g.reshape(self.members, -1).square().sum(1) for g in gradients if g is not None]
        return torch.stack(squares).sum(0).sqrt()

    def _step_with_closure(
        self, inputs: Tensor, targets: Tensor, rows: int | None, step: int, history: list[Tensor]
    ) -> None:
        """One step of an optimizer that evaluates loss and gradient itself; its first loss `[P]` is the one kept."""
        done = len(history)

        def closure() -> Tensor:
            with torch.enable_grad():
                losses, gradients = self.gradients(inputs, targets, rows)
            self._assign(gradients, step)
            if len(history) == done:
                history.append(losses)
            return losses.sum()

        if self.driven.gradient_first:
            closure()
        self.driven.optimizer.step(cast(Any, closure))

    # --- divergence ---

    def _diverged_in(self, losses: Sequence[Tensor]) -> int | None:
        """The first of these losses `[P]`, of consecutive steps, that has diverged; the first of all sets the scale."""
        if self.first_loss is None and losses:
            self.first_loss = losses[0]
        return self._diverged(torch.stack(list(losses))) if losses else None

    def _diverged(self, history: Tensor) -> int | None:
        """The first index of the history `[K, P]` at which a member's loss has diverged."""
        scale = torch.zeros_like(history[0]) if self.first_loss is None else self.first_loss.to(history).abs()
        if self.first_loss is not None and self.target_spread is not None:
            scale = torch.maximum(scale, self.target_spread.to(scale))
        fine = bearable(history, scale, math.inf if self.divergence_factor is None else self.divergence_factor)
        return None if bool(fine.all()) else int((~fine).any(1).int().argmax())

    def _snapshot(self) -> tuple[Any, ...]:
        scheduler = self.driven.scheduler
        return (
            [p.detach().clone() for p in self.trained],
            [None if p.grad is None else p.grad.detach().clone() for p in self.trained],
            copy.deepcopy(self.driven.optimizer.state_dict()),
            copy.deepcopy(scheduler.state_dict()) if scheduler is not None else None,
            self._random_state(),
        )

    @torch.no_grad()
    def _restore(self, snapshot: tuple[Any, ...]) -> None:
        values, gradients, optimizer, scheduler, random = snapshot
        self._set_random_state(random)
        for parameter, value, gradient in zip(self.trained, values, gradients, strict=True):
            parameter.copy_(value)
            parameter.grad = gradient
        load_state(self.driven.optimizer, optimizer)
        if self.driven.scheduler is not None:
            self.driven.scheduler.load_state_dict(scheduler)

    def _random_state(self) -> list[Tensor]:
        """Of torch's global generators, which a user's module (dropout) or optimizer may draw from."""
        cuda = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return [torch.get_rng_state(), *cuda]

    def _set_random_state(self, state: Sequence[Tensor]) -> None:
        torch.set_rng_state(state[0])
        if self.device.type == "cuda" and len(state) > 1:
            torch.cuda.set_rng_state(state[1], self.device)

    # --- curves and validation ---

    def record(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Add per-member values `[P]` to the curves and loggers, at a true optimizer step."""
        lists = {name: value.tolist() for name, value in values.items()}
        for index, curve in enumerate(self.curves):
            curve.record(step, {name: value[index] for name, value in lists.items()})
        if self.members == 1:
            for logger in self.trainer.loggers:
                logger.log_metrics({name: value[0] for name, value in lists.items()}, step=step)

    def _record_losses(self, first: int, history: Tensor) -> None:
        """Record the loss of the parameters after `step` steps at every step that is logged."""
        skipped = -first % self.log_every_n_steps
        indices = list(range(skipped, len(history), self.log_every_n_steps))
        if self.diverged_at is not None and (not indices or indices[-1] != len(history) - 1):
            indices.append(len(history) - 1)
        for index, losses in zip(indices, history[indices].cpu(), strict=True):
            self.record(first + index, {"train/loss": losses.double() * self.loss_scale})

    def validation_step(self, rows: Rows, batch_idx: int) -> None:
        """The loss over all validation rows."""
        losses = self.evaluate(rows)
        self.log("val/loss", losses.mean().double() * self.loss_scale, batch_size=1, logger=False)
        self.record(self.trainer.global_step, {"val/loss": losses.double().cpu() * self.loss_scale})

    @torch.no_grad()
    def predict_rows(self, inputs: Tensor) -> Tensor:
        """The first member's predictions `[N, O]` for inputs `[N, I]`, both as descent sees them, on the CPU."""
        with self.evaluation_mode():
            return self.model(inputs.to(self.trained[0]).expand(self.members, -1, -1))[0].cpu().double()

    def named_trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that are trained, by name, in the order of `gradients`."""
        return [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]

    @torch.no_grad()
    def evaluate(self, rows: Rows) -> Tensor:
        """Losses `[P]` over these rows, with the parameters as they are."""
        with self.evaluation_mode():
            return self.loss.value(self.model(rows.inputs), rows.targets)

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """No dropout, no moving statistics: a user's module may have them."""
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    def on_train_epoch_end(self) -> None:
        """At the end of a pass: curves are written, and what waits for a plateau has its say."""
        for curve in self.curves:
            curve.write(before=self.trainer.global_step)
        if self.last_loss is not None:
            self.log("train/loss", self.last_loss.mean().double() * self.loss_scale, logger=False)
        scheduler, datamodule = self.driven.scheduler, self.trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(scheduler, ReduceLROnPlateau) and self.trainer.global_step % datamodule.val_every_n_steps == 0:
            watched = self.trainer.callback_metrics.get("val/loss", self.last_loss)
            scheduler.step(float(watched))  # type: ignore[arg-type]

    def reported_parameters(self) -> dict[str, Tensor]:
        """Every parameter `[P, I, O]` by name in float64 on the CPU; a linear model's in the units of the data."""
        values = {
            name: (p if self._member_axis else p[None]).detach().double().cpu() for name, p in self.named_trained()
        }
        return in_units(values, [self.scaling] * self.members) if isinstance(self.model, Linear) else values

    # --- Lightning's other hooks ---

    def setup(self, stage: str) -> None:
        """The hyperparameters for hparams.yaml, which TensorBoard's logger writes once, right after this."""
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.hparams.update(self.hyperparameters)

    def configure_optimizers(self) -> Any:
        """The optimizer that was built for these parameters."""
        if self.driven.scheduler is None:
            return self.driven.optimizer
        config = {"scheduler": self.driven.scheduler, "monitor": "val/loss"}
        return {"optimizer": self.driven.optimizer, "lr_scheduler": config}

    def on_train_start(self) -> None:
        """Take up what a resume changed, and the gradients, which Lightning has zeroed; let the optimizer train."""
        if self._kept_state is not None:
            restore_dtypes(self.driven.optimizer, self._kept_state)
        for group in self.driven.optimizer.param_groups:
            group.update(self._changed)
        for parameter, gradient in zip(self.trained, self._gradients, strict=False):
            parameter.grad = None if gradient is None else gradient.to(parameter)
        if self._random is not None:
            self._set_random_state(self._random)
        self._ones = self._ones.to(self.device)
        self.driven.train()

    def on_validation_start(self) -> None:
        """Evaluate with the parameters that are kept."""
        self.driven.eval()

    def on_validation_model_zero_grad(self) -> None:
        """Leave the gradients: Lightning would zero them before a validation, and they may be there to add up."""

    def on_validation_end(self) -> None:
        """Back to those that are trained."""
        if self.trainer.training or self.trainer.state.fn == "fit":
            self.driven.train()

    def on_train_end(self) -> None:
        """Leave the parameters that are kept, their losses, and the hyperparameters beside them in the loggers."""
        self.driven.eval()
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        parts = {part: datamodule.rows(part, self.device) for part in ("train", "val", "test")}
        losses = {f"{part}/loss": self.evaluate(rows) for part, rows in parts.items() if rows is not None}
        self.final = {name: loss.cpu().double() * self.loss_scale for name, loss in losses.items()}
        if self.diverged_at is None and datamodule.full_batch:
            self.record(self.trainer.global_step, {"train/loss": self.final["train/loss"]})
        last = losses["train/loss"]
        if self.diverged_at is None and (not bool(last.isfinite().all()) or datamodule.full_batch):
            self.diverged_at = self.trainer.global_step if self._diverged(last[None]) is not None else None
        for curve in self.curves:
            curve.write()
        self._log_hyperparameters()

    def _log_hyperparameters(self) -> None:
        metrics = {f"final/{name}": float(loss[0]) for name, loss in self.final.items() if bool(loss[0].isfinite())}
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(dict(self.hyperparameters), metrics, step=self.trainer.global_step)
            else:
                logger.log_hyperparams(dict(self.hyperparameters))
                logger.log_metrics(metrics, step=self.trainer.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what going on and predicting need besides Lightning's own."""
        checkpoint[CHECKPOINT_KEY] = {
            **self.about,
            "first_loss": None if self.first_loss is None else self.first_loss.tolist(),
            "pending": [dict(curve.pending) for curve in self.curves],
            "gradients": [None if p.grad is None else p.grad.detach() for p in self.trained]
            if self.zero_every != 1
            else None,
            "random": self._random_state(),
            "optimizer": {"path": self.driven.path, "arguments": dict(self.driven.arguments)},
            "schedule": None if self.driven.schedule is None else dict(self.driven.schedule),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again; numbers of the optimizer that the overrides changed win over the checkpoint's."""
        start_a_pass(checkpoint["loops"]["fit_loop"])
        kept = checkpoint[CHECKPOINT_KEY]
        if kept["first_loss"] is not None:
            self.first_loss = torch.tensor(kept["first_loss"], dtype=self.trained[0].dtype, device=self.device)
        self._gradients, self._random = kept["gradients"] or [], kept["random"]
        self._kept_state = checkpoint["optimizer_states"][0]
        for curve, rows in zip(self.curves, kept["pending"], strict=False):
            for step, values in rows.items():
                curve.record(step, values)
                for logger in self.trainer.loggers if self.members == 1 else []:
                    logger.log_metrics(values, step=step)
        old = kept["optimizer"]["arguments"]
        self._changed = {key: value for key, value in self.driven.arguments.items() if old.get(key) != value}


def bearable(losses: Tensor, scale: Tensor, factor: Tensor | float) -> Tensor:
    """Which of the losses `[K, P]` have not diverged: finite, and at most `factor` times `scale [P]` unless that is 0.

    Args:
        losses: of consecutive steps.
        scale: the larger of the first loss (without its sign) and the targets' variance.
        factor: of each member, or of all; infinite: any finite loss is fine.
    """
    return losses.isfinite() & ((losses <= factor * scale) | (scale == 0))


def count(trainer: L.Trainer, steps: int) -> None:
    """Tell Lightning how many optimizer steps were taken; `global_step` and `max_steps` go by it."""
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    for tracker in (progress.total, progress.current):
        tracker.ready += steps
        tracker.completed += steps


def in_units(values: Mapping[str, Tensor], scalings: Sequence[Scaling | None]) -> dict[str, Tensor]:
    """The parameters `[P, I, O]` of linear models in the units of each member's data."""
    if all(scaling is None for scaling in scalings):
        return dict(values)
    bias = values.get("bias", torch.zeros(len(scalings), 1, 1, dtype=torch.float64))
    weights, biases = [], []
    for scaling, weight, own in zip(scalings, values["weight"], bias, strict=True):
        weights.append(weight if scaling is None else scaling.weight(weight))
        biases.append(own[0] if scaling is None else scaling.bias(weight, own[0]))
    return {"weight": torch.stack(weights), "bias": torch.stack(biases)[:, None]}
