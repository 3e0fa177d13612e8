"""What is to be said of several winners is one sentence, which names a few of them."""

from src.compare.remarks import remarks
from src.compare.selection import contenders
from tests.compare.sweeps import grid


def test_what_several_winners_share_is_said_once() -> None:
    """Five optimizers diverge at the larger rate, a sixth everywhere; a seventh has one loss on both seeds."""
    at_an_edge = {f"optimizer={name} optimizer.lr={lr}": [lr, lr + 1] for name in "abcde" for lr in (1.0, 2.0)}
    rows = grid(at_an_edge | {"optimizer=f optimizer.lr=1": [None], "optimizer=g optimizer.lr=1": [5.0, 5.0]})
    rate = "optimizer.lr=tag(log,interval(0.707,1.41))"
    assert remarks(contenders(rows))[-3:] == [
        f"the best optimizer.lr is the smallest that was tried: a (1.0; try {rate}), b (1.0; try {rate}), "
        f"c (1.0; try {rate}) and 2 more",
        "f: no setting came through on every seed (1 diverged of 1)",
        "g: its 2 seeds gave one and the same loss: nothing here depends on them",
    ]
