"""What the page is given to play with."""

from pathlib import Path

import numpy as np
import pytest

from src.plots.one_run import Valley
from src.report.play import _chosen, _curvatures, of_line
from src.report.run_files import Run
from src.report.single import findings_of
from src.run import run as train
from tests.config.test_surfaces import FORMULAS, FUNCTIONS, hessian

SGD = {"optimizer._target_": "torch.optim.SGD", "optimizer.lr": "0.1"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SGD, ("sgd", {"lr": 0.1})),
        (SGD | {"optimizer.momentum": "0.5"}, ("momentum", {"lr": 0.1, "momentum": 0.5})),
        (SGD | {"optimizer.momentum": "0.5", "optimizer.nesterov": "true"}, ("nesterov", {"lr": 0.1, "momentum": 0.5})),
        (
            {"optimizer._target_": "torch.optim.Adam", "optimizer.lr": "1e-05", "optimizer.betas": "[0.8,0.99]"},
            ("adam", {"lr": 1e-5, "momentum": 0.8, "beta2": 0.99, "eps": 1e-8}),
        ),
        (
            {"optimizer._target_": "torch.optim.RMSprop", "optimizer.lr": "1", "optimizer.alpha": "0.9"},
            ("rmsprop", {"lr": 1.0, "momentum": 0.0, "alpha": 0.9, "eps": 1e-8}),
        ),
        (SGD | {"optimizer.weight_decay": "0.1"}, None),
        (SGD | {"scheduler._target_": "torch.optim.lr_scheduler.StepLR"}, None),
        ({"optimizer._target_": "torch.optim.Adagrad", "optimizer.lr": "0.1"}, None),
    ],
)
def test_the_optimizer_of_a_run_is_recognized(config: dict[str, str], expected: object) -> None:
    assert _chosen(config) == expected


@pytest.mark.parametrize("name", FORMULAS)
def test_curvatures_are_the_eigenvalues_at_the_minima(name: str) -> None:
    for minimum in FUNCTIONS[name].minima:
        assert _curvatures(FUNCTIONS[name], minimum) == pytest.approx(np.linalg.eigvalsh(hessian(name, minimum)))


def _table(path: Path) -> list[str]:
    x = np.linspace(100, 900, 30)
    y = 3 * x + 500 + 50 * np.sin(x)
    path.write_text("size,price\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    return ["data=table", f"data.path={path}", "data.target=price"]


def test_a_standardized_table_is_played_as_descent_sees_it(tmp_path: Path) -> None:
    """Features of mean 0 and deviation 1: the Hessian of weight and bias is 2 on its diagonal, the best bias 0."""
    words = ["logger=none", "trainer.max_steps=20", "model.start=zeros", f"hydra.run.dir={tmp_path / 'run'}"]
    result = train([*_table(tmp_path / "table.csv"), *words])
    (play,) = findings_of(Run(result.directory)).plays
    assert np.array(play.data["quadratic"]["hessian"]) == pytest.approx(2 * np.eye(2), abs=1e-9)
    assert play.data["quadratic"]["lowest"][1] == pytest.approx(0, abs=1e-9)
    assert play.data["start"] == pytest.approx([0, 0], abs=1e-6)
    assert play.data["labels"] == ["weight (standardized)", "bias (standardized)"]


def test_what_is_not_the_loss_of_the_rows_is_not_played(tmp_path: Path) -> None:
    """With weight decay the Hessian and the lowest place are others."""
    words = ["logger=none", "trainer.max_steps=5", "+optimizer.weight_decay=0.5", f"hydra.run.dir={tmp_path}"]
    run = Run(train(words).directory)
    assert findings_of(run).plays == []
    assert run.fit is not None
    assert of_line(run, Valley(*run.fit.moments), np.zeros((1, 2))) is None
