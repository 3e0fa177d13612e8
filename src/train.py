"""Train one run, or with -m every combination of values, as one stack. `python -m src.train --help`."""

import importlib
import math
import os
import sys
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import CONF, check_overrides, check_sweep_overrides, explain, with_checkpoint, writing
from src.config.schema import check
from src.errors import FULL_ERROR, LabError, one_line, told
from src.run_directory import discard
from src.sweep.failures import FAILED, REPORTED

PLUGINS = Path(__file__).resolve().parent / "sweep" / "plugin"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def command(composed: DictConfig) -> float:
    """One run; returns what a sweeper minimizes: the validation loss, or the training loss where there is none."""
    try:
        check(composed)
    except LabError as error:
        return _failed(error)
    from rich.console import Console  # after the check, like everything that takes long to import

    from src.report.run_summary import headline, in_theory, summary
    from src.run.command import task

    result = task(composed)
    if isinstance(result, LabError):
        return _failed(result)
    console = Console()
    colour = "green" if result.status == "completed" else "red"
    console.print(headline(result), style=colour, highlight=False, soft_wrap=True, markup=False)
    console.print(summary(result))
    for line in in_theory(result):
        console.print(line, highlight=False, markup=False)
    where = result.directory.resolve()
    inside = where.is_relative_to(Path.cwd())
    console.print(
        str(where.relative_to(Path.cwd()) if inside else where),
        style="dim",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    loss = result.metrics.get("val/loss", result.metrics["train/loss"])
    return math.inf if loss is None else loss


def _failed(error: LabError) -> float:
    """Keep a mistake for the end, with the job of the multirun that it came out in; what a sweeper gets for it."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN:
        error = LabError(f"job {hydra_config.job.num} ({' '.join(hydra_config.overrides.task)}): {error}")
    FAILED.append(error)
    return math.inf


def find_plugins() -> None:
    """Let Hydra find this project's sweeper and launcher, whether it has looked for plugins before or not."""
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    plugin = importlib.import_module("hydra_plugins.descent_lab")
    for kind in (plugin.GridSweeper, plugin.StackLauncher):
        Plugins.instance().register(kind)


def _report(directory: Path) -> None:
    """Write a sweep's page; that it cannot be written must not take from what is finished."""
    from src.report.__main__ import report

    try:
        page = report([directory])[0]
        print(page)
    except Exception as error:  # the sweep is done, and whatever this is can be had again
        if FULL_ERROR:
            raise
        print(f"no report ({one_line(error)}); try again: python -m src.report {directory}", file=sys.stderr)


def main() -> None:
    """The command: mistakes are told in a sentence before a directory is made; exit status 1."""
    # Hydra would print its own errors and exit; this way they come here, and become sentences
    os.environ["HYDRA_FULL_ERROR"] = "1"
    find_plugins()
    FAILED.clear()
    REPORTED.clear()
    with told():
        # Hydra wants its flags first
        sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))
        arguments = get_args_parser().parse_args()
        shown = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info
        try:
            overrides = with_checkpoint(arguments.overrides)
            if overrides != arguments.overrides:
                flags = [word for word in sys.argv[1:] if word not in arguments.overrides]
                sys.argv[1:] = [*flags, *overrides]
            existed = True
            if arguments.multirun and not shown:
                check_sweep_overrides(overrides)
            elif not shown:
                existed = check_overrides(overrides)
            with writing():
                command()
            for directory in REPORTED:
                _report(directory)
            if FAILED and not arguments.multirun:
                discard(FAILED[0], existed)
                raise FAILED[0]
            if FAILED:
                raise LabError("; ".join(dict.fromkeys(map(str, FAILED))))
        except (HydraException, OmegaConfBaseException) as error:
            if FULL_ERROR:
                raise
            raise LabError(explain(error, arguments.overrides)) from None


if __name__ == "__main__":
    main()
