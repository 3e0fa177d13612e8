"""The configs of a sweep's jobs, composed by Hydra once for each choice of groups and key by key from there on.

Hydra takes 45 ms for a config. The jobs of a grid differ in plain values mostly, and putting one in its place takes
none of what Hydra is there for.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import compose, is_group, parsed
from src.config.schema import Config, check_plain, missing_keys
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
            LabError: a key that has to be said was not, or an interpolation leads nowhere.
        """
        missing = list[str]()

        def value_of(tree: Any, path: Keys) -> Any:
            if isinstance(tree, dict):
                return {key: value_of(inner, (*path, key)) for key, inner in tree.items()}
            if isinstance(tree, list):
                return [value_of(inner, (*path, str(index))) for index, inner in enumerate(tree)]
            if not isinstance(tree, str):
                return tree
            if tree == "???":
                missing.append(".".join(path))
            try:
                return _value(self.raw, tree, str(directory)) if "${" in tree else tree
            except OmegaConfBaseException as error:
                raise LabError(f"{'.'.join(path)}: {str(error).partition(chr(10))[0]}") from None

        plain: dict[str, Any] = value_of(self.raw, ())
        if missing:
            raise LabError(missing_keys(sorted(missing)))
        return plain

    def follows(self, key: str) -> list[str]:
        """The keys that take their value from `key`: `data.seed` from `seed`, unless it was given one of its own."""
        return [".".join(path) for path, value in _leaves(self.raw) if value == f"${{{key}}}"]

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
        self._bases: dict[tuple[str, ...], dict[str, Any] | LabError] = {}
        self._refused: dict[tuple[tuple[str, ...], str], LabError] = {}

    def compose(self, job: Sequence[str]) -> Composed:
        """The config of `shared` and `job` together.

        Raises:
            LabError: an option or key that is not there.
        """
        words = (*self.shared, *job)
        plain = [(word, override) for word in job if (override := _plain(word)) is not None]
        chosen = tuple(word for word in job if _plain(word) is None)
        if chosen not in self._bases:
            self._bases[chosen] = _base([*self.shared, *chosen])
        base = self._bases[chosen]
        if isinstance(base, LabError):
            raise base
        raw = _copy(base)
        for word, override in plain:
            path = tuple(override.key_or_group.split("."))
            if not (_free(raw, path) if override.is_add() else _there(raw, path)):
                return Composed(words, self._by_hydra(chosen, word, words))
            _put(raw, path, _copy(override.value()))
        return Composed(words, raw)

    def _by_hydra(self, chosen: tuple[str, ...], word: str, words: Sequence[str]) -> dict[str, Any]:
        """The config where `word` has no plain place; Hydra says what is wrong with it, once."""
        if refused := self._refused.get((chosen, word)):
            raise refused
        raw = _base(words)
        if isinstance(raw, LabError):
            self._refused[chosen, word] = raw
            raise raw
        return raw


def _base(words: Sequence[str]) -> dict[str, Any] | LabError:
    """What Hydra composes, or why it does not."""
    try:
        composed = compose(words)
    except LabError as error:
        return error
    raw = OmegaConf.to_container(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]))
    assert isinstance(raw, dict)
    return {str(key): value for key, value in raw.items()}


@cache
def _plain(word: str) -> Override | None:
    """A word that puts a number, a text, a flag, null or a list of these in its place; None for any other."""
    override = parsed(word)
    key, value = override.key_or_group, override.value()
    changes = not (override.is_force_add() or override.is_delete() or override.package)
    simple = not isinstance(value, dict | list if override.is_add() else dict) and "${" not in str(value)
    return override if changes and simple and "[" not in key and not is_group(key) else None


def _copy(tree: Any) -> Any:
    """A copy of nested dictionaries and lists, several times as fast as `copy.deepcopy`."""
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree


def _leaves(tree: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in pairs:
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, tree


def _there(tree: Any, path: Keys) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True


def _free(tree: Any, path: Keys) -> bool:
    """Whether a key can be added there: its section is there, and no value of its own."""
    if not _there(tree, path[:-1]):
        return False
    section = _get(tree, path[:-1])
    return isinstance(section, dict) and section.get(path[-1]) is None


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
        value = _get(raw, path) if _there(raw, path) else {}
        if not isinstance(value, dict):
            return _value(raw, value, directory) if isinstance(value, str) and "${" in value else value
    whole = OmegaConf.create({**raw, "_asked": text.replace(DIRECTORY, directory)})
    return OmegaConf.select(whole, "_asked")
