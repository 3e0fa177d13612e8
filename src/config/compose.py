"""From the words on a command line to a composed config, and a sentence where Hydra would give a traceback."""

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.config.schema import Config, check, flat, shown, unresolved
from src.errors import LabError, nearest, one_line, unwritable
from src.run_directory import RunDirectory, quoted

CONF = Path(__file__).resolve().parents[2] / "conf"
NAME = "train"
SEVERAL = ("logger", "callbacks", "debug")
"""Groups of which several options can be chosen together."""
OPEN = ("optimizer", "scheduler", "logger", "callbacks")
"""Sections that take keys of the user's own."""


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml")) if group else []


def is_group(key: str) -> bool:
    """Whether a key chooses an option of a group of `conf/`."""
    return "." not in key and bool(_options(key))


def _keys(config: Any, prefix: str = "") -> Iterable[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _keys(value, f"{prefix}{key}.")


def parsed(word: str) -> Override:
    """An override, read.

    Raises:
        LabError: it is not of Hydra's grammar.
    """
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        reason = str(error).splitlines()[0]
        key, equals, value = word.partition("=")
        quoted = f"; write \"{key}='{value}'\"" if equals and value and value[0] not in "'\"[{(" else ""
        if re.match(r"\w+\(", value):
            quoted = "; a range is interval(a,b), one by its logarithm tag(log,interval(a,b))"
        raise LabError(f"{word}: this is not key=value in Hydra's grammar ({reason}){quoted}") from None
    if not override.key_or_group:
        raise LabError(f"{word}: there is no key before the =")
    return override


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return [parsed(override) for override in overrides]


def _check_one(override: Override) -> None:
    """Refuse several values where one run needs one, and choices of a group that are no names."""
    line, group = override.input_line, override.key_or_group
    if override.is_sweep_override():
        together = f"; together: {group}=[...]" if group in SEVERAL else ""
        raise LabError(f"{line}: several values need a multirun: add -m{together}")
    value = override.value()
    if override.is_delete() or not is_group(group) or isinstance(value, dict):
        return
    if override.is_add():
        raise LabError(f"{line}: a group is chosen without the +: {line.removeprefix('+') if line else group}")
    if isinstance(value, list) and group not in SEVERAL:
        raise LabError(f"{line}: one {group} at a time (several in turn: -m, commas)")
    if not all(isinstance(name, str) for name in (value if isinstance(value, list) else [value])):
        several = " or a list of them" if group in SEVERAL else ""
        none = (
            f"; leave {group}= out to have none" if value is None and group in ("experiment", "debug", "sweep") else ""
        )
        raise LabError(f"{group}={shown(value)}: must be one of {', '.join(_options(group))}{several}{none}")


@contextmanager
def _hydra() -> Iterator[Hydra]:
    """Hydra on `conf/`, and afterwards whatever Hydra was there before (a user's own application, say)."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name=NAME):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            yield hydra
    finally:
        GlobalHydra.instance().hydra = before


@contextmanager
def composing() -> Iterator[Hydra]:
    """Hydra on `conf/`; the user's own `HydraConfig` is put back afterwards."""
    before = HydraConfig.instance().cfg
    try:
        with _hydra() as hydra:
            yield hydra
    finally:
        HydraConfig.instance().cfg = before


def _composed(overrides: Sequence[str]) -> DictConfig:
    with _hydra():
        return hydra_compose(NAME, list(overrides), return_hydra_config=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """The config of one run, as Hydra composes it, its `hydra` node included.

    Raises:
        LabError: an option or key that is not there, or an override that cannot be read.
    """
    for override in _parsed(overrides):
        _check_one(override)
    try:
        return _composed(overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise LabError(explain(error, overrides)) from None


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """One sentence for what Hydra or OmegaConf could not compose."""
    if isinstance(error, OmegaConfBaseException):
        return unresolved(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = sorted(error.options or _options(group))
        choices = f" (choices: {', '.join(options)})" if options else ""
        return f"{group}={option}: there is no such choice{nearest(option, options)}{choices}"
    message = " ".join(str(error).split())
    if isinstance(error, ConfigCompositionException):
        for override in _parsed(overrides):
            key = override.key_or_group
            if f"'{key}'" not in message and f"'{override.input_line}'" not in message:
                continue
            if any(
                words in message for words in ("Could not find", "Could not override", "does not exist", "No match")
            ):
                deeper = getattr(error.__cause__, "full_key", None) or ""  # of key={a:1,b:2} the one that is meant
                key = deeper if deeper.startswith(f"{key}.") else key
                return f"{key}: there is no such key{_hint(key, overrides)}"
        if error.__cause__ is not None:
            message += f" ({str(error.__cause__).partition(chr(10))[0]})"
    return message


def _hint(key: str, overrides: Sequence[str]) -> str:
    """What may have been meant by a key that the chosen groups do not have."""
    section, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    there = _known(key, overrides)
    known = [
        one for one in there if (section == "hydra" or not one.startswith("hydra.")) and not key.startswith(f"{one}.")
    ]
    if section in SEVERAL and name in _options(section) and f"{section}.{name}" not in there:
        return f" without {section}=[{name}], which adds it"
    parent, _, last = key.rpartition(".")
    beside = [one.rpartition(".")[2] for one in known if parent and one.rpartition(".")[0] == parent]
    added = f" (a new key is added with +{key}=...)" if section in OPEN else ""
    if beside:
        return (nearest(last, beside, parent) or f"; {parent} has {', '.join(beside)}") + added
    return nearest(key, known) + added


def _known(key: str, overrides: Sequence[str]) -> list[str]:
    """The keys of the config with the groups that were chosen, of several values the first."""
    chosen = []
    try:
        for override in _parsed(overrides):
            names = not isinstance(override.value(), dict)
            if is_group(override.key_or_group) and override.key_or_group != key and names:
                first = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
                chosen.append(f"{override.key_or_group}={first}" if first else override.input_line or "")
        return list(_keys(OmegaConf.to_container(_composed(chosen))))
    except (HydraException, OmegaConfBaseException, ValueError):
        return []


def check_overrides(overrides: Sequence[str]) -> bool:
    """Compose and check without running: a mistake is told before any directory is made.

    Returns:
        whether the run directory is there already.

    Raises:
        LabError: as `compose` and `check`.
    """
    return check_run(compose(overrides))


def check_run(composed: DictConfig) -> bool:
    """Check what `compose` gave; else as `check_overrides`."""
    with open_dict(composed):
        composed.hydra.runtime.output_dir = "."
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        for key, asked in (
            ("sweep", composed.hydra.runtime.choices.get("sweep")),
            ("confirm_seeds", composed.confirm_seeds),
        ):
            if asked:
                raise LabError(f"{key}={shown(asked)} needs a multirun: add -m")
        config, directory = check(composed), Path(composed.hydra.run.dir)
        RunDirectory(directory).check_free()
        _check_in_place(config, directory)
        return directory.exists()
    except OmegaConfBaseException as error:
        raise LabError(unresolved(error)) from None
    finally:
        HydraConfig.instance().cfg = before


def _check_in_place(config: Config, directory: Path) -> None:
    """Refuse to go on with an unfinished run of another config, before Hydra writes the new one over it.

    Raises:
        LabError: it names what differs. A larger `trainer.max_steps` does not.
    """
    recorded = directory / ".hydra" / "config.yaml"
    if not (RunDirectory(directory).last_checkpoint.is_file() and recorded.is_file()):
        return
    try:
        then = flat(check(OmegaConf.create(OmegaConf.load(recorded))).decisive())  # type: ignore[arg-type]
    except (LabError, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError):
        return  # broken, or of another version: its checkpoint knows whose it is
    now = flat(config.decisive())
    keys = [key for key in {**then, **now} if key != "trainer.max_steps" and then.get(key) != now.get(key)]
    if keys:
        told = ", ".join(f"{key} ({shown(then.get(key))} then, {shown(now.get(key))} now)" for key in keys[:5])
        last = quoted(str(directory / "checkpoints" / "last.ckpt"))
        raise LabError(
            f"{directory} holds an unfinished run that differs: {told}; type its own command to go on, or choose "
            f"another hydra.run.dir (with ckpt_path={last} to go on from it)"
        )


@contextmanager
def writing() -> Iterator[None]:
    """Tell a full disk, or a run directory that cannot be written, in a sentence."""
    try:
        yield
    except OSError as error:
        if not _of_the_run(error):
            raise
        raise LabError(unwritable(error)) from error


def _of_the_run(error: OSError) -> bool:
    """Whether a full disk or the run directory is to blame, not a file of the user's own code."""
    if error.errno == errno.ENOSPC:
        return True
    if not error.filename or not HydraConfig.initialized():
        return False
    directory, failed = Path(HydraConfig.get().runtime.output_dir).absolute(), Path(str(error.filename)).absolute()
    return failed.is_relative_to(directory) or directory.is_relative_to(failed)


def check_sweep_overrides(overrides: Sequence[str]) -> None:
    """Refuse what a sweep cannot go to, or be made by, before Hydra makes a directory.

    Raises:
        LabError: it is a file; or there is a sweep in it, which only this project's launcher goes on with; or another
            sweeper is to read what is for this project's.
    """
    said = {override.key_or_group: override for override in _parsed(overrides) if not override.is_sweep_override()}
    sweeper = said["hydra/sweeper"].value() if "hydra/sweeper" in said else "grid"
    for key in ("sweep", "confirm_seeds"):
        if sweeper != "grid" and key in said and said[key].value():
            raise LabError(f"{said[key].input_line} needs hydra/sweeper=grid: hydra/sweeper={sweeper} does not know it")
    if "hydra.sweep.dir" not in said:
        return
    directory = Path(str(said["hydra.sweep.dir"].value()))
    if directory.is_file():
        raise LabError(f"{directory} is a file; choose another hydra.sweep.dir")
    goes_on = "hydra/launcher" not in said or said["hydra/launcher"].value() == "stack"
    if not goes_on and ((directory / "multirun.yaml").exists() or any(directory.glob("*/result.json"))):
        raise LabError(f"{directory} already holds a sweep; choose another hydra.sweep.dir")


def _group_of(key: str) -> str:
    return key.split("@")[0].split(".")[0].lstrip("/")


def with_checkpoint(overrides: Sequence[str]) -> list[str]:
    """Put the overrides of the run that `ckpt_path=` belongs to before these; unchanged without `ckpt_path=`.

    Of two values for one key the later is kept; a group chosen anew drops what the old run said inside that group.

    Raises:
        LabError: no such checkpoint, no run around it, or `conf/` no longer composes to that run's config.
    """
    given = _parsed(overrides)
    paths = [override for override in given if override.key_or_group == "ckpt_path"]
    if not paths or paths[-1].value() is None:
        return list(overrides)
    if paths[-1].is_sweep_override():
        raise LabError(f"{paths[-1].input_line}: one checkpoint at a time")
    checkpoint = Path(str(paths[-1].value()))
    if not checkpoint.is_file():
        raise LabError(f"ckpt_path={checkpoint}: there is no such file")
    run = checkpoint.resolve().parent.parent
    recorded, config = run / ".hydra" / "overrides.yaml", run / ".hydra" / "config.yaml"
    if not (recorded.is_file() and config.is_file()):
        raise LabError(f"ckpt_path={checkpoint}: {run} is not a run directory (it has no .hydra/config.yaml)")
    try:
        lines, then = yaml.safe_load(recorded.read_text(encoding="utf-8")) or [], OmegaConf.load(config)
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise LabError(f"{run / '.hydra'} cannot be read ({one_line(error)})") from None
    before = [old for old in _parsed(lines) if old.key_or_group != "ckpt_path"]
    _same_conf([old.input_line or "" for old in before], then, run)
    keys = {override.key_or_group: override for override in given}
    groups = {key for key in keys if is_group(key)}

    def stays(old: Override) -> bool:
        key = old.key_or_group
        if key in keys:  # what the old run added must be there for a plain key=value to change it
            return (old.is_add() or old.is_force_add()) and not keys[key].is_add()
        return not ("." in key and _group_of(key) in groups)

    return [*(old.input_line or "" for old in before if stays(old)), *overrides]


def _same_conf(overrides: Sequence[str], recorded: Any, run: Path) -> None:
    """Refuse to go on when `conf/` has changed since `run`, so that its config cannot be composed again."""
    now, then = OmegaConf.to_container(compose(overrides)), OmegaConf.to_container(recorded)
    assert isinstance(now, dict)
    assert isinstance(then, dict)

    old = {key: value for key, value in flat(then).items() if key != "ckpt_path"}
    new = {key: value for key, value in flat(now).items() if key != "ckpt_path" and not key.startswith("hydra.")}
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        raise LabError(
            f"conf/ has changed since {run.name} was trained ({', '.join(changed[:5])}): "
            "put it back to go on from there"
        )
