"""A stack's own checkpoint, to go on from after a kill: all members in one file, deleted when all have ended."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint

from src.engine.checkpoint import FORMAT
from src.run.module import Descent


class StackFile(LightningCheckpoint):
    """Written at multiples of `every_n_steps`, after the validation that is there.

    Args:
        path: of the file.
        every_n_steps: optimizer steps.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path, self.every_n_steps = path, every_n_steps

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a block; at the end of all there is nothing to go on from."""
        assert isinstance(pl_module, Descent)
        loop = pl_module.loop
        if loop.over or loop.step >= loop.intervals.max_steps or loop.step % self.every_n_steps:
            return
        buffer = io.BytesIO()  # torch.save itself makes a RuntimeError of a full disk
        torch.save({"format": FORMAT, **loop.state_dict()}, buffer)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half = self.path.with_suffix(".part")  # a kill in the middle must leave the last good one
        half.write_bytes(buffer.getbuffer())
        half.replace(self.path)


def read_stack(path: Path, members: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was written before a kill; None: there is nothing, it is cut short, or not all of these are in it."""
    if not path.is_file():
        return None
    try:
        kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        whole = kept["format"] == FORMAT and set(members) <= set(kept["ids"])
    except Exception:  # cut short: the stack starts anew
        whole = False
    if not whole:
        path.unlink()
    return kept if whole else None
