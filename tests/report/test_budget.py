"""What is drawn over problems, where some were lost."""

from src.compare.contest import contest
from src.report.budget import profiles
from tests.compare.sweeps import grid


def test_problems_that_were_won_by_another_each_have_no_profile_to_speak_of() -> None:
    """Whoever came through was tried on one problem, and those that were tried on both came through on none."""
    lost = {f"optimizer={name} data.noise={noise}": [None] for name in ("sgd", "adam") for noise in (1, 2)}
    won = {"optimizer=muon data.noise=1": [1.0], "optimizer=rprop data.noise=2": [2.0]}
    chart = profiles(contest(grid({**lost, **won})))
    assert chart is not None
    assert [list(line.y) for line in chart.lines] == [[0.0, 0.0]] * 2
