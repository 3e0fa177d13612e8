"""The exact answer beside a run's own, and what theory says before and after it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.report.run_summary import in_theory, summary
from src.run_directory import Result, read_rows

Train = Callable[..., Result]
FEATURES = [
    "data=features",
    "data.inputs=3",
    "data.condition_number=20",
    "model.dtype=float64",
    "model.gradient=by_hand",
]


def test_the_exact_answer_of_the_noisy_line(train: Train) -> None:
    """The numbers of FACTS."""
    exact = train("run", "experiment=noisy_line").exact
    assert exact["weight"][0][0] == pytest.approx(1.98821, abs=5e-6)
    assert exact["bias"][0] == pytest.approx(1.17848, abs=5e-6)
    assert exact["train/loss"] == pytest.approx(3.85161, abs=5e-6)
    assert exact["hessian_eigenvalues"] == pytest.approx([0.496398, 68.50697], rel=1e-6)
    assert exact["condition_number"] == pytest.approx(138.008, rel=1e-6)
    assert exact["critical_lr"] == pytest.approx(0.0291941, rel=1e-6)
    assert exact["optimal_lr"] == pytest.approx(2 / (0.496398 + 68.50697), rel=1e-6)


def test_of_a_table_it_is_in_the_table_s_own_units(train: Train) -> None:
    exact = train("run", "data=diabetes", "data.val=0", "data.test=0", "trainer.max_steps=5").exact
    x, y = load_diabetes(scaled=False, return_X_y=True)
    known = LinearRegression().fit(x, y)
    np.testing.assert_allclose(np.array(exact["weight"])[:, 0], known.coef_, rtol=1e-9)
    assert exact["bias"][0] == pytest.approx(known.intercept_, rel=1e-9)
    squares = float(((known.predict(x) - y) ** 2).sum())
    assert exact["train/loss"] == pytest.approx(squares / 442, rel=1e-9)
    assert exact["noise_variance"] == pytest.approx(squares / (442 - 11), rel=1e-9)
    # standardized columns: the bias's eigenvalue is 2, the ten others add up to 2 each
    assert sum(exact["hessian_eigenvalues"]) == pytest.approx(22, rel=1e-9)


def test_of_very_many_columns_there_is_none(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.run.exact.MOST_COLUMNS", 2)
    result = train("run", *FEATURES, "trainer.max_steps=5")
    assert result.exact == {"not_applicable": {"exact answer": "of 3 columns (more than 2) it takes long"}}


def test_the_most_patient_descent_gets_there(train: Train) -> None:
    result = train("run", *FEATURES, "optimizer.lr=0.5", "trainer.max_steps=3000")
    np.testing.assert_allclose(result.parameters["weight"], result.exact["weight"], rtol=1e-9)
    assert result.metrics["train/loss"] == pytest.approx(result.exact["train/loss"], rel=1e-9)


def test_weight_decay_in_the_loss_moves_it(train: Train) -> None:
    words = [*FEATURES, "+optimizer.weight_decay=0.1", "optimizer.lr=0.5", "trainer.max_steps=3000"]
    result, free = train("decay", *words), train("free", *words, "optimizer.weight_decay=0.0")
    np.testing.assert_allclose(result.parameters["weight"], result.exact["weight"], rtol=1e-9)
    assert not np.allclose(result.exact["weight"], free.exact["weight"], rtol=1e-3)
    assert ("decayed" in result.exact, "decayed" in free.exact) == (True, False)
    assert result.exact["train/loss"] > free.exact["train/loss"]
    told = "the exact answer is that with weight decay; losses are without it, and may be below its own"
    assert (told in in_theory(result), told in in_theory(free)) == (True, False)


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (["optimizer.lr=0.0290"], False),
        (["optimizer.lr=0.0294"], True),
        (["optimizer=momentum", "optimizer.momentum=0.9", "optimizer.lr=0.0550"], False),
        (["optimizer=momentum", "optimizer.momentum=0.9", "optimizer.lr=0.0560"], True),
        (["optimizer=nesterov", "optimizer.momentum=0.9", "optimizer.lr=0.0197"], False),  # 1.9/2.8 of it
        (["optimizer=nesterov", "optimizer.momentum=0.9", "optimizer.lr=0.0199"], True),
        (["optimizer=textbook_momentum", "optimizer.beta=0.2", "optimizer.lr=0.0437"], False),  # 1.2/0.8 of it
        (["optimizer=textbook_momentum", "optimizer.beta=0.2", "optimizer.lr=0.0439"], True),
        (["optimizer=adam", "optimizer.lr=1.0"], False),
        (["optimizer.lr=0.05", "trainer.gradient_clip_val=20"], False),
        (["optimizer.lr=0.05", "data.batch_size=10"], True),  # their mean goes as the whole does
        (["optimizer.lr=0.0290", "data.batch_size=10"], False),
        (["optimizer=momentum", "optimizer.momentum=1.5", "optimizer.lr=1e-4"], True),
        (["optimizer.lr=0.05", "scheduler=cosine"], False),
    ],
)
def test_a_rate_past_the_critical_one_is_warned_of(
    train: Train, capsys: pytest.CaptureFixture[str], words: list[str], warned: bool
) -> None:
    """FACTS: 2/λmax is 0.02919, with momentum 0.9 it is 0.05547; where theory is silent, so is this."""
    train("run", "experiment=noisy_line", "trainer.max_steps=5", *words)
    told = capsys.readouterr().err
    assert ("is above 2" in told or "is not below 1" in told) == warned


def told_and_done(train: Train, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, Result]:
    """What is warned of before the first step, without "warning: ", and how it ended."""
    capsys.readouterr()
    result = train("run", "trainer.val_every_n_steps=1000", "callbacks.checkpoint=null", *words)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    return "".join(told).removeprefix("warning: "), result


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=noisy_line", "optimizer.lr=0.05"],
        ["experiment=noisy_line", "optimizer.lr=0.05", "trainer.divergence_factor=null", "trainer.max_steps=200"],
        ["experiment=noisy_line", "optimizer.lr=0.05", "trainer.divergence_factor=10"],
        ["experiment=noisy_line", "optimizer=momentum", "optimizer.momentum=1.5", "optimizer.lr=1e-3"],
        ["experiment=noisy_line", "optimizer=momentum", "optimizer.lr=0.06", "+optimizer.dampening=-0.5"],
        ["experiment=noisy_line", "optimizer=momentum", "optimizer.lr=0.01", "+optimizer.dampening=2"],
        ["experiment=noisy_line", "optimizer=nesterov", "optimizer.momentum=1.2", "optimizer.lr=1e-3"],
        ["experiment=proportional", "optimizer.lr=0.22", "trainer.max_steps=200"],
        ["model.loss=sum", "data.rows=20", "optimizer.lr=1", "data.val=0", "data.test=0"],
    ],
)
def test_that_it_will_diverge_is_said_with_the_step(
    train: Train, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    told, result = told_and_done(train, capsys, *words)
    assert result.status == "diverged"
    step = int(told.split("will diverge, after about ")[1].split(" steps")[0])
    assert step == pytest.approx(result.steps, abs=1)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        # 3 % above the critical rate, 2/λmax: the loss grows by (1 - 0.22 * 28/3)^200
        (["experiment=proportional", "optimizer.lr=0.22"], "0.22 is above 2/λmax = 0.2143 of this data; the loss goes"),
        (["experiment=noisy_line", "optimizer=momentum", "optimizer.momentum=1.0", "optimizer.lr=1e-3"],
         "gradient descent will not converge: momentum 1 is not below 1; the loss goes"),
        # no gradient but the first counts: w goes to w - a g/(1 - β)
        (["experiment=noisy_line", "optimizer=momentum", "optimizer.lr=1e-3", "+optimizer.dampening=1"],
         "gradient descent will not converge: dampening 1 is not below 1; the loss goes"),
    ],
)  # fmt: skip
def test_of_a_run_that_is_too_short_to_diverge_its_loss_is_said(
    train: Train, capsys: pytest.CaptureFixture[str], words: list[str], wanted: str
) -> None:
    told, result = told_and_done(train, capsys, *words, "trainer.max_steps=100")
    assert told.startswith(wanted)
    assert result.status == "completed"
    loss = float(told.split(" to about ")[1].split(" in 100 steps")[0])
    assert loss == pytest.approx(result.metrics["train/loss"], rel=0.06)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        # mini-batches decide, not the rows together: 0.5 is above their critical rate, and this run ends well
        (["data=points", "data.x=[[1],[1],[1],[3.2]]", "data.y=[[1],[2],[1],[4]]", "model.bias=false",
          "data.batch_size=2", "optimizer.lr=0.5"],
         "gradient descent may diverge: 0.5 is above 2/λmax = 0.3021 of this data"),
        # 2(1 + β)/(1 + 2 β) is a critical rate at β = 1 too
        (["experiment=noisy_line", "optimizer=nesterov", "optimizer.momentum=1.0", "trainer.max_steps=5000",
          "model.dtype=float64", "optimizer.lr=0.015"], ""),
        # it starts at the answer, and nothing is there to grow but rounding
        (["experiment=proportional", "optimizer.lr=0.5", "model.values.weight=2.0"],
         "gradient descent may diverge: 0.5 is above 2/λmax = 0.2143 of this data"),
    ],
)  # fmt: skip
def test_of_a_run_that_ends_well_nothing_else_is_said(
    train: Train, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    said, result = told_and_done(train, capsys, *words)
    assert (said, result.status) == (told, "completed")
    assert told or result.metrics["train/loss"] == pytest.approx(result.exact["train/loss"], abs=1e-6)


def test_a_run_that_may_be_stopped_will_only_diverge_unless_it_is(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["experiment=diverging", "callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    told, result = told_and_done(train, capsys, *words, "trainer.val_every_n_steps=2", "optimizer.lr=0.03")
    assert result.reason.startswith("stopped early") == ("unless something stops it before" in told or "goes" in told)


def test_maximizing_ends_as_it_was_asked_to(train: Train) -> None:
    reason = train("run", "experiment=noisy_line", "+optimizer.maximize=true", "optimizer.lr=1").reason
    assert "try a learning rate" not in reason
    assert "as maximize=true asks for" in reason


def test_from_a_momentum_of_1_on_no_rate_converges(train: Train) -> None:
    result = train("run", "experiment=noisy_line", "optimizer=momentum", "optimizer.momentum=1.5", "optimizer.lr=1e-3")
    assert "diverges: momentum 1.5 is not below 1" in result.reason
    assert "critical learning rate 0, for momentum 1.5 is not below 1, best 0.02898" in in_theory(result)[1]


def test_why_it_diverged(train: Train) -> None:
    assert "0.05 is above 2/λmax = 0.02919 of this data" in train("run", "experiment=diverging").reason


def test_how_far_it_still_is(train: Train) -> None:
    short = train("short", "experiment=noisy_line")
    needed = int(short.reason.split("about ")[1].split(" ")[0].replace(",", ""))
    distances = []
    for steps in (needed - 1, needed):
        words = ["experiment=noisy_line", "model.dtype=float64", "model.gradient=by_hand", f"trainer.max_steps={steps}"]
        run = train(str(steps), *words)
        own, exact = ([r["bias"][0], r["weight"][0][0]] for r in (run.parameters, run.exact))
        distances.append(np.linalg.norm(np.subtract(own, exact)) / np.linalg.norm(exact))
    assert distances[0] > 0.01 >= distances[1]
    assert "not enough" not in train("long", "experiment=noisy_line", f"trainer.max_steps={needed}").reason


TABLES = {
    "a duplicated feature": "a,b,y\n1,1,1\n2,2,3\n3,3,2\n",
    "more features than rows": "a,b,c,d,y\n1,5,2,8,1\n2,1,9,3,4\n",
    "huge": "a,b,y\n1e150,2,1e150\n3e150,1,2e150\n2e150,5,4e150\n4e150,4,1e150\n",
    "mixed": "a,b,y\n1e150,2e-150,1\n3e150,1e-150,2\n2e150,5e-150,4\n4e150,4e-150,1\n",
    "tiny": "a,b,y\n1e-150,2,1e-150\n3e-150,1,2e-150\n2e-150,5,4e-150\n4e-150,4,1e-150\n",
}


@pytest.mark.parametrize("standardize", ["true", "false"])
@pytest.mark.parametrize("kind", TABLES)
def test_an_answer_or_a_sentence_for_whatever_data(train: Train, tmp_path: Path, kind: str, standardize: str) -> None:
    (tmp_path / "table.csv").write_text(TABLES[kind])
    words = ["data=table", f"data.path={tmp_path / 'table.csv'}", "data.target=y", "data.val=0", "data.test=0"]
    words += [f"data.standardize={standardize}", "model.dtype=float64", "trainer.max_steps=5"]
    result = train("run", *words, "callbacks.checkpoint=null")
    text = (result.directory / "result.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    deficient = kind not in ("huge", "tiny", "mixed")
    assert (json.loads(text)["exact"]["rank"] < len(result.features) + 1) == deficient
    assert any("the one of least norm" in line for line in in_theory(result)) == deficient
    shown = {column.header: list(column.cells) for column in summary(result).columns}
    assert all(shown["exact"][:3])
    assert any(shown["error"][:3]) == (not deficient)


def test_one_row(train: Train) -> None:
    """One equation for two numbers: the solution of least norm is y x/|x|²."""
    result = train("run", "data=points", "data.x=[3.0]", "data.y=[5.0]", "trainer.max_steps=5")
    assert result.exact["weight"][0][0] == pytest.approx(5 * 3 / 10)
    assert result.exact["bias"][0] == pytest.approx(5 * 1 / 10)
    assert (result.exact["rank"], result.exact["noise_variance"]) == (1, None)


X = "data.x=[0,1,2,3,4,5]"
MIXED, PARTED, CLASSES = "data.y=[0,0,1,0,1,1]", "data.y=[0,0,0,1,1,1]", "data.y=[[1,0],[1,0],[0,1],[1,0],[0,1],[0,1]]"
COUNTS = "data.y=[0,3,2,5,7,11]"


def test_the_exact_answer_of_a_loss_that_is_no_square(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    """1.21403 x - 3.03507 (statsmodels' Logit), whose Hessian holds near it only."""
    words = ["data=points", X, "loss=logistic", "model.dtype=float64", "model.gradient=by_hand"]
    result = train("run", *words, MIXED, "optimizer.lr=1.5", "trainer.max_steps=1500")
    assert result.exact["weight"][0][0] == pytest.approx(1.2140275858514205, rel=1e-9)
    assert result.exact["bias"][0] == pytest.approx(-3.0350689646285507, rel=1e-9)
    np.testing.assert_allclose(result.parameters["weight"], result.exact["weight"], rtol=1e-9)
    assert result.metrics["train/loss"] == pytest.approx(result.exact["train/loss"], rel=1e-12)
    assert max(result.exact["certificate"][name] for name in ("gradient_norm", "decrement")) < 1e-12
    lines = in_theory(result)
    assert lines[1].startswith("gradient descent near the exact answer: critical learning rate 2/λmax = 1.779, best ")
    assert lines[2:] == ["path and steps: not applicable (the Hessian of the logistic loss changes along the way)"]
    capsys.readouterr()
    circling = train("fast", *words, MIXED, "optimizer.lr=6", "trainer.max_steps=1500")
    told = "gradient descent will not settle: 6 is above 2/λmax = 1.779 at the exact answer"
    assert told in capsys.readouterr().err
    assert circling.status == "completed"
    assert circling.metrics["train/loss"] > 1.5 * result.exact["train/loss"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([PARTED, "loss=logistic"], "the classes of the training rows are separable without a mistake, so descent "),
        (["data.y=[0,0,0,0,0,0]", "loss=logistic"], "y is 0 in every training row, so descent goes on for ever: the "),
        (
            [CLASSES.replace("0]", "0,0]").replace("1]", "0,1]"), "loss=cross_entropy"],
            "class y2 is in no training row, ",
        ),
        (["data.x=[0,0,1,1,2,2]", "data.y=[0,0,1,0,1,1]", "loss=logistic"], "the classes are separable in part: some "),
        (
            ["data.y=[[0,0],[0,1],[0,2],[0,0],[0,3],[0,0]]", "loss=poisson"],
            "y1 is 0 in every training row, so descent ",
        ),
        (["data.y=[0,0,0,0,0,3]", "loss=poisson"], "all counts of some rows that the features tell from the others "),
        ([MIXED, "loss=custom", "loss._target_=tests.losses.own.absolute"], "absolute does not say that it is convex"),
    ],
)
def test_where_there_is_no_exact_answer_that_is_said(train: Train, words: list[str], told: str) -> None:
    result = train("run", "data=points", X, *words, "trainer.max_steps=2", "callbacks.checkpoint=null")
    (line,) = in_theory(result)
    assert f"exact answer: not applicable ({told}" in line


def test_of_classes_there_are_many_exact_answers_but_with_decay(train: Train) -> None:
    words = ["data=points", X, CLASSES, "loss=cross_entropy", "trainer.max_steps=2"]
    result, decay = train("run", *words), train("decay", *words, "+optimizer.weight_decay=0.1")
    logistic = train("logistic", *words[:2], MIXED, "loss=logistic", "trainer.max_steps=2").exact["weight"][0][0]
    np.testing.assert_allclose(result.exact["weight"], [[-logistic / 2, logistic / 2]], rtol=1e-9)
    many = "the same numbers added to the weights and bias of every class change nothing: of the many exact answers"
    assert [many in line for line in in_theory(result)] == [False, False, True, False]
    assert (result.exact["unique"], decay.exact["unique"]) == (False, True)
    adamw = train("adamw", *words, "optimizer=adamw", "optimizer.weight_decay=2").exact
    assert adamw["bias"] == pytest.approx([0.5, -0.5], abs=1e-6)  # at the edge of the box


def test_counts_that_diverge_are_not_promised_a_rate(train: Train) -> None:
    result = train("run", "data=points", X, COUNTS, "loss=poisson", "optimizer.lr=2", "trainer.max_steps=9")
    told = "2 is above 2/λmax = 0.02534 at the exact answer, and far from it a smaller one may be needed"
    assert result.reason.endswith(told)


def test_a_network_has_no_exact_answer(train: Train) -> None:
    result = train("run", "model=two_layer", "trainer.max_steps=5")
    assert result.exact == {"not_applicable": {"exact answer": "only model=linear has one"}}
    assert in_theory(result) == ["exact answer: not applicable (only model=linear has one)"]


def test_the_predicted_curve_is_the_curve(train: Train, tmp_path: Path) -> None:
    """2,000 steps of `experiment=line` in float64 against the closed form."""
    import torch

    from src.config.compose import compose
    from src.config.schema import check
    from src.run.build import build_model, build_problem
    from src.theory import Method, Path, solve

    words = ["experiment=line", "model.dtype=float64", "trainer.log_every_n_steps=100"]
    train("run", *words)
    config = check(compose([*words, "logger=none"]))
    problem = build_problem(config)
    model = build_model(config, problem)
    start = torch.cat([model.get_parameter(name).detach()[0] for name in ("bias", "weight")])
    curve = read_rows(tmp_path / "run" / "metrics.csv")
    rows = {step: row["train/loss"] for step, row in curve if "train/loss" in row}
    steps = torch.tensor([step for step in rows if step % 100 == 0])
    predicted = Path(solve(problem.train), Method(0.01), start).losses(steps)
    assert [rows[int(step)] for step in steps] == pytest.approx(predicted.tolist(), rel=1e-9)


@pytest.mark.parametrize(
    ("words", "weight"),
    [
        (["optimizer=adamw", "optimizer.weight_decay=0.6"], 1 / 0.6),  # at the edge of the box |w| <= 1/decay
        (["optimizer=adam", "+optimizer.weight_decay=0.6", "+optimizer.decoupled_weight_decay=true"], 1 / 0.6),
        (["optimizer=adamw", "optimizer.weight_decay=0.01"], 1.98821),  # the box is too wide to matter
        (["optimizer=asgd", "optimizer.lambd=0.01", "+optimizer.weight_decay=0.09"], "ridge 0.1"),
        (["optimizer=adam", "+optimizer.weight_decay=0.1"], "ridge 0.1"),
        (["optimizer=adamw", "optimizer.weight_decay=0.6", "data.batch_size=10"], None),
        (["optimizer=adamw", "optimizer.weight_decay=0.6", "trainer.gradient_clip_val=1"], None),
        (["optimizer=muon", "optimizer.weight_decay=0.1"], None),
        (["optimizer=muon", "~optimizer.weight_decay"], None),  # torch's own is 0.1
        (["+optimizer.maximize=true", "optimizer.lr=1e-4"], None),
    ],
)
def test_decay_moves_the_answer_or_takes_it_away(train: Train, words: list[str], weight: float | str | None) -> None:
    result = train("run", "experiment=noisy_line", "trainer.max_steps=3", *words)
    if weight is None:
        assert list(result.exact) == ["not_applicable"]
        assert "exact" not in [column.header for column in summary(result).columns]
        return
    if isinstance(weight, str):
        ridge = train("ridge", "experiment=noisy_line", "trainer.max_steps=3", "+optimizer.weight_decay=0.1")
        weight = float(ridge.exact["weight"][0][0])
        assert abs(weight - 1.98821) > 0.01
    assert result.exact["weight"][0][0] == pytest.approx(weight, abs=5e-6)


def test_where_mini_batches_settle(train: Train) -> None:
    words = ["experiment=noisy_line", "data.rows=300", "data.batch_size=10", "optimizer.lr=0.005"]
    words += ["trainer.max_steps=12000", "model.gradient=by_hand", "trainer.val_every_n_steps=1000"]
    result = train("run", *words, "+callbacks.own._target_=tests.own.FullLoss", "+callbacks.own.every_n_steps=7")
    settled = [row["full_loss"] for step, row in read_rows(result.directory / "metrics.csv") if "full_loss" in row]
    excess = float(np.mean(settled[len(settled) // 6 :])) - result.exact["train/loss"]
    assert result.exact["noise_floor"] - result.exact["train/loss"] == pytest.approx(excess, rel=0.15)
    near = train("near", *words[:3], "optimizer.lr=0.025", "trainer.max_steps=9")
    assert "noise_floor" not in near.exact
    assert "floor of mini-batches: not applicable (at this learning rate their noise grows" in "".join(in_theory(near))
    assert "noise_floor" not in train("momentum", *words[:4], "optimizer=momentum", "trainer.max_steps=9").exact


def test_theory_is_in_tensorboard_beside_the_curve(train: Train, tmp_path: Path) -> None:
    train("run", "experiment=noisy_line", "logger=tensorboard", "model.dtype=float64")
    board = EventAccumulator(str(tmp_path / "run"), size_guidance={"scalars": 0, "images": 0})
    board.Reload()
    taken = {event.step: event.value for event in board.Scalars("train/loss")}
    predicted = {event.step: event.value for event in board.Scalars("theory/predicted_loss")}
    assert len(predicted) > 50
    assert predicted == pytest.approx({step: taken[step] for step in predicted}, rel=1e-6)
    assert [event.value for event in board.Scalars("theory/exact_loss")] == pytest.approx([3.85161] * 2, abs=5e-6)
    assert board.Tags()["images"] == ["loss"]
    assert "theory/exact_loss" not in _scalars(train, tmp_path, "model=two_layer")
    assert "theory/predicted_loss" not in _scalars(train, tmp_path, "optimizer=adam")


def _scalars(train: Train, tmp_path: Path, word: str) -> list[str]:
    train(word.partition("=")[2], word, "logger=tensorboard", "trainer.max_steps=3")
    board = EventAccumulator(str(tmp_path / word.partition("=")[2]))
    board.Reload()
    return list(board.Tags()["scalars"])


def test_a_run_that_is_gone_on_from_is_foreseen_from_there(train: Train, tmp_path: Path) -> None:
    words = ["experiment=noisy_line", "model.dtype=float64"]
    train("short", *words, "logger=tensorboard")
    last = tmp_path / "short" / "checkpoints" / "last.ckpt"
    result = train("long", f"ckpt_path={last}", "trainer.max_steps=300", "optimizer.lr=0.002", "logger=tensorboard")
    board = EventAccumulator(str(tmp_path / "long"), size_guidance={"scalars": 0})
    board.Reload()
    predicted = {event.step: event.value for event in board.Scalars("theory/predicted_loss")}
    taken = {event.step: event.value for event in board.Scalars("train/loss")}
    assert min(predicted) == 100
    assert predicted == pytest.approx({step: taken[step] for step in predicted}, rel=1e-6)
    assert "steps_within_1_percent" not in result.exact
    velocity = train("ball", *words, "optimizer=momentum", "optimizer.lr=0.01")
    assert "steps_within_1_percent" in velocity.exact
    last = tmp_path / "ball" / "checkpoints" / "last.ckpt"
    silent = train("on", f"ckpt_path={last}", "trainer.max_steps=120").exact["not_applicable"]
    assert "with a velocity" in silent["path and steps"]


def test_with_momentum_it_is_within_long_before_it_stays(train: Train) -> None:
    """The distance of this run is within 1 % after 49 steps, and for the last time above it after 176."""
    result = train("run", "optimizer=momentum", "optimizer.momentum=0.95", "optimizer.lr=0.2", "seed=2",
                   "trainer.max_steps=100")  # fmt: skip
    assert result.exact["steps_within_1_percent"] == 177
    assert "it takes about 177 to stay within 1 % of the start's distance" in result.reason


def test_what_takes_for_ever_is_said(train: Train) -> None:
    words = ["data=points", "data.x=[[1e-9,1.0],[2e-9,1.5],[3e-9,1.0]]", "data.y=[1.0,2.0,4.0]", "model.dtype=float64"]
    assert "it takes more than 10¹² to stay within 1 %" in train("run", *words).reason


CRITICAL = 0.02919
"""Of all rows of the noisy line; of a sum a hundredth."""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["scheduler=cosine"], f"; try a learning rate below {CRITICAL}"),
        (["data.batch_size=8", "model.loss=sum"], f"; try a learning rate below {CRITICAL / 100:.4g}"),
        (["data.batch_size=8", "model.loss=sum", "optimizer=momentum"], "; try a learning rate far below 0.2"),
        (["trainer.zero_grad_every_n_steps=0"], "; try a learning rate far below 0.2"),
        (
            ["optimizer=momentum", "scheduler=cosine", "optimizer.lr=1", "trainer.divergence_factor=10"],
            "; try a learning rate far below 1",
        ),
        (["optimizer=asgd"], "; try a learning rate far below 0.2"),
        (["model=two_layer", "optimizer.lr=20"], "; try a learning rate far below 20"),
        (["data.batch_size=1"], f"2/λmax = {CRITICAL} of this data, and mini-batches may need a smaller one"),
    ],
)
def test_what_to_try_where_it_diverged(train: Train, words: list[str], told: str) -> None:
    """The critical rate is told as what to stay below where that is enough, and there it is."""
    line = ["experiment=noisy_line", "data.noise=0", "trainer.max_steps=300", "optimizer.lr=0.2"]
    reason = train("run", *line, *words).reason
    assert reason.endswith(told)
    if "below" in told and "far" not in told:
        rate = 0.98 * float(told.split()[-1])
        assert train("again", *line, *words, f"optimizer.lr={rate}").status == "completed"


@pytest.mark.parametrize(("factor", "told"), [("null", "not finite"), ("1.5", "not finite or too large by trainer.di")])
def test_a_loss_is_not_far_above_where_little_is_allowed(train: Train, factor: str, told: str) -> None:
    """At 1.5 times the first loss a run ends whose loss is not far above it; without a factor only at one of none."""
    words = ["experiment=noisy_line", "optimizer.lr=0.2", f"trainer.divergence_factor={factor}"]
    reason = train("run", *words).reason
    assert f" is {told}" in reason
    assert " 1 steps" not in reason
    assert "far above" not in reason


@pytest.mark.parametrize("loss", ["squares", "own"])
def test_what_computes_what_has_no_value_is_named(train: Train, loss: str) -> None:
    """A root of what is below 0, from the start or once the slope is above 2."""
    words, own = ["data.noise=0", "model=custom", "model._target_=tests.models.own.Rooted"], "tests.models.own.Rooted"
    if loss == "own":
        words += ["loss=custom", "loss._target_=tests.losses.own.absolute"]
    at = train("start", *words, "+model.limit=-5")
    assert f"or model._target_={own}" in at.reason
    assert at.reason.endswith("computes what has no value")
    later = train("later", *words, "+model.limit=2", "trainer.log_every_n_steps=1", "trainer.block_size=7")
    before = dict(read_rows(later.directory / "metrics.csv"))[later.steps - 1]["train/loss"]
    assert later.reason.startswith(f"the loss after {later.steps:,} steps is not finite, and the one before it was ")
    assert f"was {before:.4g}: model._target_={own}" in later.reason
    assert later.reason.endswith("of what is not positive; try a learning rate far below 0.1")
    step = train("step", "optimizer._target_=tests.optim.own.NotFinite", "trainer.max_steps=3")
    assert ": optimizer._target_=tests.optim.own.NotFinite may divide by 0" in step.reason
    fast = train("fast", "model=custom", "model._target_=tests.models.own.Net", "optimizer.lr=1e4")
    assert "try a learning rate far below 1e+04" in fast.reason


def test_a_best_loss_that_is_small_is_not_told_as_0(train: Train) -> None:
    """Of 0.001 and 0.002 predicted as 0 the first loss is 2.5e-6; one of a tenth of it is no better by 1."""
    words = ["data=points", "data.x=[1,2]", "data.y=[1e-3,2e-3]", "model.start=zeros", "trainer.val_every_n_steps=1"]
    words += ["callbacks=early_stopping", "callbacks.early_stopping.monitor=train/loss"]
    result = train("run", *words, "callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=1")
    assert result.steps == 3
    assert result.reason.endswith("did not improve in the last 2 records. Best score: 2.5e-06")
