"""Which stepper serves a run, and why. It is decided here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from src.config.classes import import_class
from src.config.schema import TENSORBOARD, Config
from src.engine.compiled.compiler import missing_compiler
from src.engine.compiled_stepper import LARGEST
from src.engine.devices import on_gpu
from src.engine.watchers import Watcher
from src.errors import LabError
from src.models.model import Model
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


PAYS, LOOP = 2**22, 320
"""From `PAYS` steps x (`LOOP` + rows x parameters) on, C saves more than the 0.2 to 1 s that compiling it takes.

Measured on one thread: a step of 100 members by rules costs 20 µs more than one as C, and another µs for every 16
products of a row and a parameter. So 200 members win half a second back in 13,000 steps of a line, or in 330 of a
network 10-32-1 in batches of 32. How many members there are must not count: it would change a run's bits.
"""


class Work(NamedTuple):
    """What a step computes with.

    Attributes:
        parameters: numbers of the model.
        rows: that a step looks at.
        number: bytes of one.
    """

    parameters: int
    rows: int
    number: int


@dataclass(frozen=True)
class Choice:
    """The stepper of a run.

    Attributes:
        stepper: "torch": its optimizer's own class, alone, with Lightning's events; "rules": a stack, without;
            "compiled": a stack whose steps are C, made of the rules;
            "class": a stack that the class itself steps, on tensors of many members; "each": a stack whose members are
            stepped one after another, by their own class.
        reason: why it is not another, in words that are shown as they are; may be empty for rules, compiled or not.
        alone: a run by itself, with Lightning's events, though it is stepped as stacks are.
        chosen: the stepper that was chosen where another served, as this one could not be made; else empty.
    """

    stepper: Literal["torch", "rules", "compiled", "class", "each"]
    reason: str = ""
    alone: bool = False
    chosen: str = ""

    @property
    def events(self) -> bool:
        """Whether callbacks and loggers listen."""
        return self.alone or self.stepper == "torch"

    def as_kept(self) -> dict[str, str | bool]:
        """As a sweep keeps it: what it is made of, as far as it says something."""
        return {name: value for name, value in vars(self).items() if value}

    def as_json(self) -> dict[str, str]:
        """As a result has it."""
        return {"name": self.stepper, "reason": self.reason} | ({"chosen": self.chosen} if self.chosen else {})


def choose_stepper(config: Config, alone: bool = False, work: Work | None = None) -> Choice:
    """Of a run by itself (`alone`), or of one that a sweep asks for.

    It follows from the config, and from whether there is a C compiler on this machine.

    Args:
        config: of the run.
        alone: whether it is a run by itself.
        work: of a step; without it rules are not replaced by C, unless that is asked for by name.

    Raises:
        LabError: a run by itself is asked to be stepped as it cannot be.
    """
    asked = config.trainer.stepper
    why = "a run by itself has the bits of torch's own class" if alone else _why_alone(config)
    if asked == "torch" or (why and asked == "auto"):
        return Choice("torch", why or "trainer.stepper=torch asks for it")
    no_rule = _why_no_rule(config)
    if alone and (no_rule or config.trainer.strategy == "ddp"):
        no_rule = no_rule or "trainer=ddp shares the batches of one run"
        raise LabError(f"trainer.stepper={asked}: {no_rule}; leave it out, and torch's own class takes the steps")
    if why and (no_rule or config.trainer.strategy == "ddp"):
        return Choice("torch", why)
    if no_rule and config.trainer.create_graph:
        return Choice("each", no_rule)
    if no_rule:
        found = grain_of(config.optimizer.target_, config.optimizer.arguments())
        return Choice("class", no_rule) if found.grain else Choice("each", f"{no_rule}, and {found.why}")
    reason = f"trainer.stepper={asked} asks for it" if alone else why or ""
    if asked == "rules" or (asked == "auto" and not (work and _pays(config, work))):
        return Choice("rules", reason, bool(why))
    why_not = _why_no_c(config)
    if alone and why_not:
        raise LabError(f"trainer.stepper=compiled: {why_not}; say trainer.stepper=rules, or leave it out")
    if not alone and (why_not := why_not or missing_compiler()):  # a run by itself tells it once it begins
        return Choice("rules", why or why_not, bool(why), "compiled") if asked == "compiled" else Choice("rules")
    return Choice("compiled", reason, bool(why))


def _pays(config: Config, work: Work) -> bool:
    """Whether a job is long enough for C to gain, and small enough.

    It takes steps 16 times as fast as rules on networks 10-32-1 in batches of 32, 3 times on 64-64-10, 1.5 times on
    400-100-10 with all of 1,000 rows, and 8 to 30 times on linear models of 1 to 400 inputs. It gains beyond `LARGEST`
    too (1.2 to 1.6 times on 1000-100-10), but no thread's own stack is sure to hold that.
    """
    if 8 * work.parameters * work.number > LARGEST:
        return False
    return config.trainer.max_steps * (LOOP + work.rows * work.parameters) >= PAYS


def _why_no_c(config: Config) -> str:
    """Why what rules step is not said in C, in words; empty: it is."""
    loss = import_class(config.loss.target_, "loss._target_", object)
    model = import_class(config.model.target_, "model._target_", object)
    rule = rule_of(config.optimizer.target_, config.optimizer.rule)
    if on_gpu(config):
        return "compiled code is of the CPU, and these are on CUDA: say trainer=cpu"
    if getattr(model, "in_c", Model.in_c) is Model.in_c:
        return f"there is no C of the model {config.model.target_.rpartition('.')[2]}"
    if getattr(loss, "in_c", None) is None:
        return f"there is no C of the loss {config.loss.target_.rpartition('.')[2]}"
    if rule is None or rule.needs_loss or not rule.element_wise:
        return f"{type(rule).__name__} looks at more than a number and its own state"
    return ""


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
    if config.trainer.create_graph:
        return "trainer.create_graph keeps graphs, and a stack has none"
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
