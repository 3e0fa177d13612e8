"""`python -m src.report` on real runs, and on what is none."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.errors import LabError
from src.plots.chart import Chart, Contours, Heat
from src.report.__main__ import main, report
from src.report.run_files import Run
from src.report.single import findings_of
from src.run import run as train
from src.tables.account import Account

HEAVY = "torch", "lightning", "tensorboard", "src.run", "src.engine", "src.data"


@pytest.fixture(scope="module")
def noisy_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("noisy_line") / "run"
    words = ["experiment=noisy_line", "callbacks=[parameters]", "callbacks.parameters.every_n_steps=1"]
    train([*words, f"hydra.run.dir={directory}"])
    return directory


@pytest.fixture(scope="module")
def two_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("two_layer") / "run"
    train(["model=two_layer", "callbacks=[histograms]", "trainer.max_steps=200", f"hydra.run.dir={directory}"])
    return directory


PICTURES = {"loss", "loss_above", "fit", "way", "residuals"}


@pytest.fixture
def copied(noisy_line: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(noisy_line, tmp_path / "run"))


def test_a_run_becomes_a_page_with_its_pictures(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(copied)])
    assert str(copied / "report.html") in capsys.readouterr().out
    names = {path.name for path in (copied / "pictures").iterdir()}
    assert names == {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")}
    assert "2.06683" in (copied / "report.html").read_text(encoding="utf-8")


def test_figures_of_a_run_are_those_that_are_known(noisy_line: Path) -> None:
    """The noisy line after 100 steps: w = 2.06683, b = 0.65558; least squares at 1.98821, 1.17848 with loss 3.85161."""
    found = findings_of(Run(noisy_line))
    (table,) = found.tables
    cells = {row[0].text: [cell.value for cell in row[1:]] for row in table.rows}
    assert table.columns == ["what", "learned", "true", "exact", "error"]
    assert cells["weight"] == pytest.approx([2.06683, 2, 1.98821, 2.06683 - 1.98821], abs=1e-5)
    assert cells["bias"] == pytest.approx([0.65558, 1, 1.17848, 0.65558 - 1.17848], abs=1e-5)
    loss, above, fit, way, residuals = found.charts
    assert isinstance(loss, Chart)
    assert [level.at for level in loss.levels] == pytest.approx([3.85161], abs=1e-5)
    assert isinstance(above, Chart)
    assert above.lines[0].y[-1] == pytest.approx(3.92101 - 3.85161, abs=2e-5)
    assert isinstance(fit, Chart)
    (line,) = [line for line in fit.lines if line.name == "fitted"]
    assert np.asarray(line.y) == pytest.approx(2.06683 * np.asarray(line.x) + 0.65558, abs=1e-4)
    assert isinstance(way, Contours)
    (path,) = way.paths
    assert list(path.steps) == list(range(101))
    assert (path.x[0], path.y[0]) == (0, 0)
    assert (path.x[-1], path.y[-1]) == pytest.approx((2.06683, 0.65558), abs=1e-5)
    assert isinstance(residuals, Chart)
    (cloud,) = fit.points
    assert residuals.points[0].x == pytest.approx(2.06683 * np.asarray(cloud.x) + 0.65558, abs=1e-4)
    assert residuals.points[0].y == pytest.approx(cloud.y - np.asarray(residuals.points[0].x), abs=1e-9)


def test_predicted_losses_lie_on_those_taken(noisy_line: Path) -> None:
    """Two sources for one curve: theory.csv has the closed form, metrics.csv what descent did."""
    chart = findings_of(Run(noisy_line)).charts[0]
    assert isinstance(chart, Chart)
    lines = {line.name: dict(zip(np.asarray(line.x).tolist(), line.y, strict=True)) for line in chart.lines}
    shared = lines["predicted by theory"].keys() & lines["training"].keys()
    assert len(shared) > 10
    assert [lines["training"][step] for step in shared] == pytest.approx(
        [lines["predicted by theory"][step] for step in shared], rel=1e-4
    )


def test_histograms_of_weights_and_gradients(two_layer: Path) -> None:
    found = findings_of(Run(two_layer))
    heats = [picture for picture in found.charts if isinstance(picture, Heat)]
    assert {heat.y_label for heat in heats} == {"value", "gradient"}
    for heat in heats:
        assert list(heat.x) == [0, 100, 200]
        assert heat.values.sum(0) == pytest.approx(np.ones(3))
    assert "fit" in [picture.name for picture in found.charts]
    assert "way" not in [picture.name for picture in found.charts]


def test_a_run_on_a_surface_is_a_race_of_one(tmp_path: Path) -> None:
    words = ["model=surface", "model.function=rosenbrock", "optimizer=adam", "callbacks=[parameters]"]
    result = train([*words, "trainer.max_steps=100", f"hydra.run.dir={tmp_path / 'run'}"])
    (race,) = [one for one in findings_of(Run(tmp_path / "run")).charts if isinstance(one, Contours)]
    (path,) = race.paths
    (end,) = result.parameters.values()
    assert (path.x[-1], path.y[-1]) == pytest.approx(np.ravel(end), rel=1e-6)
    assert path.steps[-1] == race.frames[-1] == 100


def test_a_run_on_a_table_shows_what_was_done_to_it(copied: Path) -> None:
    kept = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    account = Account("houses.csv", 40, told=["decimal commas"])
    (copied / "result.json").write_text(json.dumps({**kept, "table": account.as_json()}), encoding="utf-8")
    table = findings_of(Run(copied)).tables[1]
    assert [row[0].text for row in table.rows] == account.lines()
    assert "decimal commas" in account.lines()


def test_of_a_logarithm_the_exact_line_is_a_curve_and_there_is_no_way_over_the_loss(copied: Path) -> None:
    kept = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    loss = {**kept["loss"], "logarithm": True}
    (copied / "result.json").write_text(json.dumps({**kept, "loss": loss}), encoding="utf-8")
    found = findings_of(Run(copied))
    (fit,) = [picture for picture in found.charts if picture.name == "fit"]
    assert isinstance(fit, Chart)
    (exact,) = [line for line in fit.lines if line.name.startswith("exact")]
    assert exact.name == "exact: exp(1.988 x + 1.178)"
    assert np.log(exact.y) == pytest.approx(1.98821 * np.asarray(exact.x) + 1.17848, abs=1e-4)
    assert not [picture for picture in found.charts if isinstance(picture, Contours)]


def test_a_run_of_an_earlier_version_is_a_page(copied: Path) -> None:
    kept = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    (copied / "result.json").write_text(json.dumps({k: v for k, v in kept.items() if k not in ("loss", "table")}))
    found = findings_of(Run(copied))
    assert "the way over the loss is not shown: result.json does not tell it" in found.remarks


def test_a_run_without_its_way_shows_its_end_and_says_so(copied: Path) -> None:
    text = (copied / "metrics.csv").read_text(encoding="utf-8").splitlines()
    (copied / "metrics.csv").write_text("\n".join(",".join(line.split(",")[:2]) for line in text), encoding="utf-8")
    (copied / "way.csv").unlink()
    found = findings_of(Run(copied))
    (way,) = [picture for picture in found.charts if isinstance(picture, Contours)]
    assert list(way.paths[0].steps) == [100]
    assert any("callbacks=parameters" in remark for remark in found.remarks)


@pytest.mark.parametrize("lost", ["metrics.csv", ".hydra/config.yaml", "fit.csv", "predictions.csv"])
@pytest.mark.parametrize("content", [None, "", "\x00broken {", "a: [b"])
def test_a_run_with_a_broken_file_is_a_page_that_says_so(copied: Path, lost: str, content: str | None) -> None:
    whole = len(findings_of(Run(copied)).charts)
    (copied / lost).unlink() if content is None else (copied / lost).write_text(content, encoding="utf-8")
    found = findings_of(Run(copied))
    assert len(found.charts) < whole
    if lost != "predictions.csv" or content is not None:  # runs of before have none
        told = ("cannot be read", "there is no fit.csv", "is not as it was")
        assert any(words in remark for words in told for remark in found.remarks)


@pytest.mark.parametrize("content", [None, "", "a: [b"])
def test_a_run_without_what_theory_foresaw_says_so(copied: Path, content: str | None) -> None:
    theory = copied / "theory.csv"
    theory.unlink() if content is None else theory.write_text(content, encoding="utf-8")
    found = findings_of(Run(copied))
    loss = found.charts[0]
    assert isinstance(loss, Chart)
    assert [line.name for line in loss.lines] == ["training", "validation"]
    (remark,) = [remark for remark in found.remarks if "theory.csv" in remark]
    assert ("there is no" if content is None else "cannot be read") in remark


def test_a_page_needs_neither_the_checkpoint_nor_what_is_for_tensorboard(copied: Path, two_layer: Path) -> None:
    """Nor torch: what it shows of a run are files that anything can read."""
    for path in (*copied.glob("events*"), copied / "checkpoints" / "last.ckpt", copied / "checkpoints" / "best.ckpt"):
        path.unlink(missing_ok=True)
    code = (
        f"from src.report.__main__ import report; report([{str(copied)!r}]); report([{str(two_layer)!r}]); import sys;"
    )
    code += f"print([one for one in {HEAVY} if one in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
    assert {path.stem for path in (copied / "pictures").iterdir()} == PICTURES
    assert {"loss", "fit", "histogram_0"} <= {path.stem for path in (two_layer / "pictures").iterdir()}


def test_several_runs_are_compared_on_one_page(noisy_line: Path, copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "together.html"
    assert report([noisy_line, copied], out)[0] == out
    assert out.stat().st_size > 100_000


# --- what is none ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": "completed"}', '{"status": 3, "steps": "x"}'])
def test_a_broken_result_is_a_sentence(copied: Path, content: str) -> None:
    (copied / "result.json").write_text(content, encoding="utf-8")
    with pytest.raises(LabError, match=r"result\.json is broken"):
        report([copied])


@pytest.mark.parametrize("missing", ["parameters", "environment", "exact"])
def test_a_result_that_lacks_something_is_a_sentence(copied: Path, missing: str) -> None:
    result = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    del result[missing]
    (copied / "result.json").write_text(json.dumps(result), encoding="utf-8")
    with pytest.raises(LabError, match=f"result.json is broken .*{missing}"):
        report([copied])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "nowhere is not there"),
        (["{empty}"], "holds no finished run"),
        (["{file}"], "is a file"),
        (["{run}", "--out", "{empty}"], "is a directory"),
        (["{run}", "--heat", "seed", "optimizer.lr"], "a single run has no swept keys"),
        (["{run}", "{run}/../{run.name}"], "is given twice: give every directory once"),
    ],
)
def test_what_cannot_be_reported_is_a_sentence(
    words: list[str], sentence: str, noisy_line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    places = {"empty": tmp_path / "empty", "file": tmp_path / "file", "run": noisy_line}
    with pytest.raises(SystemExit) as ended:
        main([word.format(**places) for word in words])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert sentence in told
    assert "Traceback" not in told


def test_the_command_imports_nothing_of_training() -> None:
    code = "import pkgutil, sys, importlib, src.report, src.plots;"
    code += "[importlib.import_module(f'{p.__name__}.{one.name}') for p in (src.report, src.plots) "
    code += f"for one in pkgutil.iter_modules(p.__path__)]; print([one for one in {HEAVY} if one in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
