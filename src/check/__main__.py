"""Is an optimizer sound? `python -m src.check optimizer._target_=mypackage.MyOptimizer optimizer.lr=0.01`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from src.config import schema
from src.config.compose import compose
from src.config.overrides import parsed
from src.config.section import shown
from src.errors import LabError, exit_on_error, nearest

if TYPE_CHECKING:
    from rich.table import Table

    from src.check.candidate import Candidate
    from src.check.checks import Outcome

KEYS = ("optimizer", "trainer.create_graph")


def candidate_of(overrides: Sequence[str]) -> "Candidate":
    """What builds the optimizer that these overrides describe.

    Args:
        overrides: as `python -m src.train` takes them; only those of the optimizer, and `trainer.create_graph`.

    Raises:
        LabError: another key, a mistake in one of these, a class that cannot be built or cannot take a step.
    """
    for word in overrides:
        _check_word(word)
    checked = schema.check(compose([*overrides, "logger=none"]))  # a logger would ask for the run directory
    from src.check.candidate import Candidate  # after the check, as it imports torch

    candidate = Candidate(checked.optimizer.arguments(), checked.trainer.create_graph, checked.optimizer.rule)
    _ = candidate.refusal  # a class that takes no step at all is refused here
    return candidate


def _check_word(word: str) -> None:
    key = word.partition("=")[0].lstrip("+~")
    if key not in KEYS and not key.startswith("optimizer."):
        hint = nearest(key, KEYS)
        raise LabError(f"{word}: only optimizer=, optimizer.KEY= and trainer.create_graph= can be said here{hint}")
    if parsed(word).is_sweep_override():
        raise LabError(f"{word}: one optimizer at a time")


def described(candidate: "Candidate") -> str:
    """The class and its numbers, in a line."""
    given = {key: value for key, value in candidate.section.items() if not key.startswith("_")}
    numbers = ", ".join(f"{key} {shown(value)}" for key, value in given.items())
    return f"{candidate.path}{f' ({numbers})' if numbers else ''}"


def summary(outcomes: "Sequence[Outcome]") -> "Table":
    """A line for every check."""
    from rich.table import Table
    from rich.text import Text

    colours = {"held": "green", "another lr": "yellow", "failed": "red", "does not apply": "dim"}
    table = Table()
    for column in ("check", "", "what was found"):
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        style = colours.get(outcome.state, "")
        shown = "-" if outcome.state == "does not apply" else outcome.state
        table.add_row(outcome.name, Text(shown, style), Text(outcome.sentence))
    return table


def ending(outcomes: "Sequence[Outcome]") -> str:
    """How many held, in a sentence."""
    held, failed = ([one for one in outcomes if one.held is wanted] for wanted in (True, False))
    if not failed:
        elsewhere = [one.name for one in outcomes if one.state == "another lr"]
        rate = f", though not at the lr given: {', '.join(elsewhere)}" if elsewhere else ""
        return f"sound: all {len(held)} checks that apply held{rate}"
    return f"{len(failed)} of {len(held) + len(failed)} checks failed: {', '.join(one.name for one in failed)}"


def main(words: Sequence[str] | None = None) -> None:
    """The command; exit status 1 where a check failed."""
    parser = argparse.ArgumentParser(
        prog="python -m src.check",
        description="Check an optimizer: does it converge, can it be saved, repeated, stacked, grouped and scheduled?",
        epilog="examples:\n"
        "  python -m src.check optimizer=adam\n"
        "  python -m src.check optimizer._target_=mypackage.MyOptimizer optimizer.lr=0.01 +optimizer.rho=0.9\n"
        "  python -m src.check optimizer._target_=mypackage.MyNewton trainer.create_graph=true",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("key=value", nargs="*", help="the optimizer, as python -m src.train takes it (default: sgd)")
    overrides = vars(parser.parse_args(words))["key=value"]
    with exit_on_error():
        candidate = candidate_of(overrides)
        from rich.console import Console

        from src.check.checks import CHECKS, outcome

        console = Console(highlight=False, markup=False)
        console.print(described(candidate), soft_wrap=True)
        outcomes = []
        for name, check in CHECKS:
            with console.status(name):
                outcomes.append(outcome(name, check, candidate))
        console.print(summary(outcomes))
        failed = any(outcome.held is False for outcome in outcomes)
        console.print(ending(outcomes), style="red" if failed else "green", soft_wrap=True)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
