"""A run's checkpoint: one member in torch's own layout, whoever trained it; and whether one belongs to a run.

| key | what |
|---|---|
| `state_dict` | the model's, names with the prefix `model.` |
| `optimizer_states`, `lr_schedulers` | of torch's own classes, a list of one or none |
| `global_step` | optimizer steps taken |
| `callbacks` | of Lightning's callbacks, by their own keys |
| `descent_lab` | what else a run goes on from, and what predicting needs |

Nothing of Lightning's loops is kept: what they need follows from the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from src.config.losses import AnyLoss
from src.config.models import AnyModel
from src.config.schema import Config, digest
from src.engine.loop import Best, Loop
from src.engine.outcome import Outcome
from src.engine.stepper import State
from src.errors import LabError
from src.losses.build import build as build_loss
from src.losses.loss import Loss
from src.models.build import build
from src.models.member_axis import without_member_axis
from src.models.model import Model
from src.optim.build import BuiltOptimizer, numbers_of, tuples
from src.run_directory.checkpoint_file import KEY, loaded
from src.tables.columns import some

if TYPE_CHECKING:
    from src.run_directory import Row

FORMAT = 4
"""Of this layout; another is refused."""
LIGHTNING = "2.6.6"
"""The version of Lightning whose layout of the outer keys this is."""


# --- writing ---------------------------------------------------------------------------------------------------------


def member_file(
    loop: Loop,
    index: int,
    about: Mapping[str, Any],
    *,
    pending: Mapping[int, Row] | None = None,
    state: State | None = None,
    current: State | None = None,
) -> dict[str, Any]:
    """A member's checkpoint, with the outer keys that Lightning asks for when it reads one.

    Args:
        loop: whose member it is.
        index: which.
        about: what it keeps of the run: its config's part, its data's, its lineage.
        pending: rows of curves that may not be written yet, by step.
        state: of an earlier step, the best one; None: now.
        current: the state now, where it is at hand.
    """
    now, stepper = state is None, loop.stepper
    member = stepper.member(state or current or stepper.state(loop.step), index)
    first, best = float(loop.divergence.first[index]), loop.best
    patience: dict[str, Any] | None = None
    if loop.patience is not None:
        values = loop.patience.values() if now or best is None else best.patience
        patience = {"of": loop.patience.of, **{name: value[[index]] for name, value in values.items()}}
    value = None if best is None else float(best.value[index])
    step = loop.step if state is None else int(state.step[index])
    return {
        "epoch": max(0, -(-step // loop.intervals.val_every) - 1),
        "pytorch-lightning_version": LIGHTNING,
        "callbacks": {},
        "global_step": step,
        "state_dict": {f"model.{name}": tensor for name, tensor in member["state_dict"].items()},
        "optimizer_states": member["optimizer_states"],
        "lr_schedulers": member["lr_schedulers"],
        KEY: {
            **about,
            "format": FORMAT,
            "first_loss": None if first != first else first,
            "patience": patience,
            "best": None if value is None or value != value else {"of": loop.best_of, "value": value},
            "pending": dict(pending or {}),
            "ended": _ending(loop, index) if now else None,
            **{name: member[name] for name in ("gradients", "random", "numbers")},
        },
    }


def _ending(loop: Loop, index: int) -> dict[str, Any] | None:
    """Why a member has ended before its last step: who goes on in place has only its result to write."""
    ended = None if loop.ended is None else loop.ended[index]
    if ended is None or ended.cause in ("all_steps", "cut", "time_limit", "callback"):
        return None
    return {"cause": ended.cause, "step": ended.step, "values": dict(ended.values)}


def lineage(config: Config, resumed: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fingerprint of a run, and what its checkpoints keep to tell who goes on from them.

    A run that goes on from another of the same config is that config's longer run; one that changes a number on the way
    is a run that no single config describes, so what it went on from is hashed with it.
    """
    whole, any_length = config.fingerprint(), config.fingerprint(length=False)
    before = ""
    if resumed is not None:
        kept = resumed[KEY]
        before = kept["before"]
        if kept["any_length"] != any_length:
            before = f"{before}{kept['any_length']}@{resumed['global_step']}>"
    return {
        "fingerprint": digest(before + whole) if before else whole,
        "any_length": any_length,
        "before": before,
        "content": config.content(),
        "optimizer": {"path": config.optimizer.target_, "arguments": numbers_of(config.optimizer.arguments())},
        "schedule": _plain(config.scheduler.arguments()) if config.scheduler else None,
    }


def _plain(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuples(value) for key, value in section.items()}


# --- reading ---------------------------------------------------------------------------------------------------------


def read(path: str | Path) -> dict[str, Any]:
    """The checkpoint, on the CPU; only tensors and plain values are loaded, never code.

    Raises:
        LabError: it is missing, cut short, was not written here, or by an earlier version.
    """
    path = Path(path)
    if not path.is_file():
        raise LabError(f"ckpt_path={path}: there is no such file")
    checkpoint = loaded(path.read_bytes(), f"ckpt_path={path}")
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise LabError(f"ckpt_path={path}: it is not a checkpoint of Descent Lab")
    if checkpoint[KEY].get("format") != FORMAT:
        raise LabError(
            f"ckpt_path={path}: it was written by an earlier version (format {checkpoint[KEY].get('format', 1)}, "
            f"not {FORMAT}): train again"
        )
    return checkpoint


def not_resumed(update: BuiltOptimizer) -> str:
    """Why a run cannot be resumed, or only to other numbers, which is to be told before it trains; empty: it can."""
    if update.unreadable:
        return (
            f"{update.path} keeps objects in its state ({', '.join(update.unreadable)}), and of a checkpoint only "
            "tensors and plain values are read: this run cannot be resumed, nor predicted with"
        )
    if update.forgets:
        return (
            f"{update.path} keeps something outside of its state_dict(): this run, if it is resumed, takes other steps "
            "than if it had never been stopped"
        )
    return ""


def read_member(loop: Loop, kept: Mapping[str, Any], in_place: bool = False) -> None:
    """Let a run alone go on from a checkpoint; numbers of its config win over those that were kept.

    In place, a run that had ended by itself has ended.

    Raises:
        LabError: its optimizer cannot go on with the numbers that changed.
    """
    own = kept[KEY]
    loop.step = int(kept["global_step"])
    if own["first_loss"] is not None:
        loop.divergence.first = torch.full_like(loop.divergence.first, own["first_loss"])
    if loop.patience is not None:
        loop.patience.load_state_dict(own["patience"], [0])
    if own["best"] is not None and own["best"]["of"] == loop.best_of:
        value = torch.tensor([own["best"]["value"]], dtype=torch.float64)
        loop.best = Best(value, State(torch.tensor([-1]), {}), loop.patience.values() if loop.patience else {})
    member = {name: own[name] for name in ("gradients", "random", "numbers")}
    member |= {"state_dict": weights(kept), "optimizer_states": kept["optimizer_states"]}
    loop.stepper.go_on({**member, "lr_schedulers": kept["lr_schedulers"]}, loop.step)
    if in_place and own["ended"] is not None:
        loop.ended = [Outcome(**own["ended"])]


def weights(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The model's parameters by name: those that are trained, where a callback has put averages in their place."""
    state = checkpoint.get("current_model_state", checkpoint["state_dict"])
    return {name.removeprefix("model."): value for name, value in state.items()}


def check_fits(
    checkpoint: Mapping[str, Any],
    config: Config,
    about: Mapping[str, Any],
    model: nn.Module,
    path: str,
    in_place: bool,
) -> None:
    """Refuse to go on from another model, other data, another optimizer, another schedule, or past the end.

    An unfinished run that goes on in place may have taken all its steps: what is left is to write its result.

    Raises:
        LabError: it names what is different.
    """
    kept = checkpoint[KEY]
    if kept["content"] != config.content():
        raise LabError(
            f"ckpt_path={path}: the table {getattr(config.data, 'path', '')} has changed since; parameters are in the "
            "units of the rows they were trained on: put it back, or train from the start"
        )
    before, now = (one["problem"]["features"] for one in (kept, about))
    if before != now:  # the categories of other training rows, say
        gone, more = (some(sorted({*one} - {*other})) for one, other in ((before, now), (now, before)))
        what = [f"this run lacks {gone}"] * bool(gone) + [f"this run has {more} besides"] * bool(more)
        raise LabError(
            f"ckpt_path={path} was trained on other features: {' and '.join(what) or 'in another order'}; "
            "keep the data group and data.seed as they were, or train from the start"
        )
    shown = [
        {name: (list(v.shape), str(v.dtype)[6:]) for name, v in state.items() if isinstance(v, Tensor)}
        for state in (weights(checkpoint), model.state_dict())
    ]
    if shown[0] != shown[1]:
        theirs, ours = (", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in one.items()) for one in shown)
        raise LabError(f"ckpt_path={path} is from another model: it has {theirs}, this run has {ours}")
    optimizer, schedule = about["optimizer"], about["schedule"]
    if kept["optimizer"]["path"] != optimizer["path"]:
        gone = kept["optimizer"]["path"]
        raise LabError(f"ckpt_path={path} holds the state of {gone}, which {optimizer['path']} cannot go on from")
    if kept["schedule"] != schedule:
        old = kept["schedule"] or {}
        keys = [key for key in {**old, **(schedule or {})} if old.get(key) != (schedule or {}).get(key)]
        raise LabError(
            f"ckpt_path={path} was trained with another schedule ({', '.join(keys)}): one that depends on the length, "
            "cut or stretched, is not the schedule of either length; keep trainer.max_steps, or train from the start"
        )
    if schedule and kept["optimizer"]["arguments"] != optimizer["arguments"]:
        raise LabError(
            f"ckpt_path={path}: the schedule goes on from its own learning rate, so optimizer.* cannot change"
        )
    if checkpoint["global_step"] >= config.trainer.max_steps + in_place:
        raise LabError(
            f"ckpt_path={path} is at step {checkpoint['global_step']:,} already: say trainer.max_steps= above that"
        )


def model_of(checkpoint: Mapping[str, Any]) -> Model:
    """The model that a checkpoint was written from, with its parameters, to predict with."""
    kept = checkpoint[KEY]
    state = {name.removeprefix("model."): value for name, value in checkpoint["state_dict"].items()}
    section = TypeAdapter(AnyModel).validate_python(kept["model"])
    model = build(section, len(kept["problem"]["features"]), kept["problem"]["outputs"])
    if any(value.dim() == 2 for value in state.values()):
        model = without_member_axis(model)
    model.load_state_dict(state)
    return model.eval()


def loss_of(checkpoint: Mapping[str, Any]) -> Loss | None:
    """The loss of a run, to tell what its predictions say; None of one for numbers, which say it themselves.

    Raises:
        LabError: it is one of the user's own that cannot be imported any more.
    """
    kept = checkpoint[KEY]
    if kept["loss"]["targets"] == "numbers":
        return None
    return build_loss(TypeAdapter(AnyLoss).validate_python(kept["loss"]["section"]), kept["model"]["loss"])
