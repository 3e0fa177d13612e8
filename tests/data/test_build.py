"""Data of a user's own: plain tensors of the right shapes, whatever they were given as, or a sentence."""

import pytest
import torch

from src.config.data import CustomData
from src.data.build import build
from src.data.problem import Problem
from src.errors import LabError
from tests.data import own


def built(how: str) -> Problem:
    keys = {"_target_": "tests.data.own.problem", "seed": 0, "shuffle_seed": 0, "batch_size": "full", "how": how}
    return build(CustomData.model_validate(keys))


@pytest.mark.parametrize("how", ["tensors", "arrays", "lists", "sparse", "followed", "float64"])
def test_rows_become_plain_tensors_and_no_rows_are_none(how: str) -> None:
    problem, expected = built(how), own.problem("tensors").train
    for value, other in zip(vars(problem.train).values(), vars(expected).values(), strict=True):
        assert not value.requires_grad
        assert value.layout == torch.strided
        torch.testing.assert_close(value.double(), other.double(), rtol=0, atol=0)
    assert (problem.val, problem.test) == (None, None)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (
            "flat",
            r"has train inputs \[12, 2\] and targets \[12\]; for its features and targets they must be \[rows, 2\]",
        ),
        ("complex", r"its train rows have complex numbers"),
        ("meta", r"its train rows are no src\.data\.problem\.Rows of tensors \(.*meta"),
        ("text", r"its train rows are no src\.data\.problem\.Rows of tensors"),
        ("pair", r"its test rows are no src\.data\.problem\.Rows of tensors"),
        ("nothing", r"has no training rows"),
        ("unnamed", r"names no features or no targets"),
        ("truth", r"its truth has weight \[3, 1\]; it must be \[2, 1\]"),
    ],
)
def test_what_cannot_be_data_is_told(how: str, told: str) -> None:
    with pytest.raises(LabError, match=rf"^data\._target_=tests\.data\.own\.problem:? ?{told}"):
        built(how)
