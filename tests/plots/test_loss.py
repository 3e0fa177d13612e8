"""The loss curve: what is drawn, and how."""

import numpy as np
import pytest

from src.plots.loss import loss_curve

TAKEN = {"train/loss": [(0, 4.0), (10, 1.0)], "val/loss": [(10, 2.0)]}


def test_what_theory_foresaw_is_dashed() -> None:
    foreseen = {"predicted_loss": [(0, 4.0), (10, 1.0)], "exact_loss": [(0, 0.5), (10, 0.5)]}
    (axes,) = loss_curve(TAKEN, foreseen).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert np.asarray(lines["exact: 0.5"].get_ydata()).tolist() == [0.5, 0.5]
    assert np.asarray(lines["training"].get_ydata()).tolist() == [4.0, 1.0]
    assert {name for name, line in lines.items() if line.is_dashed()} == {"predicted", "exact: 0.5"}
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize("taken", [TAKEN, {"train/loss": [(0, 0.0)]}, {}], ids=["some", "zero", "none"])
def test_whatever_there_is_can_be_drawn(taken: dict[str, list[tuple[int, float]]]) -> None:
    (axes,) = loss_curve(taken, {"exact_loss": [(0, 0.0), (10, 0.0)]}).axes
    low, high = axes.get_ylim()
    assert low < high
    assert axes.get_yscale() == ("log" if taken is TAKEN else "linear")
