"""Sharpness along a run, against the Hessian's eigenvalues."""

from collections.abc import Callable

import pytest
import torch

from src.config.compose import compose
from src.config.schema import check
from src.run.build import build_model, build_problem
from src.run_directory import Result, read_rows

Train = Callable[..., Result]
WATCH = ["callbacks=[sharpness]", "callbacks.sharpness.every_n_steps=10"]


def curve(result: Result, name: str) -> dict[int, float]:
    return {step: row[name] for step, row in read_rows(result.directory / "metrics.csv") if name in row}


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=noisy_line"],
        ["experiment=noisy_line", "data.batch_size=10", "model.gradient=by_hand"],
        ["data=features", "data.inputs=8", "data.condition_number=50", "model.loss=sum", "optimizer.lr=1e-4"],
        ["data=diabetes", "optimizer=muon"],
        ["experiment=noisy_line", "+optimizer.weight_decay=5", "optimizer.lr=1e-3"],
    ],
    ids=["noisy_line", "mini-batches by hand", "a sum of squares", "matrices without a member axis", "decay"],
)
def test_on_the_linear_model_it_is_the_largest_eigenvalue(train: Train, words: list[str]) -> None:
    """To 6 digits, at every step, in float32."""
    result = train("run", *words, *WATCH, "trainer.max_steps=25")
    sharpness = curve(result, "sharpness/lambda_max")
    assert list(sharpness) == [0, 10, 20, 25]
    assert list(sharpness.values()) == pytest.approx([result.exact["hessian_eigenvalues"][-1]] * 4, rel=5e-7)


def test_on_a_network_it_is_that_of_the_dense_hessian(train: Train) -> None:
    words = ["model=two_layer", "data=teacher", "model.hidden=4", "model.activation=tanh", "seed=3"]
    result = train("run", *words, *WATCH, "trainer.max_steps=10")
    config = check(compose([*words, "logger=none"]))
    problem, model = build_problem(config), build_model(config, build_problem(config)).double()
    names, values = zip(*model.named_parameters(), strict=True)
    x, y = (rows.double()[None] for rows in (problem.train.inputs, problem.train.targets))

    def loss(*parameters: torch.Tensor) -> torch.Tensor:
        made = torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,))
        return (made - y).square().mean()

    blocks = torch.autograd.functional.hessian(loss, tuple(values))
    sizes = [value.numel() for value in values]
    dense = torch.cat(
        [
            torch.cat([block.reshape(rows, columns) for block, columns in zip(line, sizes, strict=True)], 1)
            for line, rows in zip(blocks, sizes, strict=True)
        ]
    )
    known = float(torch.linalg.eigvalsh(dense)[-1])
    assert curve(result, "sharpness/lambda_max")[0] == pytest.approx(known, rel=1e-6)


def test_beside_it_stands_what_the_learning_rate_can_bear(train: Train) -> None:
    words = ["scheduler=step", "scheduler.step_size=10", "scheduler.gamma=0.5", "optimizer.lr=0.01"]
    result = train("run", "experiment=noisy_line", *WATCH, *words, "trainer.max_steps=20")
    assert curve(result, "sharpness/2_over_lr") == pytest.approx({0: 200.0, 10: 400.0, 20: 800.0})


@pytest.mark.parametrize(
    ("words", "edge"),
    [
        (["optimizer=momentum", "optimizer.momentum=0.9"], 2 * 1.9 / 0.01),
        (["optimizer=nesterov", "optimizer.momentum=0.9"], 2 * 1.9 / 2.8 / 0.01),
        (["optimizer=adam"], None),
        (["model.loss=sum", "data.batch_size=10"], None),
    ],
)
def test_the_edge_is_that_of_the_optimizer(train: Train, words: list[str], edge: float | None) -> None:
    result = train("run", "experiment=noisy_line", *WATCH, *words, "optimizer.lr=0.01", "trainer.max_steps=3")
    assert curve(result, "sharpness/edge") == pytest.approx({} if edge is None else {0: edge, 3: edge})
    assert bool(curve(result, "sharpness/2_over_lr")) == (edge is not None)


def test_it_changes_nothing_and_ends_with_a_run_that_diverges(train: Train) -> None:
    plain, watched = train("plain", "experiment=diverging"), train("watched", "experiment=diverging", *WATCH)
    assert (watched.steps, watched.metrics) == (plain.steps, plain.metrics)
    assert watched.fingerprint == plain.fingerprint
