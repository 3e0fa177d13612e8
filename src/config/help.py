"""What `--help` shows: the groups, and every key of the config with the comment that it has in `conf/`."""

import re
import shutil
import string
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from src.config.compose import CONF, SEVERAL

NARROW, WIDE = 80, 100
"""Columns: a narrower terminal breaks lines itself, and longer ones are hard to read."""
COLUMN, LEAST = 34, 46
"""Where the sentences begin, unless a key and its value are longer; below these where so few columns are left."""
PARAMS, STARTS = "hydra.sweeper.params.", "model.values."


def terminal_width() -> int:
    """Columns to write in; the widest where nobody sees how wide it is."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    return min(max(columns, NARROW), WIDE)


def help_text(composed: DictConfig, width: int = WIDE) -> str:
    """The help for a config, Hydra's node included: of `data=table` the keys are those of a table.

    Args:
        composed: the config.
        width: columns of a line at most, from `NARROW` on.
    """
    choices = {group: choice for group, choice in composed.hydra.runtime.choices.items() if choice is not None}
    text = string.Template(str(composed.hydra.help.template)).substitute(
        GROUPS=_groups(composed, width),
        **{name: _explained(part, choices, width) for name, part in explained_parts(composed).items()},
    )
    return text.strip()


def explained_parts(composed: DictConfig) -> dict[str, dict[str, Any]]:
    """What has sentences: `CONFIG`, of a run, and `SWEEP`, of Hydra's node what is for runs and multiruns."""
    plain: Any = OmegaConf.to_container(composed)
    hydra = plain.pop("hydra")
    return {"CONFIG": plain, "SWEEP": {"hydra": {key: hydra[key] for key in ("run", "sweep", "sweeper", "launcher")}}}


def _groups(composed: DictConfig, width: int) -> str:
    """The options of every group, those in folders of the user's own among them."""
    sources = [Path(source.path) for source in composed.hydra.runtime.config_sources if source.schema == "file"]
    groups: dict[str, set[str]] = {}
    for path in (path for source in sources for path in source.glob("*/*.yaml") if path.parent.name != "hydra"):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(options))}" for group, options in sorted(groups.items())]
    return "\n".join(textwrap.fill(line, width, subsequent_indent="  ") for line in lines)


def _explained(config: Mapping[str, Any], choices: Mapping[str, Any], width: int) -> str:
    """A config as YAML, every key with its sentence beside it."""
    text = OmegaConf.to_yaml(config)
    lines = [_broken(line, width) for line in text.splitlines()]
    for key, line in _keys(text):
        if said := sentence(key, choices):
            column = max(COLUMN, len(lines[line]) + 2)
            first = f"{lines[line]:{column}}"
            if column > width - LEAST:
                column = len(lines[line]) - len(lines[line].lstrip()) + 2
                first = f"{lines[line]}\n{'':{column}}"
            lines[line] = first + _comment(said, width - column).replace("\n", f"\n{'':{column}}")
    return "\n".join(lines)


def _comment(text: str, width: int) -> str:
    return textwrap.fill(text, width, initial_indent="# ", subsequent_indent="# ")


def _broken(line: str, width: int) -> str:
    """A line, broken after commas where it is too long."""
    inside = " " * (len(line) - len(line.lstrip()) + 2)
    while len(last := line.rpartition("\n")[2]) > width and (at := last.rfind(",", len(inside), width)) > 0:
        line = f"{line[: len(line) - len(last) + at + 1]}\n{inside}{last[at + 1 :].lstrip()}"
    return line


def sentence(key: str, choices: Mapping[str, Any]) -> str | None:
    """What `conf/` says of a key: in the file of the chosen option, in train.yaml, or in another option of its group.

    Args:
        key: such as `data.rows`.
        choices: of each group the option that is chosen, where it is one.
    """
    if key.startswith(PARAMS):  # a word of a sweep file is one of a run
        return sentence(key.removeprefix(PARAMS), choices)
    if key.startswith(STARTS):  # names of parameters, which are no keys of another meaning
        return None
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
