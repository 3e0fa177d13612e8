"""What rules say of themselves: which class, which numbers, found by standing in the package; read without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from src.config.compose import CONF
from src.errors import LabError
from src.optim.build import numbers_of, with_defaults, with_lowest_loss
from src.optim.rules import DOMAINS, RULES, Rule, rule_of

ROOT = Path(__file__).parents[2]
WITHOUT = {"torch.optim.LBFGS"}
"""Its step evaluates gradients of its own."""


def _sections() -> list[dict]:
    sections = [yaml.safe_load(path.read_text()) for path in (CONF / "optimizer").glob("*.yaml")]
    return [{key: value for key, value in section.items() if key != "rule"} for section in sections]


def test_every_optimizer_of_the_configuration_has_a_rule_that_serves_it() -> None:
    found = [(section["_target_"], numbers_of(with_lowest_loss(section))) for section in _sections()]
    assert {path for path, _ in found} - WITHOUT == RULES.keys()
    assert all(RULES[path].serves(arguments) for path, arguments in found if path in RULES)


@pytest.mark.parametrize("path", RULES)
def test_a_rule_knows_every_number_of_its_class(path: str) -> None:
    """But for what chooses another program for the same numbers."""
    rule, taken = RULES[path], with_defaults(path, {"lr": 0.1})
    known = set(rule.taken)
    assert taken.keys() - known <= {"foreach", "fused", "capturable", "differentiable"}
    assert known <= taken.keys()
    for name, domain in rule.numbers.items():
        inside = domain.low <= taken[name] <= domain.high
        assert inside, name
        ends = (DOMAINS[name].low, DOMAINS[name].high)
        assert (domain.low, domain.high) == ends, f"{name} means something else in another rule"


def test_which_arguments_a_rule_serves() -> None:
    adam, sgd = RULES["torch.optim.Adam"], RULES["torch.optim.SGD"]
    assert adam.serves({"lr": 0.1, "betas": [0.9, 0.99], "foreach": True, "fused": None})
    assert not adam.serves({"betas": 0.9})
    assert not adam.serves({"lr": "high"})
    assert not sgd.serves({"nesterov": 1})
    assert not sgd.serves({"lr": True})


def test_domains_are_read_without_torch() -> None:
    code = "import sys, src.optim.rules, src.compare.grid_edges; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class WithoutRate(Rule):
    """Names no numbers."""


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (f"{__name__}.WithoutRate", "must be a Rule with lr among its numbers"),
        (f"{__name__}.Nowhere", r"optimizer\.rule=.*Nowhere cannot be imported"),
        ("pathlib.Path", r"is not a src\.optim\.rules\.rule\.Rule"),
        ("os.getcwd", "must be a Rule"),
    ],
)
def test_what_is_no_rule_is_refused(own: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        rule_of("mypackage.Mine", own)
