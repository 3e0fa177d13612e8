"""What run directories say beside their row of `results.csv`, as far as frames hold it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from src.compare.rows import Row, number
from src.config.schema import WATCHING, flat
from src.errors import LabError
from src.run_directory import RunDirectory

DECIDING = ("seed", "data", "model", "loss", "scheduler", "trainer", "callbacks")
"""Sections that decide what is learned, how long, and by which seeds."""
INDIFFERENT = ("accelerator", "devices", "strategy", "threads", "log_every_n_steps", "block_size", "profiler")
"""Keys of the trainer that decide no number."""


def same(value: Any) -> str:
    """A value of a config as a text that is equal for equal ones: 1 and 1.0, 1e-5 and 0.00001."""
    text = json.dumps(value, sort_keys=True, default=str)
    there = number(text.strip('"'))
    return text if there is None or isinstance(value, bool) else repr(there)


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a config, or of some of its sections, the keys that decide what is learned; their names joined by dots."""
    tree = {name: config[name] for name in DECIDING if name in config}
    for section, drops in (("trainer", INDIFFERENT), ("data", ("write_split",))):
        if isinstance(tree.get(section), dict):
            tree[section] = {key: value for key, value in tree[section].items() if key not in drops}
    parts = tree.pop("callbacks", None) or {}
    kept = {name: part for name, part in parts.items() if part and not WATCHING.match(str(part.get("_target_")))}
    tree |= {"callbacks": kept} if kept else {}
    return flat(tree) if tree else {}


def optimizer_of(directory: Path) -> str | None:
    """What a run that was not told its optimizer has: the class that was typed, else the option of the group."""
    words, hydra = (parsed(RunDirectory(directory).hydra(f"{name}.yaml")) for name in ("overrides", "hydra"))
    typed = dict(str(word).split("=", 1) for word in words or () if "=" in str(word))
    chosen: str | None = below(hydra, "hydra", "runtime", "choices", "optimizer")
    return typed.get("optimizer._target_") or typed.get("optimizer") or chosen


class Gathered:
    """What the runs of sweeps share, gathered run by run."""

    def __init__(self) -> None:
        self.environment: Mapping[str, Any] = {}
        self.contents: list[str] = []
        self.looks = set[int]()
        self._values: dict[str, dict[str, Any]] = {}
        self._words: dict[str, None] | None = None
        self._seen = set[str]()

    @property
    def config(self) -> dict[str, list[Any]]:
        """Every value of each key that decides something."""
        return {key: list(values.values()) for key, values in self._values.items()}

    @property
    def shared(self) -> list[str]:
        """The words that all runs were started with."""
        return list(self._words or ())

    def take(self, directory: Path, row: Row) -> dict[str, Any]:
        """Take in a run.

        Returns:
            Its directory; exact loss, seconds, the runs of its stack and its fingerprint as far as they can be read.
        """
        try:
            result = RunDirectory(directory).read_result()
        except (LabError, OSError):
            result = {}
        if row.confirms is None:
            self._take_config(directory)
        if not self.environment and isinstance(result.get("environment"), dict):
            self.environment = result["environment"]
        stack, fingerprint = _number(result.get("stack_size")), result.get("fingerprint")
        return {
            "directory": str(directory),
            "exact": lowest_loss(result),
            "seconds": _number(below(result, "seconds", "fit")),
            "stack": None if stack is None else int(stack),
            "fingerprint": None if fingerprint is None else str(fingerprint),
        }

    def take_sweep(self, directory: Path) -> int:
        """Take in which tables were read, and at how many fresh seeds it was looked at.

        Returns:
            How many runs were asked for; 0 where there is no `sweep.json`, or it cannot be read.
        """
        try:
            held = json.loads((directory / "sweep.json").read_text(encoding="utf-8"))
            self.contents += [one["content"] for one in held["calls"] if one.get("content")]
            self.looks.update(held.get("looks", ()))
            return len(held["jobs"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0

    def _take_config(self, directory: Path) -> None:
        config, typed = (RunDirectory(directory).hydra(name) for name in ("config.yaml", "overrides.yaml"))
        for section in re.split(r"^(?=[A-Za-z_])", config, flags=re.MULTILINE):
            if section in self._seen:  # runs share most
                continue
            self._seen.add(section)
            tree = parsed(section)
            for key, value in deciding(tree).items() if isinstance(tree, dict) else ():
                self._values.setdefault(key, {}).setdefault(same(value), value)
        if isinstance(words := parsed(typed), list):
            typed_here = {word: None for word in words if isinstance(word, str)}
            kept = typed_here if self._words is None else self._words
            self._words = {word: None for word in kept if word in typed_here}


def below(tree: Any, *keys: str) -> Any:
    """What lies there; None where nothing does."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def lowest_loss(result: Any) -> float | None:
    """The lowest training loss there is; None where it is not known: weight decay moves the exact answer off it.

    Args:
        result: what `result.json` holds.
    """
    return None if below(result, "exact", "decayed") else _number(below(result, "exact", "train/loss"))


def text_of(path: Path) -> str:
    """What a file holds; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def parsed(text: str) -> Any:
    """What YAML says; None where it is broken."""
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
