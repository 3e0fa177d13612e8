"""Forty optimizers from outside, each as a stack and alone: `python -m tests.bench.outside [--only schedulefree ...]`.

Of each: how its runs are stacked, or why they take their steps one after another; how far two of them end from the same
runs by themselves, after 200 steps of a two-layer network on mini-batches in float64; and seconds, of a stack of 16 and
of as many lone runs (two, scaled). Needs the extra `outside`.
"""

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from src.engine.choose_stepper import Choice, choose_stepper
from src.errors import LabError
from src.run.build import RunSpec, build_members, coarsest
from src.run.train import train
from src.run_directory import Result
from src.sweep.jobs import Composer

CLASSES = {
    "pytorch_optimizer": "A2Grad AdaBelief AdaBound AdaHessian AdaNorm AdaPNM AdaShift AdamP Adan ADOPT Amos CAME "
    "DiffGrad Fromage GaLore Grams Kate Lamb LARS MADGRAD MARS NovoGrad Ranger21 SM3 SOAP ScalableShampoo Shampoo "
    "SophiaH StableAdamW",
    "torch_optimizer": "Apollo QHM SWATS",
    "schedulefree": "AdamWScheduleFree SGDScheduleFree",
    "prodigyopt": "Prodigy",
    "lion_pytorch": "Lion",
    "adabelief_pytorch": "AdaBelief",
    "dadaptation": "DAdaptAdam DAdaptSGD",
    "heavyball": "AdamW",
}
NEEDS = {
    "AdaHessian": ["trainer.create_graph=true"],
    "SophiaH": ["trainer.create_graph=true"],
    "Ranger21": ["+optimizer.num_iterations=200"],
}
RATES, SEEDS = ("0.001", "0.01"), range(8)
SHARED = (
    *("data=teacher", "model=two_layer", "data.batch_size=50", "model.dtype=float64", "trainer.max_steps=200"),
    *("logger=none", "callbacks.progress_bar=null"),
)


@dataclass(frozen=True)
class Driven:
    """What came of a class.

    Attributes:
        how: its members are stepped, or why not.
        apart: relative distance of the losses of lone runs and the same ones in a stack; None: one does not train.
        seconds: of the stack, and of as many lone runs.
    """

    how: str
    apart: float | None = None
    seconds: tuple[float, float] = (0.0, 0.0)


def driven(path: str, root: Path) -> Driven:
    """A stack of 16 runs, and two of them alone."""
    composer = Composer([*SHARED, f"optimizer._target_={path}", *NEEDS.get(path.rpartition(".")[2], [])])
    specs = list[RunSpec]()
    for rate in RATES:
        for seed in SEEDS:
            (root / str(len(specs))).mkdir(parents=True)
            config = composer.job([f"optimizer.lr={rate}", f"seed={seed}"]).config_in(root / str(len(specs)))
            specs.append(RunSpec(config, root / str(len(specs))))
    try:
        choice = choose_stepper(specs[0].config)
        stacked, took = _timed(specs, choice)
        sample = [specs[0], specs[-1]]
        lone = [RunSpec(one.config, root / f"lone{k}") for k, one in enumerate(sample)]
        alone, each = _timed(lone, Choice("torch"))
    except LabError as error:
        return Driven(str(error))
    ends = [stacked[0], stacked[-1], *alone]
    results = [end for end in ends if isinstance(end, Result)]
    if len(results) < 4:
        return Driven(str(next(end for end in ends if isinstance(end, LabError))))
    here, there = ([one.metrics["train/loss"] or 0.0 for one in some] for some in (results[:2], results[2:]))
    apart = max(abs(a - b) / max(abs(b), 1e-300) for a, b in zip(here, there, strict=True))
    name, reason = results[0].stepper["name"], results[0].stepper["reason"]
    how = reason.partition("has no per-member rule, and ")[2] or reason
    if name == "class":
        members = [one for one in build_members(specs[:1]) if not isinstance(one, LabError)]
        how = {"setting": "seeds of a setting as one tensor", "tensor": "a tensor a member and parameter"}[
            str(coarsest(members).grain)
        ]
    return Driven(f"{name}: {how}", apart, (took, each * len(specs) / len(lone)))


def _timed(specs: Sequence[RunSpec], choice: Choice) -> tuple[list[Result | LabError], float]:
    """What comes of them together, or of each alone, and seconds."""
    began = time.perf_counter()
    with redirect_stdout(StringIO()):
        ends = [train([spec], choice)[0] for spec in specs] if choice.stepper == "torch" else train(specs, choice)
    return ends, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="packages or classes; all where none is named")
    only = parser.parse_args().only
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    print(f"{len(RATES) * len(SEEDS)} runs of 200 steps of each class\n")
    row("class", "from lone runs", "s, a stack", "s, alone", "how its members are stepped")
    for package, names in CLASSES.items():
        for name in names.split():
            if only and package not in only and name not in only:
                continue
            with tempfile.TemporaryDirectory() as temporary:
                one = driven(f"{package}.{name}", Path(temporary))
            apart = "" if one.apart is None else "the same bits" if one.apart == 0 else f"{one.apart:.0e}"
            stacked, alone = (f"{seconds:.2g}" if seconds else "" for seconds in one.seconds)
            row(f"{package}.{name}", apart, stacked, alone, one.how)


def row(name: str, apart: str, stacked: str, alone: str, how: str) -> None:
    """A line at once: the whole takes minutes."""
    print(f"{name:34} {apart:>14} {stacked:>10} {alone:>9}  {how}", flush=True)


if __name__ == "__main__":
    main()
