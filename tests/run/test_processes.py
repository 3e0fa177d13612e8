"""Several processes take the steps of one (gloo, two processes on this machine)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.run_directory import Result, read_rows

Train = Callable[..., Result]

KINDS = {
    # 101 rows over 2 processes: uneven shards of the full batch
    "full batch, uneven, by hand": ["experiment=noisy_line", "data.rows=101", "model.gradient=by_hand"],
    # 33 rows in batches of 8: the last batch of an epoch has one row, so one process has none
    "mini-batches, an empty shard, autograd": [
        "experiment=teacher", "model.dtype=float64", "trainer.max_steps=60", "data.rows=33", "data.batch_size=8",
        "trainer.log_every_n_steps=1", "model.loss=sum", "optimizer.lr=0.001", "trainer.gradient_clip_val=5.0",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [pytest.param("full batch, uneven, by hand", marks=pytest.mark.long), "mini-batches, an empty shard, autograd"],
)
def test_two_processes_have_the_curve_of_one(train: Train, tmp_path: Path, kind: str) -> None:
    """The second one's config is longer than an argument may be, which is 128 KiB on Linux."""
    one = train("one", *KINDS[kind])
    text = ["+callbacks.told._target_=tests.run.own.Told", f"+callbacks.told.text='{'a net. ' * 2**15}'"]
    two = train("two", *KINDS[kind], *text, "trainer=ddp", "trainer.accelerator=cpu")
    a, b = (read_rows(tmp_path / name / "metrics.csv") for name in ("one", "two"))
    assert [step for step, _ in a] == [step for step, _ in b]
    for (_, left), (_, right) in zip(a, b, strict=True):
        assert left == pytest.approx(right, rel=1e-6)
    assert two.steps == one.steps
    assert dict(two.metrics) == pytest.approx(dict(one.metrics), rel=1e-6)
