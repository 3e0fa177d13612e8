"""A rule's trace as C: every rule has one, but for those that look at more than a number; what has none says so."""

from typing import Any

import pytest
import torch

from src.engine.compiled.compiler import NotCompiledError
from src.engine.compiled.rule_source import rule_source
from src.optim.rules import RULES, Rule
from src.optim.rules.rule import Scalars


def numbers(rule: Rule) -> list[str]:
    pairs = [f"{pair}.{index}" for pair in rule.pairs for index in (0, 1)]
    n = {name: torch.full((2,), 0.5, dtype=torch.float64) for name in [*rule.numbers, *pairs]}
    powers = {"bases": torch.stack(bases), "powers": torch.stack(bases)} if (bases := rule.bases(n)) else {}
    return list({**rule.constants(n), **rule.rates(n, 1, {**rule.start(n), **powers})})


@pytest.mark.parametrize("path", RULES)
def test_every_rule_that_looks_at_one_number_is_said_in_c(path: str) -> None:
    rule = RULES[path]
    for acting in (rule.always, rule.always | {*rule.options, *rule.numbers}):
        slots = rule.there(acting)
        if rule.needs_loss or not rule.element_wise:
            with pytest.raises(NotCompiledError, match="looks at more"):
                rule_source(rule, acting, slots, [])
        else:
            source, taken = rule_source(rule, acting, slots, numbers(rule))
            assert "w[i + l] = v" in source
            for index, name in enumerate(slots):  # what it keeps is kept
                assert f"state[{index}][i + l] = " in source, name
            assert [f"c[{index}][l]" in source for index in range(len(taken) + 1)] == [True] * len(taken) + [False]


class Branching(Rule):
    """Asks a tensor for a number."""

    def update(self, w: Any, g: Any, state: Any, c: Scalars, on: Any) -> None:
        w.sub_(g if float(g.sum()) > 0 else 2 * g)


class Reduced(Rule):
    """Looks at all of a member."""

    def update(self, w: Any, g: Any, state: Any, c: Scalars, on: Any) -> None:
        w.sub_(g / g.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("kind", [Branching, Reduced])
def test_what_has_no_c_says_so(kind: type[Rule]) -> None:
    with pytest.raises(NotCompiledError, match=r"Branching cannot be traced: it asks|no C of aten\.linalg"):
        rule_source(kind(), frozenset(), [], [])
