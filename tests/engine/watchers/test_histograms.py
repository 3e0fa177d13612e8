"""Histograms of many rows at once, against numpy's of each."""

import numpy as np
import torch

from src.engine.watchers.histograms import BINS, histogram


def test_each_row_is_numpys() -> None:
    """Edges included: whole numbers fall on them; a row of one value has the width that numpy gives it."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, 300, generator=generator, dtype=torch.float64)
    values[1] = torch.randint(-30, 31, (300,), generator=generator).double()
    values[2], values[3], values[4, 7] = 1e-3 * values[1], 5.0, torch.inf
    found = histogram(values)
    assert found.shape == (6, 2 + BINS)
    assert bool(found[4].isnan().all())
    for row in (0, 1, 2, 3, 5):
        counts, edges = np.histogram(values[row].numpy(), BINS)
        assert found[row].tolist() == [edges[0], edges[-1], *counts]
