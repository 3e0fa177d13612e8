"""Update rules, a file a family: what an optimizer does to the parameters of `P` members at once.

A rule is found by standing in a file of this package, a user's own by its name in the config. See `rule.Rule`.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache

from src.config.classes import import_class
from src.config.domains import Domain
from src.errors import LabError
from src.optim.rules.rule import Rule

__all__ = ["DOMAINS", "RULES", "Rule", "rule_of"]


def _rules() -> Iterator[Rule]:
    for module in pkgutil.iter_modules(__path__):
        for kind in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(kind, type) and issubclass(kind, Rule) and "target" in vars(kind):
                yield kind()


RULES: Mapping[str, Rule] = {rule.target: rule for rule in _rules()}
"""By the dotted name of the class. Missing are those whose step evaluates gradients of its own."""

DOMAINS: Mapping[str, Domain] = {name: domain for rule in RULES.values() for name, domain in rule.numbers.items()}
"""Of the numbers of all rules; one that several have means the same in each."""


@cache
def rule_of(target: str, own: str | None = None) -> Rule | None:
    """The rule of an optimizer's class; None where it has none.

    Args:
        target: the dotted name of the class, or of a rule that is the optimizer.
        own: of a rule of the user's own beside the class (`optimizer.rule`).

    Raises:
        LabError: it cannot be imported or is no rule.
    """
    if own is None:
        if target in RULES:
            return RULES[target]
        try:
            found = import_class(target, "optimizer._target_", object)
        except LabError:  # whoever builds it says so
            return None
        return _made(found, "_target_", target) if isinstance(found, type) and issubclass(found, Rule) else None
    return _made(import_class(own, "optimizer.rule", Rule), "rule", own)


def _made(kind: type[Rule], key: str, path: str) -> Rule:
    rule = kind()
    if not isinstance(rule, Rule) or "lr" not in rule.numbers:
        raise LabError(f"optimizer.{key}={path}: must be a Rule with lr among its numbers, see src/optim/rules/rule.py")
    return rule
