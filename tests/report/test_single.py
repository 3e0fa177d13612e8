"""What the page of a run says beyond its tables: the best step, what was watched, what was predicted."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from src.config.compose import CONF
from src.engine.early_stopping import EarlyStopping, Patience
from src.plots.one_run import predicted, residuals, watched
from src.report.run_files import Run
from src.report.run_summary import status
from src.report.single import PATIENCE, best_step, confusions
from src.run_directory import RunDirectory
from tests.run_directory.test_run_directory import a_result


def ended_by(losses: np.ndarray, patience: int) -> int | None:
    """The index of the validation at which the engine's early stopping ends a run."""
    rule = Patience(EarlyStopping(patience=patience), 1)
    return next((index for index, loss in enumerate(losses) if rule.stops(torch.tensor([loss]))[0]), None)


def waits(losses: np.ndarray) -> list[int]:
    """How many validations one has to wait for the next one that is the best so far."""
    bests = [index for index, loss in enumerate(losses) if loss < min(losses[:index], default=np.inf)]
    return [after - before for before, after in itertools.pairwise(bests)]


def test_the_best_step_and_where_early_stopping_ends_it() -> None:
    """As the engine's own early stopping decides, on 100 random curves that fall and rise."""
    draw, told = np.random.default_rng(0), 0
    for length in draw.integers(2, 60, 100):
        losses = 1 + np.square(np.linspace(-1, draw.uniform(-1, 2), length)) + 0.1 * draw.random(length)
        steps, low, best = np.arange(1, length + 1) * 100, losses.min(), losses.argmin()
        found = best_step(steps, losses)
        assert (found is None) == (losses[-1] <= 1.01 * low)
        if found is None:
            continue
        assert (found.step, found.loss, found.end) == (steps[best], low, losses[-1])
        if found.stop is None:  # whatever patience comes to the best one comes to the end
            assert max(waits(losses), default=1) >= length - 1 - best
            assert f"trainer.max_steps={found.step} ends there" in found.sentence("")
        else:
            assert found.stop == steps[ended_by(losses, found.patience or PATIENCE)] > found.step
            told += 1
    assert told > 30
    # 0.6 of 0.5 is a fifth more
    curve = [1, 0.5, *[0.7] * 11, 0.6]
    assert best_step(range(14), curve).sentence("; kept") == (  # type: ignore[union-attr]
        "validation loss was lowest at step 1 (0.5; kept), and is 20 % above that at the end: "
        "callbacks=early_stopping would have stopped at step 11"
    )
    assert best_step(range(3), [0.5, 1.0, 1.5]).sentence("").endswith("stopped at step 1")  # type: ignore[union-attr]


def test_early_stopping_waits_as_long_as_is_said() -> None:
    assert f"patience: {PATIENCE} " in (CONF / "callbacks" / "early_stopping.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "completed"),
        ({"cause": "patience"}, "stopped early after 10 steps"),
        ({"cause": "loss", "status": "diverged"}, "diverged after 10 steps"),
        ({"cause": "start", "status": "diverged", "steps": 0}, "not finite at the start"),
    ],
)
def test_status(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    assert status(a_result(tmp_path, **changes)) == said


def test_what_was_watched_is_grouped_and_held_against_the_edge() -> None:
    steps = np.array([0.0, 10.0, 20.0])
    curves = {
        "sharpness/lambda_max": (steps, np.array([2.0, 9.0, 6.0])),
        "sharpness/2_over_lr": (steps, np.full(3, 8.0)),
        "weight[0]": (steps, np.array([0.0, 1.0, 2.0])),
        "weight[1]": (steps, np.array([0.0, -1.0, -2.0])),
        "lr": (steps, np.full(3, 0.25)),
    }
    sharpness, weights = watched(curves)
    assert [level.at for level in sharpness.levels] == [8.0]
    assert sharpness.y.limits == pytest.approx((0, 1.05 * 9))
    assert "came up to 1.1 of 2/learning rate, and ended at 0.75 of it" in sharpness.caption
    assert [line.name for line in weights.lines] == ["weight[0]", "weight[1]"]
    schedule = {**curves, "sharpness/2_over_lr": (steps[:2], np.array([8.0, 800.0]))}
    assert [line.name for line in watched(schedule)[0].lines] == ["λmax", "2/learning rate"]
    assert watched(schedule)[0].y.log


def test_predictions_lie_above_the_line_where_they_are_too_high(tmp_path: Path) -> None:
    text = 'part,target,predicted,actual\ntrain,"a, b",2.5,2.0\ntrain,"a, b",,1.0\nval,"a, b",3.0,4.0\n'
    RunDirectory(tmp_path).predictions_path.write_text(text, encoding="utf-8")
    ((target, parts),) = Run(tmp_path).predictions.items()
    assert target == "a, b"
    against = predicted("predicted", target, parts, log=False)
    assert [(one.name, list(one.x), list(one.y)) for one in against.points] == [
        ("training", [2.0, 1.0], [2.5, pytest.approx(np.nan, nan_ok=True)]),
        ("validation", [4.0], [3.0]),
    ]
    assert against.x.limits == against.y.limits == pytest.approx((0.85, 4.15))
    left = [[np.asarray(one.y)[0] for one in residuals("r", target, parts, log).points] for log in (False, True)]
    assert left == [[-0.5, 1.0], pytest.approx([np.log(0.8), np.log(4 / 3)])]


def test_classes_are_counted_by_what_they_are_and_what_was_predicted(tmp_path: Path) -> None:
    """`sklearn.metrics.confusion_matrix` of these labels, in this order."""
    drawn = np.random.default_rng(0)
    actual, predicted = (drawn.choice(["setosa", "virginica", "10"], 60) for _ in range(2))
    rows = [f"val,species,{a},{b},0.5" for a, b in zip(predicted, actual, strict=True)]
    text = "\n".join(["part,target,predicted,actual,probability", *rows, "train,species,10,10,1.0"])
    RunDirectory(tmp_path).predictions_path.write_text(text, encoding="utf-8")
    run, order = Run(tmp_path), ["setosa", "10", "virginica"]
    val, train = confusions(run, order)
    counts = confusion_matrix(actual, predicted, labels=order)
    assert run.predictions == {}
    assert val.columns == ["actual", *order]
    assert [[cell.value for cell in row] for row in val.rows] == [
        [name, *of_one] for name, of_one in zip(order, counts.tolist(), strict=True)
    ]
    assert val.caption.endswith(f" {counts.trace()} of 60 rows are right ({counts.trace() / 0.6:.3g} %).")
    assert (train.name, train.columns) == ("Predicted classes, training rows", ["actual", "10"])


def test_of_many_classes_those_are_told_that_are_mixed_up_most(tmp_path: Path) -> None:
    pairs = [(str(one), str(one)) for one in range(40)] + [("3", "4")] * 3 + [("5", "6")]
    text = "\n".join(["part,target,predicted,actual,probability", *(f"val,digit,{b},{a},1" for a, b in pairs)])
    RunDirectory(tmp_path).predictions_path.write_text(text, encoding="utf-8")
    (table,) = confusions(Run(tmp_path), [])
    assert [[cell.text for cell in row] for row in table.rows] == [["3", "4", "3"], ["5", "6", "1"]]
    assert table.caption == "40 of 44 rows are right (90.9 %). Most often mixed up."
