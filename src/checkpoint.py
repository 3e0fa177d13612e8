"""Reading a checkpoint: whether it is whole, and whether it belongs to the run that wants to go on from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from src.errors import LabError
from src.models import Custom
from src.models.build import build
from src.models.stack import without_member_axis
from src.optim.driven import Driven

CHECKPOINT_KEY = "descent_lab"
"""Where a checkpoint keeps what is not Lightning's own."""


def read(path: str | Path) -> dict[str, Any]:
    """The checkpoint, on the CPU; only tensors and plain values are loaded, never code.

    Raises:
        LabError: it is missing, cut short, or was not written here.
    """
    path = Path(path)
    if not path.is_file():
        raise LabError(f"ckpt_path={path}: there is no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file cut short raises whatever the unpickler stumbles over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LabError(f"ckpt_path={path}: it is cut short or no checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or CHECKPOINT_KEY not in checkpoint:
        raise LabError(f"ckpt_path={path}: it is not a checkpoint of Descent Lab")
    return checkpoint


def weights(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The model's parameters by name."""
    return {name.removeprefix("model."): value for name, value in checkpoint["state_dict"].items()}


def check_fits(checkpoint: Mapping[str, Any], model: nn.Module, driven: Driven, max_steps: int, path: str) -> None:
    """Refuse to go on from another model, another optimizer, another schedule, or past the end.

    Raises:
        LabError: it names what is different.
    """
    then, now = weights(checkpoint), model.state_dict()
    shown = [{name: (list(v.shape), str(v.dtype)[6:]) for name, v in state.items()} for state in (then, now)]
    if shown[0] != shown[1]:
        told = [", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in state.items()) for state in shown]
        raise LabError(f"ckpt_path={path} is from another model: it has {told[0]}, this run has {told[1]}")
    kept = checkpoint[CHECKPOINT_KEY]
    if kept["optimizer"]["path"] != driven.path:
        raise LabError(
            f"ckpt_path={path} holds the state of {kept['optimizer']['path']}, which {driven.path} cannot go on from"
        )
    schedule = dict(driven.schedule) if driven.schedule else None
    if kept["schedule"] != schedule:
        old = kept["schedule"] or {}
        keys = [key for key in {**old, **(schedule or {})} if old.get(key) != (schedule or {}).get(key)]
        raise LabError(
            f"ckpt_path={path} was trained with another schedule ({', '.join(keys)}): one that depends on the length, "
            "cut or stretched, is not the schedule of either length; keep trainer.max_steps, or train from the start"
        )
    if schedule and kept["optimizer"]["arguments"] != dict(driven.arguments):
        raise LabError(
            f"ckpt_path={path}: the schedule goes on from its own learning rate, so optimizer.* cannot change"
        )
    if checkpoint["global_step"] >= max_steps:
        raise LabError(
            f"ckpt_path={path} is at step {checkpoint['global_step']:,} already: say trainer.max_steps= above that"
        )


def model_of(checkpoint: Mapping[str, Any]) -> nn.Module:
    """The model that a checkpoint was written from, with its parameters, to predict with."""
    kept = checkpoint[CHECKPOINT_KEY]
    state = weights(checkpoint)
    model = build(kept["model"], len(kept["problem"]["features"]), len(kept["problem"]["targets"]))
    if any(value.dim() == 2 for value in state.values()) and not isinstance(model, Custom):
        model = without_member_axis(model)
    model.load_state_dict(state)
    return model.eval()


def start_a_pass(fit_loop: dict[str, Any]) -> None:
    """Make Lightning go on with a fresh pass of the loader, which starts at the true step.

    Left as they are, the loops of a checkpoint that was taken at the end of a pass would end that pass a second time:
    early stopping and schedules that wait for a plateau would count it twice.
    """
    for name in ("epoch_loop.batch_progress", "epoch_loop.val_loop.batch_progress"):
        fit_loop[name]["is_last_batch"] = False
        fit_loop[name]["current"] = dict.fromkeys(fit_loop[name]["current"], 0)
    for progress in (fit_loop["epoch_progress"], fit_loop["epoch_loop.batch_progress"]):
        progress["total"] = dict.fromkeys(progress["total"], progress["total"]["ready"])
    fit_loop["epoch_progress"]["current"] = dict.fromkeys(
        fit_loop["epoch_progress"]["current"], fit_loop["epoch_progress"]["current"]["ready"]
    )
