"""Early stopping decides as Lightning's callback of the same name does, for every member by itself."""

import math
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import EarlyStopping as Lightnings
from torch import Tensor

from src.engine.early_stopping import EarlyStopping, Patience
from src.errors import LabError

CAUSES = {
    "non_finite_metric": "metric",
    "divergence_threshold": "metric",
    "stopping_threshold": "threshold",
    "patience_exhausted": "patience",
}
"""Lightning's reasons, and what they are called here."""

# few of them, so that metrics come back to a value and meet thresholds exactly
values = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, -1.0, math.inf, -math.inf, math.nan]), st.floats(-3, 3, width=32)
)
thresholds = st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.5])
rules = st.builds(
    EarlyStopping,
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 0.5, 1e-3]),
    check_finite=st.booleans(),
    stopping_threshold=thresholds,
    divergence_threshold=thresholds,
)


def lightnings(rule: EarlyStopping) -> Lightnings:
    """Its own callback of these settings."""
    return Lightnings(**asdict(rule))


def decided(callback: Lightnings, metric: Tensor) -> str | None:
    """Why Lightning stops at this validation; None: it goes on."""
    stop, _ = callback._evaluate_stopping_criteria(metric)
    return CAUSES[callback.stopping_reason.name.lower()] if stop else None


@settings(max_examples=300, deadline=None)
@given(rule=rules, validations=st.integers(1, 3).flatmap(lambda p: st.lists(st.lists(values, min_size=p, max_size=p))))
def test_every_mark_is_decided_as_lightning_does(rule, validations):
    """Whoever stops may be asked again: a stack leaves that to the loop."""
    if not validations:
        return
    patience = Patience(rule, len(validations[0]))
    each = [lightnings(rule) for _ in validations[0]]
    for validation in validations:
        metric = torch.tensor(validation, dtype=torch.float64)
        assert patience.stops(metric) == [decided(one, value) for one, value in zip(each, metric, strict=True)]
        assert patience.best.tolist() == pytest.approx([float(one.best_score) for one in each], abs=0, nan_ok=True)
        assert patience.waited.tolist() == [one.wait_count for one in each]


@settings(max_examples=60, deadline=None)
@given(
    rule=rules, validations=st.lists(st.lists(values, min_size=4, max_size=4), min_size=2, max_size=10), data=st.data()
)
def test_members_that_are_chosen_and_kept_go_on_as_among_all(rule, validations, data):
    keep = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
    at = data.draw(st.integers(0, len(validations)))
    whole, some = Patience(rule, 4), Patience(rule, 4)
    for number, validation in enumerate(validations):
        if number == at:
            kept = some.select(keep).state_dict()
            some = Patience(rule, len(keep))
            some.load_state_dict(kept, range(len(keep)))
        metric = torch.tensor(validation, dtype=torch.float64)
        expected = whole.stops(metric)
        if number < at:
            assert some.stops(metric) == expected
        else:
            assert some.stops(metric[keep]) == [expected[index] for index in keep]


def test_settings_are_those_of_now_and_what_is_known_is_of_its_metric():
    old = Patience(EarlyStopping(patience=5), 1)
    old.stops(torch.tensor([1.0], dtype=torch.float64))
    old.stops(torch.tensor([2.0], dtype=torch.float64))
    now = Patience(EarlyStopping(patience=2), 1)
    now.load_state_dict(old.state_dict(), [0])
    assert now.stops(torch.tensor([3.0], dtype=torch.float64)) == ["patience"]
    for other in (EarlyStopping(mode="max"), EarlyStopping(monitor="train/loss")):
        fresh = Patience(other, 1)
        fresh.load_state_dict(old.state_dict(), [0])
        assert fresh.waited.tolist() == [0]
        assert not fresh.best.isfinite().any()
    fresh = Patience(EarlyStopping(), 1)
    fresh.load_state_dict(None, [0])
    assert fresh.waited.tolist() == [0]


def test_a_state_is_a_copy():
    patience = Patience(EarlyStopping(), 1)
    kept = patience.state_dict()
    patience.stops(torch.tensor([1.0], dtype=torch.float64))
    patience.stops(torch.tensor([1.0], dtype=torch.float64))
    assert (kept["best"].tolist(), kept["waited"].tolist()) == ([math.inf], [0])


def test_a_mode_is_min_or_max():
    with pytest.raises(LabError, match="mode=least: it is min or max"):
        EarlyStopping(mode="least")  # type: ignore[arg-type]
