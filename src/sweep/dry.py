"""What a sweep would take: its stacks, their memory and disk, and an estimate of the time; nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from src.sweep.asked import Job
from src.sweep.summary import runs, wide

if TYPE_CHECKING:
    from src.sweep.launcher import StackLauncher


WRITING = 0.005
"""Seconds a run, of what is no training; measured by tests/bench/sweep.py."""
PARTS = ("optimizer", "model", "data", "steps")


@dataclass
class Share:
    """The stacks of one program.

    Attributes:
        parts: its optimizer, model, data and steps.
        alone: why its runs go one by one; None: they are stacked.
        stacks: the places of the members of each stack.
        seconds: what is left to train would take; None where it is not known.
        memory: bytes of one stack, the largest.
        disk: bytes of all run directories.
    """

    parts: tuple[str, ...]
    alone: str | None
    stacks: list[list[int]] = field(default_factory=list)
    seconds: float | None = 0.0
    memory: int = 0
    disk: int = 0

    @property
    def runs(self) -> set[int]:
        """The places of its members."""
        return {place for stack in self.stacks for place in stack}


def show(launcher: "StackLauncher", jobs: Sequence[Job]) -> None:
    """Print the table.

    Args:
        launcher: that has read its directory, and composed the jobs.
        jobs: what is asked for.
    """
    assert launcher.ledger is not None
    assert launcher.config is not None
    places = set(launcher.plan(jobs))
    done = {place for place, entry in enumerate(launcher.ledger.entries) if entry.outcome is not None}
    shares = _shares(launcher, places, done)
    console = wide()
    console.print(_table(shares, places, done))
    if left := len(places - done):
        told = f"beside the training, composing and writing {left:,} runs take about {duration(left * WRITING)}"
        console.print(told, highlight=False)
    for reason in dict.fromkeys(share.alone for share in shares if share.alone):
        console.print(f"one by one, and how long that takes is not known: {reason}", markup=False, highlight=False)
    if seeds := launcher.config.confirm_seeds:
        console.print(f"then each optimizer's best setting on {seeds:,} fresh seeds", highlight=False)


def _shares(launcher: "StackLauncher", places: set[int], done: set[int]) -> list[Share]:
    from src.engine.choice import choose_stepper
    from src.sweep.stacking import disk_of, memory_of, program

    assert launcher.ledger is not None
    shares = dict[str, Share]()
    chosen = {entry.number: words.get("optimizer") for entry, words in launcher.ledger.rows()}
    for stack in launcher.ledger.stacks:
        if not places & set(stack):
            continue
        config = launcher.composed(stack[0]).check(Path())
        sections = (config.optimizer, config.model, config.data)
        names = [part.target_.rpartition(".")[2] for part in sections]
        names[0] = chosen[launcher.ledger.entries[stack[0]].number] or names[0]
        alone = choose_stepper(config).reason or None
        key = f"{alone}/{config.optimizer.target_}" if alone else program(config)
        share = shares.setdefault(key, Share((*names, f"{config.trainer.max_steps:,}"), alone))
        share.stacks.append(stack)
        share.memory = max(share.memory, memory_of(config) * len(stack))
        share.disk += disk_of(config) * len(stack)
    for share in shares.values():
        share.seconds = _seconds(launcher, share, done)
    return list(shares.values())


def _seconds(launcher: "StackLauncher", share: Share, done: set[int]) -> float | None:
    """Measured on a copy of the first stack with something left to do, and scaled by stacks and steps."""
    from src.run.build import RunSpec
    from src.run.rehearsal import rehearse

    left = [stack for stack in share.stacks if not done >= set(stack)]
    if not left:
        return 0.0
    if share.alone:
        return None
    configs = [launcher.composed(place).check(Path()) for place in left[0]]
    step = rehearse([RunSpec(config, Path(str(place))) for place, config in zip(left[0], configs, strict=True)])
    return step * configs[0].trainer.max_steps * sum(map(len, left)) / len(left[0])


def _table(shares: Sequence[Share], places: set[int], done: set[int]) -> Table:
    """What all programs have in common is in the title."""
    several = [place == 0 or len({share.parts[place] for share in shares}) > 1 for place in range(len(PARTS))]
    same = [part for part, differs in zip(shares[0].parts, several, strict=True) if not differs]
    same = [f"{part} steps" if part == shares[0].parts[-1] else part for part in same]
    what = f" ({', '.join(same)})" if same else ""
    table = Table(title=Text(f"{runs(len(places))}{what}; nothing is trained"))
    for part, differs in zip(PARTS, several, strict=True):
        if differs:
            table.add_column(part, overflow="fold", no_wrap=part == "optimizer")
    for name in ("runs", "finished", "stacks", "memory", "disk", "training"):
        table.add_column(name, justify="right", no_wrap=True)
    for share in shares:
        parts = [part for part, differs in zip(share.parts, several, strict=True) if differs]
        table.add_row(*map(Text, [*parts, *_cells(share, done)]))
    if len(shares) > 1:
        known = [share.seconds for share in shares if share.seconds is not None]
        table.add_section()
        table.add_row(
            *("all", *[""] * (sum(several) - 1)),
            *(f"{len(places):,}", f"{len(done & places):,}", f"{sum(len(share.stacks) for share in shares):,}"),
            *(size(max(share.memory for share in shares)), size(sum(share.disk for share in shares))),
            duration(sum(known)) + ("" if len(known) == len(shares) else " + ?"),
        )
    return table


def _cells(share: Share, done: set[int]) -> list[str]:
    members = sorted({len(stack) for stack in share.stacks})
    each = f"{members[0]:,}" if len(members) == 1 else f"{members[0]:,}-{members[-1]:,}"
    return [
        f"{len(share.runs):,}",
        f"{len(share.runs & done):,}",
        f"{len(share.stacks):,} of {each}",
        size(share.memory),
        size(share.disk),
        "?" if share.seconds is None else duration(share.seconds),
    ]


def size(number: float) -> str:
    """`3.2 MiB` of a number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"


def duration(seconds: float) -> str:
    """`12 s`, `3.4 min` or `2.1 h`."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
