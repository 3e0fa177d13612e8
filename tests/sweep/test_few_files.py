"""`hydra.launcher.files=few`: the runs of a sweep in columns, held against the directories of `files=all`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from polars.testing import assert_frame_equal

from src.compare import load
from src.config.resumed_words import with_checkpoint
from src.report.reading import Run, read
from src.report.verify import found as verified
from src.run_directory import RunDirectory, columns
from src.run_directory.__main__ import main
from src.run_directory.ended import EndedRun
from src.run_directory.place import place
from src.sweep.hydra_files import HydraFiles
from tests.sweep.conftest import Multirun, snapshot
from tests.sweep.waiting import everything

KINDS = (
    *("data=table", "data.target=y", "data.write_split=true", "optimizer=sgd,adam,lbfgs", "optimizer.lr=0.1,3"),
    *(
        "callbacks=[histograms,early_stopping]",
        "callbacks.early_stopping.patience=1",
        "callbacks.histograms.every_n_steps=10",
    ),
    *("callbacks.checkpoint.every_n_steps=10", "logger=tensorboard", "trainer.log_every_n_steps=1"),
)
"""Stacks by a rule and one member after another, runs that diverge and that stop early, profiles, a table's split."""


class FailsInAStack(torch.optim.SGD):
    """It steps one tensor `[1, ...]`, as it has it in a run by itself, or its trial."""

    def step(self, closure: Any = None) -> Any:
        if self.steps > 5 and any(len(p) > 1 for group in self.param_groups for p in group["params"]):
            raise ValueError("it knows no stacks")
        self.steps += 1
        return super().step(closure)

    steps = 0


@pytest.fixture
def table(tmp_path: Path) -> str:
    rows = "".join(f"{x},{x * x % 7},{2 * x + x % 3}\n" for x in range(40))
    (tmp_path / "points.csv").write_text(f"x,z,y\n{rows}")
    return f"data.path={tmp_path / 'points.csv'}"


def directories(sweep: Path) -> list[str]:
    return sorted(path.name for path in sweep.iterdir() if path.name.isdecimal())


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_directory_that_is_made_has_the_bytes_of_one_that_was_written(
    multirun: Multirun, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    would, add, texts = tmp_path / "would", columns.Gathering.add, HydraFiles.texts

    def added(gathering: Any, run: int, ended: EndedRun) -> None:
        ended.write(would / str(run))
        add(gathering, run, ended)

    def written(own: HydraFiles, words: Any, raw: Any, number: int, directory: Path) -> dict[str, str]:
        found = texts(own, words, raw, number, directory)
        (would / str(number) / ".hydra").mkdir(parents=True)
        for name, text in found.items():
            (would / str(number) / ".hydra" / name).write_text(text, encoding="utf-8")
        return found

    monkeypatch.setattr(columns.Gathering, "add", added)
    monkeypatch.setattr(HydraFiles, "texts", written)
    assert multirun("few", *KINDS, table, "hydra.launcher.files=few") == 0
    monkeypatch.undo()
    few, every = tmp_path / "few", tmp_path / "all"
    assert directories(few) == []
    assert len(list((few / "columns").iterdir())) <= 3 * 2 * 4  # of each stack those of .hydra, and a part or two
    assert multirun("all", *KINDS, table) == 0
    # who compares them needs no directories
    exported = [load(sweep) for sweep in (few, every)]
    assert_frame_equal(*(one.runs.drop("sweep", "directory", "seconds") for one in exported))
    assert_frame_equal(*(one.curves.sort("run", "step") for one in exported))
    assert len(exported[0].curves) > 50
    foreseen = [[run.foreseen for run in read(sweep).runs.values()] for sweep in (few, every)]  # type: ignore[union-attr]
    assert repr(foreseen[0]) == repr(foreseen[1])
    boards = [sorted(path.parent.name for path in sweep.glob("tensorboard/*/*/*")) for sweep in (few, every)]
    assert boards[0] == boards[1] != []
    assert any(foreseen[0])
    assert verified(few) == verified(every) == (6, [])
    for run in read(few).runs.values():  # type: ignore[union-attr]
        assert run.curves
    # and whoever wants one
    before = snapshot(few / "columns")
    main([str(few), "0-5"])
    for run in range(6):
        assert files(few / str(run)) == files(would / str(run))
    assert {"split.csv", "histograms.csv", "checkpoints/best.ckpt", ".hydra/hydra.yaml"} <= files(few / "0").keys()
    assert everything(few) == everything(every)
    assert verified(few) == (6, [])
    assert snapshot(few / "columns") == before


def test_one_way_and_the_other_in_one_sweep(multirun: Multirun, tmp_path: Path) -> None:
    """What is finished stays as it is; those who train alone have directories, and a single run is gone on from."""
    sweep = tmp_path / "sweep"
    assert multirun("sweep", "seed=0,1", "hydra.launcher.files=few") == 0
    assert multirun("sweep", "seed=0,1,2", "hydra.launcher.files=all") == 0
    assert multirun("sweep", "seed=0,1,2,3", "hydra.launcher.files=few") == 0
    assert directories(sweep) == ["2"]
    kept, there = snapshot(sweep / "columns"), snapshot(sweep / "2")
    assert multirun("whole", "seed=0,1,2,3") == 0
    words = with_checkpoint([f"ckpt_path={sweep / '3/checkpoints/last.ckpt'}", "trainer.max_steps=40"])
    assert "seed=3" in words
    assert isinstance(read(sweep / "1"), Run)
    assert directories(sweep) == ["1", "2", "3"]
    assert (kept, there) == (snapshot(sweep / "columns"), snapshot(sweep / "2"))
    assert everything(sweep) == everything(tmp_path / "whole")


def test_runs_that_get_a_directory_all_the_same(multirun: Multirun, tmp_path: Path, capfd: Any) -> None:
    assert multirun("sweep", "seed=0,1", "hydra.launcher.files=few", "logger=csv") == 0
    said = "2 runs get a directory each all the same: logger.csv writes into it"
    assert said in capfd.readouterr().out.splitlines()
    assert directories(tmp_path / "sweep") == ["0", "1"]


def test_a_sweep_that_is_killed_while_it_writes_ends_in_the_same_bits(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each file of a part, the states, the curves, the results, while those that have diverged have one already."""
    words = ["seed=0,1,2", "optimizer.lr=0.01,1e9", "callbacks.checkpoint.every_n_steps=10"]
    for ending in (".ckpt", ".curves.parquet", ".results.parquet"):

        def killed(path: Path, content: bytes, ending: str = ending) -> None:
            if path.name == f"0.1{ending}":
                path.with_suffix(".part").write_bytes(content[:10])
                raise KeyboardInterrupt
            place(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(columns, "place", killed)
            patch.setattr("src.run_directory.checkpoint_file.place", killed)
            assert multirun("sweep", *words, "hydra.launcher.files=few") == 130
        kept = columns.columns(tmp_path / "sweep").runs
        assert sorted(kept) == [1, 3, 5]
    assert multirun("sweep", *words, "hydra.launcher.files=few") == 0
    assert multirun("whole", *words) == 0
    assert everything(tmp_path / "sweep") == everything(tmp_path / "whole")
    assert "optimizer.lr=1000000000.0" in RunDirectory(tmp_path / "sweep/1").hydra("overrides.yaml")
    files = (".ckpt", ".curves.parquet", ".results.parquet")
    names = {f"0.{part}{ending}" for part in (0, 1) for ending in files} | {"0.hydra.parquet"}
    assert {path.name for path in (tmp_path / "sweep/columns").iterdir()} == names


def test_a_stack_that_comes_apart_leaves_whole_directories(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that are stepped by a class which fails train one by one instead."""
    put, apart = columns.put_hydra, list[str]()

    def noted(sweep: Path, stack: int, directory: Path) -> None:
        apart.append(directory.name)
        put(sweep, stack, directory)

    monkeypatch.setattr(columns, "put_hydra", noted)
    own = "optimizer._target_=tests.sweep.test_few_files.FailsInAStack"
    assert multirun("sweep", own, "seed=0,1", "hydra.launcher.files=few") == 0
    assert apart == directories(tmp_path / "sweep") == ["0", "1"]
    assert {path.name for path in (tmp_path / "sweep/1/.hydra").iterdir()} == set(columns.HYDRA)


# --- the command ---


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in columns, and a ledger that knows of a third."""
    sweep = tmp_path_factory.mktemp("kept")
    (sweep / "sweep.json").write_text('{"jobs": [{"number": 0}, {"number": 1}, {"number": 2}]}')
    gathering = columns.Gathering(sweep, 0)
    told = dict.fromkeys(columns.TOLD) | {"metrics": {"train/loss": 1.0}, "seconds": {"fit": 1.0}}
    for run in (0, 1):
        text = str(told).replace("'", '"').replace("None", "null")
        gathering.add(run, EndedRun({"result.json": text}, {}, {"exact_loss": [(0, 0.5), (9, 0.5)]}))
    gathering.write()
    RunDirectory(sweep / "1").make()
    return sweep


def test_a_directory_that_is_there_is_left_as_it_is(kept: Path, capsys: Any) -> None:
    for numbers, said in (["1"], "1 is there already\n"), (["1", "1-1"], "1 is there already\n"):
        main([str(kept), *numbers])
        assert capsys.readouterr().out == f"{kept}/{said}"
    assert directories(kept) == ["1"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gone", "0"], "gone is not there: give one, such as outputs/sweeps/"),
        (["columns", "0"], "columns is no directory of a sweep"),
        ([".", "0", "2"], "run 2 of . has not ended: type the command of the sweep again to go on with it"),
        ([".", "3"], "run 3: . has none of this number (it has 3, from 0 to 2)"),
        ([".", "1-999999999999"], "run 2 of . has not ended"),
        ([".", "adam"], "adam: give numbers of runs, such as 7 or 0-9"),
        ([".", "1-0"], "1-0: give numbers of runs, such as 7 or 0-9"),
    ],
)
def test_what_cannot_be_made_is_told(
    kept: Path, words: Sequence[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(kept)
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert directories(kept) == ["1"]
    assert (
        kept / "1/theory.csv"
    ).read_bytes() == b"step,predicted_loss,exact_loss,noise_floor\r\n0,,0.5,\r\n9,,0.5,\r\n"
