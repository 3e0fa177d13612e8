"""Train one run, or with -m every combination of values, as stacks. `python -m src.train --help`."""

import importlib
import math
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.config.check_run import check_files, check_run, check_sweep_overrides
from src.config.compose import CONF, NAME, compose, composing, explain
from src.config.help import help_text, terminal_width
from src.config.overrides import quote_texts, quoted
from src.config.resumed_words import with_checkpoint
from src.config.schema import check
from src.errors import FULL_ERROR, LabError, exit_on_error, one_line, writing
from src.run_directory import look_at, typed
from src.sweep.failures import FAILED, REPORTED

if TYPE_CHECKING:
    from src.run_directory import Result

PLUGINS = Path(__file__).resolve().parent / "sweep" / "plugin"


def main() -> None:
    """The command: a mistake ends in a sentence before a directory is made; exit status 1."""
    # Hydra would print its own errors and exit; this way they come here, and become sentences
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with exit_on_error():
        arguments = get_args_parser().parse_intermixed_args()
        try:
            with writing():
                _start(arguments)
        except (HydraException, OmegaConfBaseException) as error:
            if FULL_ERROR:
                raise
            raise LabError(explain(error, arguments.overrides)) from None


def find_plugins() -> None:
    """Let Hydra find this project's sweeper and launcher, whether it has looked for plugins before or not.

    A run by itself has no use for them, and a mistake would take half as long again to import them.
    """
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    plugin = importlib.import_module("hydra_plugins.descent_lab")
    for kind in (plugin.GridSweeper, plugin.StackLauncher):
        Plugins.instance().register(kind)


def _start(arguments: Namespace) -> None:
    if arguments.config_name or arguments.config_path:
        raise LabError("--config-name, --config-path: the config is conf/train.yaml; options of your own: --config-dir")
    given = list(arguments.overrides)
    if arguments.config_dir:  # as a word it is there for whoever composes, now and when the run goes on
        if not Path(arguments.config_dir).is_dir():
            raise LabError(f"--config-dir {arguments.config_dir}: there is no such folder")
        given.insert(0, f"hydra.searchpath=[{quoted(f'file://{Path(arguments.config_dir).absolute()}')}]")
    overrides = with_checkpoint(quote_texts(given))
    flags = [word for word in sys.argv[1:] if word not in arguments.overrides]
    sys.argv[1:] = [*flags, *overrides]  # Hydra wants its flags first
    if arguments.help:
        print(help_text(compose(overrides), terminal_width()))
    elif any((arguments.hydra_help, arguments.cfg, arguments.info, arguments.shell_completion)):
        find_plugins()
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=NAME)(job)()
    elif arguments.multirun:
        check_sweep_overrides(overrides)
        _sweep(overrides)
    else:
        composed = compose(overrides)
        existed = check_run(composed)
        from src.run.command import run_composed  # after the checks, like everything that takes long to import

        result = run_composed(composed, existed, configure_logging=True)
        show(result)
        _show_commands(result.directory)


def _sweep(overrides: Sequence[str]) -> None:
    """A multirun: Hydra hands the words to the sweeper, and its jobs to the launcher.

    `hydra.main` would compose the config once more before, to see whether it says that this is no multirun.
    """
    FAILED.clear()
    REPORTED.clear()
    find_plugins()
    with composing() as application:
        application.multirun(NAME, job, [*overrides, "hydra.mode=MULTIRUN"])
    for directory in REPORTED:
        _report(directory)
    if FAILED:
        raise LabError("; ".join(dict.fromkeys(map(str, FAILED))))


def job(composed: DictConfig) -> float:
    """A run that Hydra's own launcher asks for; what a sweeper minimizes: the validation loss, else the training loss.

    A mistake is kept for the end: the other jobs go on.
    """
    try:
        check_files(check(composed))
        from src.run.command import task

        result = task(composed)
        if isinstance(result, LabError):
            raise result
    except LabError as error:
        now = HydraConfig.get()
        FAILED.append(LabError(f"job {now.job.num} ({' '.join(now.overrides.task)}): {error}"))
        return math.inf
    show(result)
    loss = result.metrics.get("val/loss", result.metrics["train/loss"])
    return math.inf if loss is None else loss


def show(result: "Result") -> None:
    """How a run ended, what it learned, what theory has to say of it, and where it is."""
    from rich.console import Console

    from src.report.run_summary import headline, in_theory, summary

    console = Console(highlight=False, markup=False)
    console.print(headline(result), style="green" if result.status == "completed" else "red", soft_wrap=True)
    console.print(summary(result))
    for line in in_theory(result):
        console.print(line)
    console.print(typed(result.directory), style="dim", soft_wrap=True)


def _show_commands(directory: Path) -> None:
    """What to type to look at a run."""
    from rich.console import Console

    boards = directory if any(directory.glob("events.out.tfevents.*")) else None
    Console(highlight=False, markup=False).print(look_at(directory, boards), style="dim", soft_wrap=True)


def _report(directory: Path) -> None:
    """Write a sweep's page; that it cannot be written must not take from what is finished."""
    from src.report.__main__ import report

    try:
        print(report([directory], tell=print)[0])
    except Exception as error:  # the sweep is done, and whatever this is can be had again
        if FULL_ERROR:
            raise
        print(f"no report ({one_line(error)}); try again: python -m src.report {directory}", file=sys.stderr)


if __name__ == "__main__":
    main()
