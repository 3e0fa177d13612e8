"""One member, stepped by its optimizer's own class: to the bits of a bare PyTorch loop over the same module."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.engine.device_data import DeviceData
from src.engine.gradients import Autograd, ByHand, Gradients, Treatment
from src.engine.stepper import State, Stepper
from src.errors import LabError, one_line
from src.losses.loss import Loss
from src.optim.build import BuiltOptimizer, load_state
from src.optim.rules import Rule
from src.seeds import packed, random_state, set_random_state, unpacked


class TorchStepper(Stepper):
    """A stack of one.

    Args:
        module: parameters `[1, I, O]`, or `[I, O]` for a class that takes matrices, or a user's own.
        update: its optimizer and schedule.
        loss: as it trains.
        data: what it sees.
        by_hand: gradients by hand rather than by autograd.
        treatment: what happens to gradients.
        create_graph: keep their graph, for optimizers that differentiate them.

    Raises:
        LabError: gradients that add up, or are by hand, cannot be combined with this optimizer.
    """

    size = 1

    def __init__(
        self,
        module: nn.Module,
        update: BuiltOptimizer,
        loss: Loss,
        data: DeviceData,
        *,
        by_hand: bool = False,
        treatment: Treatment | None = None,
        create_graph: bool = False,
    ) -> None:
        self.module, self.update, self.loss, self.data = module, update, loss, data
        self.treatment = treatment or Treatment()
        self.trained = [p for p in module.parameters() if p.requires_grad]
        if update.closure:
            self.treatment.check_sums(update.path)
        if create_graph and by_hand:
            raise LabError("trainer.create_graph=true needs model.gradient=autograd: a gradient by hand has no graph")
        plain = self.treatment.nothing
        self.gradient: Autograd | ByHand = (
            ByHand(data, self._receive, module, loss)
            if by_hand
            else Autograd(data, self._receive, module, loss, create_graph=create_graph, plain=plain)
        )
        self._each_step = None if isinstance(update.scheduler, ReduceLROnPlateau) else update.scheduler
        self._start = copy.deepcopy(_numbers(update))

    # --- steps ---

    def _take(self, first: int, ready: int) -> None:
        gradient, optimizer, schedule = self.gradient, self.update.optimizer, self._each_step
        for k in range(ready):
            if self.update.closure:
                self._step_with_closure(k)
            else:
                gradient(k)
                optimizer.step()
            if schedule is not None:
                schedule.step()

    def _step_with_closure(self, k: int) -> None:
        """A step of an optimizer that asks for loss and gradient itself, as often as it likes."""

        def closure() -> Tensor:
            with torch.enable_grad():
                return self.gradient(k).sum()

        if self.update.gradient_first:
            closure()
        self.update.optimizer.step(cast(Any, closure))

    def _receive(self, gradients: Gradients, step: int) -> None:
        """Put gradients where the optimizer looks for them."""
        treated = self.treatment(gradients, [p.grad for p in self.trained], step)
        for parameter, gradient in zip(self.trained, treated, strict=True):
            parameter.grad = gradient

    def gradients(self, part: str) -> list[Tensor | None]:
        """The gradient over all rows of a part; of parameters with a member axis `[1, ...]`."""
        rows = self.data.rows(part)
        with self.without_noise(), torch.enable_grad():
            return list(self.gradient.compute(rows.inputs, rows.targets)[1])

    # --- the parameters that are kept ---

    def eval(self) -> None:
        """Switch to them, where the optimizer has others while it trains."""
        self.update.eval()
        super().eval()

    def train(self) -> None:
        """Switch back to those that are trained."""
        self.update.train()
        super().train()

    # --- numbers ---

    def rate(self) -> Tensor | None:
        """The learning rate of the step to come."""
        rate = self.update.optimizer.param_groups[0].get("lr")
        return None if rate is None else torch.full((1,), float(rate), dtype=torch.float64)

    @property
    def rule(self) -> Rule | None:
        """That of its class."""
        return self.update.rule

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """Its first."""
        return [self.update.optimizer.param_groups[0]]

    @property
    def waits(self) -> bool:
        """Whether its schedule waits for a plateau."""
        return isinstance(self.update.scheduler, ReduceLROnPlateau)

    def plateau(self, metric: Tensor) -> None:
        """Tell the schedule what it waits for."""
        assert isinstance(self.update.scheduler, ReduceLROnPlateau)
        self.update.scheduler.step(float(metric[0]))

    # --- state ---

    def named(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that are trained, by name, in the order of `gradients`."""
        return [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]

    def _tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers, those that the module does not keep in a checkpoint included, by every name."""
        parameters = self.module.named_parameters(remove_duplicate=False)  # one that layers share has several
        return {**dict(parameters), **dict(self.module.named_buffers(remove_duplicate=False))}

    @property
    def has_axis(self) -> bool:
        """Whether parameters are `[1, ...]`: neither matrices nor of a user's module."""
        return self.trained[0].dim() == 3 and bool(self.module.member_axis)

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained, `[1, ...]` float64 on the CPU."""
        return {name: (p if self.has_axis else p[None]).detach().double().cpu() for name, p in self.named()}

    def state(self, step: int) -> State:
        """Parameters, buffers, gradients that are there, optimizer, schedule, generators."""
        schedule = self.update.scheduler
        leaves = {
            "model": ({name: value.detach().clone() for name, value in self._tensors().items()},),
            "gradients": ([None if p.grad is None else p.grad.detach().clone() for p in self.trained],),
            "optimizer": (copy.deepcopy(self.update.optimizer.state_dict()),),
            "schedule": (None if schedule is None else copy.deepcopy(schedule.state_dict()),),
            "random": (random_state(self.data.device),),
        }
        return State(torch.tensor([step]), leaves)

    @torch.no_grad()
    def load(self, state: State) -> None:
        """Go on from it, bit for bit."""
        (model,), (gradients,) = state.leaves["model"], state.leaves["gradients"]
        (optimizer,), (schedule,) = state.leaves["optimizer"], state.leaves["schedule"]
        (random,) = state.leaves["random"]
        if random is not None:
            set_random_state(random, self.data.device)
        for name, value in self._tensors().items():
            if name in model:  # a checkpoint has no buffers that the module does not keep
                value.copy_(model[name])
        for parameter, gradient in zip(self.trained, gradients or [None] * len(self.trained), strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter)
        load_state(self.update.optimizer, copy.deepcopy(optimizer))
        if self.update.scheduler is not None:
            self.update.scheduler.load_state_dict(copy.deepcopy(schedule))

    def select(self, keep: Sequence[int]) -> TorchStepper:
        """This stepper: it has one member."""
        assert list(keep) == [0]
        return self

    def member(self, state: State, index: int) -> dict[str, Any]:
        """The one member in torch's own layout, as a checkpoint keeps it: see `Stepper.member`."""
        kept, leaves = self.module.state_dict(), dict[str, Any](state.leaves)
        (schedule,) = leaves["schedule"]
        return {
            "state_dict": {name: value for name, value in leaves["model"][0].items() if name in kept},
            "optimizer_states": [state.leaves["optimizer"][0]],
            "lr_schedulers": [] if schedule is None else [schedule],
            "gradients": None if self.treatment.zero_every == 1 else state.leaves["gradients"][0],
            "random": packed(leaves["random"][0]),
            "numbers": self._start,
        }

    def go_on(self, kept: Mapping[str, Any], step: int) -> None:
        """Go on from what `member` gave, in this process or another; numbers of the optimizer that changed since win.

        A number is the config's if it is what the class made of the config; what training has made of it (the growing
        rate of Prodigy, a schedule's) goes on.

        Raises:
            LabError: the optimizer cannot go on with the changed numbers.
        """
        state = {
            "model": (kept["state_dict"],),
            "gradients": (kept["gradients"],),
            "optimizer": (kept["optimizer_states"][0],),
            "schedule": (kept["lr_schedulers"][0] if kept["lr_schedulers"] else None,),
            "random": (None if kept["random"] is None else unpacked(kept["random"]),),
        }
        self.load(State(torch.tensor([step]), state))
        if self.update.scheduler is not None:
            return  # a changed number was refused: the schedule goes on from its own
        changed = list[str]()
        for group, now, then in zip(self.update.optimizer.param_groups, self._start, kept["numbers"], strict=True):
            fresh = {name: value for name, value in now.items() if name not in then or then[name] != value}
            gone = [name for name in then if name not in now and name in group]
            changed += [*fresh, *gone]
            group.update(copy.deepcopy(fresh))
            for name in gone:
                del group[name]
        if changed:
            self._try_a_step(", ".join(dict.fromkeys(changed)))

    def _try_a_step(self, changed: str) -> None:
        """Take a step with copies of all, to find out whether the state goes with the numbers."""
        before = self.state(0)
        self.update.train()
        try:
            for parameter in self.trained:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            if not self.update.closure:
                self.update.optimizer.step()
        except Exception as error:  # a user's class can raise anything
            why = f"{type(error).__name__}: {one_line(error)}"
            raise LabError(f"{self.update.path} cannot go on from its state after {changed} changed ({why})") from None
        self.load(before)


def _numbers(update: BuiltOptimizer) -> list[dict[str, Any]]:
    """What the class has made of the config, of each parameter group, as plain values."""
    groups = update.optimizer.state_dict()["param_groups"]
    return [{name: value for name, value in group.items() if name != "params"} for group in groups]
