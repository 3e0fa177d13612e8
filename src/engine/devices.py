"""Where a run trains, and whether what was asked for is there."""

import os

import torch

from src.config.schema import Config
from src.errors import LabError


def on_gpu(config: Config) -> bool:
    """Whether this run goes to CUDA: asked for, or there by itself in the number that is asked for."""
    asked = config.trainer.accelerator
    return asked in ("gpu", "cuda") or (asked == "auto" and torch.cuda.device_count() >= config.trainer.devices)


def device_of(config: Config) -> torch.device:
    """Where this process trains.

    Raises:
        LabError: GPUs were asked for that are not there.
    """
    check_devices(config)
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu(config) else torch.device("cpu")


def check_devices(config: Config) -> None:
    """Refuse GPUs that are not there.

    Raises:
        LabError: they are not.
    """
    asked, count = config.trainer.accelerator, torch.cuda.device_count()
    if asked in ("gpu", "cuda") and count == 0:
        raise LabError(f"trainer.accelerator={asked}: there is no GPU here; trainer=default takes whatever there is")
    if asked in ("gpu", "cuda") and count < config.trainer.devices:
        raise LabError(f"trainer.devices={config.trainer.devices}: there are only {count} GPUs here")


def device_name(device: torch.device) -> str:
    """The card's name, or cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
