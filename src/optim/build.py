"""Any optimizer class from its section of a config: its keys checked, its needs found out, before anything trains."""

import copy
import inspect
import io
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from src.config.classes import check_keys, import_class, parameters_of
from src.errors import LabError, one_line, raised
from src.optim import rule_optimizer
from src.optim.rule_optimizer import as_optimizer
from src.optim.rules import Rule, rule_of
from src.seeds import seeded


@dataclass(frozen=True)
class BuiltOptimizer:
    """An optimizer, its schedule, and what a step of it needs.

    Attributes:
        optimizer: over the model's own parameters.
        scheduler: steps after the optimizer, or None.
        closure: a step takes a closure that computes loss and gradients anew.
        gradient_first: the gradients must be there before a step that takes a closure (SAM).
        path: of the optimizer's class, with its module.
        arguments: the numbers it was built with.
        schedule: the class and the numbers of the schedule.
        rule: of its class, if it has one.
        unreadable: classes of objects that it keeps, with which a checkpoint is not read.
        forgets: it does not go on from its `state_dict()` as it would have gone on.
    """

    optimizer: Optimizer
    scheduler: LRScheduler | None
    closure: bool
    gradient_first: bool
    path: str
    arguments: Mapping[str, Any]
    schedule: Mapping[str, Any] | None
    rule: Rule | None = None
    unreadable: tuple[str, ...] = ()
    forgets: bool = False

    @property
    def switches(self) -> bool:
        """Whether it has others to evaluate than to train (Schedule-Free, Defazio et al. 2024)."""
        return switches(self.optimizer)

    def train(self) -> None:
        """Switch to the parameters that are trained."""
        self._switch("train")

    def eval(self) -> None:
        """Switch to the parameters that are evaluated and kept."""
        self._switch("eval")

    def _switch(self, mode: str) -> None:
        if self.switches:
            getattr(self.optimizer, mode)()


def switches(optimizer: Optimizer) -> bool:
    """Whether an optimizer has `train` and `eval`, which change its parameters."""
    return all(callable(getattr(optimizer, name, None)) for name in ("train", "eval"))


def unreadable(state: Any) -> tuple[str, ...]:
    """The classes of what is kept beside tensors and plain values: they are code, which no checkpoint is read with.

    Raises:
        Exception: it cannot be written either; whatever the pickler raises.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return tuple(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(buffer)))


def load_state(optimizer: Optimizer, kept: Mapping[str, Any]) -> None:
    """Load a `state_dict()` bit for bit.

    torch's own loading makes every number of the state the parameter's dtype, in lists and mappings too: NAdam's
    product of momenta, which is float32 beside float64 parameters, would go on as float64, and elsewhere.
    """
    optimizer.load_state_dict(dict(kept))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    numbers = [number for group in kept["param_groups"] for number in group["params"]]
    for number, parameter in zip(numbers, parameters, strict=True):
        if number in kept["state"]:
            optimizer.state[parameter] = _as_kept(optimizer.state[parameter], kept["state"][number])


def _as_kept(now: Any, kept: Any) -> Any:
    """A tree of a loaded state with the dtypes that it was kept with."""
    if isinstance(now, Tensor) and isinstance(kept, Tensor):
        return now if now.dtype == kept.dtype else kept.detach().clone().to(now.device)
    if isinstance(now, dict) and isinstance(kept, Mapping):
        now.update({key: _as_kept(value, kept[key]) for key, value in now.items() if key in kept})
        return now
    if isinstance(now, list | tuple) and isinstance(kept, list | tuple) and len(now) == len(kept):
        pairs = [_as_kept(*pair) for pair in zip(now, kept, strict=True)]
        return type(now)(pairs) if type(now) in (list, tuple) else now
    return now


def takes_member_axis(path: str, rule: str | None = None) -> bool:
    """Whether parameters `[1, I, O]` are the same to this class as `[I, O]`; else it is given `[I, O]`.

    Args:
        path: of the class.
        rule: of the user's own for it.
    """
    known = rule_of(path, rule)
    return path == "torch.optim.LBFGS" if known is None else known.element_wise


def with_defaults(path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """These arguments of an optimizer's class, and those that it has by default.

    Raises:
        LabError: it cannot be imported, does not take them, or needs others.
    """
    check_keys(optimizer_class(path), arguments, "optimizer", 1)
    return {**_defaults(path), **arguments}


@cache
def _defaults(path: str) -> Mapping[str, Any]:
    taken = parameters_of(optimizer_class(path)) or ()
    return {p.name: p.default for p in taken if p.default is not p.empty}


def optimizer_class(path: str) -> Any:
    """The class, or factory function, of optimizers at `path`; of a rule the class that steps by it.

    Raises:
        LabError: it cannot be imported, or is neither.
    """
    found = import_class(path, "optimizer._target_", (Optimizer, Rule))
    is_rule = isinstance(found, type) and issubclass(found, Rule)
    return as_optimizer(found) if is_rule else found


def instance(
    path: str, arguments: Mapping[str, Any], parameters: Iterable[nn.Parameter], stepped: bool = True
) -> Optimizer:
    """An optimizer of a class.

    Args:
        path: the dotted name of the class.
        arguments: it is given.
        parameters: what it updates.
        stepped: whether it takes steps, or is only there to say what it makes of its arguments.

    Raises:
        LabError: it cannot be imported, or makes something else.
        Exception: what the class raises.
    """
    kind = optimizer_class(path)
    optimizer = (kind if stepped else unguarded(kind))(list(parameters), **arguments)
    if not isinstance(optimizer, Optimizer):
        raise LabError(f"optimizer._target_={path} makes a {type(optimizer).__name__}, not a torch.optim.Optimizer")
    return optimizer


class _Unguarded(Optimizer):
    add_param_group = inspect.unwrap(Optimizer.add_param_group)


@cache
def unguarded(kind: Any) -> Any:
    """A class of optimizers without torch's guard against its own compiler, which takes as long to import as torch.

    What is the user's own, and may be made in any way, stays as it is.
    """
    ours = isinstance(kind, type) and kind.__module__.startswith(("torch.", "src."))
    return type(kind.__name__, (kind, _Unguarded), {"__module__": kind.__module__}) if ours else kind


def build_optimizer(
    section: Mapping[str, Any],
    schedule: Mapping[str, Any] | None,
    parameters: Sequence[nn.Parameter],
    create_graph: bool = False,
    rule: str | None = None,
    stepped: bool = True,
) -> BuiltOptimizer:
    """Build an optimizer and its schedule.

    Args:
        section: `optimizer` of a config, as its class is given it.
        schedule: `scheduler` of a config.
        parameters: what is updated.
        create_graph: gradients keep their graph.
        rule: the dotted name of the user's own for this class.
        stepped: see `instance`.

    Raises:
        LabError: a class that cannot be imported or is no optimizer, keys or numbers that it refuses, a step that can
            not be served.
    """
    path = section["_target_"]
    arguments = numbers_of(section)
    check_keys(optimizer_class(path), arguments, "optimizer", 1)

    def build(over: Sequence[nn.Parameter]) -> Optimizer:
        try:
            return instance(path, arguments, over, stepped)
        except LabError:
            raise
        except Exception as error:  # a user's class can raise anything
            raise LabError(f"{path} cannot be built: {_reason(error)}") from None

    own, objects, forgets = rule_of(path), tuple[str, ...](), False
    closure, gradient_first = path == "torch.optim.LBFGS", False
    if not takes_member_axis(path) or not path.startswith(("torch.", "src.")):
        closure, gradient_first, objects = _probe(path, build, parameters, create_graph)
        forgets = own is None and not (closure or create_graph) and _forgets(build, parameters)
    if own is not None:
        closure, gradient_first = own.needs_loss, False
    optimizer = build(parameters)
    spare = build([nn.Parameter(p.detach().clone()) for p in parameters]) if schedule else optimizer
    return BuiltOptimizer(
        optimizer, _schedule(schedule, optimizer, spare), closure, gradient_first, path, arguments,
        dict(schedule) if schedule else None, rule_of(path, rule), objects, forgets,
    )  # fmt: skip


def _schedule(section: Mapping[str, Any] | None, optimizer: Optimizer, spare: Optimizer) -> LRScheduler | None:
    """The schedule over `optimizer`, after one over `spare` has taken a step: some numbers are only refused there."""
    if section is None:
        return None
    path = section["_target_"]
    arguments = numbers_of(section)
    factory = import_class(path, "scheduler._target_", LRScheduler)
    check_keys(factory, arguments, "scheduler", 1)
    if not all("lr" in group for group in optimizer.param_groups):
        raise LabError(f"{type(optimizer).__name__} has no lr for a schedule to change: scheduler=none")
    try:
        first, scheduler = factory(spare, **arguments), factory(optimizer, **arguments)
        if isinstance(first, LRScheduler):
            first_step(first)
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"{path} refuses its numbers: {_reason(error)}") from None
    if not isinstance(scheduler, LRScheduler):
        raise LabError(f"scheduler._target_={path} makes a {type(scheduler).__name__}, not an LRScheduler of torch")
    return scheduler


def first_step(scheduler: LRScheduler) -> None:
    """A step without one of the optimizer before it, for some numbers are only refused there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step(1.0) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()


def _forgets(build: Callable[[Sequence[nn.Parameter]], Optimizer], parameters: Sequence[nn.Parameter]) -> bool:
    """Whether a step after its `state_dict()` is loaded is another than without; found out on copies."""

    def step(optimizer: Optimizer, over: Sequence[nn.Parameter]) -> None:
        for parameter in over:
            parameter.grad = torch.ones_like(parameter)
        with seeded(0, "optim.build"):
            optimizer.step()

    try:
        first = [nn.Parameter(p.detach().clone()) for p in parameters]
        optimizer = build(first)
        if switches(optimizer):
            optimizer.train()  # type: ignore[attr-defined]
        step(optimizer, first)
        second = [nn.Parameter(p.detach().clone()) for p in first]
        other = build(second)
        load_state(other, copy.deepcopy(optimizer.state_dict()))
        step(optimizer, first)
        step(other, second)
    except Exception:  # a user's class can raise anything; a run that goes on will say what
        return False
    return not all(torch.allclose(*pair, rtol=0, atol=0, equal_nan=True) for pair in zip(first, second, strict=True))


def _probe(
    path: str,
    build: Callable[[Sequence[nn.Parameter]], Optimizer],
    parameters: Sequence[nn.Parameter],
    create_graph: bool,
) -> tuple[bool, bool, tuple[str, ...]]:
    """Whether a step needs a closure, and the gradients before; and the classes in its state that are not read.

    Found out on throwaway copies of the parameters: tried are a plain step and, where that raises, one with a closure,
    the gradients being there in both cases.
    """
    stepped: list[tuple[Optimizer, list[nn.Parameter]]] = []

    def attempt(with_closure: bool) -> Exception | None:
        copies = [nn.Parameter(p.detach().clone()) for p in parameters]

        def closure() -> Tensor:
            with torch.enable_grad():
                loss = torch.stack([(p - 1).square().sum() for p in copies]).sum()
                gradients = torch.autograd.grad(loss, copies, create_graph=create_graph)
            for p, gradient in zip(copies, gradients, strict=True):
                p.grad = gradient
            return loss.detach()

        optimizer = build(copies)
        try:
            if callable(getattr(optimizer, "train", None)):
                optimizer.train()  # type: ignore[attr-defined]
            closure()
            optimizer.step(cast(Any, closure)) if with_closure else optimizer.step()
        except Exception as error:  # a user's class can raise anything
            return error
        stepped.append((optimizer, copies))
        return None

    with torch.random.fork_rng(devices=[]):
        plain = attempt(False)
        closed = None if plain is None else attempt(True)
    if plain is None or closed is None:
        optimizer, copies = stepped[0]
        for was, now in zip(parameters, copies, strict=True):
            if (now.shape, now.dtype) != (was.shape, was.dtype):
                what = f"{list(was.shape)} {was.dtype} into one of {list(now.shape)} {now.dtype}"
                raise LabError(f"{path} makes a parameter of {what}: it must change numbers, not what holds them")
        try:
            return plain is not None, plain is not None, unreadable(optimizer.state_dict())
        except Exception as error:  # a user's class can keep anything
            raise LabError(f"{path} keeps in its state what no checkpoint can hold: {one_line(error)}") from None
    hint = ""
    if not create_graph and any(
        word in f"{plain} {closed}" for word in ("create_graph", "grad_fn", "does not require grad")
    ):
        hint = "; it seems to differentiate the gradient: trainer.create_graph=true"
    reason = _reason(plain)
    if _reason(closed) != reason:
        reason += f" (with a closure: {_reason(closed)})"
    raise LabError(f"{path} cannot take a step: {reason}{hint}")


def with_lowest_loss(section: Mapping[str, Any], lowest: float = 0.0) -> dict[str, Any]:
    """A section with the lowest loss in place of `lowest_loss=exact`; where nothing is trained, any number does."""
    known = {"lowest_loss": lowest} if asks_for_lowest_loss(section) else {}
    return {**section, **known}


def asks_for_lowest_loss(section: Mapping[str, Any]) -> bool:
    """Whether an optimizer is to be given the lowest loss there is, which a run knows once it has its data."""
    return section.get("lowest_loss") == "exact"


def numbers_of(section: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a section, without Hydra's own keys."""
    return {key: tuples(value) for key, value in section.items() if not key.startswith("_")}


def listed(arguments: Mapping[str, Any]) -> str:
    """As they are told in a sentence."""
    return ", ".join(f"{key}={value}" for key, value in arguments.items())


def tuples(value: Any) -> Any:
    """Lists of a config as the tuples that optimizers expect."""
    return tuple(tuples(inner) for inner in value) if isinstance(value, list) else value


def _reason(error: Exception | None) -> str:
    """What was raised, with the last line outside of torch where it passed."""
    return raised(error, lambda path: "site-packages" in path or path in (__file__, rule_optimizer.__file__))
