"""What is one's own, 200 runs of it as a stack against run by run.

An element-wise optimizer (25 rates x 8 seeds on the two-layer teacher, batches of 50), one that looks at a tensor as a
whole, and a module 10-32-32-1. Whole trainings are timed, from checked configs to written run directories, in seconds
of the CPU, as all are in this one process; the runs by themselves are a sample of the same ones, scaled.
"""

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from src.engine.choose_stepper import Choice, choose_stepper
from src.run.build import RunSpec
from src.run.train import train
from src.run_directory import Result
from src.sweep.grid import Interval
from src.sweep.jobs import Composer
from tests.bench.measure import Figure, in_turn, ratio

TITLE = "200 runs of one's own, CPU seconds"
QUICK = {"steps": 100, "sample": 1}
RATES, SEEDS = 25, 8


class ElementWise(Optimizer):
    """Adam without bias corrections, as one writes it: a loop over parameters."""

    def __init__(self, params: Iterable[Any], lr: float, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            first, second = group["betas"]
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(w), torch.zeros_like(w)
                state["m"].mul_(first).add_(w.grad, alpha=1 - first)
                state["v"].mul_(second).addcmul_(w.grad, w.grad, value=1 - second)
                w.addcdiv_(state["m"], state["v"].sqrt().add_(1e-8), value=-group["lr"])


class OfTensors(Optimizer):
    """A step as long as a share of the parameter (You et al. 2017), with momentum."""

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state["v"] = torch.zeros_like(w)
                state["v"].mul_(group["momentum"]).add_(w.grad * (w.norm() / (w.grad.norm() + 1e-8)))
                w.add_(state["v"], alpha=-group["lr"])


class Deep(nn.Sequential):
    """Two hidden layers."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 32) -> None:
        super().__init__(
            *(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        )


CASES = {
    "optimizer, element-wise": ["model=two_layer", f"optimizer._target_={__spec__.name}.ElementWise"],
    "optimizer that looks at tensors": ["model=two_layer", f"optimizer._target_={__spec__.name}.OfTensors"],
    "module 10-32-32-1, adam": ["model=custom", f"model._target_={__spec__.name}.Deep", "optimizer=adam"],
}


def specs(root: Path, words: Sequence[str], steps: int) -> list[RunSpec]:
    """The 200 runs, as a sweep has them."""
    shared = ["data=teacher", "data.batch_size=50", "data.inputs=10", f"trainer.max_steps={steps}", "logger=none"]
    composer, found = Composer(["callbacks.progress_bar=null", *shared, *words]), list[RunSpec]()
    for rate in Interval(1e-4, 0.1, log=True).values(RATES):
        for seed in range(SEEDS):
            directory = root / str(len(found))
            directory.mkdir(parents=True)
            found.append(
                RunSpec(composer.job([f"optimizer.lr={rate}", f"seed={seed}"]).config_in(directory), directory)
            )
    return found


def seconds(of: Sequence[RunSpec], choice: Choice) -> tuple[float, dict[str, Any]]:
    """CPU seconds that training them takes, and which stepper served."""
    began = time.process_time()
    ends = train(of, choice)
    taken = time.process_time() - began
    assert all(isinstance(end, Result) for end in ends), ends
    (first, *_) = ends
    assert isinstance(first, Result)
    return taken, dict(first.stepper)


def figures(rounds: int, steps: int = 2000, sample: int = 3) -> list[Figure]:
    """Run by run, of which a sample is trained, over as a stack."""
    found = []
    for name, words in CASES.items():
        served = ""

        def trained(stacked: bool, words: Sequence[str] = words) -> float:
            nonlocal served
            with tempfile.TemporaryDirectory() as temporary:
                runs = specs(Path(temporary), words, steps)
                if stacked:
                    taken, stepper = seconds(runs, choose_stepper(runs[0].config))
                    served = str(stepper["name"])
                    return taken
                some = [runs[int((k + 0.5) * len(runs) / sample)] for k in range(sample)]
                return sum(seconds([one], Choice("torch"))[0] for one in some) / sample * len(runs)

        trained(False)  # what is imported and built once is not a cost of a run
        taken = in_turn({"run by run": lambda: trained(False), "a stack": lambda: trained(True)}, rounds)
        what = f"{name}: run by run / a stack"
        found.append(ratio(what, taken, "run by run", "a stack", about=f"{steps:,} steps by {served}", sampled=True))
    return found
