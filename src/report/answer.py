"""The first thing on a page and the last in a terminal: the verdict in words, and the commands that act on it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from src.compare.baseline import NAME as BASELINE
from src.compare.rows import SEED_KEYS, without_plus
from src.compare.sentences import sentences
from src.compare.verdict import Choice, Verdict
from src.config.overrides import python_command
from src.report.reading import Sweep

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
    if one.take is not None and (trains := _trains(one.take, sweep)):
        commands.append(("trains it", trains))
    directory = sweep.first.directory.parent
    goes_on = (directory / "sweep.json").is_file() and not (directory / BASELINE).is_file()  # whose runs lie elsewhere
    if command and one.take is not None and one.drawn and not one.confirmed and goes_on:
        commands.append(("confirms it", _confirms(command, directory)))
    return Answer(one.problem, sentences(one), commands)


def _trains(choice: Choice, sweep: Sweep) -> str:
    """The words of the setting's first run, without its seeds; empty where they cannot be read.

    What a sweep file sets is set by it alone: there it is a sweep of one run.
    """
    run = sweep.runs[choice.setting.rows[0].job]
    try:
        read = yaml.safe_load(run.hydra("overrides.yaml"))
    except yaml.YAMLError:
        return ""
    if not isinstance(read, list):
        return ""
    words = [str(word) for word in read]
    if any(word.startswith("sweep=") for word in words):
        return python_command(["-m", *words, "hydra.sweeper.against=[]", "confirm_seeds=0"])
    return python_command([word for word in words if without_plus(word.partition("=")[0]) not in SEED_KEYS])


def _confirms(command: str, directory: Path) -> str:
    """The command of the sweep, which goes on in its directory."""
    words = [word for word in shlex.split(command) if not word.startswith(("confirm_seeds=", "hydra.sweep.dir="))]
    where = directory.resolve()
    shown = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    return shlex.join([*words, f"confirm_seeds={FRESH}", f"hydra.sweep.dir={shown}"])
