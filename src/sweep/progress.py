"""How far a sweep is: one line on the terminal, a bar; where there is none, a line now and then."""

from collections.abc import Mapping
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from src.compare.rows import SEED_KEYS, short
from src.sweep.call import key_of, without_sign
from src.sweep.planning import Plan, StackPlan
from src.sweep.summary import duration, runs

SOON, EVERY = 5, 30
"""Without a terminal, seconds after a line until the next: when a stack begins, and while stacks go on."""


class Speed(ProgressColumn):
    """Run-steps a second."""

    def render(self, task: Task) -> Text:
        """The speed over the last updates, or over the whole once it is finished."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} run-steps/s", style="progress.data.speed")


class SweepBar:
    """Tells of the stacks of a plan.

    Args:
        phase: of the sweep: "training", "confirming".
        plan: its stacks, which are trained in this order.
    """

    def __init__(self, phase: str, plan: Plan) -> None:
        self.phase, self.runs, self.done = phase, len(plan.entries), plan.finished
        self._names, self._under_way, self._ended = names(plan), list[int](), 0
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(None), TextColumn("{task.fields[runs]}"))
        # stopping waits for up to one refresh, so refresh often
        self._progress = Progress(
            *(*columns, Speed(Column(no_wrap=True)), TimeRemainingColumn()),
            console=console,
            refresh_per_second=10,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        left = sum(steps(plan, stack) for stack in plan.stacks)
        self._task = self._progress.add_task(phase, total=left, runs=self._counted())
        self._told = self._begun_at = monotonic()

    def begin(self, stack: int) -> None:
        """A stack is under way, by its number."""
        self._under_way.append(stack)
        self._update(SOON)

    def tell(self, runs: int, steps: int) -> None:
        """So many more runs have ended, so many more run-steps were taken."""
        self.done += runs
        self._update(EVERY, advance=steps)

    def settle(self, stack: int, done: int, left: int) -> None:
        """What is so after a stack, whose members may have ended before their last step."""
        self.done, total = done, self._progress.tasks[0].completed + left
        if total != self._progress.tasks[0].total:  # the speed is measured anew from there
            self._progress.update(self._task, total=total)
        self._update(EVERY)
        self._under_way.remove(stack)
        self._ended += 1

    def _counted(self) -> str:
        return f"{self.done:,}/{self.runs:,} runs"

    def _update(self, pause: float, advance: float = 0) -> None:
        """Move the bar; without a terminal, print a line if the last one is so many seconds ago."""
        what = f"{self.phase} {self._where()}"
        self._progress.update(self._task, advance=advance, description=what, runs=self._counted())
        now = monotonic()
        if self._progress.disable and now - self._told >= pause:
            self._told = now
            self._progress.console.print(f"{what}: {self.done:,} of {runs(self.runs)} done{self._left(now)}")

    def _where(self) -> str:
        """`sgd, stack 3 of 7`; of several at once how many."""
        of = f"of {len(self._names)}"
        if len(self._under_way) > 1:
            return f"{len(self._under_way)} stacks at once, {self._ended} {of} done"
        (stack,) = self._under_way or [next(iter(self._names))]
        return f"{self._names[stack]}, stack {self._ended + 1} {of}"

    def _left(self, now: float) -> str:
        """The time that is left, as long as it took so far."""
        task = self._progress.tasks[0]
        if not (task.completed and task.remaining):
            return ""
        return f", about {duration((now - self._begun_at) * task.remaining / task.completed)} left"

    def __enter__(self) -> "SweepBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def steps(plan: Plan, stack: StackPlan) -> int:
    """Run-steps of a stack at most; its members are equally long."""
    return len(stack.runs) * plan.jobs[stack.runs[0]].config.trainer.max_steps


def names(plan: Plan) -> Mapping[int, str]:
    """By the number of each stack its optimizer, and what else tells it from the others: `adam, batch_size=8`."""
    words = {stack.number: _words(plan, stack) for stack in plan.stacks}
    keys = dict.fromkeys(key for of_one in words.values() for key in of_one if key != "optimizer")
    apart = [key for key in keys if len({tuple(of_one.get(key, ())) for of_one in words.values()}) > 1]
    return {number: ", ".join([_listed(has["optimizer"]), *_others(has, apart)]) for number, has in words.items()}


def _words(plan: Plan, stack: StackPlan) -> dict[str, list[str]]:
    """The values of a stack's runs by key, seeds and the optimizer's numbers left out."""
    found: dict[str, dict[str, None]] = {"optimizer": {}}
    for job in (plan.jobs[index] for index in stack.runs):
        words = {without_sign(key_of(word)): word.partition("=")[2] for word in job.words}
        chosen = words.get("optimizer._target_") or words.get("optimizer") or job.config.optimizer.target_
        found["optimizer"][chosen.rpartition(".")[2]] = None
        for key in (without_sign(key_of(word)) for word in job.swept):
            if key not in SEED_KEYS and key.partition(".")[0] not in ("optimizer", "scheduler"):
                found.setdefault(key, {})[words[key]] = None
    return {key: list(values) for key, values in found.items()}


def _others(words: Mapping[str, list[str]], keys: list[str]) -> list[str]:
    return [f"{key.rpartition('.')[2]}={short(words[key][0])}" for key in keys if len(words.get(key, ())) == 1]


def _listed(optimizers: list[str]) -> str:
    return " and ".join(optimizers) if len(optimizers) < 3 else f"{len(optimizers)} optimizers"
