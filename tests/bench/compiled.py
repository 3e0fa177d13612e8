"""Steps of a stack as C against the rules, 1,000 members in turn: `python -m tests.bench.compiled [--rounds 5]`.

Networks 10-32-1 in batches of 32, and lines whose rows are condensed; only steps are timed, with one thread and with
two, after a first block in which what is compiled once is compiled.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from src.engine.compiled_stepper import CompiledStepper
from src.run.build import Member, RunSpec, build_members, build_rule_stepper
from src.sweep.grid import Interval
from src.sweep.jobs import Composer

MEMBERS = 1000
NETWORK = [
    "model=two_layer",
    "model.hidden=32",
    "data=teacher",
    "data.inputs=10",
    "data.rows=512",
    "data.batch_size=32",
]
CASES = {
    f"{what}, {optimizer}": ([*words, f"optimizer={optimizer}"], steps)
    for what, words, steps in (("network", NETWORK, 64), ("line", ["data.rows=500"], 320))
    for optimizer in ("adam", "sgd")
}


def members(words: Sequence[str]) -> list[Member]:
    """Runs that differ in their rate."""
    where, composer = Path("outputs/nowhere"), Composer(["logger=none", *words])
    rates = Interval(1e-4, 0.01, log=True).values(MEMBERS)
    specs = [RunSpec(composer.job([f"optimizer.lr={rate}"]).config_in(where), where / str(rate)) for rate in rates]
    return [one for one in build_members(specs) if isinstance(one, Member)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    arguments = parser.parse_args()
    table = Table(title=f"{MEMBERS:,} members, µs a run-step, median of {arguments.rounds} rounds")
    for column in ("what", "threads", "rules", "compiled", "times faster", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, (words, steps) in CASES.items():
        found = members(words)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            both = build_rule_stepper(found), CompiledStepper.of(build_rule_stepper(found))
            taken: tuple[list[float], list[float]] = ([], [])
            for number in range(arguments.rounds + 1):
                for stepper, each in zip(both, taken, strict=True):
                    began = time.perf_counter()
                    stepper.step(number * steps, steps)
                    each.append((time.perf_counter() - began) / MEMBERS / steps * 1e6)
            rules, compiled = (each[1:] for each in taken)
            ratios = [slow / fast for slow, fast in zip(rules, compiled, strict=True)]
            times = [f"{statistics.median(each):.3g}" for each in (rules, compiled)]
            figures = [statistics.median(ratios), min(ratios), max(ratios)]
            table.add_row(name, str(threads), *times, *(f"{figure:.1f}" for figure in figures))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
