"""What is refused before a directory is made and torch is imported, though the config by itself is right."""

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import check_one
from src.config.data import Table
from src.config.overrides import parsed
from src.config.resumed_words import check_in_place
from src.config.schema import Config, check
from src.config.section import shown
from src.config.sentences import unresolved
from src.config.table_path import expanded, table_file
from src.errors import LabError


def check_run(composed: DictConfig) -> bool:
    """Check one run, and where it goes.

    Args:
        composed: its config, Hydra's node included.

    Returns:
        whether the run directory is there already.

    Raises:
        LabError: a value that is not allowed, what only a multirun knows, a file that is not there, or a run directory
            that is taken.
    """
    with open_dict(composed):
        composed.hydra.runtime.output_dir = "."
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        asked = {"sweep": composed.hydra.runtime.choices.get("sweep"), "confirm_seeds": composed.confirm_seeds}
        for key, value in asked.items():
            if value:
                raise LabError(f"{key}={shown(value)} needs a multirun: add -m")
        check_output_subdir(composed.hydra.output_subdir)
        config, directory = check(composed), Path(composed.hydra.run.dir)
        check_free(directory)
        check_files(config, directory if composed.hydra.job.chdir else Path())
        check_in_place(config, directory)
        return directory.exists()
    except OmegaConfBaseException as error:
        raise LabError(unresolved(error)) from None
    finally:
        HydraConfig.instance().cfg = before


def check_output_subdir(name: object) -> None:
    """Refuse a `hydra.output_subdir` that is not `.hydra`.

    Raises:
        LabError: it is another, or null.
    """
    if name != ".hydra":
        raise LabError(
            f"hydra.output_subdir={shown(name)}: leave it out; a resume and the report read a run's config in .hydra/"
        )


def check_files(config: Config, start: Path = Path()) -> None:
    """Refuse a table or a checkpoint that is not there.

    Args:
        config: of a run.
        start: the directory that the run starts in, which `hydra.job.chdir=true` makes its own.

    Raises:
        LabError: it names the file.
    """
    path = config.data.path if isinstance(config.data, Table) else None
    try:
        if path is not None:
            table_file(start / expanded(path))
        path = config.ckpt_path
        if path is not None and not (start / path).is_file():
            raise LabError(f"ckpt_path={start / path}: there is no such file")
    except LabError as error:
        moved = HydraConfig.initialized() and HydraConfig.get().job.chdir and not os.path.isabs(str(path))
        hint = "; hydra.job.chdir=true starts a run in its own directory: give the whole path, from / on"
        raise LabError(f"{error}{hint if moved else ''}") from None


def check_writable(directory: Path, key: str) -> None:
    """Refuse a directory that cannot be made or written to.

    Args:
        directory: it need not be there yet.
        key: of the config, by which another is chosen.

    Raises:
        LabError: it is a file, or below one, or permissions forbid it.
    """
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not there.is_dir():
        raise LabError(f"{there} is a file; choose another {key}")
    if not os.access(there, os.W_OK):
        raise LabError(f"{there} cannot be written to; choose another {key}")


def check_free(directory: Path) -> None:
    """Refuse to write over a finished run; an unfinished one with a checkpoint goes on.

    Raises:
        LabError: there is a finished run in it, or no directory can be made there.
    """
    check_writable(directory, "hydra.run.dir")
    if (directory / "result.json").is_file():
        raise LabError(f"{directory} already holds a run; choose another hydra.run.dir, or go on with ckpt_path=")


def check_sweep_overrides(overrides: Sequence[str]) -> None:
    """Refuse what a sweep cannot go to, or be made by.

    Raises:
        LabError: it goes to a file, or to a sweep, which only this project's launcher goes on with; another sweeper is
            to read what is for this project's; runs are to leave no `.hydra/`; a folder of options is not there; or a
            key of Hydra's has several values.
    """
    said = dict[str, Override]()
    for override in map(parsed, overrides):
        if not override.is_sweep_override():
            check_one(override)
            said[override.key_or_group] = override
        elif override.key_or_group.startswith(("hydra.", "hydra/")):
            raise LabError(f"{override.input_line}: of what is Hydra's a sweep takes one value, for all its jobs")
    values = {key: override.value() for key, override in said.items()}
    check_output_subdir(values.get("hydra.output_subdir", ".hydra"))
    sweeper = values.get("hydra/sweeper", "grid")
    for key in ("sweep", "confirm_seeds", "hydra.sweeper.until"):
        if sweeper != "grid" and values.get(key):
            raise LabError(f"{said[key].input_line} needs hydra/sweeper=grid: hydra/sweeper={sweeper} does not know it")
    if "hydra.sweep.dir" not in said:
        return
    directory = Path(str(values["hydra.sweep.dir"]))
    if directory.is_file():
        raise LabError(f"{directory} is a file; choose another hydra.sweep.dir")
    goes_on = values.get("hydra/launcher", "stack") == "stack"
    if not goes_on and ((directory / "multirun.yaml").exists() or any(directory.glob("*/result.json"))):
        raise LabError(f"{directory} already holds a sweep; choose another hydra.sweep.dir")
