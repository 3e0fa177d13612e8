"""The first thing on a page and the last in a terminal: the verdict in words, and the commands that act on it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.compare.baseline import NAME as BASELINE
from src.compare.sentences import sentences
from src.compare.verdict import Verdict
from src.report.clicks import trains
from src.report.reading import Sweep
from src.run_directory import typed

FRESH = 20
"""Seeds on which winners are confirmed."""


@dataclass(frozen=True)
class Answer:
    """What a page says of a problem before anything else.

    Attributes:
        problem: its label; empty where there is but one.
        sentences: the answer first, how sure it is last.
        commands: what each does, and the command.
    """

    problem: str
    sentences: Sequence[str]
    commands: Sequence[tuple[str, str]]

    @property
    def text(self) -> str:
        """A paragraph."""
        return " ".join([*([f"{self.problem}:"] if self.problem else []), *self.sentences])


def answer(one: Verdict, sweep: Sweep, command: str) -> Answer:
    """A verdict in words, with the command that trains what it says to take, and the one that confirms it.

    Args:
        one: of a problem of the sweep.
        sweep: that the runs are of.
        command: which made it; empty where several did, or nothing tells.
    """
    commands = []
    if one.take is not None and (alone := trains(sweep.runs[one.take.setting.rows[0].job], seeds=False)):
        commands.append(("trains it", alone))
    directory = sweep.first.directory.parent
    goes_on = (directory / "sweep.json").is_file() and not (directory / BASELINE).is_file()  # whose runs lie elsewhere
    if command and one.take is not None and one.drawn and not one.confirmed and goes_on:
        commands.append(("confirms it", _confirms(command, directory)))
    return Answer(one.problem, sentences(one), commands)


def _confirms(command: str, directory: Path) -> str:
    """The command of the sweep, which goes on in its directory."""
    words = [word for word in shlex.split(command) if not word.startswith(("confirm_seeds=", "hydra.sweep.dir="))]
    return shlex.join([*words, f"confirm_seeds={FRESH}", f"hydra.sweep.dir={typed(directory)}"])
