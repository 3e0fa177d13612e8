"""The jobs of a sweep: each composed and checked once, however many there are.

Hydra takes 45 ms for a config. The jobs of a grid differ in plain values mostly: Hydra composes once for each choice of
groups, a plain value is put in its place, and a section that was checked for one job is not checked again for another.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.compose import compose, is_group, may_be_group
from src.config.overrides import parsed
from src.config.schema import Config, Part, Section, check_plain, digest
from src.config.sentences import missing_keys
from src.errors import LabError

DIRECTORY = "${hydra:runtime.output_dir}"
"""What stands in `conf/`, and in the config of a job, for the directory of its run."""
STANDS_FOR_IT = "\0"
"""In its place where OmegaConf would resolve it."""

Tree = dict[str, Any]
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A run that a sweep asks for, before it is trained.

    Attributes:
        words: all its overrides.
        swept: those of them that tell the jobs of the sweep apart.
        raw: the config as Hydra writes it to `.hydra/config.yaml`, interpolations as they stand. Jobs share sections:
            nobody changes them.
        config: the same, resolved and checked; DIRECTORY stands for the directory of the run.
        fingerprint: of what decides its numbers, the checkpoint it starts from included.
    """

    words: tuple[str, ...]
    swept: tuple[str, ...]
    raw: Tree
    config: Config
    fingerprint: str

    def config_in(self, directory: Path) -> Config:
        """The config of the run in this directory."""
        sections = {"logger": self.config.logger, "callbacks": self.config.callbacks}
        placed = {
            section: {name: part and _placed(part, str(directory)) for name, part in parts.items()}
            for section, parts in sections.items()
        }
        return self.config.model_copy(update=placed)


def _placed(part: Part, directory: str) -> Part:
    extra = (part.model_extra or {}).items()
    values = {key: _replaced(value, DIRECTORY, directory) for key, value in extra if DIRECTORY in str(value)}
    return part.model_copy(update=values) if values else part


class Composer:
    """Composes and checks jobs.

    Args:
        shared: words that all jobs have beside their own.
    """

    def __init__(self, shared: Sequence[str] = ()) -> None:
        self.shared = tuple(shared)
        self._bases: dict[tuple[str, ...], Tree | LabError] = {}
        self._refused: dict[tuple[tuple[str, ...], str], LabError] = {}
        elsewhere = any(word.startswith("hydra.searchpath=") for word in shared)
        self._chooses = may_be_group if elsewhere else is_group
        self._checked: dict[tuple[str, str], Section] = {}

    def job(self, words: Sequence[str], swept: Sequence[str] = ()) -> Job:
        """A job, composed and checked.

        Args:
            words: its overrides.
            swept: those of them that tell the jobs of the sweep apart.

        Raises:
            LabError: an option or key that is not there, or a value that is not allowed.
        """
        raw = self.compose(words)
        config = self.check(raw)
        return Job(tuple(words), tuple(swept), raw, config, _fingerprint(config))

    def compose(self, job: Sequence[str]) -> Tree:
        """The config of the shared words and a job's, as Hydra composes it, without Hydra's own node.

        Raises:
            LabError: an option or key that is not there.
        """
        plain, chosen = self._plain_and_chosen(job)
        if chosen not in self._bases:
            self._bases[chosen] = _by_hydra([*self.shared, *chosen])
        base = self._bases[chosen]
        if isinstance(base, LabError):
            raise base
        raw = base
        for word, override in plain:
            path = tuple(override.key_or_group.split("."))
            if not (_free(raw, path) if override.is_add() else _there(raw, path)):
                return self._refusing(chosen, word, [*self.shared, *job])
            raw = _with(raw, path, override.value())
        return raw

    def _plain_and_chosen(self, job: Sequence[str]) -> tuple[list[tuple[str, Override]], tuple[str, ...]]:
        """The plain words, which are laid over what Hydra composes of the others, and the others.

        A word before one of the others that sets its key, one above or one below it, is Hydra's too: the later word
        wins.
        """
        plain, others, taken = list[tuple[str, Override]](), list[str](), set[Keys]()
        for word in reversed(job):
            override, keys = _read(word, self._chooses)
            if override is not None and not any(_one_above(keys, other) for other in taken):
                plain.insert(0, (word, override))
            else:
                others.insert(0, word)
                taken |= {keys} if keys else set()
        return plain, tuple(others)

    def _refusing(self, chosen: tuple[str, ...], word: str, words: Sequence[str]) -> Tree:
        """The config where `word` has no plain place; Hydra says what is wrong with it, once for all values."""
        place = chosen, word.partition("=")[0]
        if refused := self._refused.get(place):
            raise refused
        raw = _by_hydra(words)
        if isinstance(raw, LabError):
            self._refused[place] = raw
            raise raw
        return raw

    def check(self, raw: Tree) -> Config:
        """A composed config, resolved and checked by the schema.

        Raises:
            LabError: a value that is missing or not allowed, or an interpolation that leads nowhere.
        """
        plain = resolved(raw)
        texts = {name: (name, repr(value)) for name, value in plain.items()}  # repr tells 1 from 1.0 and from "1"
        config = check_plain({name: self._checked.get(text, plain[name]) for name, text in texts.items()})
        self._checked |= {text: getattr(config, name) for name, text in texts.items()}
        return config


def _fingerprint(config: Config) -> str:
    """That of the run; one that goes on from a checkpoint is another run than one from the start."""
    whole = config.fingerprint()
    return digest(f"{config.ckpt_path}>{whole}") if config.ckpt_path else whole


def resolved(raw: Tree) -> Tree:
    """A config with every interpolation replaced by its value, but for DIRECTORY.

    Raises:
        LabError: a key that has to be said was not, or an interpolation leads nowhere.
    """
    missing = list[str]()
    asked = _Interpolations(raw)

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
            return asked.value(tree, path) if "${" in tree else tree
        except OmegaConfBaseException as error:
            raise LabError(f"{'.'.join(path)}: {str(error).partition(chr(10))[0]}") from None

    open_ones = {key for key, value in raw.items() if "${" in (text := repr(value)) or "???" in text}
    plain = {key: value_of(value, (key,)) if key in open_ones else value for key, value in raw.items()}
    if missing:
        raise LabError(missing_keys(sorted(missing)))
    return plain


def followers(raw: Tree, key: str) -> list[str]:
    """The keys that take their value from `key`: `data.seed` from `seed`, unless it was given one of its own."""
    return [".".join(path) for path, value in _leaves(raw) if value == f"${{{key}}}"]


def _by_hydra(words: Sequence[str]) -> Tree | LabError:
    """What Hydra composes, or why it does not."""
    try:
        composed = compose(words)
    except LabError as error:
        return error
    raw = OmegaConf.to_container(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]))
    assert isinstance(raw, dict)
    return {str(key): value for key, value in raw.items()}


def _one_above(keys: Keys, other: Keys) -> bool:
    """Whether one key is the other, or holds it."""
    return all(here == there for here, there in zip(keys, other, strict=False))


@cache
def _read(word: str, chooses: Callable[[str], bool]) -> tuple[Override | None, Keys]:
    """A word as its plain place takes it, and the key that it sets.

    Args:
        word: an override.
        chooses: whether a key chooses an option.

    Returns:
        What puts a number, a text, a flag, null or a list of these in its place, None of any other word; and the key,
        none where it chooses an option, which Hydra does before it sets any key.
    """
    override = parsed(word)
    key, value = override.key_or_group, override.value()
    group = chooses(key)
    changes = not (override.is_force_add() or override.is_delete() or override.package)
    simple = not isinstance(value, dict | list if override.is_add() else dict) and "${" not in str(value)
    keys = () if group and not isinstance(value, dict) else tuple(key.replace("[", ".").replace("]", "").split("."))
    return override if changes and simple and "[" not in key and not group else None, keys


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


def _with(tree: Tree, path: Keys, value: Any) -> Tree:
    """A copy with another value at `path`; what lies beside the path is shared."""
    key, *rest = path
    return tree | {key: _with(tree[key], tuple(rest), value) if rest else value}


class _Interpolations:
    """The values of a config's interpolations; DIRECTORY stays."""

    def __init__(self, raw: Tree) -> None:
        self.raw = raw

    def value(self, text: str, path: Keys) -> Any:
        """What the text at `path` stands for: the value of a key, or whatever OmegaConf makes of it in its place."""
        if found := re.fullmatch(r"\$\{(\w+(?:\.\w+)*)\}", text):
            there = tuple(found[1].split("."))
            value = _get(self.raw, there) if _there(self.raw, there) else {}
            if not isinstance(value, dict):
                return self.value(value, there) if isinstance(value, str) and "${" in value else value
        if "${" not in text.replace(DIRECTORY, ""):
            return text
        node: Any = self._whole
        for key in path:
            node = node[int(key) if isinstance(node, ListConfig) else key]
        plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig | ListConfig) else node
        return _replaced(plain, STANDS_FOR_IT, DIRECTORY)

    @cached_property
    def _whole(self) -> DictConfig:
        """All of it: `${.rows}` is a key beside its own."""
        return OmegaConf.create(_replaced(self.raw, DIRECTORY, STANDS_FOR_IT))


def _replaced(tree: Any, old: str, new: str) -> Any:
    """A copy with another text in all its texts."""
    if isinstance(tree, dict):
        return {key: _replaced(inner, old, new) for key, inner in tree.items()}
    if isinstance(tree, list):
        return [_replaced(inner, old, new) for inner in tree]
    return tree.replace(old, new) if isinstance(tree, str) else tree
