"""What a class of one's own can do with several members' parameters, found out without a run."""

from typing import Any

import pytest
import torch
from torch import nn

from src.errors import LabError
from src.optim import stacked_class
from src.optim.build import build_optimizer
from src.optim.stacked_class import Found, StackedClass, grain_of
from tests.optim.own import Plain


class Replaces(Plain):
    """Puts tensors of its own in the place of parameters, and drops gradients."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.data, w.grad = w - group["lr"] * w.grad, None


class OfTensors(Plain):
    """Looks at a tensor as a whole."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(w.grad / w.grad.norm(), alpha=group["lr"])


class OfAll(Plain):
    """Looks at all parameters."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            norm = torch.stack([w.grad.norm() for w in group["params"]]).norm()
            for w in group["params"]:
                w.sub_(w.grad / norm, alpha=group["lr"])


class Outside(Plain):
    """Keeps its momentum where no checkpoint finds it."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, lr)
        self.kept: dict[Any, Any] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(self.kept.setdefault(w, torch.zeros_like(w)).mul_(0.9).add_(w.grad), alpha=group["lr"])


class Draws(Plain):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(w.grad * torch.rand(()), alpha=group["lr"])


class Flattens(Plain):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.data = (w - group["lr"] * w.grad).flatten()


OWN = f"{__name__}."


@pytest.mark.parametrize(
    ("path", "grain", "why"),
    [
        ("tests.optim.own.Plain", "setting", ""),
        ("tests.optim.own.ScheduleFree", "setting", ""),
        (f"{OWN}Replaces", "setting", ""),
        (f"{OWN}OfTensors", "tensor", ""),
        (f"{OWN}OfAll", None, "what it does to a parameter depends on others"),
        (f"{OWN}Outside", None, "it keeps something beside the state of each parameter"),
        (f"{OWN}Draws", None, "it draws random numbers"),
        ("tests.optim.own.NotFinite", None, "its steps are not finite"),
        ("tests.optim.own.Sam", None, "it takes no step with gradients alone (AssertionError at own.py:"),
        (f"{OWN}Flattens", None, "Flattens changes the shape of a parameter from [3, 2] to [6]"),
    ],
)
def test_how_much_a_tensor_of_a_class_may_hold(path: str, grain: str | None, why: str) -> None:
    found = grain_of(path, {"_target_": path, "lr": 0.1})
    assert found.grain == grain
    assert why in found.why


def test_it_is_found_out_once_and_anew_with_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one process to the next: what this one knows by itself is forgotten in between."""
    asked = list[str]()

    def find(path: str, *rest: object) -> dict[str, str]:
        asked.append(path)
        return {"grain": "tensor"}

    monkeypatch.setattr(stacked_class, "_find_out", find)
    for _ in range(2):
        monkeypatch.setattr(stacked_class, "_FOUND", {})
        assert grain_of(f"{OWN}Draws", {"lr": 0.5, "rho": 3}) == Found("tensor")
    assert len(asked) == 1
    monkeypatch.setattr(stacked_class, "_FOUND", {})
    monkeypatch.setattr(stacked_class, "_code", lambda path: ["another"])
    grain_of(f"{OWN}Draws", {"lr": 0.5, "rho": 3})
    assert len(asked) == 2


def test_at_a_rate_that_moves_nothing_it_is_no_other_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found out is kept for all rates: at 1e-13 whatever a class does is nothing but rounding."""
    monkeypatch.setattr(stacked_class, "_FOUND", {})
    monkeypatch.setattr(stacked_class, "_code", lambda path: ["of tiny rates"])
    assert [grain_of(f"{OWN}OfTensors", {"lr": rate}).grain for rate in (1e-13, 0.1)] == ["tensor", "tensor"]


def test_members_of_settings_in_any_order_step_as_each_alone() -> None:
    """Normalized descent by its formula, over two parameters a member, with settings that alternate."""
    generator = torch.Generator().manual_seed(0)
    flat, gradient = torch.randn(2, 5, 9, generator=generator, dtype=torch.float64)
    rates = [0.1, 0.2, 0.1, 0.3, 0.2]
    stacked = StackedClass(flat, f"{OWN}OfTensors", [{"lr": rate} for rate in rates], [(3, 2), (3,)], "tensor")
    expected = flat.clone()
    for _ in range(3):
        for row, rate in enumerate(rates):
            for piece in (slice(0, 6), slice(6, 9)):
                expected[row, piece] -= rate * gradient[row, piece] / gradient[row, piece].norm()
        stacked(0, gradient)
    torch.testing.assert_close(flat, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("name", "forgets"), [("Outside", True), ("Draws", False), ("OfAll", False)])
def test_a_class_that_does_not_go_on_from_its_state_is_known(name: str, forgets: bool) -> None:
    assert (
        build_optimizer({"_target_": OWN + name, "lr": 0.1}, None, [nn.Parameter(torch.ones(2, 3))]).forgets == forgets
    )


def test_a_class_that_changes_shapes_is_refused() -> None:
    told = r"Flattens makes a parameter of \[2, 3\] torch\.float32 into one of \[6\] torch\.float32"
    with pytest.raises(LabError, match=told):
        build_optimizer({"_target_": f"{OWN}Flattens", "lr": 0.1}, None, [nn.Parameter(torch.ones(2, 3))])
