"""`python -m src.report verify`, and who else refuses what is not as it was written."""

import re
import shutil
from pathlib import Path

import pytest

from src.errors import LabError
from src.predict import predict
from src.report.__main__ import main
from src.report.run_files import Run
from src.report.verify import found
from src.run import run as train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        words = ["experiment=noisy_line", f"seed={seed}", "trainer.max_steps=40", "logger=none"]
        words += [f"optimizer.lr=0.0{seed}"]
        train([*words, f"hydra.run.dir={directory / str(seed)}"])
    return directory


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def damaged(path: Path) -> None:
    """The first digit of its last number is another, or of what is no text a bit."""
    content = bytearray(path.read_bytes())
    text = path.suffix != ".ckpt"
    place = [one.start() for one in re.finditer(rb"(?<![\w.])\d", content)][-1] if text else len(content) // 2
    content[place] ^= 1
    path.write_bytes(content)


def test_runs_as_they_were_written(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(runs), str(runs / "1")])
    assert capsys.readouterr().out == f"{runs}: 2 runs, all as written\n{runs}/1: 1 run, all as written\n"


def test_every_damaged_file_is_named(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [path for path in (copied / "1").rglob("*") if path.suffix in (".csv", ".json", ".ckpt")]
    assert len(files) == 8  # the result, five tables, two checkpoints
    for path in files:
        whole = path.read_bytes()
        damaged(path)
        number, (sentence,) = found(copied)
        assert number == 2
        assert str(path) in sentence
        path.write_bytes(b"")  # as after a power cut
        assert len(found(copied)[1]) == 1
        path.write_bytes(whole)
    damaged(files[0])
    with pytest.raises(SystemExit):
        main(["verify", str(copied)])
    assert "2 runs, 1 file is not as written" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["result.json", "metrics.csv", "checkpoints/last.ckpt"])
def test_what_is_of_another_run(copied: Path, name: str) -> None:
    shutil.copy(copied / "2" / name, copied / "1" / name)
    assert found(copied)[1]


def test_a_page_and_predictions_are_not_of_what_was_changed(copied: Path) -> None:
    damaged(copied / "1" / "metrics.csv")
    with pytest.raises(LabError, match=r"metrics.csv is not as it was when .*'s result was written"):
        _ = Run(copied / "1").curves
    shutil.copy(copied / "2" / "checkpoints" / "last.ckpt", copied / "1" / "checkpoints" / "last.ckpt")
    with pytest.raises(LabError, match=r"last.ckpt is not this run's"):
        predict(copied / "1", ["data.path=points.csv"])


def test_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no finished run in it"):
        found(tmp_path)
