"""`.hydra/` of every job of a sweep, as Hydra writes it, without composing each job and dumping all of it anew.

Hydra takes 45 ms to compose a job and 7 ms to write it. What it composes of its own node depends on the groups that a
job chooses; beyond these only a job's words, number and directory differ, and they are put into text that is there.
"""

import copy
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper

from src.config.compose import CONF, is_group, may_be_group

Words = tuple[str, ...]
PLAIN = re.compile(r"(?=.*[/=])[/A-Za-z][\w./=+,-]*", re.ASCII)
"""Texts that YAML writes as they are: a path, or `optimizer=adam,seed=3`. A dump takes as long as writing a file."""


class _Dumper(yaml.CDumper):
    """libyaml's, ten times as fast as the one that OmegaConf dumps with, and with OmegaConf's quotes."""


_Dumper.add_representer(str, get_omega_conf_dumper().yaml_representers[str])


def to_yaml(plain: Any) -> str:
    """What `OmegaConf.to_yaml` makes of a container of plain values."""
    text = yaml.dump(plain, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    assert isinstance(text, str)
    return text


class HydraFiles:
    """Writes `config.yaml`, `overrides.yaml` and `hydra.yaml` of a sweep's jobs.

    Args:
        config: of the sweep, its `hydra` node included: what Hydra sets a launcher up with.
        loader: that it was composed by (`hydra_context.config_loader`).
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        self.config, self.loader = config, loader
        self._names: dict[str, Any] = OmegaConf.to_container(config.hydra.job.config.override_dirname)  # type: ignore[assignment]
        self._nodes: dict[Words, dict[str, Any]] = {}
        self._pages: dict[Words, list[str]] = {}
        self._sections: dict[tuple[str, str], str] = {}

    def write(self, words: Sequence[str], raw: Mapping[str, Any], number: int, directory: Path) -> None:
        """Write the three files into `.hydra/` of a directory, which is made when it is not there; see `texts`.

        Raises:
            OSError: it cannot be written.
        """
        where = os.path.join(directory, ".hydra")
        os.makedirs(where, exist_ok=True)
        for name, text in self.texts(words, raw, number, directory).items():
            with open(os.path.join(where, name), "w", encoding="utf-8") as file:
                file.write(text)

    def texts(self, words: Sequence[str], raw: Mapping[str, Any], number: int, directory: Path) -> dict[str, str]:
        """The texts of the three files in `.hydra/`, by name.

        Args:
            words: of the job; those that belong to Hydra's own node of the sweep are left out.
            raw: its config, interpolations as they stand.
            number: of the job in its sweep.
            directory: of the run.
        """
        task = [word for word in words if not _of_hydra(word)]
        return {
            "config.yaml": self._config(raw),
            "hydra.yaml": self._hydra(words, task, number, directory),
            "overrides.yaml": "".join(_item(word) for word in task) or "[]\n",
        }

    def _config(self, raw: Mapping[str, Any]) -> str:
        """A section at a time: the jobs of a sweep share most of them."""
        keys = [(key, repr(value)) for key, value in raw.items()]  # repr tells 1 from 1.0 and from "1"
        for (key, shown), value in zip(keys, raw.values(), strict=True):
            if (key, shown) not in self._sections:
                self._sections[key, shown] = to_yaml({key: value})
        return "".join(self._sections[pair] for pair in keys) or "{}\n"

    def _hydra(self, words: Sequence[str], task: Sequence[str], number: int, directory: Path) -> str:
        items = "".join(_nested_item(word) for word in task)
        values = {
            "overrides.task": f"    task:\n{items}" if task else "    task: []\n",
            "job.override_dirname": _nested("job.override_dirname", self._dirname(task)),
            "job.id": f"    id: '{number}'\n",
            "job.num": f"    num: {number}\n",
            "runtime.output_dir": _nested("runtime.output_dir", os.path.abspath(directory)),
        }
        chosen = tuple(word for word in words if _decides(word))
        if chosen not in self._pages:
            self._pages[chosen] = _page(self._node(chosen), list(values))
        return "".join(values.get(part, part) for part in self._pages[chosen])

    def _dirname(self, task: Sequence[str]) -> str:
        """A name made of a job's words, as `hydra.job.config.override_dirname` says."""
        kept = sorted(word for word in task if _key(word) not in self._names["exclude_keys"])
        return str(self._names["item_sep"].join(kept).replace("=", self._names["kv_sep"]))

    def _node(self, chosen: Words) -> dict[str, Any]:
        """Hydra's node of the jobs that choose so.

        An option of which only its name gets into the node need not be composed.
        """
        named = dict(word.split("=") for word in chosen if _is_only_named(word))
        rest = tuple(word for word in chosen if not _is_only_named(word))
        if rest not in self._nodes:
            node = self.loader.load_sweep_config(self.config, list(rest)).hydra
            self._nodes[rest] = OmegaConf.to_container(node, enum_to_str=True)  # type: ignore[assignment]
        node = copy.deepcopy(self._nodes[rest])
        node["runtime"]["choices"].update(named)
        return node


def _page(node: dict[str, Any], keys: Sequence[str]) -> list[str]:
    """The text of `hydra.yaml` in parts, these keys standing where their lines belong."""
    for key in keys:
        section, _, name = key.partition(".")
        node[section][name] = f"LATER {key}"
    return re.split(r"^    \w+: LATER ([a-z_.]+)\n", to_yaml({"hydra": node}), flags=re.MULTILINE)


def _nested(key: str, value: str | list[str]) -> str:
    """The lines of a key of Hydra's node, as they stand in `hydra.yaml`: where long ones are cut depends on it."""
    section, _, name = key.partition(".")
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return f"    {name}: {value}\n"
    return to_yaml({"hydra": {section: {name: value}}}).split("\n", 2)[2]


@cache
def _nested_item(word: str) -> str:
    return _nested("overrides.task", [word]).split("\n", 1)[1]


@cache
def _item(word: str) -> str:
    return to_yaml([word])


def _key(word: str) -> str:
    """The key or group of a word that was composed, and so is of Hydra's grammar, which takes 0.4 ms to read it."""
    return word.partition("=")[0].lstrip("~+").partition("@")[0].strip()


def _of_hydra(word: str) -> bool:
    return _key(word).startswith(("hydra.", "hydra/"))


@cache
def _decides(word: str) -> bool:
    """Whether Hydra's own node depends on it: it chooses from a group, or changes that node."""
    return _of_hydra(word) or may_be_group(_key(word))


@cache
def _is_only_named(word: str) -> bool:
    """Whether it chooses an option that neither chooses others nor has anything for Hydra's own node."""
    group, _, option = word.partition("=")
    path = CONF / group / f"{option}.yaml"
    if not (is_group(group) and option.isidentifier() and path.is_file()):
        return False
    return not {"defaults", "hydra"} & (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).keys()
