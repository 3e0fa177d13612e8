"""From words to a composed config, and a sentence where Hydra would give a traceback."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.overrides import TEXTS, parsed, quote_texts, quoted
from src.config.section import shown
from src.config.sentences import unresolved
from src.errors import LabError, nearest

CONF = Path(__file__).resolve().parents[2] / "conf"
NAME = "train"
SEVERAL = ("logger", "callbacks", "debug")
"""Groups of which several options can be chosen together."""
VALUES = ("seed", "ckpt_path", "check_gradients", "confirm_seeds")
"""Keys of a config beside its sections."""
OPEN = ("loss", "optimizer", "scheduler", "logger", "callbacks")
"""Sections that take keys of the user's own."""


@cache
def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml")) if group else []


def is_group(key: str) -> bool:
    """Whether a key chooses an option of a group of `conf/`."""
    return "." not in key and bool(_options(key))


def may_be_group(key: str) -> bool:
    """Whether a key chooses an option of a group of `conf/`, or of one that may lie where the user's own options do."""
    return "." not in key and key not in VALUES


def _keys(config: Any, prefix: str = "") -> Iterable[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _keys(value, f"{prefix}{key}.")


def _check_searchpath(override: Override) -> None:
    """Refuse a folder of `hydra.searchpath` that is not there, of which Hydra only warns.

    Raises:
        LabError: it names the folder.
    """
    if override.key_or_group != "hydra.searchpath" or override.is_sweep_override():
        return
    value = override.value()
    for place in value if isinstance(value, list) else [value]:
        scheme, _, path = str(place).rpartition("://")
        if place is not None and scheme in ("", "file") and "${" not in path and not Path(path).is_dir():
            raise LabError(f"{override.input_line}: there is no folder {path}")


def check_one(override: Override) -> None:
    """Refuse several values where one run needs one, choices of a group that are no names, and folders that are none.

    Raises:
        LabError: so it is.
    """
    _check_searchpath(override)
    line, group = override.input_line, override.key_or_group
    if override.is_sweep_override():
        hint = f"; together: {group}=[...]" if group in SEVERAL else ""
        if group in TEXTS:
            hint = f'; one value with a comma in it: "{group}={quoted(str(line).partition("=")[2])}"'
        raise LabError(f"{line}: several values need a multirun: add -m{hint}")
    value = override.value()
    if override.is_delete() or not is_group(group) or isinstance(value, dict):
        return
    if override.is_add():
        raise LabError(f"{line}: a group is chosen without the +: {line.removeprefix('+') if line else group}")
    if isinstance(value, list) and group not in SEVERAL:
        raise LabError(f"{line}: one {group} at a time (several in turn: -m, commas)")
    if not all(isinstance(name, str) for name in (value if isinstance(value, list) else [value])):
        several = " or a list of them" if group in SEVERAL else ""
        optional = value is None and group in ("experiment", "debug", "sweep")
        none = f"; leave {group}= out to have none" if optional else ""
        raise LabError(f"{group}={shown(value)}: must be one of {', '.join(_options(group))}{several}{none}")


@contextmanager
def composing() -> Iterator[Hydra]:
    """Hydra on `conf/`, and afterwards whatever there was before of a user's own application."""
    hydra_before, config_before = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name=NAME):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            yield hydra
    finally:
        GlobalHydra.instance().hydra = hydra_before
        HydraConfig.instance().cfg = config_before


def _composed(overrides: Sequence[str]) -> DictConfig:
    with composing():
        return hydra_compose(NAME, list(overrides), return_hydra_config=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """The config of one run, as Hydra composes it, its `hydra` node included.

    Raises:
        LabError: an option or key that is not there, or an override that cannot be read.
    """
    overrides = quote_texts(overrides)
    for word in overrides:
        check_one(parsed(word))
    try:
        return _composed(overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise LabError(explain(error, overrides)) from None


NO_SUCH_KEY = ("Could not find", "Could not override", "does not exist", "No match")
"""How Hydra says so."""


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
        for override in map(parsed, overrides):
            key, line = override.key_or_group, override.input_line or ""
            if override.package and f"'{key}@{override.package}'" in message:
                return f"{key}@{override.package}: a group has one place in the config: {key}=..."
            if override.is_delete() and f"Could not delete '{line.lstrip('~')}'" in message:
                return f"{line}: this option of {key} is not chosen, so it cannot be taken out"
            if f"'{key}'" not in message and f"'{override.input_line}'" not in message:
                continue
            if "already at" in message:
                return (
                    f"+{key}: the config has this key already; leave out the +, "
                    f"or say ++{key}=..., which sets it whether it is there or not"
                )
            if any(words in message for words in NO_SUCH_KEY):
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
    there = _all_keys(key, overrides)
    candidates = [one for one in there if section == "hydra" or not one.startswith("hydra.")]
    candidates = [one for one in candidates if not key.startswith(f"{one}.")]
    if section in SEVERAL and name in _options(section) and f"{section}.{name}" not in there:
        return f" without {section}=[{name}], which adds it"
    parent, _, last = key.rpartition(".")
    beside = [one.rpartition(".")[2] for one in candidates if parent and one.rpartition(".")[0] == parent]
    added = f" (a new key is added with +{key}=...)" if section in OPEN else ""
    if added and any(one.key_or_group == section and one.is_sweep_override() for one in map(parsed, overrides)):
        added = f" (where only some have it, ++{key}=... sets it for all)"
    if beside:
        return (nearest(last, beside, parent) or f"; {parent} has {', '.join(beside)}") + added
    return nearest(key, candidates) + added


def _all_keys(key: str, overrides: Sequence[str]) -> list[str]:
    """The keys of the config with the groups that were chosen, of several values the first."""
    chosen = []
    try:
        for override in map(parsed, overrides):
            group, value = override.key_or_group, override.value()
            if group == "hydra.searchpath" or (is_group(group) and group != key and not isinstance(value, dict)):
                first = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
                chosen.append(f"{group}={first}" if first else override.input_line or "")
        return list(_keys(OmegaConf.to_container(_composed(chosen))))
    except (HydraException, OmegaConfBaseException, ValueError):
        return []
