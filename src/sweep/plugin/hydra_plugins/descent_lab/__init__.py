"""The names under which Hydra finds this project's sweeper and launcher: it looks for plugins nowhere else."""

from src.sweep import launcher, sweeper


class GridSweeper(sweeper.GridSweeper):
    """See src/sweep/sweeper.py."""


class StackLauncher(launcher.StackLauncher):
    """See src/sweep/launcher.py."""
