"""Predictions from a run directory, against the run's own parameters."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, log_loss

from src.errors import LabError
from src.predict import ClassScore, main, predict
from src.run_directory import Result

Train = Callable[..., Result]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    area, rooms = random.uniform(50, 200, 60), random.integers(1, 6, 60)
    price = 3000.0 * area + 15000.0 * rooms + 50000.0 + random.normal(0, 5000, 60)
    path = tmp_path / "houses.csv"
    pl.DataFrame({"area": area, "rooms": rooms, "price": price}).write_csv(path)
    return path


@pytest.fixture
def result(train: Train, houses: Path) -> Result:
    return train("run", "data=table", f"data.path={houses}", "data.target=price", "trainer.max_steps=50")


def test_predictions_are_the_reported_line(result: Result, houses: Path) -> None:
    made = predict(result.directory, [f"data.path={houses}"])
    table = pl.read_csv(houses)
    weight, bias = np.array(result.parameters["weight"]), np.array(result.parameters["bias"])
    expected = table.select("area", "rooms").to_numpy() @ weight + bias
    written = pl.read_csv(result.directory / "predictions_houses.csv")
    assert written.columns == ["area", "rooms", "price", "prediction"]
    # the run is float32, the line is reported in float64
    np.testing.assert_allclose(written["prediction"].to_numpy(), expected[:, 0], rtol=1e-5)
    residual = table["price"].to_numpy() - written["prediction"].to_numpy()
    assert made.scores["price"].mean_squared == pytest.approx(float((residual**2).mean()), rel=1e-9)


def test_columns_are_found_by_name_and_the_target_need_not_be_there(result: Result, tmp_path: Path) -> None:
    pl.DataFrame({"note": ["a", "b"], "rooms": [3, 4], "area": [100.0, 120.0]}).write_csv(tmp_path / "new.csv")
    made = predict(result.directory, [f"data.path={tmp_path / 'new.csv'}", f"output={tmp_path / 'out.csv'}"])
    weight, bias = np.array(result.parameters["weight"]), np.array(result.parameters["bias"])
    expected = np.array([[100.0, 3.0], [120.0, 4.0]]) @ weight + bias
    np.testing.assert_allclose(pl.read_csv(tmp_path / "out.csv")["prediction"].to_numpy(), expected[:, 0], rtol=1e-5)
    assert made.scores == {}


@pytest.mark.parametrize("loss", ["cross_entropy", "logistic"])
def test_classes_and_their_probabilities(train: Train, tmp_path: Path, loss: str) -> None:
    """By the reported weights, softmax and scikit-learn's metrics; a class that is not known is never right."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, 90)
    names = np.array(["ant", "bee", "cow"])[: 3 if loss == "cross_entropy" else 2]
    kinds = names[np.clip(np.digitize(x + random.normal(0, 0.3, 90), [-0.4, 0.5]), 0, len(names) - 1)]
    new = tmp_path / "new.csv"
    pl.DataFrame({"x": x, "kind": kinds}).write_csv(new)
    words = ["data=table", f"data.path={new}", "data.target=kind", f"loss={loss}", "trainer.max_steps=100"]
    run = train("run", *words, "optimizer.lr=1", "model.dtype=float64")
    frame = pl.DataFrame({"x": [*x, None], "kind": ["yak", None, *kinds[2:], "ant"]})
    frame.write_csv(new)
    made = predict(run.directory, [f"data.path={new}"])
    scores = np.c_[x] @ np.array(run.parameters["weight"]) + run.parameters["bias"]
    odds = np.exp(scores if loss == "cross_entropy" else np.c_[np.zeros(90), scores])
    chances = odds / odds.sum(1, keepdims=True)
    written = pl.read_csv(run.directory / "predictions_new.csv")
    assert written.columns == ["x", "kind", "prediction", *(f"probability_{name}" for name in names)]
    np.testing.assert_allclose(written[:90, 3:].to_numpy(), chances, rtol=1e-9)
    assert written["prediction"].to_list() == [*names[chances.argmax(1)], None]
    assert made.told == ["row 91 has no prediction: x is missing"]
    score = made.scores["kind"]
    assert isinstance(score, ClassScore)
    assert (score.rows, made.rows) == (89, 90)
    right = accuracy_score(kinds[2:], names[chances[2:].argmax(1)], normalize=False)
    assert score.accuracy == pytest.approx(right / 89, rel=1e-12)
    assert score.log_loss == pytest.approx(log_loss(kinds[2:], chances[2:], labels=names), rel=1e-9)
    assert score.sentence("kind").startswith(f"accuracy against kind: {score.accuracy:.6g} over 89 rows, log loss 0.")


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_network_predicts_what_its_validation_saw(train: Train, tmp_path: Path, optimizer: str) -> None:
    run = train(
        "net", "data=teacher", "model=two_layer", f"optimizer={optimizer}", "trainer.max_steps=20", "data.val=50"
    )
    from src.config.compose import compose
    from src.config.schema import check
    from src.run.build import build_problem

    config = compose(["data=teacher", "model=two_layer", "data.val=50", "logger=none"])
    rows = build_problem(check(config)).val
    assert rows is not None
    frame = pl.DataFrame(rows.inputs.numpy(), schema=[f"x{i}" for i in range(1, 11)])
    frame.with_columns(pl.Series("y", rows.targets[:, 0].numpy())).write_parquet(tmp_path / "val.parquet")
    made = predict(run.directory, [f"data.path={tmp_path / 'val.parquet'}"])
    assert made.scores["y"].mean_squared == pytest.approx(run.metrics["val/loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "missing: data.path"),
        (["data.path=gone.csv"], "gone.csv: there is no such file"),
        (["data.pth=new.csv"], "did you mean data.path"),
        (["new.csv"], "not key=value"),
        (["data.path={houses}", "data.target=prize"], "has no column prize; did you mean price"),
        (["data.path={houses}", "data.decimal=x"], "data.decimal=x: must be '.' or ','"),
        (["data.path={houses}", "data.header=maybe"], "data.header=maybe: must be"),
        (["data.path={houses}", "checkpoint=first"], "must be last or best"),
        (["data.path={houses}", "output={houses}"], "is the table itself"),
        (["data.path={houses}", "output=/nowhere/out.csv"], "cannot be written"),
    ],
)
def test_bad_input_is_told_in_a_sentence(result: Result, houses: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        predict(result.directory, [word.replace("{houses}", str(houses)) for word in words])


CARS = pl.DataFrame(
    {
        "colour": ["red", "blue", "blue", "red", "green", "blue"] * 2,
        "mileage": [f"{n},000 mi." for n in range(1, 13)],
        "price": [f"${900 - 20 * n + 7 * (n % 3)}" for n in range(12)],
    }
)


@pytest.fixture
def cars(train: Train, tmp_path: Path) -> Callable[..., Result]:
    """A run on a table of text, of three steps."""
    path = tmp_path / "cars.csv"
    CARS.write_csv(path)

    def _run(*words: str) -> Result:
        given = ["data=table", f"data.path={path}", "data.target=price", "trainer.max_steps=3", "data.val=0"]
        return train("run", *given, "data.test=0", "model.dtype=float64", "optimizer.lr=0.1", *words)

    return _run


def test_new_rows_are_encoded_as_those_that_were_trained_on(cars: Callable[..., Result], tmp_path: Path) -> None:
    run = cars()
    assert list(run.features) == ["colour=green", "colour=red", "mileage"]
    made = predict(run.directory, [f"data.path={tmp_path / 'cars.csv'}"])
    assert made.scores["price"].mean_squared == pytest.approx(run.metrics["train/loss"], rel=1e-12)
    price = np.array([float(text[1:]) for text in CARS["price"]])
    r2 = 1 - run.metrics["train/loss"] / price.var()
    assert made.scores["price"].r2 == pytest.approx(r2, rel=1e-12)
    # columns in another order, another one, numbers without a unit; a colour and a number that cannot be encoded
    new = CARS.select("price", pl.lit("x").alias("note"), "mileage", "colour")
    new = new.with_columns(mileage=pl.Series([*range(1000, 12000, 1000), None]))
    new = new.with_columns(colour=pl.Series(["red", "blue", "pink", "pink", *CARS["colour"][4:]]))
    new.write_csv(tmp_path / "new.csv")
    again = predict(run.directory, [f"data.path={tmp_path / 'new.csv'}"])
    expected = [None if n in (2, 3, 11) else value for n, value in enumerate(made.table["prediction"])]
    assert again.table["prediction"].to_list() == expected
    assert pl.read_csv(tmp_path / "run" / "predictions_new.csv")["prediction"].null_count() == 3
    assert again.scores["price"].rows == 9
    assert again.told[-2:] == [
        "row 3 has no prediction: colour is pink, as in no training row (2 such rows)",
        "row 12 has no prediction: mileage is missing",
    ]


def test_means_of_the_training_rows_are_kept(cars: Callable[..., Result], tmp_path: Path) -> None:
    run = cars("data.missing=mean", "data.leave_out=[colour]", "data.log_target=true")
    pl.DataFrame({"mileage": ["?", "6,500 mi."]}).write_csv(tmp_path / "new.csv")
    both = predict(run.directory, [f"data.path={tmp_path / 'new.csv'}"]).table["prediction"].to_list()
    assert both[0] == both[1]  # 6,500 is the mean of 1,000 to 12,000
    made = predict(run.directory, [f"data.path={tmp_path / 'cars.csv'}"])
    price = np.array([float(text[1:]) for text in CARS["price"]])
    logarithms = np.log(price) - np.log(made.table["prediction"].to_numpy())
    assert made.scores["price"].log_mean_squared == pytest.approx((logarithms**2).mean(), rel=1e-12)


def test_a_row_whose_exponential_is_not_finite_has_no_prediction(cars: Callable[..., Result], tmp_path: Path) -> None:
    run = cars("data.leave_out=[colour]", "data.log_target=true")
    pl.DataFrame({"mileage": [1000.0, 1e12, -1e12]}).write_csv(tmp_path / "new.csv")
    made = predict(run.directory, [f"data.path={tmp_path / 'new.csv'}"])
    assert made.table["prediction"].is_null().sum() == 1
    assert re.fullmatch(r"row [23] has no prediction: it is not finite", made.told[-1])


def test_what_no_csv_file_can_hold_is_left_out_with_a_word(result: Result, tmp_path: Path) -> None:
    pl.DataFrame({"area": [100.0], "tags": [["a"]], "rooms": [3]}).write_parquet(tmp_path / "new.parquet")
    made = predict(result.directory, [f"data.path={tmp_path / 'new.parquet'}"])
    assert made.told == [f"tags: left out of {made.output}, which can hold no such values"]
    assert pl.read_csv(made.output).columns == ["area", "rooms", "prediction"]


def test_text_where_numbers_were(cars: Callable[..., Result], tmp_path: Path) -> None:
    run = cars()
    CARS.with_columns(mileage=pl.lit("5 km")).write_csv(tmp_path / "new.csv")
    with pytest.raises(LabError, match=r"column mileage must be numbers, but row 1 is 5 km \(12 such rows\)"):
        predict(run.directory, [f"data.path={tmp_path / 'new.csv'}"])


def test_a_table_without_a_feature(result: Result, tmp_path: Path) -> None:
    pl.DataFrame({"area": [1.0]}).write_csv(tmp_path / "new.csv")
    with pytest.raises(LabError, match="has no column rooms"):
        predict(result.directory, [f"data.path={tmp_path / 'new.csv'}"])


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no such run directory"):
        predict(tmp_path / "gone", ["data.path=new.csv"])
    with pytest.raises(LabError, match=r"no checkpoints/last\.ckpt"):
        predict(tmp_path, ["data.path=new.csv"])


def test_a_diverged_run_has_nothing_to_say(train: Train, tmp_path: Path) -> None:
    run = train("diverged", "experiment=diverging", "trainer.divergence_factor=null", "trainer.max_steps=100")
    pl.DataFrame({"x": [1e30]}).write_csv(tmp_path / "new.csv")
    with pytest.raises(LabError, match="not finite"):
        predict(run.directory, [f"data.path={tmp_path / 'new.csv'}"])


@pytest.mark.parametrize("name", ["NO", "1.50", "2", "price, EUR", "yes", "1e3"])
def test_a_column_is_called_what_was_typed(result: Result, houses: Path, tmp_path: Path, name: str) -> None:
    """Not False, 1.5 or 1000.0, as YAML has them."""
    pl.read_csv(houses).rename({"price": name}).write_csv(tmp_path / "other.csv")
    for typed in (name, f"'{name}'"):
        made = predict(result.directory, [f"data.path={tmp_path / 'other.csv'}", f"data.target={typed}"])
        assert list(made.scores) == [name]


def test_the_command(result: Result, houses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(result.directory), f"data.path={houses}"])
    assert "60 predictions in" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        main([str(result.directory), "data.path=gone.csv"])
    assert capsys.readouterr().err.startswith("error: data.path=gone.csv")
