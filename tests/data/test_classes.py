"""Targets that are classes: of tables, of lists, of data of one's own; against scikit-learn's encoders."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn import datasets
from sklearn.preprocessing import LabelEncoder, OneHotEncoder

from src.data.build import build
from src.data.classes import with_classes
from src.data.problem import Problem, Rows, Scaling
from src.data.scikit_learn import ScikitLearn
from src.data.table import Table
from src.errors import LabError
from tests.kinds import data_of

SPECIES = ["cat", "owl", "cat", "bat", "owl", "cat", "", "bat"]
FRAME = pl.DataFrame({"size": [4.0, 1.0, 5.0, 0.5, 1.5, 4.5, 9.0, 0.6], "species": SPECIES})


def table(tmp_path, frame=FRAME, targets_are: Any = "one_hot", **keys):
    """The problem of a table, as a loss takes it."""
    frame.write_parquet(tmp_path / "pets.parquet")
    keys = {"path": str(tmp_path / "pets.parquet"), "target": "species", "val": 0, "test": 0, **keys}
    return build(data_of(Table, **keys).section, targets_are)


def own(targets, classes=(), val=(), names=("y",)) -> Any:
    """Data of one's own: targets of the training rows, and of those for validation."""
    train, held_out = (Rows(torch.zeros(len(one), 1), torch.tensor(one)) for one in (targets, val or targets[:1]))
    return Problem(train, held_out, None, ["x"], list(names), classes=classes)


def test_text_becomes_a_column_a_class_in_the_order_of_the_alphabet(tmp_path):
    problem = table(tmp_path)
    there = np.array([one for one in SPECIES if one])[:, None]
    known = OneHotEncoder(sparse_output=False).fit(there)
    assert problem.classes == tuple(known.categories_[0]) == ("bat", "cat", "owl")
    assert np.array_equal(problem.train.targets.numpy(), known.transform(there))
    assert problem.targets == ["species"]
    assert problem.table.classes == {"species": {"bat": 2, "cat": 3, "owl": 2}}
    assert problem.table.lines()[1] == "species: 3 classes, by training rows bat (2), cat (3), owl (2)"
    assert problem.table.rows_left_out == {"species is missing": 1}
    assert problem.scaling.target_mean.tolist() == [0, 0, 0]
    assert problem.scaling.target_scale.tolist() == [1, 1, 1]
    assert problem.train.inputs.numpy().std() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([10, 9, 10, -1, 9, 10, -1, None], ("-1", "9", "10")),
        ([2.0, 1.0, 2.0, 3.0, 1.0, 2.0, None, 3.0], ("1", "2", "3")),
        (["unknown", "10", "9", "unknown", "9", "10", "NA", "?"], ("10", "9", "unknown")),
    ],
    ids=["integers", "whole numbers", "text with numbers in it"],
)
def test_numbers_are_in_the_order_of_their_size(tmp_path, values, classes):
    problem = table(tmp_path, FRAME.with_columns(species=pl.Series(values)))
    assert problem.classes == classes
    known = [str(value).removesuffix(".0") for value in values if value not in (None, "NA", "?")]
    assert [classes[place] for place in problem.train.targets.argmax(1).tolist()] == known


@pytest.mark.parametrize("values", [["no", "yes"] * 4, [False, True] * 4, [1, 2] * 4])
def test_of_two_classes_the_second_is_1(tmp_path, values):
    problem = table(tmp_path, FRAME.with_columns(species=pl.Series(values)), "binary")
    assert problem.train.targets[:, 0].numpy() == pytest.approx(LabelEncoder().fit_transform(values))
    assert list(problem.classes) == [str(value).lower() for value in values[:2]]


def test_several_targets_of_the_same_two_classes(tmp_path):
    frame = FRAME.with_columns(species=pl.Series(["no", "yes"] * 4), ill=pl.Series(["yes"] * 3 + ["no"] * 5))
    problem = table(tmp_path, frame, "binary", target=["species", "ill"])
    assert problem.train.targets[:, 1].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert problem.classes == ("no", "yes")


def test_classes_do_not_depend_on_the_split_and_one_that_is_not_trained_on_is_told(tmp_path):
    frame = FRAME.with_columns(species=pl.Series(["cat", "owl"] * 3 + ["bat", "cat"]))
    unseen = 0
    for seed in range(6):
        problem = table(tmp_path, frame, val=3, seed=seed)
        assert problem.classes == ("bat", "cat", "owl")
        assert problem.sizes == (1, 3, 5, 3, 0)
        seen = bool(problem.train.targets[:, 0].any())
        unseen += not seen
        told = [line for line in problem.table.lines() if "no training row is bat" in line]
        assert len(told) == (not seen) == ("bat" in problem.unseen)
    assert 0 < unseen < 6


TOO_MANY = pl.DataFrame({"size": np.arange(1001.0), "species": [f"c{n}" for n in range(1001)]})


@pytest.mark.parametrize(
    ("frame", "targets_are", "keys", "sentence"),
    [
        (FRAME, "numbers", {}, "it is text of 3 values (cat, owl, bat): for classes say loss=cross_entropy"),
        (FRAME, "counts", {}, "the target species must be numbers, but it is text"),
        (FRAME, "binary", {}, "the target species has 3 values (bat, cat, owl), and this loss tells two classes apart"),
        (FRAME, "one_hot", {"target": "size", "features": None}, "row 4 is 0.5 (4 such rows): say loss=squares"),
        (
            FRAME.with_columns(b="species"),
            "one_hot",
            {"target": ["species", "b"]},
            "the classes of one column can be told apart",
        ),
        (FRAME, "one_hot", {"log_target": True}, "this loss takes classes, as they are; say data.log_target=false"),
        (FRAME, "binary", {"target": ["species", "size"]}, "must be classes, text or whole numbers, but row 4 is 0.5"),
        (TOO_MANY, "one_hot", {}, "has 1,001 different values, too many for classes (at most 1,000)"),
        (FRAME.with_columns(species=pl.lit("cat")), "one_hot", {}, "the target species is constant in the training"),
    ],
)
def test_what_is_no_class_is_refused(tmp_path, frame, targets_are, keys, sentence):
    with pytest.raises(LabError) as caught:
        table(tmp_path, frame, targets_are, **keys)
    assert sentence in str(caught.value)


def test_labels_of_ones_own():
    problem = with_classes("mine", own([[3], [1], [3]], val=[[7]]), "one_hot")
    assert problem.classes == ("1", "3", "7")
    assert problem.train.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert problem.val is not None
    assert problem.val.targets.tolist() == [[0, 0, 1]]
    named = with_classes("mine", own([[2], [0]], ["a", "b", "c"]), "one_hot")
    assert (named.classes, named.train.targets.tolist()) == (("a", "b", "c"), [[0, 0, 1], [1, 0, 0]])
    columns = with_classes("mine", own([[0, 1.0], [1.0, 0]], names=("a", "b")), "one_hot")
    assert (columns.classes, columns.train.targets.tolist()) == (("a", "b"), [[0, 1], [1, 0]])
    assert columns.targets == ("class",)
    assert problem.unseen == ["7"]
    binary = with_classes("mine", own([[0], [0]], val=[[1]]), "binary")
    assert (binary.classes, binary.unseen) == (("0", "1"), ["1"])
    assert with_classes("mine", own([[-1], [1]]), "binary").train.targets.tolist() == [[0], [1]]
    assert with_classes("mine", own([[0.5], [1]], ["a", "b"]), "numbers").classes == ()


def test_a_scaling_of_labels_is_as_wide_as_their_columns():
    scaled = replace(own([[0], [2], [1]]), scaling=Scaling.identity(1, 1))
    scaling = with_classes("mine", scaled, "one_hot").scaling
    assert scaling is not None
    assert scaling.weight(torch.ones(1, 3)).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("problem", "targets_are", "sentence"),
    [
        (
            own([[0.0], [0.5]]),
            "one_hot",
            "mine: targets must be classes, whole numbers, but train row 1 (from 0) has 0.5",
        ),
        (own([[0], [1]], val=[[2]]), "binary", "the targets have 3 different values (0, 1, 2): say loss=cross_entropy"),
        (own([[0], [3]], ["a", "b"]), "one_hot", "so its targets must be 0 to 1, but one is 3"),
        (own([[4], [4]]), "one_hot", "all targets are 4; there is nothing to tell apart"),
        (own([[4], [4]]), "binary", "the targets have 1 different value (4)"),
        (own([[0, 1.0]], ["a"], names=("a", "b")), "one_hot", "mine names 1 classes (a) for 2 columns"),
        (own([[n] for n in range(1001)]), "one_hot", "1,001 different values, too many for classes"),
    ],
)
def test_labels_that_are_refused(problem, targets_are, sentence):
    with pytest.raises(LabError) as caught:
        with_classes("mine", problem, targets_are)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["breast_cancer", "digits", "iris", "wine"])
def test_those_of_scikit_learn(name):
    bunch = getattr(datasets, f"load_{name}")()
    two = name == "breast_cancer"
    keys = {"name": name, "val": 0, "test": 0, "standardize": False, "seed": 0}
    problem = build(data_of(ScikitLearn, **keys).section, "binary" if two else "one_hot")
    named = [str(bunch.target_names[code]) for code in bunch.target]
    places = problem.train.targets[:, 0].int() if two else problem.train.targets.argmax(1)
    assert [problem.classes[place] for place in places.tolist()] == named
    columns = [list(bunch.feature_names).index(one) for one in problem.features]
    assert np.array_equal(problem.train.inputs.numpy(), bunch.data[:, columns])
