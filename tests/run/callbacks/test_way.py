"""The way of a run whose model has two numbers, against its parameters as curves."""

from pathlib import Path

import pytest

from src.run import run as train
from src.run.callbacks.way import way_steps
from src.run_directory import RunDirectory, read_rows

WORDS = [
    "logger=none",
    "callbacks=[parameters]",
    "callbacks.parameters.every_n_steps=1",
    "trainer.val_every_n_steps=50",
]


def rows(directory: Path) -> dict[int, dict[str, float]]:
    """By step, of a file whose steps ascend."""
    found = list(read_rows(RunDirectory(directory).way_path))
    assert [step for step, _ in found] == sorted({step for step, _ in found})
    return dict(found)


def test_steps_are_dense_at_first_and_end_with_the_last() -> None:
    steps = sorted(way_steps(10_000))
    assert steps[:51] == list(range(51))
    assert steps[-1] == 10_000
    assert len(steps) < 130
    assert way_steps(3) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["trainer.max_steps=120"], {"weight", "bias"}),
        (["trainer.max_steps=120", "optimizer.lr=1"], {"weight", "bias"}),  # it diverges after 22
        (["model=surface", "optimizer=adam", "trainer.max_steps=70"], {"point[0]", "point[1]"}),
    ],
)
def test_way_is_where_the_parameters_were(tmp_path: Path, words: list[str], names: set[str]) -> None:
    result = train([*WORDS, *words, f"hydra.run.dir={tmp_path}"])
    curves = {step: row for step, row in read_rows(RunDirectory(tmp_path).curves_path) if names & row.keys()}
    way = rows(tmp_path)
    assert max(way) == result.steps
    assert all(way[step].keys() == names for step in way)
    assert way == {step: {name: curves[step][name] for name in names} for step in way}
    assert set(range(min(50, result.steps) + 1)) <= set(way)


def test_a_longer_run_goes_on_with_its_way(tmp_path: Path) -> None:
    train([*WORDS, "trainer.max_steps=60", f"hydra.run.dir={tmp_path / 'first'}"])
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    train([*WORDS, "trainer.max_steps=120", f"ckpt_path={last}", f"hydra.run.dir={tmp_path / 'second'}"])
    first, second = rows(tmp_path / "first"), rows(tmp_path / "second")
    assert first.items() <= second.items()
    assert max(second) == 120


def test_other_models_leave_none(tmp_path: Path) -> None:
    train(["logger=none", "model=two_layer", "trainer.max_steps=2", f"hydra.run.dir={tmp_path}"])
    assert not RunDirectory(tmp_path).way_path.exists()
