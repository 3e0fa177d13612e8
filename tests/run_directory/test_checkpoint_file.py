"""Checkpoints of many runs in one file: that of each is made from it to the bytes that it would have had."""

from pathlib import Path
from typing import Any

import torch

from src.run_directory.checkpoint_file import packed, read, save, unpacked, written


def tree(run: int) -> dict[str, Any]:
    """What a checkpoint may hold: members differ in values, in what is there, and in how tensors lie."""
    shared, whole = torch.full((2,), 1.0 * run), torch.arange(6.0) + run
    text = "".join(["l", "r"])  # another object than the key
    return {
        "lr": 0.1 * run,
        "text": (text, f"run {run}"),
        "twice": [shared, shared, shared.view(2, 1)],
        "view": whole[2:4],
        "turned": whole.view(2, 3).T,
        "shapes": torch.zeros(1 + run % 2),
        "none": None if run else 1,
        "nan": [float("nan"), -0.0, True, 1, 1.0],
        "state": {0: {"step": torch.tensor(1.0 * run)}} if run != 1 else {},
        "ended": {"cause": "loss"} if run == 2 else None,
    }


def test_the_checkpoint_of_each_of_many_has_the_bytes_of_one_alone(tmp_path: Path) -> None:
    common = {"content": ["a", "b"]}
    lasts = [{**tree(run), "about": common} for run in range(4)]
    best = {**tree(7), "about": {"content": ["a", "b"]}}
    checkpoints = [{"last": lasts[0], "best": lasts[0]}, {"last": lasts[1], "best": best}, {"last": lasts[2]}, {}]
    save(tmp_path / "all.ckpt", packed(checkpoints))
    kept = read(tmp_path / "all.ckpt")
    for run, own in enumerate(checkpoints):
        found = unpacked(kept, run)
        assert {name: written(one) for name, one in found.items()} == {name: written(one) for name, one in own.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["all.ckpt"]
    loaded = torch.load(tmp_path / "all.ckpt", weights_only=True)["trees"]
    kinds = {name: node[0] for name, node in loaded[1].items()}
    assert kinds["about"] == "dict"  # one of them is equal, and another object
    assert (kinds["view"], kinds["shapes"], kinds["twice"]) == ("each", "each", "list")
