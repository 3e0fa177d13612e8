"""What a sweep would take: its stacks, their memory and disk, and an estimate of the time; nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from src.sweep.planning import Plan, StackPlan, without_rule
from src.sweep.summary import duration, runs, wide

WRITING = 0.005
"""Seconds a run, of what is no training; measured by tests/bench/lines.py."""
PARTS = ("optimizer", "model", "data", "steps")


@dataclass(frozen=True)
class Share:
    """The stacks of one program.

    Attributes:
        parts: its optimizer, model, data and steps.
        stacks: what is left to train of it.
        seconds: that training takes; None where it is not known.
    """

    parts: tuple[str, ...]
    stacks: Sequence[StackPlan]
    seconds: float | None

    @property
    def runs(self) -> int:
        """How many are left."""
        return sum(len(stack.runs) for stack in self.stacks)

    @property
    def memory(self) -> int:
        """Bytes of the largest stack: they are trained one after the other."""
        return max(stack.memory for stack in self.stacks)

    @property
    def disk(self) -> int:
        """Bytes of all run directories."""
        return sum(stack.disk for stack in self.stacks)

    @property
    def cells(self) -> list[str]:
        """Runs, stacks and their members, the stepper, memory, disk and time, as they are shown."""
        members = sorted({len(stack.runs) for stack in self.stacks})
        each = f"{members[0]:,}" if len(members) == 1 else f"{members[0]:,}-{members[-1]:,}"
        seconds = "?" if self.seconds is None else duration(self.seconds)
        stepper = self.stacks[0].choice.stepper
        return [
            f"{self.runs:,}",
            f"{len(self.stacks):,} of {each}",
            stepper,
            size(self.memory),
            size(self.disk),
            seconds,
        ]


def show(plan: Plan, confirm_seeds: int, most_seeds: int = 0) -> None:
    """Print a table of the plan, a row a program; of runs that train one by one, a row what they are called alike.

    Args:
        plan: of the sweep.
        confirm_seeds: on so many seeds winners are trained again afterwards.
        most_seeds: on so many at most until they are told apart; 0: not until then.
    """
    programs: dict[tuple[str, tuple[str, ...]], list[StackPlan]] = {}
    for stack in plan.stacks:
        programs.setdefault((stack.program, _parts(plan, stack)), []).append(stack)
    shares = [Share(parts, stacks, _seconds(plan, stacks)) for (_, parts), stacks in programs.items()]
    console = wide()
    finished = plan.finished - sum(plan.entries[index].cut for stack in plan.stacks for index in stack.runs)
    if not shares:
        console.print(f"{runs(len(plan.jobs))}, all finished; there is nothing to train", highlight=False)
        return
    console.print(_table(shares, f"{runs(len(plan.jobs))}{f', {finished:,} of them finished' if finished else ''}"))
    left = len(plan.jobs) - finished
    writing = duration(left * WRITING)
    console.print(f"beside the training, composing and writing {left:,} runs take about {writing}", highlight=False)
    for sentence in without_rule(plan):
        console.print(sentence, markup=False, highlight=False)
    if any(stack.halving for stack in plan.stacks):
        console.print(
            f"rungs save {_saved(plan)} of the run-steps at least, which is not in the times above", highlight=False
        )
    if confirm_seeds:
        console.print(f"then each optimizer's best setting on {confirm_seeds:,} fresh seeds", highlight=False)
    if most_seeds:
        console.print(f"then the best ones on {most_seeds:,} fresh seeds at most, until told apart", highlight=False)


def _saved(plan: Plan) -> str:
    """The share of run-steps that is left out at rungs; rounded down."""
    whole = taken = 0
    for stack in plan.stacks:
        halving, longest = stack.halving, plan.jobs[stack.runs[0]].config.trainer.max_steps
        steps = len(stack.runs) * (longest - (halving.after if halving else 0))
        whole += steps
        taken += min(steps, halving.steps(longest)) if halving else steps
    return f"{100 * (whole - taken) // whole:,} %"


def _parts(plan: Plan, stack: StackPlan) -> tuple[str, ...]:
    job = plan.jobs[stack.runs[0]]
    optimizer, model, data = (
        section.target_.rpartition(".")[2] for section in (job.config.optimizer, job.config.model, job.config.data)
    )
    chosen = [word.removeprefix("optimizer=") for word in job.words if word.startswith("optimizer=")]
    return chosen[-1] if chosen else optimizer, model, data, f"{job.config.trainer.max_steps:,}"


def _seconds(plan: Plan, stacks: Sequence[StackPlan]) -> float | None:
    """Measured on a copy of the first stack, and scaled by members and steps; None where runs train one by one."""
    from src.run.build import RunSpec
    from src.run.step_time import rehearse

    first, members = stacks[0], sum(len(stack.runs) for stack in stacks)
    if first.choice.events:
        return None
    configs = [plan.jobs[index].config for index in first.runs]
    step = rehearse(
        [RunSpec(config, Path(str(index))) for index, config in zip(first.runs, configs, strict=True)], first.choice
    )
    return step * configs[0].trainer.max_steps * members / len(first.runs)


def _table(shares: Sequence[Share], title: str) -> Table:
    """What all programs have in common is in the title."""
    several = [index == 0 or len({share.parts[index] for share in shares}) > 1 for index in range(len(PARTS))]
    same = [part for part, differs in zip(shares[0].parts, several, strict=True) if not differs]
    same = [f"{part} steps" if part == shares[0].parts[-1] else part for part in same]
    what = f" ({', '.join(same)})" if same else ""
    table = Table(title=Text(f"{title}{what}; nothing is trained"))
    for part, differs in zip(PARTS, several, strict=True):
        if differs:
            table.add_column(part, overflow="fold", no_wrap=part == "optimizer")
    for name in ("runs", "stacks", "stepper", "memory", "disk", "training"):
        table.add_column(name, justify="right", no_wrap=True)
    for share in shares:
        parts = [part for part, differs in zip(share.parts, several, strict=True) if differs]
        table.add_row(*map(Text, [*parts, *share.cells]))
    if len(shares) > 1:
        times = [share.seconds for share in shares if share.seconds is not None]
        table.add_section()
        table.add_row(
            *("all", *[""] * (sum(several) - 1), f"{sum(share.runs for share in shares):,}"),
            *(f"{sum(len(share.stacks) for share in shares):,}", ""),
            *(size(max(share.memory for share in shares)), size(sum(share.disk for share in shares))),
            duration(sum(times)) + ("" if len(times) == len(shares) else " + ?"),
        )
    return table


def size(number: float) -> str:
    """`3.2 MiB` of a number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"
