"""Runs on a surface, alone and in stacks, against closed forms and loops by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sympy
import torch

from src.config.surfaces import FUNCTIONS
from src.engine.choose_stepper import choose_stepper
from src.errors import LabError
from src.predict import predict
from src.report.run_summary import headline, in_theory, summary
from src.run import run
from src.run_directory import Result, read_rows
from src.sweep.stacking import program
from tests.config.test_surfaces import FORMULAS, X, Y
from tests.optim.bare import curve, parameters, same
from tests.run.runs import members, numbers, stacked

Train = Callable[..., Result]
LONG = ["model.dtype=float64", "trainer.log_every_n_steps=1"]
PATH = ["callbacks=[parameters]", "callbacks.parameters.every_n_steps=1"]


def path(result: Result) -> np.ndarray:
    """`[steps + 1, 2]`."""
    return np.array([[row["point[0]"], row["point[1]"]] for _, row in read_rows(result.directory / "metrics.csv")])


# --- alone ---


def test_gradient_descent_in_the_ravine_is_its_closed_form(train: Train) -> None:
    # a quadratic: each coordinate shrinks by 1 - lr λ, with λ of 1 and 100
    words = ["model=surface", "model.function=ravine", "optimizer=sgd", "optimizer.lr=0.015", "trainer.max_steps=40"]
    result = train("run", *words, *LONG, *PATH)
    k = np.arange(41)
    known = np.stack([-9 * (1 - 0.015) ** k, (1 - 1.5) ** k], 1)
    np.testing.assert_allclose(path(result), known, rtol=1e-12)
    heights = (known[:, 0] ** 2 + 100 * known[:, 1] ** 2) / 2
    np.testing.assert_allclose(list(curve(result, "train/loss").values()), heights, rtol=1e-12)
    assert result.parameters == {"point": pytest.approx(known[-1].tolist(), rel=1e-12)}
    assert (result.exact["nearest"], result.exact["train/loss"]) == ([0.0, 0.0], 0.0)
    assert result.exact["distance"] == pytest.approx(math.hypot(*known[-1]), rel=1e-12)


@pytest.mark.parametrize("gradient", ["autograd", "by_hand"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_adam_goes_where_torchs_adam_goes(train: Train, name: str, gradient: str) -> None:
    words = ["model=surface", f"model.function={name}", f"model.gradient={gradient}", "model.point=[0.7,-1.2]"]
    result = train("run", *words, "optimizer=adam", "optimizer.lr=0.01", "trainer.max_steps=60", *LONG)
    point = torch.tensor([0.7, -1.2], dtype=torch.float64, requires_grad=True)
    optimizer, height = torch.optim.Adam([point], lr=0.01), sympy.lambdify((X, Y), FORMULAS[name], torch)
    for _ in range(60):
        optimizer.zero_grad()
        height(point[0], point[1]).backward()
        optimizer.step()
    assert result.parameters["point"] == pytest.approx(point.tolist(), rel=1e-9)
    assert result.metrics["train/loss"] == pytest.approx(float(height(*point.detach())), rel=1e-8, abs=1e-12)


def test_the_best_known_end_of_rosenbrock(train: Train) -> None:
    result = train("run", "model=surface", "model.function=rosenbrock", "optimizer=lbfgs", "trainer.max_steps=60")
    assert result.parameters["point"] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert result.exact["distance"] < 1e-5
    assert result.exact["source"].startswith("Rosenbrock 1960")


def test_mini_batches_have_a_noisy_gradient_and_all_rows_the_true_one(train: Train) -> None:
    words = ["model=surface", "model.function=bowl", "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_steps=2000"]
    words += ["data.rows=4000", "data.noise=0.5", *LONG, *PATH]
    noisy = path(train("noisy", *words, "data.batch_size=2"))
    # p <- (1 - 2 lr) p - lr n: at rest the variance is lr² noise² / batch / (1 - (1 - 2 lr)²)
    deviation = math.sqrt(0.01 * 0.25 / 2 / (1 - 0.8**2))
    assert noisy[50:].std(0) == pytest.approx([deviation] * 2, rel=0.1)
    assert abs(noisy[50:].mean(0)).max() < 6 * deviation / math.sqrt(1950 / 9)  # neighbours are alike: τ = 9 steps
    quiet = path(train("quiet", *words[:4], "trainer.max_steps=50", *words[5:]))
    np.testing.assert_allclose(quiet[:, 0], -1.5 * 0.8 ** np.arange(51), rtol=1e-5, atol=1e-7)


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(train: Train) -> None:
    words = ["model=surface", "model.function=himmelblau", "optimizer.lr=1e-3", "trainer.max_steps=30", *LONG]
    names = "callbacks=[sharpness,parameters,histograms,gradient_norm,fitted_line]"
    result = train(
        "run", *words, names, "callbacks.sharpness.every_n_steps=10", "callbacks.parameters.every_n_steps=10"
    )
    rows = {step: row for step, row in read_rows(result.directory / "metrics.csv") if "point[0]" in row}
    assert list(rows) == [0, 10, 20, 30]
    for row in rows.values():
        at = {X: row["point[0]"], Y: row["point[1]"]}
        hessian = np.array(sympy.hessian(FORMULAS["himmelblau"], (X, Y)).evalf(subs=at).tolist(), dtype=float)
        assert row["sharpness/lambda_max"] == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_too_large_a_rate_diverges_and_says_so(train: Train, name: str) -> None:
    words = ["model=surface", f"model.function={name}", "trainer.max_steps=500", *LONG]
    # rastrigin only has the slope 2x far out, the others steepen
    result = train("run", *words, "optimizer=sgd", "optimizer.lr=3")
    losses = list(curve(result, "train/loss").values())
    assert result.status == "diverged"
    # the run ends at the first height above 1e8 times the larger of the start's and 1
    above = [not loss <= 1e8 * max(abs(losses[0]), 1.0) for loss in losses]
    assert above.index(True) == len(losses) - 1 == result.steps
    assert "try a learning rate far below 3" in result.reason


def test_a_start_at_height_0_has_a_limit_too(train: Train) -> None:
    words = ["model=surface", "model.function=bowl", "model.point=[1e-6,0]", "optimizer.lr=2", "trainer.max_steps=100"]
    result = train("run", *words, *LONG)
    # p <- -3 p: 1e-12 · 9^k is above 1e8 after 21 steps
    assert (result.status, result.steps) == ("diverged", 21)


def test_a_start_too_far_out(train: Train) -> None:
    result = train("run", "model=surface", "model.point=[1,1e30]")
    assert (result.status, result.steps) == ("diverged", 0)
    assert result.reason == "the surface is not finite at the start: model.point is too far out"
    end = json.loads((result.directory / "result.json").read_text())
    assert end["metrics"] == {"train/loss": None}
    assert "not finite" in headline(result)


def test_a_run_goes_on_to_the_same_end(train: Train) -> None:
    words = ["model=surface", "model.function=beale", "optimizer=adam", *LONG]
    whole = train("whole", *words, "trainer.max_steps=100")
    train("half", *words, "trainer.max_steps=40")
    half = whole.directory.parent / "half" / "checkpoints" / "last.ckpt"
    rest = train("rest", f"ckpt_path={half}", "trainer.max_steps=100")
    assert rest.fingerprint == whole.fingerprint
    assert same(parameters(rest), parameters(whole))


def test_the_table_and_what_is_said_of_the_minima(train: Train) -> None:
    result = train("run", "model=surface", "model.function=himmelblau", "optimizer.lr=0.01")
    table = summary(result)
    assert [str(column.header) for column in table.columns] == ["", "reached", "nearest minimum", "difference"]
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells[0] == ["x", "y", "train/loss"]
    assert cells[2] == ["3", "2", "0"]
    assert float(cells[1][0]) - 3 == pytest.approx(float(cells[3][0]), abs=1e-4)
    said = "\n".join(in_theory(result))
    assert "(3, 2), (-2.805, 3.131), (-3.779, -3.283), (3.584, -1.848)" in said
    assert "distance from the nearest minimum" in said


def test_a_surface_predicts_nothing(train: Train, tmp_path: Path) -> None:
    result = train("run", "model=surface", "trainer.max_steps=5")
    pl.DataFrame({"x": [1.0], "y": [2.0]}).write_csv(tmp_path / "t.csv")
    with pytest.raises(LabError, match=r"last\.ckpt: it went down a surface, which predicts nothing"):
        predict(result.directory, [f"data.path={tmp_path / 't.csv'}"])


def test_its_gradients_are_checked(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("run", "model=surface", "model.function=rastrigin", "check_gradients=true", "trainer.max_steps=5")
    assert "by hand, by autograd and by central differences differ by" in capsys.readouterr().out


def test_it_is_chosen_by_one_word_and_the_noise_comes_along() -> None:
    with pytest.raises(LabError, match=r"^model=surface fits no data: say data=noise"):
        run(["experiment=noisy_line", "model=surface", "~model.start", "logger=none"])


# --- as a stack ---


@pytest.mark.parametrize("name", ["rastrigin", "rosenbrock"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_members_bits_do_not_depend_on_its_stack(tmp_path: Path, name: str, dtype: str) -> None:
    """Seventeen are one more than whole vectors of any processor hold, so that some are the rest of a loop."""
    shared = ["model=surface", f"model.function={name}", f"model.dtype={dtype}", "optimizer=adam", "logger=none"]
    shared += ["trainer.max_steps=150", "callbacks=[parameters]"]
    jobs = [[f"optimizer.lr={0.01 * 1.3**k:.5f}", f"model.point=[{k / 7 - 1:.4f},{1 - k / 5:.4f}]"] for k in range(17)]
    stacked(tmp_path / "all", shared, jobs)
    stacked(tmp_path / "one", shared, [jobs[16]])
    stacked(tmp_path / "three", shared, [jobs[5], jobs[16], jobs[2]])
    assert numbers(tmp_path / "all" / "16") == numbers(tmp_path / "one" / "0") == numbers(tmp_path / "three" / "1")
    assert numbers(tmp_path / "all" / "5") == numbers(tmp_path / "three" / "0")


def test_starts_and_noise_share_a_stack_and_functions_do_not(tmp_path: Path) -> None:
    words = [[], ["model.point=[1,2]"], ["data.noise=0.5"], ["seed=4"], ["model.function=beale"], ["data.rows=9"]]
    first, *others = members(tmp_path, ["model=surface", "data.rows=8", "data.batch_size=2"], words)
    assert choose_stepper(first.config).stepper == "rules"
    assert [program(one.config) == program(first.config) for one in others] == [True, True, True, False, False]
