"""Which words, and which config, a run goes on with: from a checkpoint (`ckpt_path=`), or in its own directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import compose, is_group
from src.config.overrides import parsed, quoted
from src.config.schema import Config, check, flat
from src.config.section import shown
from src.errors import LabError, one_line
from src.run_directory import RunDirectory


def with_checkpoint(overrides: Sequence[str]) -> list[str]:
    """Put the overrides of the run that `ckpt_path=` belongs to before these; unchanged without `ckpt_path=`.

    Of two values for one key the later is kept; a group chosen anew drops what the old run said inside that group.

    Raises:
        LabError: no such checkpoint, no run around it, or `conf/` no longer composes to that run's config.
    """
    given = {override.key_or_group: override for override in map(parsed, overrides)}
    path = given.get("ckpt_path")
    if path is None or path.value() is None:
        return list(overrides)
    if path.is_sweep_override():
        raise LabError(f"{path.input_line}: one checkpoint at a time")
    checkpoint = Path(str(path.value()))
    RunDirectory(checkpoint.parent.parent).make()
    if not checkpoint.is_file():
        raise LabError(f"ckpt_path={checkpoint}: there is no such file")
    run = checkpoint.resolve().parent.parent
    recorded, config, hydra = (run / ".hydra" / f"{name}.yaml" for name in ("overrides", "config", "hydra"))
    if not (recorded.is_file() and config.is_file()):
        raise LabError(f"ckpt_path={checkpoint}: {run} is not a run directory (it has no .hydra/config.yaml)")
    try:
        words, then = yaml.safe_load(recorded.read_text(encoding="utf-8")) or [], OmegaConf.load(config)
        of_hydra = OmegaConf.load(hydra).hydra.overrides.hydra if hydra.is_file() else []
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise LabError(f"{run / '.hydra'} cannot be read ({one_line(error)})") from None
    # where options of the user's own lie
    words = [*(word for word in of_hydra if word.startswith("hydra.searchpath=")), *words]
    before = [(word, override) for word in words if (override := parsed(word)).key_or_group != "ckpt_path"]
    _check_same_conf([word for word, _ in before], then, run)

    def stays(old: Override) -> bool:
        key = old.key_or_group
        if key in given:  # what the old run added must be there for a plain key=value to change it
            return (old.is_add() or old.is_force_add()) and not given[key].is_add()
        group, inside, _ = key.partition(".")
        return not (inside and group in given and is_group(group))

    return [*(word for word, override in before if stays(override)), *overrides]


def _check_same_conf(overrides: Sequence[str], recorded: Any, run: Path) -> None:
    """Refuse to go on when `conf/` has changed since `run`, so that its config cannot be composed again."""
    new, old = (flat(OmegaConf.to_container(config)) for config in (compose(overrides), recorded))
    keys = {key for key in old.keys() | new.keys() if key != "ckpt_path" and not key.startswith("hydra.")}
    changed = sorted(key for key in keys if old.get(key) != new.get(key))
    if changed:
        raise LabError(
            f"conf/ has changed since {run.name} was trained ({', '.join(changed[:5])}): "
            "put it back to go on from there"
        )


def check_in_place(config: Config, directory: Path) -> None:
    """Refuse to go on with an unfinished run of another config, before Hydra writes the new one over it.

    Raises:
        LabError: it names what differs. A larger `trainer.max_steps` does not.
    """
    recorded, last = directory / ".hydra" / "config.yaml", directory / "checkpoints" / "last.ckpt"
    if not (last.is_file() and recorded.is_file()):
        return
    try:
        then = flat(check(OmegaConf.create(OmegaConf.load(recorded))).decisive())  # type: ignore[arg-type]
    except (LabError, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError):
        return  # broken, or of another version: its checkpoint knows whose it is
    now = flat(config.decisive())
    keys = [key for key in {**then, **now} if key != "trainer.max_steps" and then.get(key) != now.get(key)]
    if keys:
        differs = ", ".join(f"{key} ({shown(then.get(key))} then, {shown(now.get(key))} now)" for key in keys[:5])
        raise LabError(
            f"{directory} holds an unfinished run that differs: {differs}; type its own command to go on, or choose "
            f"another hydra.run.dir (with ckpt_path={quoted(str(last))} to go on from it)"
        )
