"""The configs of a sweep's jobs, composed by Hydra once for each choice of groups and key by key from there on.

Hydra takes 45 ms for a config. The jobs of a grid differ in plain values mostly, and putting one in its place takes
none of what Hydra is there for.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from src.compose import compose, is_group, parsed
from src.config import Config, check_plain, missing_keys
from src.errors import LabError

DIRECTORY = "${hydra:runtime.output_dir}"
"""What stands in `conf/` for a job's own directory."""

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Composed:
    """The config of a job.

    Attributes:
        words: all its overrides.
        raw: as Hydra writes it to `.hydra/config.yaml`, interpolations as they stand.
    """

    words: tuple[str, ...]
    raw: dict[str, Any]

    def resolved(self, directory: Path) -> dict[str, Any]:
        """With every interpolation replaced by its value.

        Args:
            directory: of the job.

        Raises:
            LabError: a key that has to be said was not.
        """
        plain = copy.deepcopy(self.raw)
        missing = [".".join(path) for path, value in _leaves(plain) if value == "???"]
        if missing:
            raise LabError(missing_keys(sorted(missing)))
        for path, value in list(_leaves(plain)):
            if isinstance(value, str) and "${" in value:
                _put(plain, path, _value(self.raw, value, str(directory)))
        return plain

    def check(self, directory: Path) -> Config:
        """Checked by the schema.

        Raises:
            LabError: a value that is not allowed.
        """
        return check_plain(self.resolved(directory))


class Composer:
    """Composes jobs that have `shared` words in common."""

    def __init__(self, shared: Sequence[str]) -> None:
        self.shared = tuple(shared)
        self._bases: dict[tuple[str, ...], dict[str, Any]] = {}

    def compose(self, job: Sequence[str]) -> Composed:
        """The config of `shared` and `job` together.

        Raises:
            LabError: an option or key that is not there.
        """
        words = (*self.shared, *job)
        plain = [(word, override) for word in job if (override := _plain(word)) is not None]
        keys = {override.key_or_group for _, override in plain}
        chosen = tuple(word for word in job if _plain(word) is None)
        if chosen not in self._bases:
            composed = compose([*self.shared, *chosen])
            raw = OmegaConf.to_container(
                OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
            )
            assert isinstance(raw, dict)
            self._bases[chosen] = {str(key): value for key, value in raw.items()}
        raw = copy.deepcopy(self._bases[chosen])
        if not all(_has(raw, tuple(key.split("."))) for key in keys):
            compose(words)  # it has the sentence for a key that is not there
        for _, override in plain:
            _put(raw, tuple(override.key_or_group.split(".")), copy.deepcopy(override.value()))
        return Composed(words, raw)


@cache
def _plain(word: str) -> Override | None:
    """A word that puts a number, a text, a flag, null or a list of these in its place; None for any other."""
    override = parsed(word)
    key, value = override.key_or_group, override.value()
    changes = not (override.is_add() or override.is_force_add() or override.is_delete())
    simple = not isinstance(value, dict) and "${" not in str(value)
    return override if changes and simple and "[" not in key and not is_group(key) else None


def _leaves(tree: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in pairs:
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, tree


def _has(tree: Any, path: Keys) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return not isinstance(tree, dict)


def _get(tree: Any, path: Keys) -> Any:
    for key in path:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def _put(tree: Any, path: Keys, value: Any) -> None:
    owner = _get(tree, path[:-1])
    owner[int(path[-1]) if isinstance(owner, list) else path[-1]] = value


def _value(raw: dict[str, Any], text: str, directory: str) -> Any:
    """What an interpolation stands for: a key's value, the job's directory, or whatever OmegaConf makes of it."""
    if text == DIRECTORY:
        return directory
    if found := re.fullmatch(r"\$\{(\w+(?:\.\w+)*)\}", text):
        path = tuple(found[1].split("."))
        if _has(raw, path):
            value = _get(raw, path)
            return _value(raw, value, directory) if isinstance(value, str) and "${" in value else value
    whole = OmegaConf.create({**raw, "_asked": text.replace(DIRECTORY, directory)})
    return OmegaConf.select(whole, "_asked")
