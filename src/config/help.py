"""What `--help` shows: the groups, and every key of the config with the comment that it has in `conf/`."""

import re
import string
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from src.config.compose import CONF, SEVERAL

WIDTH = 100
COLUMN = 34
"""Where the sentences begin, unless a key and its value are longer."""


def help_text(composed: DictConfig) -> str:
    """The help for a config, Hydra's node included: of `data=table` the keys are those of a table."""
    choices = {group: choice for group, choice in composed.hydra.runtime.choices.items() if choice is not None}
    text = string.Template(str(composed.hydra.help.template)).substitute(
        GROUPS=_groups(composed),
        **{name: _explained(part, choices) for name, part in explained_parts(composed).items()},
    )
    return text.strip()


def explained_parts(composed: DictConfig) -> dict[str, dict[str, Any]]:
    """What has sentences: `CONFIG`, of a run, and `SWEEP`, of Hydra's node what is for runs and multiruns."""
    plain: Any = OmegaConf.to_container(composed)
    hydra = plain.pop("hydra")
    return {"CONFIG": plain, "SWEEP": {"hydra": {key: hydra[key] for key in ("run", "sweep", "sweeper", "launcher")}}}


def _groups(composed: DictConfig) -> str:
    """The options of every group, those in folders of the user's own among them."""
    sources = [Path(source.path) for source in composed.hydra.runtime.config_sources if source.schema == "file"]
    groups: dict[str, set[str]] = {}
    for path in (path for source in sources for path in source.glob("*/*.yaml") if path.parent.name != "hydra"):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(options))}" for group, options in sorted(groups.items())]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def _explained(config: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """A config as YAML, every key with its sentence beside it."""
    text = OmegaConf.to_yaml(config)
    lines = text.splitlines()
    for key, line in _keys(text):
        column = max(COLUMN, len(lines[line]) + 2)
        if said := sentence(key, choices):
            first, next_ones = f"{lines[line]:{column}}# ", " " * column + "# "
            lines[line] = textwrap.fill(said, WIDTH, initial_indent=first, subsequent_indent=next_ones)
    return "\n".join(lines)


def sentence(key: str, choices: Mapping[str, Any]) -> str | None:
    """What `conf/` says of a key: in the file of the chosen option, in train.yaml, or in another option of its group.

    Args:
        key: such as `data.rows`.
        choices: of each group the option that is chosen, where it is one.
    """
    group = "/".join(key.split(".")[:2]) if key.startswith("hydra.") else key.partition(".")[0]
    chosen, usual = (CONF / group / f"{options.get(group)}.yaml" for options in (choices, _defaults()))
    own = group in choices and not chosen.is_file() and group not in SEVERAL  # found elsewhere than in conf/
    paths = () if own else (chosen, usual, *sorted((CONF / group).glob("*.yaml")))
    others = [_sentences(path) for path in paths if path.is_file()]
    exact = (said[key] for said in (*others[:1], _sentences(CONF / "train.yaml"), *others) if key in said)
    name = key.rpartition(".")[2]
    alike = (text for said in others for other, text in said.items() if other.rpartition(".")[2] == name)
    return next(exact, None) or next(alike, None)


@cache
def _defaults() -> dict[str, str]:
    """The options of `conf/train.yaml`."""
    chosen = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    return {group: option for one in chosen if isinstance(one, dict) for group, option in one.items()}


@cache
def _sentences(path: Path) -> dict[str, str]:
    """The comments of a file of `conf/`: of each key that beside it, else above it; of its group the file's first."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    package = "" if "# @package _global_" in lines else ".".join(path.relative_to(CONF).parent.parts)
    said = dict[str, str]()
    for key, line in _keys(text):
        beside = re.search(r"\s#\s+(.*)", lines[line])
        above = re.fullmatch(r"\s*#\s+([^@].*)", lines[line - 1]) if line else None
        if above and package not in ("", *SEVERAL) and not said:
            said[package] = above[1]
        elif above and not beside:
            said[f"{package}.{key}".lstrip(".")] = above[1]
        if beside:
            said[f"{package}.{key}".lstrip(".")] = beside[1]
    return said


def _keys(text: str) -> Iterator[tuple[str, int]]:
    """Every key of a YAML text with the line that it begins in; of those in one line the first."""
    document = yaml.compose(text)
    seen = set[int]()

    def inside(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key.start_mark.line
            if line not in seen:
                seen.add(line)
                yield f"{prefix}{key.value}", line
            yield from inside(value, f"{prefix}{key.value}.")

    return inside(document, "")
