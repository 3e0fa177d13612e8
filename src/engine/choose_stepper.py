"""Which stepper serves a run, and why. It is decided here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from src.config.classes import import_class
from src.config.schema import TENSORBOARD, Config
from src.engine.watchers import Watcher
from src.errors import LabError
from src.optim.build import numbers_of, with_lowest_loss
from src.optim.rules import rule_of
from src.optim.stacked_class import grain_of
from src.optim.stacked_schedule import fits_stack

SHARED = (
    "src.run.callbacks.progress.ProgressBar",
    "src.run.callbacks.checkpoint.Checkpoint",
    "src.engine.early_stopping.EarlyStopping",
)
"""Callbacks that a stack has for all members at once, beside watchers."""

AS_IT_IS = {"name": "", "version": "", "default_hp_metric": False}
"""What conf/logger/tensorboard.yaml says to the class besides the directory."""


@dataclass(frozen=True)
class Choice:
    """The stepper of a run.

    Attributes:
        stepper: "torch": its optimizer's own class, alone, with Lightning's events; "rules": a stack, without;
            "compiled": a stack whose steps are C, made of the rules;
            "class": a stack that the class itself steps, on tensors of many members; "each": a stack whose members are
            stepped one after another, by their own class.
        reason: why it is not rules, in words that are shown as they are; empty for rules, compiled or not.
    """

    stepper: Literal["torch", "rules", "compiled", "class", "each"]
    reason: str = ""


def choose_stepper(config: Config, alone: bool = False) -> Choice:
    """Of a run by itself (`alone`), or of one that a sweep asks for.

    Raises:
        LabError: a run by itself is asked to be stepped as stacks are.
    """
    if alone and config.trainer.stepper != "auto":
        raise LabError(f"trainer.stepper={config.trainer.stepper} is of the stacks of a sweep: say -m, or leave it out")
    if alone:
        return Choice("torch", "a run by itself has the bits of torch's own class")
    if reason := _why_alone(config):
        return Choice("torch", reason)
    if config.trainer.create_graph:
        return Choice("each", "trainer.create_graph keeps graphs, and a stack has none")
    if not (reason := _why_no_rule(config)):
        return Choice("rules")
    found = grain_of(config.optimizer.target_, config.optimizer.arguments())
    return Choice("class", reason) if found.grain else Choice("each", f"{reason}, and {found.why}")


def _why_alone(config: Config) -> str | None:
    """Why this run cannot be a member of any stack, in words; None: it can."""
    knobs = config.trainer
    parts = [part.target_ for part in config.callbacks.values() if part]
    other = next((path.rpartition(".")[2] for path in parts if not (path in SHARED or _watches(path))), None)
    boards = [part for part in config.logger.values() if part and part.target_ == TENSORBOARD]
    changed = any(_changed(part.arguments()) for part in boards if part.runs != "best")
    reasons = (
        (other is not None, f"the callback {other} acts on one run"),
        (changed, "logger.tensorboard is not as conf/logger has it"),
        (knobs.strategy == "ddp", "trainer=ddp shares the batches of one run"),
        (knobs.profiler is not None, "trainer.profiler looks at one run"),
        (config.ckpt_path is not None, "ckpt_path goes on from one run"),
        (config.check_gradients, "check_gradients looks at one model"),
    )
    return next((why for so, why in reasons if so), None)


def _why_no_rule(config: Config) -> str | None:
    """Why no rule steps the members of a stack, in words; None: one does."""
    target, schedule = config.optimizer.target_, config.scheduler
    name, rule = target.rpartition(".")[2], rule_of(target, config.optimizer.rule)
    if rule is None:
        return f"{name} has no per-member rule"
    given = numbers_of(with_lowest_loss(config.optimizer.arguments()))
    if refused := [f"{key}={given[key]}" if key in rule.taken else key for key in rule.refused(given)]:
        what = f"{', '.join(refused)} (it takes {', '.join(rule.taken)})"
        return f"{name}'s rule {type(rule).__name__} does not take {what}"
    if schedule is not None and not fits_stack(schedule.arguments()):
        return "a schedule that turns momentum off leaves its buffer alone, as no rule does"
    return None


def _watches(path: str) -> bool:
    """Whether it is a class of watchers, of this project or of the user's."""
    try:
        found = import_class(path, "callbacks", object)
    except LabError:  # the callback is built later, and says so
        return False
    return isinstance(found, type) and issubclass(found, Watcher)


def _changed(logger: Mapping[str, Any]) -> bool:
    """Whether a logger writes otherwise than a stack does: elsewhere, or by other names."""
    return {key: value for key, value in logger.items() if key not in ("_target_", "save_dir")} != AS_IT_IS
