"""Sound optimizers against closed forms and torch's own documentation; broken ones, each for what is broken."""

import random
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from src.check.__main__ import candidate_of, main
from src.check.candidate import CPU, Candidate
from src.check.checks import CHECKS, Outcome, on_device, outcome
from src.check.convergence import BOWL, NOISY, RAVINE, LeastSquares
from src.config.compose import CONF
from src.config.domains import NOT_NEGATIVE, POSITIVE
from src.errors import LabError
from src.optim.rules import RULES, Rule
from src.optim.rules.rule import Acting, Scalars, State, decayed

OPTIMIZERS = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml") if "textbook" not in path.stem)
"""The textbook ones are held against their formulas elsewhere."""
NOT_HELD = {
    "lbfgs": {"groups": "LBFGS doesn't support per-parameter options"},  # torch refuses them
    "muon": {"float64": "fewer digits than float32"},  # torch orthogonalises in bfloat16
    "rprop": {"schedule": "no schedule has any effect"},  # lr is only its first step size
}
COUPLED = "in the gradient, as a penalty in the loss would be"
DECOUPLED = "beside the gradient (decoupled), lr * weight_decay"


@cache
def outcomes(*words: str) -> dict[str, Outcome]:
    candidate = candidate_of(words)
    return {name: outcome(name, check, candidate) for name, check in CHECKS}


def failed(found: dict[str, Outcome]) -> dict[str, str]:
    return {name: one.sentence for name, one in found.items() if one.held is False}


def own(name: str, *words: str) -> tuple[str, ...]:
    return (f"optimizer._target_=tests.check.test_checks.{name}", *words)


# --- sound -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_of_conf(optimizer: str) -> None:
    found = outcomes(f"optimizer={optimizer}")
    expected = NOT_HELD.get(optimizer, {})
    assert failed(found).keys() == expected.keys(), failed(found)
    for name, part in expected.items():
        assert part in found[name].sentence
    path = candidate_of([f"optimizer={optimizer}"]).path
    rule = RULES.get(path)
    assert found["element-wise"].state == ("yes" if rule and rule.element_wise and optimizer != "polyak" else "no")
    assert found["rule"].state == ("held" if rule else "does not apply")


@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [("sgd", COUPLED), ("adam", COUPLED), ("asgd", COUPLED), ("adamw", DECOUPLED), ("muon", DECOUPLED)],
)
def test_where_weight_decay_is_as_torch_documents_it(optimizer: str, sentence: str) -> None:
    assert outcomes(f"optimizer={optimizer}")["weight decay"].sentence == sentence


def _gradients_of_descent(problem: LeastSquares, lr: float) -> int:
    """Full-batch gradient descent in closed form: the excess in direction i shrinks by (1 - a λᵢ)² a step."""
    x = problem.data.train.inputs.double().numpy()
    design = np.concatenate([np.ones((len(x), 1)), x], 1)
    eigenvalues = np.linalg.eigvalsh(2 * design.T @ design / len(x))
    assert eigenvalues.max() / eigenvalues.min() == pytest.approx(problem.condition_number, rel=1e-5)
    marks = [*range(1, 21), *range(30, problem.budget + 1, 10)]
    return next(k for k in marks if ((1 - lr * eigenvalues) ** (2 * k)).mean() <= problem.goal)


@pytest.mark.parametrize("lr", [0.1, 0.3])
@pytest.mark.parametrize(("name", "problem"), [("bowl", BOWL), ("ravine", RAVINE)])
def test_descent_takes_as_many_gradients_as_theory_says(name: str, problem: LeastSquares, lr: float) -> None:
    steps = _gradients_of_descent(problem, lr)
    sentence = outcomes("optimizer=sgd", f"optimizer.lr={lr}")[name].sentence
    assert sentence == f"loss down to {problem.goal * 100:g} % in {steps:,} of {problem.budget:,} gradients, lr {lr:g}"


@pytest.mark.parametrize("problem", [BOWL, RAVINE, NOISY])
def test_a_start_is_equally_far_in_every_direction(problem: LeastSquares) -> None:
    rows = problem.data.train
    x, y = rows.inputs.double().numpy(), rows.targets.double().numpy()
    design = np.concatenate([np.ones((len(x), 1)), x], 1)
    solution, *_ = np.linalg.lstsq(design, y[:, 0])
    values, vectors = np.linalg.eigh(2 * design.T @ design / len(x))
    away = vectors.T @ ([problem.start["bias"], *problem.start["weight"]] - solution)
    # of equal eigenvalues any directions are eigenvectors, so only their sum is certain
    assert (values * away**2 / 2).sum() == pytest.approx(6, rel=1e-6)
    if problem is RAVINE:
        np.testing.assert_allclose((values * away**2 / 2)[:3], 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("lr", "said"), [("5", "lr 0.5; at the 5 given it diverges"), ("1e-3", "lr 0.01; at the 0.001 given it does not")]
)
def test_a_sound_optimizer_at_a_bad_rate_is_not_unsound(lr: str, said: str) -> None:
    bowl = outcome(*CHECKS[0], candidate_of(["optimizer=sgd", f"optimizer.lr={lr}"]))
    assert bowl.held
    assert bowl.sentence.endswith(said)


def test_a_class_without_a_learning_rate() -> None:
    found = outcomes("optimizer._target_=tests.optim.own.Fixed", "optimizer.lr=null")
    assert found["bowl"].sentence == "loss down to 0.1 % in 16 of 500 gradients"  # sgd's at 0.1
    assert found["schedule"].state == "does not apply"
    # it steps its first group only, and takes gradients for granted
    assert failed(found).keys() == {"groups", "no gradient"}


def test_classes_with_needs() -> None:
    # schedule-free: parameters are others in training than in evaluation; the rest of tests.optim.own is as careless
    assert failed(outcomes("optimizer._target_=tests.optim.own.ScheduleFree")).keys() == {"no gradient"}
    sam = outcomes("optimizer._target_=tests.optim.own.Sam")
    assert failed(sam).keys() == {"no gradient", "zero gradient"}  # 0 / 0 in the norm of all gradients
    assert sam["element-wise"].state == "no"
    newton = ["optimizer._target_=tests.optim.own.Newton", "trainer.create_graph=true", "optimizer.lr=0.3"]
    assert outcome(*CHECKS[0], candidate_of(newton)).held


def test_another_device_is_held_against_the_processor() -> None:
    assert on_device(candidate_of(["optimizer=adam"]), CPU)[0] == "held"
    state, sentence = on_device(candidate_of(own("Wanders")), CPU)
    assert state == "failed"
    assert "apart from the same steps on the processor" in sentence


# --- broken ----------------------------------------------------------------------------------------------------------


class Sound(Optimizer):
    """`v <- v / 2 + g + d w;  w <- w - a v`, which those below do a part of wrongly."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    w.sub_(self.move(w, w.grad + group["weight_decay"] * w, group))

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return group["lr"] * self.state[w].setdefault("v", torch.zeros_like(w)).mul_(0.5).add_(g)


class Forgetful(Sound):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory: dict[Tensor, Tensor] = {}

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return group["lr"] * self.memory.setdefault(w, torch.zeros_like(w)).mul_(0.5).add_(g)


class FirstGroup(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, self.param_groups[0])


class NoGroups(Sound):
    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        params = list(params)
        if isinstance(params[0], dict):
            raise ValueError("one group, please")
        super().__init__(params, lr)


class OwnRate(Sound):
    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super().__init__(params, lr)
        self.lr = lr

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, {"lr": self.lr})


class FirstRate(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, {"lr": self.state[w].setdefault("lr", group["lr"])})


class Dies(Sound):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(self.move(w, w.grad + group["weight_decay"] * w, group))


class TakesMissingForZero(Sound):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(self.move(w, w.grad if w.grad is not None else torch.ones_like(w), group) + 0)


class Single(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g.float().to(g), group)


class SingleState(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return group["lr"] * self.state[w].setdefault("v", torch.zeros_like(w).float()).mul_(0.5).add_(g)


class Uphill(Sound):
    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super().__init__(params, lr)

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return -super().move(w, g, group)


class Wanders(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, group) * (1 + 0.01 * random.SystemRandom().random())


class Noisy(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, group) * (1 + 0.01 * torch.rand(()))


class NoEpsilon(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return group["lr"] * g / self.state[w].setdefault("s", torch.zeros_like(w)).addcmul_(g, g).sqrt()


class FourthPower(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        s = self.state[w].setdefault("s", torch.zeros_like(w)).add_(g.square().square())
        return group["lr"] * g / (s.sqrt().sqrt() + 1e-8)


class IgnoresDecay(Sound):
    def __init__(self, params: Iterable[Any], lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr)


class Clips(Sound):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        torch.nn.utils.clip_grad_norm_([w for group in self.param_groups for w in group["params"]], 0.5)
        super().step()


class Keeps(Sound):
    """Objects in its state, which a checkpoint is not read with (as AdaShift's deque)."""

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        last = self.state[w].setdefault("last", deque(maxlen=2))
        last.append(g.clone())
        return group["lr"] * (last[0] + last[-1])


class KeepsCode(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        self.state[w]["schedule"] = lambda lr: lr / 2
        return super().move(w, g, group)


class DecaysInTheGradient(Sound):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    w.sub_(self.move(w, w.grad.add_(w, alpha=group["weight_decay"]), group))


class OnlySingle(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g.lerp(torch.ones_like(g, dtype=torch.float32), 0.0), group)


class Chaotic(Sound):
    """float64 has all of its digits, and float32's rounding is enlarged beyond all bounds."""

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g * (1 + 0.5 * torch.sin(1e7 * g)), group)


class OwnAdam(Sound):
    """Adam (Kingma & Ba 2015, algorithm 1), whose means are corrected by the b at these places."""

    corrected: ClassVar = (0, 1)

    def __init__(self, params: Iterable[Any], lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        super(Sound, self).__init__(params, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        state, betas = self.state[w], group["betas"]
        if not state:
            state.update(k=0, means=[torch.zeros_like(w), torch.zeros_like(w)])
        state["k"] += 1
        for mean, b, what in zip(state["means"], betas, (g, g * g), strict=True):
            mean.lerp_(what, 1 - b)
        shares = [1.0 if at is None else 1 - betas[at] ** state["k"] for at in self.corrected]
        first, second = (mean / share for mean, share in zip(state["means"], shares, strict=True))
        return group["lr"] * first / (second.sqrt() + 1e-8)


class Narrow(Sound):
    """A window of a few percent of learning rates around 0.12, as LAMB's."""

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, {"lr": 0.12 * (group["lr"] / 0.12) ** 30})


class Hidden(OwnAdam):
    """Corrected by the wrong b, and no betas that could be changed."""

    corrected: ClassVar = (1, 0)

    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super(Sound, self).__init__(params, {"lr": lr, "weight_decay": 0.0})

    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        return super().move(w, g, {**group, "betas": (0.9, 0.999)})


class Raises(Sound):
    def move(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        if self.state[w].setdefault("k", 0) == 2:
            raise ArithmeticError("two is enough")
        self.state[w]["k"] += 1
        return super().move(w, g, group)


ITS_FAULT = {
    Sound: {},
    Noisy: {},  # torch's generator is seeded, and kept with a checkpoint
    Chaotic: {},
    Clips: {"gradients": "a step changes p.grad in place: gradients that add up"},
    DecaysInTheGradient: {"gradients": "changes p.grad in place, with weight_decay=0.1"},
    OnlySingle: {"float64": "it takes no step there; the other checks are in float32: tests.check.test_checks.Only"},
    Keeps: {"save and load": "it holds objects (collections.deque), and only tensors and plain values are read"},
    Forgetful: {"save and load": "apart from a run without a break, in float32: not all that it keeps comes back"},
    FirstGroup: {"groups": "the second of two groups does not move as it would at the group's own lr"},
    NoGroups: {"groups": "ValueError at test_checks.py:"},
    OwnRate: {"groups": "the second of two groups", "schedule": "before the first step"},
    FirstRate: {"schedule": "after the first step changes nothing"},
    Dies: {"no gradient": "TypeError at test_checks.py:"},
    TakesMissingForZero: {"no gradient": "a parameter without a gradient moves by", "weight decay": "do not shrink"},
    Single: {"float64": "computed with fewer digits"},
    SingleState: {"float64": "become float32"},  # what is loaded keeps the dtype that it was saved with
    Uphill: dict.fromkeys(
        ["bowl", "ravine", "noisy rows"], "it diverges at lr 0.1, and at none of 5 others tried, 0.0001"
    ),
    Wanders: {"repetition": "a generator that torch.manual_seed does not seed"},
    NoEpsilon: {"zero gradient": "not finite after the first gradient is 0"},
    FourthPower: {"huge gradient": "not finite after the first gradient is 1e15"},
    IgnoresDecay: {"weight decay": "with gradients of 0 and weight_decay=0.1 the parameters do not shrink"},
}


@pytest.mark.parametrize("kind", ITS_FAULT, ids=lambda kind: kind.__name__)
def test_what_is_broken_is_found_and_nothing_else(kind: type[Sound]) -> None:
    found, expected = outcomes(*own(kind.__name__)), ITS_FAULT[kind]
    assert failed(found).keys() == expected.keys(), failed(found)
    for name, part in expected.items():
        assert part in found[name].sentence


CORRECTED = {(0, 1): True, (None, None): True, (0, None): True, (None, 1): True,
             (1, 0): False, (1, 1): False, (0, 0): False, (None, 0): False}  # fmt: skip


@pytest.mark.parametrize("corrected", CORRECTED)
def test_a_mean_that_is_corrected_by_the_decay_of_another_is_found(
    corrected: tuple[int | None, int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OwnAdam, "corrected", corrected)
    found = outcome("first step", dict(CHECKS)["first step"], candidate_of(own("OwnAdam")))
    assert found.held is CORRECTED[corrected], found


def test_a_first_step_of_a_thousand_learning_rates_is_found() -> None:
    found = outcome("first step", dict(CHECKS)["first step"], candidate_of(own("Hidden")))
    assert found.sentence.startswith("1e+03 times the lr, however small the gradient")  # (0.1 / 0.001)^1.5


def test_a_first_step_that_is_not_finite_is_found() -> None:
    words = ["optimizer._target_=tests.optim.own.NotFinite", "optimizer.lr=0.1"]
    assert not outcome("first step", dict(CHECKS)["first step"], candidate_of(words)).held


def test_a_narrow_window_of_learning_rates_is_found() -> None:
    found = outcome(*CHECKS[0], candidate_of(own("Narrow", "optimizer.lr=0.001")))
    assert "lr 0.115; at the 0.001 given it does not" in found.sentence


def test_what_is_not_element_wise_is_no_fault() -> None:
    assert outcomes(*own("Sound"))["element-wise"].state == "yes"
    assert outcomes(*own("Clips"))["element-wise"].state == "no"


class SoundRule(Rule):
    numbers: ClassVar = {"lr": POSITIVE, "weight_decay": NOT_NEGATIVE}
    slots: ClassVar = {"v": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        w.addcmul_(state["v"].mul_(0.5).add_(decayed(w, g, c, on)), c["lr"], value=-1)


class WrongRule(SoundRule):
    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        super().update(w, g * 1.0001, state, c, on)


def test_a_rule_is_held_against_its_class() -> None:
    def found(name: str) -> Outcome:
        words = own("Sound", f"optimizer.rule={__name__}.{name}", "+optimizer.weight_decay=0.1")
        return outcome("rule", dict(CHECKS)["rule"], candidate_of(words))

    assert found("SoundRule").state == "held"
    assert found("WrongRule").state == "failed"
    assert "apart from the class after 10 steps" in found("WrongRule").sentence


def test_one_that_does_not_repeat_itself_is_not_blamed_for_what_follows() -> None:
    found = outcomes(*own("Wanders"))
    for name in ("save and load", "no gradient", "groups", "schedule", "float64"):
        assert found[name].state == "does not apply"


def test_the_generators_of_torch_are_left_alone() -> None:
    before = torch.get_rng_state()
    outcome(*CHECKS[3], candidate_of(own("Noisy")))
    assert torch.equal(torch.get_rng_state(), before)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command in an empty folder, 80 columns wide: exit status and what it says."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def _command(*words: str) -> tuple[int, str, str]:
        try:
            main(list(words))
            code: Any = 0
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert not list(tmp_path.iterdir())
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return _command


def test_the_command_on_a_sound_one(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command()
    assert (code, err) == (0, "")
    assert out.startswith("torch.optim.SGD (lr 0.1)\n")
    assert "sound: all 15 checks that apply held" in out or torch.cuda.is_available()
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    names = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert [name for name in names if name] == [name for name, _ in CHECKS]


def test_the_command_on_one_that_raises(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command(*own("Raises"))
    assert (code, err) == (1, "")
    said = " ".join(out.replace("│", " ").split())
    assert "ArithmeticError at test_checks.py:" in said
    assert "two is enough" in said
    assert "checks failed: bowl, ravine" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["seed=3"], "seed=3: only optimizer=, optimizer.KEY= and trainer.create_graph= can be said here"),
        (["trainer.max_steps=3"], "trainer.max_steps=3: only"),
        (["optimiser=adam"], "did you mean optimizer?"),
        (["adam"], "adam: only optimizer="),
        (["optimizer"], "optimizer: this is not key=value"),
        (["optimizer=adma"], "optimizer=adma: there is no such choice; did you mean adam?"),
        (["optimizer=sgd,adam"], "optimizer=sgd,adam: one optimizer at a time"),
        (["optimizer.lr=0.1,0.2"], "one optimizer at a time"),
        (["optimizer.lrr=1"], "did you mean optimizer.lr?"),
        (["optimizer.lr=-1"], "optimizer.lr=-1"),
        (["trainer.create_graph=maybe"], "trainer.create_graph='maybe': must be a valid boolean"),
        (["optimizer._target_=tests.nowhere.X"], "cannot be imported"),
        (["optimizer._target_=tests.optim.own.Rho"], "Rho needs rho: add +optimizer.rho=..."),
        (["optimizer._target_=tests.optim.own.Broken"], "Broken cannot take a step: ArithmeticError at own.py:"),
        ([own("KeepsCode")[0]], "KeepsCode keeps in its state what no checkpoint can hold: "),
        (["optimizer._target_=tests.optim.own.Newton"], "trainer.create_graph=true"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    command: Callable[..., tuple[int, str, str]], words: list[str], sentence: str
) -> None:
    code, out, err = command(*words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert sentence in err


def test_a_mistake_is_a_lab_error() -> None:
    with pytest.raises(LabError, match="only optimizer="):
        candidate_of(["data.rows=5"])
    assert isinstance(candidate_of(["optimizer=adam", "+optimizer.weight_decay=0.1"]), Candidate)
