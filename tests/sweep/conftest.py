"""A multirun in this process, as the command line starts it."""

import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from tests.sweep.waiting import everything

Multirun = Callable[..., int]
Sequential = Callable[[Sequence[str]], dict[int, Any]]
KNOWN: dict[tuple[str, ...], dict[int, Any]] = {}
QUICK = ("trainer.max_steps=20", "trainer.val_every_n_steps=10", "logger=none", "hydra.sweeper.report=false")


@pytest.fixture
def multirun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Multirun:
    """`multirun("name", "seed=1,2", ...)`: a short sweep in `tmp_path/name`; its exit status."""

    def _multirun(name: str, *words: str) -> int:
        given = {word.partition("=")[0] for word in words}
        quick = [word for word in QUICK if word.partition("=")[0] not in given]
        if "hydra/sweeper" in given:  # its keys are its own
            quick = [word for word in quick if not word.startswith("hydra.sweeper.")]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["src/train.py", "-m", *quick, *words, f"hydra.sweep.dir={tmp_path / name}"])
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(HydraConfig.instance(), "cfg", HydraConfig.instance().cfg)  # put back afterwards
        monkeypatch.setattr(GlobalHydra.instance(), "hydra", GlobalHydra.instance().hydra)
        try:
            runpy.run_module("src.train", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return _multirun


@pytest.fixture
def sequential(multirun: Multirun, tmp_path_factory: pytest.TempPathFactory) -> Sequential:
    """The numbers of a sweep that was trained in this process, one stack after the other."""

    def _sequential(words: Sequence[str]) -> dict[int, Any]:
        if tuple(words) not in KNOWN:
            where = tmp_path_factory.mktemp("sequential")
            assert multirun(str(where), *words) == 0
            KNOWN[tuple(words)] = everything(where)
        return KNOWN[tuple(words)]

    return _sequential


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    """When every file was written, and what is in it."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
