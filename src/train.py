"""Train one run, or with -m every combination of comma-separated values. `python -m src.train --help`."""

import os
import sys

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.compose import check_overrides, explain, with_checkpoint
from src.config import check
from src.errors import LabError, told


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def command(composed: DictConfig) -> float | None:
    """One run; returns what a sweeper minimizes: the validation loss, or the training loss where there is none."""
    check(composed)
    from rich.console import Console  # after the check, like everything that takes long to import

    from src.results import headline, summary
    from src.run import task

    result = task(composed)
    console = Console()
    console.print(
        headline(result), style="green" if result.status == "completed" else "red", highlight=False, soft_wrap=True
    )
    console.print(summary(result))
    console.print(str(result.directory), style="dim", soft_wrap=True, highlight=False)
    return result.metrics.get("val/loss", result.metrics["train/loss"])


def main() -> None:
    """The command: mistakes are told in a sentence before a directory is made; exit status 1."""
    # Hydra would print its own errors and exit; this way they come here, and become sentences
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with told():
        arguments = get_args_parser().parse_args()
        shown = arguments.help or arguments.hydra_help or arguments.cfg or arguments.info
        try:
            overrides = with_checkpoint(arguments.overrides)
            if overrides != arguments.overrides:
                flags = [word for word in sys.argv[1:] if word not in arguments.overrides]
                sys.argv[1:] = [*flags, *overrides]
            if not (shown or arguments.multirun):
                check_overrides(overrides)
            command()
        except (HydraException, OmegaConfBaseException) as error:
            if full_error == "1":
                raise
            raise LabError(explain(error, arguments.overrides)) from None


if __name__ == "__main__":
    main()
