"""The README's examples of what is one's own, typed as they stand where its two files lie."""

import csv
import json
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from src.optim.rules import rule_of
from src.run_directory import Result

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Your own\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
OPTIMIZER, MODULE, CLASSES = [block.strip() for block in BLOCKS if block.startswith("python -m src.train ")][:3]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both files, where the commands are typed."""
    for name, first in (("mypackage.py", "# mypackage.py"), ("flowers.csv", "petal,")):
        (block,) = (block for block in BLOCKS if block.startswith(first))
        (tmp_path / name).write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rule_of.cache_clear()
    yield
    sys.modules.pop("mypackage", None)


def results(command: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command leaves, in the order of its jobs."""
    _, _, module, *words = shlex.split(command)
    words += ["hydra.sweeper.report=false"] * ("-m" in words)  # pages have tests of their own
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # which the command sets
    monkeypatch.setattr(sys, "argv", [module, *words])
    monkeypatch.setattr(HydraConfig.instance(), "cfg", HydraConfig.instance().cfg)  # put back afterwards
    monkeypatch.setattr(GlobalHydra.instance(), "hydra", GlobalHydra.instance().hydra)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    paths = [*Path("outputs/runs").glob("*/result.json"), *Path("outputs/sweeps").glob("*/*/result.json")]
    return [
        json.loads(path.read_text()) | {"directory": path.parent}
        for path in sorted(paths, key=lambda path: path.parent.name.zfill(9))
    ]


def test_the_optimizer_is_torchs_momentum(train: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    found = results(OPTIMIZER, monkeypatch)
    assert [one["stack_size"] for one in found] == [24] * 24
    known = train("known", "optimizer=momentum", "optimizer.momentum=0.9", "optimizer.lr=0.03", "seed=3")
    assert found[-1]["metrics"] == pytest.approx(known.metrics, rel=1e-4)


def test_the_module_learns_in_a_stack_what_it_learns_alone(
    train: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = results(MODULE, monkeypatch)
    assert [(one["stepper"]["name"], one["stack_size"]) for one in found] == [("rules", 12)] * 12
    words = [word for word in shlex.split(MODULE)[4:] if not word.startswith(("optimizer.lr", "seed"))]
    alone = train("alone", *words, "optimizer.lr=0.003", "seed=0")
    assert found[0]["metrics"] == pytest.approx(alone.metrics, rel=1e-3)


def test_the_table_of_classes_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = results(CLASSES, monkeypatch)
    with (found["directory"] / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for part, number in (("train", 9), ("val", 3)):
        hits = [row["predicted"] == row["actual"] for row in rows if row["part"] == part]
        assert len(hits) == number
        assert found["metrics"][f"{part}/accuracy"] == pytest.approx(sum(hits) / number)
