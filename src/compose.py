"""From the words on a command line to a composed config, and a sentence where Hydra would give a traceback."""

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

from src.config import check
from src.errors import LabError, nearest
from src.results import RunDirectory

CONF = Path(__file__).resolve().parent.parent / "conf"
NAME = "train"
ONE_OF = ("data", "model", "optimizer", "scheduler", "trainer")


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml")) if group else []


def _keys(config: Any, prefix: str = "") -> Iterable[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _keys(value, f"{prefix}{key}.")


def _parsed(overrides: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for override in overrides:
        try:
            parsed.append(parser.parse_override(override))
        except HydraException as error:
            reason = str(error).splitlines()[0]
            raise LabError(f"{override}: this is not key=value in Hydra's grammar ({reason})") from None
    return parsed


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
def composing(overrides: Sequence[str]) -> Iterator[Hydra]:
    """Hydra on `conf/`, once these overrides have been checked; the user's own `HydraConfig` is put back afterwards.

    Raises:
        LabError: as `check_overrides`.
    """
    check_overrides(overrides)
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
        if override.key_or_group in ONE_OF and isinstance(override.value(), list):
            raise LabError(
                f"{override.input_line}: one {override.key_or_group} at a time (several in turn: -m, commas)"
            )
    try:
        return _composed(overrides)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise LabError(explain(error, overrides)) from None


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """One sentence for what Hydra or OmegaConf could not compose."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = _options(group)
        return f"{group}={option}: there is no such {group}{nearest(option, options)} (choices: {', '.join(options)})"
    message = " ".join(str(error).split())
    if isinstance(error, ConfigCompositionException):
        for override in _parsed(overrides):
            key = override.key_or_group
            if f"'{key}'" not in message and f"'{override.input_line}'" not in message:
                continue
            if "Could not find" in message or "Could not override" in message:
                groups = [o for o in overrides if "/" not in o and "." not in o.split("=")[0]]
                try:
                    known = _keys(OmegaConf.to_container(_composed([o for o in groups if not o.startswith(key)])))
                except (HydraException, OmegaConfBaseException):
                    known = ()
                known = [name for name in known if not name.startswith("hydra")]
                return f"{key}: there is no such key{nearest(key, known)} (a new key is added with +{key}=...)"
    return message.replace("\n", " ")


def check_overrides(overrides: Sequence[str]) -> None:
    """Compose and check without running: a mistake is told before any directory is made.

    Raises:
        LabError: as `compose` and `check`.
    """
    composed = compose(overrides)
    with open_dict(composed):
        composed.hydra.runtime.output_dir = "."
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        check(composed)
        RunDirectory(Path(composed.hydra.run.dir)).check_unused()
    finally:
        HydraConfig.instance().cfg = before


def _group_of(key: str) -> str:
    return key.split("@")[0].split(".")[0].lstrip("/")


def with_checkpoint(overrides: Sequence[str]) -> list[str]:
    """Put the overrides of the run that `ckpt_path=` belongs to before these; unchanged without `ckpt_path=`.

    Of two values for one key the later is kept; a group chosen anew drops what the old run said inside that group.

    Raises:
        LabError: no such checkpoint, no run around it, or `conf/` no longer composes to that run's config.
    """
    given = _parsed(overrides)
    paths = [override.value() for override in given if override.key_or_group == "ckpt_path"]
    if not paths or paths[-1] is None:
        return list(overrides)
    checkpoint = Path(str(paths[-1]))
    if not checkpoint.is_file():
        raise LabError(f"ckpt_path={checkpoint}: there is no such file")
    run = checkpoint.resolve().parent.parent
    recorded, config = run / ".hydra" / "overrides.yaml", run / ".hydra" / "config.yaml"
    if not (recorded.is_file() and config.is_file()):
        raise LabError(f"ckpt_path={checkpoint}: {run} is not a run directory (it has no .hydra/config.yaml)")
    before = [line for line in yaml.safe_load(recorded.read_text()) or [] if not line.startswith("ckpt_path=")]
    _same_conf(before, OmegaConf.load(config), run)
    keys = {override.key_or_group for override in given}
    groups = {key for key in keys if "." not in key and (CONF / key).is_dir()}
    kept = [
        old.input_line or ""
        for old in _parsed(before)
        if old.key_or_group not in keys and not ("." in old.key_or_group and _group_of(old.key_or_group) in groups)
    ]
    return [*kept, *overrides]


def _same_conf(overrides: Sequence[str], recorded: Any, run: Path) -> None:
    """Refuse to go on when `conf/` has changed since `run`, so that its config cannot be composed again."""
    now, then = OmegaConf.to_container(compose(overrides)), OmegaConf.to_container(recorded)
    assert isinstance(now, dict)
    assert isinstance(then, dict)

    def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
        if not isinstance(tree, dict) or not tree:
            return {prefix[:-1]: tree}
        return {key: value for name, inner in tree.items() for key, value in flat(inner, f"{prefix}{name}.").items()}

    old = {key: value for key, value in flat(then).items() if key != "ckpt_path"}
    new = {key: value for key, value in flat(now).items() if key != "ckpt_path" and not key.startswith("hydra.")}
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        raise LabError(
            f"conf/ has changed since {run.name} was trained ({', '.join(changed[:5])}): "
            "put it back to go on from there"
        )
