"""Hydra's sweeper of this project: from the words of a multirun to its jobs, and to the winners among them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from src.compare.baseline import is_own
from src.config.section import as_typed
from src.errors import LabError
from src.sweep.against import compared
from src.sweep.call import ask, key_of, without_sign
from src.sweep.failures import REPORTED
from src.sweep.grid import Axis, Grid, Words, axes_of, jobs_of
from src.sweep.jobs import Composer
from src.sweep.launcher import StackLauncher
from src.sweep.options import Sweeping, checked
from src.sweep.sweep import check_number, searched

ONE = {
    "sweep": "one sweep at a time",
    "confirm_seeds": "one number for all winners",
}
"""Keys of which a sweep takes one value."""


MOST_COUNTED = 10_000
"""Points of an interval that are made to be counted."""


class GridSweeper(Sweeper):
    """Every combination of values and intervals, or random draws from the intervals.

    Args:
        options: see conf/hydra/sweeper/grid.yaml.
    """

    def __init__(self, **options: Any) -> None:
        self.given = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the sweep's own config, and build the launcher that it names.

        Raises:
            LabError: options that are not allowed; in `__init__` Hydra would put words of its own before it.
        """
        self.config, self.context = config, hydra_context
        self.composer = Composer(searched(config))
        self.options = checked(Sweeping, self.given, "hydra.sweeper")
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        after = {"confirm_seeds": self.options.confirm_seeds, "hydra.sweeper.until": self.options.until}
        if isinstance(self.launcher, StackLauncher):
            self.launcher.sweep.halving = self.options.halving
        elif self.options.rungs:
            raise LabError("hydra.sweeper.rungs needs hydra/launcher=stack: one run after another is no race")
        elif isinstance(self.options.against, str):
            raise LabError("hydra.sweeper.against of a file needs hydra/launcher=stack, which keeps it with the runs")
        else:
            for key in (key for key, value in after.items() if value):
                raise LabError(f"{key} needs hydra/launcher=stack, which knows how each run has ended")
        if self.options.until and isinstance(self.options.against, str):
            raise LabError(
                "hydra.sweeper.until trains all winners on, and those of a file in hydra.sweeper.against are over: "
                "say hydra.sweeper.until=null, or train the others again with yours (hydra.sweeper.against=[sgd,adam])"
            )
        if self.options.until and self.options.confirm_seeds > self.options.most_seeds:
            least = f"hydra.sweeper.most_seeds={self.options.confirm_seeds}"
            raise LabError(
                f"confirm_seeds={self.options.confirm_seeds} is more than hydra.sweeper.most_seeds: say {least}"
            )

    def sweep(self, arguments: list[str]) -> Any:
        """Train what the words of the command ask for.

        Returns:
            What the launcher returns for each job.

        Raises:
            LabError: a wrong value in any of the jobs, or what the launcher refuses.
        """
        jobs = self.jobs(arguments)
        launcher, config = self.launcher, self.config
        assert launcher is not None  # Hydra calls setup first
        assert config is not None
        if not isinstance(launcher, StackLauncher):
            ask(jobs, arguments, {}, self.composer)
            directory = Path(str(config.hydra.sweep.dir))
            directory.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(config, directory / "multirun.yaml")
            return [launcher.launch(jobs, initial_job_idx=0)]
        returned = launcher.launch(jobs, initial_job_idx=0)
        if not launcher.sweep.options.dry_run:
            from src.sweep.winners import confirm, decide, tell  # after the check, like all that takes long to import

            if self.options.confirm_seeds:
                confirm(launcher.sweep, self.options.confirm_seeds)
            if self.options.until:
                decide(launcher.sweep, self.options)
            tell(launcher.sweep, None if self.options.report else self.options.equal_within)
            if self.options.report:
                REPORTED[:] = [launcher.sweep.directory]
        return [returned]

    def jobs(self, arguments: Sequence[str]) -> list[Words]:
        """All words of each job.

        Raises:
            LabError: words that no jobs can be made of, or more jobs than the launcher takes.
        """
        words = [*(f"{key}={as_typed(value)}" for key, value in self.options.params.items()), *arguments]
        shared, axes = axes_of(words, self.context.config_loader)
        for axis in axes:
            if axis.key in ONE:
                raise LabError(f"{axis.key}: {ONE[axis.key]}")
        grid = self._grid(shared)
        if isinstance(self.launcher, StackLauncher):  # far too large a grid is refused before it is made
            check_number(at_least(axes, grid), self.launcher.sweep.options.max_runs)
        # a choice that all jobs share has values of its own just as well
        shared, chosen = [w for w in shared if w not in grid.search], [w for w in shared if w in grid.search]
        axes = [*(Axis(key_of(word), (word.partition("=")[2],)) for word in chosen), *axes]
        if isinstance(self.options.against, str):
            from src.sweep.newcomer import newcomer  # it imports polars

            path, confirm = Path(self.options.against), self.options.confirm_seeds
            shared, jobs = newcomer(shared, axes, grid, path, confirm, self.composer)
        elif self.options.against:
            shared, jobs = compared(shared, axes, grid, self.options.against, self.composer)
        else:
            jobs = jobs_of(axes, grid)
        return [(*shared, *job) for job in jobs]

    def _grid(self, shared: Sequence[str]) -> Grid:
        """How jobs are made; a typed word takes the place of a range that belongs to a choice."""
        options = self.options
        fixed = {without_sign(key_of(word)) for word in shared if not (options.against and is_own(key_of(word)))}
        search = {
            choice: {key: as_typed(value) for key, value in axes.items() if without_sign(key) not in fixed}
            for choice, axes in options.search.items()
        }
        return Grid(options.points, options.draws, options.seed, options.together, search)


def at_least(axes: Sequence[Axis], grid: Grid) -> int:
    """How many jobs the axes make; those of a choice are not counted."""
    counted, number = set[str](), 1
    if grid.draws is not None and any(not isinstance(axis.values, tuple) for axis in axes):
        number *= grid.draws
    for axis in axes:
        bundle = next((keys for keys in grid.together if axis.key in keys), None)
        if isinstance(axis.values, tuple):
            values = len(axis.values)
        else:
            few = grid.points <= MOST_COUNTED  # of whole numbers there may be fewer than points
            of_grid = len(axis.values.values(grid.points)) if few else grid.points
            values = 1 if grid.draws is not None else of_grid
        if bundle is None or not counted & set(bundle):
            number *= values
        counted.add(axis.key)
    return number
