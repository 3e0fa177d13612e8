"""One line on the terminal for a whole sweep: runs done, run-steps a second, time left."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Speed(ProgressColumn):
    """Run-steps a second."""

    def render(self, task: Task) -> Text:
        """The speed over the last updates, or over the whole once it is finished."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} run-steps/s", style="progress.data.speed")


class SweepBar:
    """Silent where there is no terminal.

    Args:
        runs: of the sweep.
        done: how many of them are finished already.
        steps: that the others take at most.
    """

    def __init__(self, runs: int, done: int, steps: int) -> None:
        self.runs, self.done = runs, done
        console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.fields[runs]}"), Speed(), TimeRemainingColumn())
        # stopping waits for up to one refresh, so refresh often
        self._progress = Progress(
            *columns, console=console, refresh_per_second=10, transient=True, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("sweep", total=steps, runs=self._runs())

    def _runs(self) -> str:
        return f"{self.done:,}/{self.runs:,} runs"

    def tell(self, runs: int, steps: int) -> None:
        """So many more runs have ended, so many more run-steps were taken."""
        self.done += runs
        self._progress.update(self._task, advance=steps, runs=self._runs())

    def settle(self, done: int, left: int) -> None:
        """What is so after a stack, whose members may have ended before their last step."""
        self.done, total = done, self._progress.tasks[0].completed + left
        self._progress.update(self._task, runs=self._runs())
        if total != self._progress.tasks[0].total:  # the speed is measured anew from there
            self._progress.update(self._task, total=total)

    def __enter__(self) -> "SweepBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
