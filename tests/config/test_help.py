"""`--help`: every key has its sentence, and no line is wider than the terminal, or 100 columns."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from src.config.compose import CONF, SEVERAL, compose
from src.config.help import NARROW, WIDE, explained_parts, help_text, sentence

NEEDED = {
    "data=table": ("data.path=houses.csv", "data.target=price"),
    **{f"{group}=custom": (f"{group}._target_=mypackage.Mine",) for group in ("data", "loss", "model")},
}
GROUPS = sorted({path.name for path in CONF.iterdir() if path.is_dir()} - {"hydra", "experiment", "debug", "sweep"})
CHOICES = [
    f"{group}=[{path.stem}]" if group in SEVERAL else f"{group}={path.stem}"
    for group in GROUPS
    for path in sorted((CONF / group).glob("*.yaml"))
]


def composed(*words: str) -> DictConfig:
    return compose([*words, *(word for choice in words for word in NEEDED.get(choice, ()))])


def keys(tree: Any, prefix: str = "") -> Iterator[str]:
    """Every key with a value; of starts given by name (`model.values`) only that one."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and key != "model.values":
            yield from keys(value, f"{key}.")
        elif prefix or value != {}:
            yield key


@pytest.mark.parametrize("choice", CHOICES)
def test_every_key_has_its_sentence_and_no_line_is_too_wide(choice: str) -> None:
    config = composed(choice)
    choices = config.hydra.runtime.choices
    assert [key for part in explained_parts(config).values() for key in keys(part) if not sentence(key, choices)] == []
    assert too_wide(config, NARROW) == []


def too_wide(config: DictConfig, width: int) -> list[str]:
    return [line for line in help_text(config, width).splitlines() if len(line) > width]


@pytest.mark.parametrize("words", ["sweep=optimizers", "sweep=batch_sizes", "sweep=compare", "experiment=clipped"])
def test_what_files_set_is_no_wider(words: str) -> None:
    assert too_wide(compose([words]), WIDE) == []


def test_a_word_of_a_sweep_file_has_the_sentence_that_it_has_in_a_run() -> None:
    lines = help_text(compose(["sweep=compare"])).splitlines()
    assert (
        "      seed: range(0,5)            # of the data, the initial weights and the batch order, unless one" in lines
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "  rows: 500                       # for training; validation and test rows are drawn beside them"),
        (["model=surface"], "  rows: 1                         # of noise; they average to 0, so data.batch_size=full"),
        (["optimizer=adamw"], "  eps: 1.0e-08                    # added where it divides, against 0"),
        (["callbacks=[sharpness]"], "    tolerance: 1.0e-07            # relative error at which the eigenvalue"),
        ([], "    points: 10                    # values that an interval has in a grid, both ends among them"),
        ([], "optimizer: adadelta, adafactor, adagrad, adam, adamax,"),
    ],
)
def test_what_conf_says_of_a_key_stands_beside_it(words: list[str], line: str) -> None:
    assert any(one.startswith(line) for one in help_text(compose(words)).splitlines())


def test_a_start_given_by_name_has_not_the_sentence_of_another_key() -> None:
    """`model.values.bias` is a number, and not whether there is one."""
    config = compose([])
    choices = config.hydra.runtime.choices
    assert sentence("model.bias", choices) == "whether there is one"
    assert sentence("model.values.bias", choices) is None


def test_options_of_ones_own_are_among_the_groups(tmp_path: Path) -> None:
    for group, option in (("trick", "a"), ("experiment", "mine")):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{option}.yaml").write_text("# @package _global_\nseed: 1\n")
    lines = help_text(compose([f"hydra.searchpath=['file://{tmp_path}']"])).splitlines()
    assert "trick: a" in lines
    assert any(line.startswith("experiment: ") and " mine," in line for line in lines)


@pytest.mark.parametrize("command", ["predict", "scratch", "check.__main__", "autograd.__main__", "report.__main__"])
def test_the_other_commands_are_no_wider(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with contextlib.suppress(SystemExit):
        importlib.import_module(f"src.{command}").main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: ")
    assert [line for line in lines if len(line) > 100] == []
