"""The checks of an optimizer, each a function from a candidate to what was found, in the order of the table."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.check.candidate import CPU, SHAPES, Candidate, DoesNotApply, Steps, apart, gradients, same, starts
from src.check.convergence import BOWL, NOISY, RAVINE, Finding, converges
from src.errors import LabError, one_line, raised
from src.optim.build import numbers_of, with_lowest_loss
from src.optim.rules import rule_of
from src.optim.stacked_class import grain_of
from src.optim.stacked_rule import StackedRule
from src.run_directory.checkpoint_file import loaded, written
from src.seeds import stream

# --- can it be trusted? ----------------------------------------------------------------------------------------------


def _repeats(candidate: Candidate) -> Finding:
    """Torch's global generators are seeded, as a run does it; no others are."""
    if candidate.apart_from_itself == 0:
        return "held", "the same bits twice"
    return "failed", (
        f"{candidate.apart_from_itself:.2g} apart from itself: it draws from a generator that torch.manual_seed does "
        "not seed, or keeps something from one run to the next"
    )


def _saved(candidate: Candidate) -> Finding:
    """A run is cut in two, with a checkpoint between the halves; in both dtypes, because loading may change one."""
    candidate.must_repeat()
    for dtype in candidate.dtypes:
        whole, resumed = _cut_in_two(candidate, dtype)
        if not same(resumed, whole):
            return "failed", (
                f"{apart(resumed, whole):.2g} apart from a run without a break, in {_name(dtype)}: "
                "not all that it keeps comes back from its state_dict() as it was"
            )
    return "held", "after loading, the same bits as without a break"


def _cut_in_two(candidate: Candidate, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Where a run ends, and where it ends with a checkpoint on the way, written and read as those of runs are.

    Raises:
        LabError: it is not read.
    """
    first, second = gradients(10, dtype)[:5], gradients(10, dtype)[5:]
    whole = Steps(candidate, starts(dtype)).take(first)
    whole.built.eval()  # a checkpoint is taken of the parameters that are evaluated
    whole.built.train()
    whole.take(second)
    half = Steps(candidate, starts(dtype)).take(first)
    half.built.eval()
    kept = {"optimizer": half.optimizer.state_dict(), "values": half.values, "random": torch.get_rng_state()}
    read = loaded(written(kept), "a run's checkpoint cannot be read again")
    resumed = Steps(candidate, read["values"], kept=read["optimizer"])
    torch.set_rng_state(read["random"])
    resumed.take(second)
    return whole.values, resumed.values


def _elementwise(candidate: Candidate) -> Finding:
    """Two members in one parameter `[2, I, O]`, against every single number alone."""
    generator = stream(0, "check.elementwise")
    start, *given = torch.randn(7, 2, 3, 2, generator=generator, dtype=candidate.dtype)
    alone = [
        Steps(candidate, [number.view(1, 1)]).take([[g.view(1, 1)] for g in own]).values[0].view(())
        for number, *own in zip(start.flatten(), *(g.flatten() for g in given), strict=True)
    ]
    try:
        stacked = Steps(candidate, [start]).take([[g] for g in given]).parameters
    except Exception:  # a user's class can raise anything
        return "no", f"it takes no parameter [P, I, O]: {_in_a_sweep(candidate)}"
    if candidate.close([torch.stack(alone)], [stacked[0].detach().flatten()]):
        return "yes", f"every number by its own gradient alone: {_in_a_sweep(candidate)}"
    return "no", f"together, numbers do not move as each does alone: {_in_a_sweep(candidate)}"


def _in_a_sweep(candidate: Candidate) -> str:
    """How runs of it are trained together."""
    rule = rule_of(candidate.path, candidate.rule)
    if rule is not None and rule.serves(numbers_of(with_lowest_loss(candidate.section))):
        return "a sweep steps all members together, by its rule"
    found = grain_of(candidate.path, candidate.section)
    return {
        "setting": "a sweep steps all seeds of a setting together, by the class itself",
        "tensor": "a sweep steps the class on each member's own parameters, with all gradients at once",
        None: f"runs of a sweep take their steps one after another, as {found.why}",
    }[found.grain]


def _rule(candidate: Candidate) -> Finding:
    """A stack of two under the same gradients."""
    rule, numbers = rule_of(candidate.path, candidate.rule), numbers_of(with_lowest_loss(candidate.section))
    if rule is None or not rule.serves(numbers):
        raise DoesNotApply(f"it has none for these numbers: {_in_a_sweep(candidate)}")
    start, *given = (
        torch.cat([part.flatten() for part in parts]).repeat(2, 1)
        for parts in [candidate.starts(), *candidate.gradients(10)]
    )
    first = start[0].clone()
    lowest = {"lowest_loss": 0.0} if "lowest_loss" in numbers else {}
    stack = StackedRule(start, candidate.path, [{**numbers, **lowest}] * 2, rule=rule, shapes=SHAPES)
    for step, gradient in enumerate(given):
        stack.start(step, 1)
        loss = torch.ones(2, dtype=start.dtype) if lowest else (gradient * stack.flat).sum(1)  # as `Steps` have it
        stack(0, gradient, loss if rule.needs_loss else None)
    alone = torch.cat(
        [value.flatten() for value in Steps(candidate, candidate.starts()).take(candidate.gradients(10)).values]
    )
    off = apart(list(stack.flat), [alone] * 2)
    coarse = 0.0 if rule.digits is None else 2.0**-rule.digits * apart([alone], [first])
    if candidate.close(list(stack.flat), [alone] * 2) or off <= coarse:
        return "held", "a stack's steps are those of the class"
    return "failed", f"a stack ends {off:.2g} apart from the class after 10 steps"


# --- is it robust? ---------------------------------------------------------------------------------------------------


def _zero(candidate: Candidate) -> Finding:
    """At once, and after a few ordinary steps."""
    at, given = starts(torch.float32), gradients(4, torch.float32)
    nothing = [torch.zeros_like(start) for start in at]
    steps = Steps(candidate, at).take([nothing])
    if not steps.finite:
        return "failed", "not finite after the first gradient is 0: does it divide by a norm, or by √s without an ε?"
    after = steps.values
    shrunk = all(bool((v * s >= 0).all() and (v.abs() <= s.abs()).all()) for v, s in zip(after, at, strict=True))
    if not shrunk:
        return "failed", f"moves by {apart(after, at):.2g} when the first gradient is 0"
    steps.take([*given[:3], nothing, nothing, nothing, given[3]])
    if not steps.finite:
        return "failed", "not finite when gradients become 0 after a few steps"
    return "held", "nothing moves at the start" if same(after, at) else "only decay moves it at the start"


def _huge(candidate: Candidate) -> Finding:
    """1e15 once, whose square float32 still holds: at once, and after a few ordinary steps."""
    given = gradients(6, torch.float32)
    huge = [1e15 * gradient.sign() for gradient in given[0]]
    for when, before in (("first", 0), ("fourth", 3)):
        steps = Steps(candidate, starts(torch.float32)).take([*given[:before], huge])
        if not steps.finite:
            return "failed", f"not finite after the {when} gradient is 1e15, in float32"
        if not steps.take(given[3:]).finite:
            return "failed", f"not finite in the steps after a gradient of 1e15 (the {when}), in float32"
    return "held", "finite after a gradient of 1e15, and from then on"


def _gradients(candidate: Candidate) -> Finding:
    """Whether a step leaves them as they are: they may be there to add up, or to be watched."""
    decaying = candidate.giving(weight_decay=0.1) if candidate.takes("weight_decay") else candidate
    for which, what in ((candidate, ""), (decaying, ", with weight_decay=0.1")):
        if Steps(which, candidate.starts()).take(candidate.gradients(3)).changed_gradients:
            return "failed", f"a step changes p.grad in place{what}: gradients that add up, or are drawn, are others"
    return "held", "a step leaves p.grad as it is"


def _missing(candidate: Candidate) -> Finding:
    """The second parameter has no gradient (`p.grad is None`), as one that the loss does not depend on."""
    candidate.must_repeat()
    at, given = candidate.starts(), candidate.gradients(6)
    steps = Steps(candidate, at).take([[weight, None] for weight, _ in given[:3]])
    alone = Steps(candidate, at[:1]).take([[weight] for weight, _ in given[:3]])
    if not torch.equal(steps.values[1], at[1]):
        return "failed", f"a parameter without a gradient moves by {apart(steps.values[1:], at[1:]):.2g}"
    if not candidate.close(steps.values[:1], alone.values):
        return "failed", "beside one without a gradient, a parameter does not move as if it were alone"
    steps.take([*given[3:5], [given[5][0], None]])
    if not steps.finite:
        return "failed", "not finite when a gradient is missing after a few steps"
    return "held", "its parameter stays, another moves as if it were alone"


BETAS = (0.5, 0.9)


def _first(candidate: Candidate) -> Finding:
    """Whether a mean of gradients is corrected by the decay that it is made with.

    An exponential mean with decay b that starts at 0 holds 1 - b of the first gradient. A class like Adam divides by
    that (Kingma & Ba 2015, section 3), or not: so its first step goes like (1 - b1)^0 or (1 - b1)^1, and like
    (1 - b2)^0 or (1 - b2)^(-1/2). Divided by the other's share instead, it goes like a power of (1 - b1) / (1 - b2).
    """
    if not candidate.takes("betas") or not _two(candidate.defaults.get("betas")):
        return _length(candidate)
    rest: tuple[float, ...] = tuple(candidate.defaults["betas"])[2:]

    def length(first: float, second: float) -> float:
        at = candidate.starts()
        taken = Steps(candidate.giving(betas=(first, second, *rest)), at).take(_constant(candidate, 1)).values
        return max(apart(taken, at), 1e-300)

    low, high = BETAS
    from_first = math.log(length(high, high) / length(low, high)) / math.log((1 - high) / (1 - low))
    from_second = math.log(length(low, high) / length(low, low)) / math.log((1 - high) / (1 - low))
    for own, other in SWAPPED:
        if abs(from_first - own) < 0.02 and abs(from_second - other) < 0.02:
            return "failed", (
                f"the first step goes like (1 - b1)^{own:g} (1 - b2)^{other:g} of its betas: is a mean divided by "
                "1 - b^t of the other one's b?"
            )
    return _length(candidate)


SWAPPED = ((1.5, -1.5), (1.0, -1.0), (0.5, -0.5), (1.5, -0.5))
"""Powers of 1 - b1 and 1 - b2 where both means, the first, the second, or both by b1 alone are divided so."""


def _two(betas: Any) -> bool:
    return isinstance(betas, list | tuple) and len(betas) >= 2 and all(isinstance(beta, float) for beta in betas[:2])


def _constant(candidate: Candidate, steps: int, size: float = 1.0) -> list[list[Tensor]]:
    """The same gradient for so many steps, every number of this size."""
    return [[size * gradient.sign() for gradient in candidate.gradients(1)[0]]] * steps


def _length(candidate: Candidate) -> Finding:
    """Of the first step, in learning rates, where it does not depend on how large the gradient is."""
    at = candidate.starts()
    moved = [apart(Steps(candidate, at).take(_constant(candidate, 1, size)).values, at) for size in (1.0, 100.0)]
    if not all(map(math.isfinite, moved)):
        return "failed", "not finite where every gradient is 1, or 100"
    if candidate.rate is None or not moved[0] or abs(moved[1] / moved[0] - 1) > 0.01:
        return "held", f"moves by {moved[0]:.3g} where every gradient is 1"
    times = moved[0] / candidate.rate
    if times > LONGEST:
        return (
            "failed",
            f"{times:.3g} times the lr, however small the gradient: is a mean divided by too small a number?",
        )
    return "held", f"{times:.3g} times the lr, however large the gradient"


LONGEST = 50
"""Learning rates: RMSprop's first step is 10, with a decay of 0.999 it is 32."""


# --- does it listen? -------------------------------------------------------------------------------------------------


def _groups(candidate: Candidate) -> Finding:
    """A group for each parameter, the second with a tenth of the learning rate where there is one."""
    candidate.must_repeat()
    at, given = candidate.starts(), candidate.gradients(5)
    slower = candidate if candidate.rate is None else candidate.giving(lr=candidate.rate / 10)
    # over both parameters, for a class in which one's step depends on the other's gradient
    expected = [Steps(candidate, at).take(given).values[0], Steps(slower, at).take(given).values[1]]
    if candidate.rate is None:
        rates: list[float | None] = [None, None]
    else:  # a class may make the lr of its groups out of the one it is given
        rates = [None, 0.1 * float(candidate.defaults.get("lr", candidate.rate))]
    found = Steps(candidate, at, rates=rates).take(given).values
    for which, one, other in zip(("first", "second"), found, expected, strict=True):
        if not candidate.close([one], [other]):
            at_its_own = "" if candidate.rate is None else " at the group's own lr"
            return "failed", f"the {which} of two groups does not move as it would{at_its_own}"
    return "held", "two groups move each" + (" as it would alone" if candidate.rate is None else " at its own lr")


def _scheduled(candidate: Candidate) -> Finding:
    """`group["lr"]` becomes a tenth: before the first step, and after a few."""
    if candidate.rate is None:
        raise DoesNotApply("it takes no lr")
    candidate.must_repeat()
    at, given = candidate.starts(), candidate.gradients(8)
    early = Steps(candidate, at)
    if not all("lr" in group for group in early.optimizer.param_groups):
        return "failed", 'its groups have no "lr" for a schedule to change'
    early.scale_lr(0.1)
    early.take(given)
    built = Steps(candidate.giving(lr=candidate.rate / 10), at).take(given)
    if not candidate.close(early.values, built.values):
        return "failed", 'a change of group["lr"] before the first step is not the lr that it then moves at'
    late = Steps(candidate, at).take(given[:4])
    late.scale_lr(0.1)
    if same(late.take(given[4:]).values, Steps(candidate, at).take(given).values):
        return "failed", 'a change of group["lr"] after the first step changes nothing: no schedule has any effect'
    return "held", 'a change of group["lr"] changes the steps'


def _decays(candidate: Candidate) -> Finding:
    """With gradients of 0, weight decay is all that is left."""
    if not candidate.takes("weight_decay"):
        raise DoesNotApply("it takes no weight_decay")
    decay, lr = 0.1, None if candidate.rate is None else 0.01  # too little to step across 0
    plain = candidate.giving(weight_decay=0.0) if lr is None else candidate.giving(weight_decay=0.0, lr=lr)
    decaying, at, given = plain.giving(weight_decay=decay), candidate.starts(), candidate.gradients(5)
    steps = Steps(decaying, at).take([[torch.zeros_like(start) for start in at]] * 10)
    if not all(float(v.norm()) < float(s.norm()) * (1 - 1e-12) for v, s in zip(steps.values, at, strict=True)):
        grow = all(float(v.norm()) > float(s.norm()) for v, s in zip(steps.values, at, strict=True))
        what = "grow: is its sign right?" if grow else "do not shrink"
        return "failed", f"with gradients of 0 and weight_decay={decay:g} the parameters {what}"
    inside = Steps(plain, at)
    for gradient in given:
        inside.take([[g + decay * value for g, value in zip(gradient, inside.values, strict=True)]])
    if candidate.close(Steps(decaying, at).take(given).values, inside.values):
        return "held", "in the gradient, as a penalty in the loss would be"
    first = [Steps(one, at).take(given[:1]).values for one in (decaying, plain)]
    move = [one - other for one, other in zip(*first, strict=True)]
    if lr is not None and candidate.close(move, [-lr * decay * start for start in at]):
        return "held", "beside the gradient (decoupled), lr * weight_decay"
    return "held", "the parameters shrink"


# --- where does it run? ----------------------------------------------------------------------------------------------


def _double(candidate: Candidate) -> Finding:
    """Whether a step in float64 has the digits of one."""
    if candidate.refusal:
        return "failed", f"it takes no step there; the other checks are in float32: {one_line(candidate.refusal)}"
    given = gradients(5)
    steps = Steps(candidate, starts()).take(given)
    kept = {
        tensor.dtype for tensor in [*steps.values, *steps.state] if tensor.is_floating_point() and tensor.numel() > 1
    }
    if kept != {torch.float64}:
        return "failed", f"parameters or state become {' and '.join(map(_name, kept - {torch.float64}))}"
    candidate.must_repeat()
    # gradients without the digits that float32 does not have; then ones that differ by about a percent
    rounded = Steps(candidate, starts()).take([[g.float().double() for g in step] for step in given])
    coarse = Steps(candidate, starts()).take([[(g * 128).round() / 128 for g in step] for step in given])
    if not same(coarse.values, steps.values) and same(rounded.values, steps.values):
        return "failed", "parameters stay float64, but the step is computed with fewer digits than float32 has"
    try:
        single, double = (
            Steps(candidate, starts(dtype)).downhill(5).values for dtype in (torch.float32, torch.float64)
        )
    except Exception as error:  # in float32: float64 has taken steps
        return "held", f"parameters, state and arithmetic; in float32 it raises {type(error).__name__}"
    # no failure where they are apart: a class may enlarge any rounding (Prodigy), and float64 has its digits
    near = "near to float32" if _agree(single, double) else f"float32 ends {apart(single, double):.2g} apart"
    return "held", f"parameters, state and arithmetic; {near}"


def _agree(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    """Within 1e-4 of how far `right` has come, and float32's rounding."""
    return apart(left, right) <= 1e-4 * apart(right, starts()) + 1e-6


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _cuda(candidate: Candidate) -> Finding:
    """A few steps on the card, against the processor's."""
    if not torch.cuda.is_available():
        raise DoesNotApply("no CUDA here")
    candidate.must_repeat()
    return on_device(candidate, torch.device("cuda"))


def on_device(candidate: Candidate, device: torch.device) -> Finding:
    """A few steps there, in float32, against the processor's."""
    at = starts(torch.float32)
    there, here = (Steps(candidate, [start.to(where) for start in at]).downhill(5) for where in (device, CPU))
    if any(value.device.type != device.type for value in there.values):
        return "failed", f"parameters leave {device.type}"
    if not _agree(there.values, here.values):
        return "failed", f"{apart(there.values, here.values):.2g} apart from the same steps on the processor"
    return "held", "near to the same steps on the processor"


# --- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes:
        name: of the check.
        state: "held", "another lr" where it did but not at the one given, or "failed"; "does not apply"; "yes" or "no"
            where either is fine.
        sentence: what was found, or why not.
    """

    name: str
    state: str
    sentence: str

    @property
    def held(self) -> bool | None:
        """Whether it held; None where that is no question."""
        return {"held": True, "another lr": True, "failed": False}.get(self.state)


CHECKS: tuple[tuple[str, Callable[[Candidate], Finding]], ...] = (
    ("bowl", partial(converges, problem=BOWL)),
    ("ravine", partial(converges, problem=RAVINE)),
    ("noisy rows", partial(converges, problem=NOISY)),
    ("repetition", _repeats),
    ("save and load", _saved),
    ("element-wise", _elementwise),
    ("rule", _rule),
    ("zero gradient", _zero),
    ("huge gradient", _huge),
    ("no gradient", _missing),
    ("gradients", _gradients),
    ("first step", _first),
    ("groups", _groups),
    ("schedule", _scheduled),
    ("weight decay", _decays),
    ("float64", _double),
    ("CUDA", _cuda),
)


def outcome(name: str, check: Callable[[Candidate], Finding], candidate: Candidate) -> Outcome:
    """What comes of a check; torch's global generators are left as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            return Outcome(name, *check(candidate))
        except DoesNotApply as reason:
            return Outcome(name, "does not apply", str(reason))
        except Exception as error:  # a user's class can raise anything
            return Outcome(name, "failed", _reason(error))


def _reason(error: Exception) -> str:
    """What was raised, in one line, with the last line outside of torch and of what takes the steps."""
    if isinstance(error, LabError):
        return one_line(error)
    source = Path(__file__).parent.parent
    stepping = {*source.glob("check/*.py"), *source.glob("engine/*.py"), source / "optim/build.py"}
    library = str(Path(torch.__file__).parent)
    return raised(error, lambda path: Path(path) in stepping or path.startswith(library))
