"""A run from its config to its results: everything is built here and nowhere else."""

import json
import logging
import math
import os
import re
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ProgressBar, Timer
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig
from torch import Tensor, nn

from src import checkpoint as checkpoints
from src import models
from src.answer import Answer, answer, method_of
from src.callbacks.theory import Theory
from src.compose import check_run, compose, composing, with_checkpoint, writing
from src.config import Config, check, digest, flat
from src.data import Problem
from src.data.module import LabDataModule
from src.descent import CHECKPOINT_KEY, Descent
from src.errors import LabError, one_line, told
from src.gradients import check_gradients
from src.launch import launch, launched
from src.load import load
from src.models.build import build
from src.models.loss import loss_of
from src.models.stack import member, without_member_axis
from src.optim import Driven, drive, takes_member_axis
from src.results import Curves, Result, RunDirectory, Status, discard, environment, python_command
from src.seeds import stream
from src.theory_files import write_fit, write_theory

BATCHING = ("batch_size", "shuffle_seed")
TOLD = (models.Linear, models.Surface)
"""Models whose parameters are told in `result.json`."""


def run(overrides: Sequence[str] = ()) -> Result:
    """Train one run, as `python -m src.train` with the same overrides does, without the shell.

    Args:
        overrides: such as `["optimizer=adam", "seed=3"]`.

    Raises:
        LabError: a mistake in them, told before anything is written.
    """
    if isinstance(overrides, str):
        raise LabError(f"run({overrides!r}): give a list of overrides, such as run([{overrides!r}])")
    overrides = with_checkpoint(overrides)
    composed = compose(overrides)
    existed = check_run(composed)
    with composing() as hydra:
        # as Hydra's own run does with the words of a shell, without composing them a second time
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(composed))
        with writing():
            job = run_job(task, composed, "hydra.run.dir", None, context, configure_logging=False)
    if isinstance(job.return_value, LabError):
        discard(job.return_value, existed)
        raise job.return_value
    assert isinstance(job.return_value, Result)
    return job.return_value


def task(composed: DictConfig) -> Result | LabError:
    """What Hydra calls with a composed config, once it has made the run directory.

    A user's mistake is returned, not raised: Hydra would put words of its own before the sentence.
    """
    hydra = HydraConfig.get()
    words = [*hydra.overrides.hydra, *hydra.overrides.task]
    command = python_command([word for word in words if not word.startswith("hydra.mode=")])
    directory = Path(hydra.runtime.output_dir)
    try:
        return train(check(composed), directory, command)
    except LabError as error:
        error.directory = directory
        return error


def train(config: Config, directory: Path, command: str = "") -> Result:
    """Build, fit, write the run directory.

    Args:
        config: checked.
        directory: of the run; made when it is not there.
        command: what was typed, for the record.

    Raises:
        LabError: a mistake that the config alone did not show: a class, a table, a checkpoint, a device.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.trainer.threads)
    try:
        return _train(config, directory, command)
    finally:
        torch.set_num_threads(threads)


def _train(config: Config, directory: Path, command: str) -> Result:
    began = time.perf_counter()
    where = RunDirectory(directory)
    where.check_unused()
    problem = build_problem(config)
    model = build_model(config, problem)
    driven = build_optimizer(config, model)
    resumed = checkpoints.read(config.ckpt_path) if config.ckpt_path else None
    if resumed is not None:
        checkpoints.check_fits(resumed, model, driven, config.trainer.max_steps, str(config.ckpt_path))
    callbacks = build_callbacks(config)
    check_watched(callbacks, problem)
    if config.trainer.strategy == "ddp" and isinstance(model, models.Custom) and any(True for _ in model.buffers()):
        raise LabError(
            "trainer=ddp: a module with buffers (BatchNorm, say) sees only its own process's rows, "
            "so two processes cannot have the curve of one"
        )
    if config.trainer.strategy == "ddp" and not launched():
        check_devices(config)
        launch(config.trainer.devices, config.model_dump_json(by_alias=True), directory, command)
        return _read(where)
    first = int(os.environ.get("RANK", 0)) == 0
    if config.check_gradients and first:
        print(check_gradients(model, loss_of(config.model.loss), problem.train, config.model.seed).sentence())
    known = answer(config, problem, model, resumed) if first else None
    directory.mkdir(parents=True, exist_ok=True)
    curves = [_curves(where, config, resumed)] if first else []
    module = build_module(config, problem, model, driven, curves, resumed)
    loggers = build_loggers(config, directory) if first else []
    datamodule = build_datamodule(config, problem, callbacks)
    theory = Theory(known) if known is not None and known.exact is not None else None
    if theory is not None:
        callbacks = [*callbacks, theory]
    trainer = build_trainer(config, directory, callbacks, loggers)
    if resumed is not None:
        _carry_over(loggers, curves)
        if first:
            _carry_best(where, str(config.ckpt_path))
    if first and known is not None and (warning := known.warning()):
        print(f"warning: {warning}", file=sys.stderr)
    started = time.perf_counter()
    fit(trainer, module, datamodule, config.ckpt_path, config.model.seed, where.how_to_go_on)
    seconds_of_fit = time.perf_counter() - started - (theory.seconds if theory else 0.0)
    if config.trainer.profiler and first:
        print(trainer.profiler.summary())  # type: ignore[attr-defined]
    outcome = result(
        config,
        problem,
        known,
        directory=where.path,
        ended=ending(
            config,
            trainer.global_step,
            known,
            diverged_at=module.diverged_at,
            stopped=_stopped(trainer, config.trainer.max_steps),
        ),
        steps=trainer.global_step,
        losses={name: float(loss[0]) for name, loss in module.final.items()},
        parameters={key: member(value, 0) for key, value in module.reported_parameters().items()}
        if isinstance(model, TOLD)
        else {},
        seconds={"fit": seconds_of_fit, "total": time.perf_counter() - began},
        device=trainer.strategy.root_device,
        fingerprint=module.about["fingerprint"],
        command=command,
    )
    if first:
        if known is not None:
            write_theory(directory, known, config.trainer.max_steps)
        write_fit(directory, problem, module.predict_rows)
        where.write_result(outcome)
    return outcome


def check_watched(callbacks: Sequence[Callback], problem: Problem) -> None:
    """Refuse early stopping by a loss that there is not.

    Raises:
        LabError: there are no validation rows.
    """
    watched = [callback.monitor for callback in callbacks if isinstance(callback, EarlyStopping)]
    if problem.val is None and any(str(monitor).startswith("val/") for monitor in watched):
        raise LabError("callbacks.early_stopping watches val/loss, but there are no validation rows: set data.val")


# --- building --------------------------------------------------------------------------------------------------------


def build_problem(config: Config) -> Problem:
    """Draw or read the data."""
    section = {key: value for key, value in config.data.arguments().items() if key not in BATCHING}
    with _fitting_memory("data"):
        problem = instantiate(section, _convert_="all").problem()
    unit = problem.scaling.loss_scale() if problem.scaling else torch.ones(1)
    if not bool((unit.isfinite() & (unit > 0)).all()):
        raise LabError("the target's numbers are so large or small that their squares overflow or vanish: rescale it")
    dtype = getattr(torch, config.model.dtype)
    for part in (problem.train, problem.val, problem.test):
        if part is not None and not bool(
            part.inputs.to(dtype).isfinite().all() and part.targets.to(dtype).isfinite().all()
        ):
            raise LabError(
                f"the data have numbers that are too large for {config.model.dtype}: make those of the data group "
                "smaller, or say model.dtype=float64, or for a table data.standardize=true"
            )
    return problem


@contextmanager
def _fitting_memory(what: str) -> Iterator[None]:
    """Tell in a sentence that something is too large for this machine."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("alloc|memory|overflow", str(error)):
            raise
        raise LabError(f"the {what} does not fit into memory: make the numbers of the {what} group smaller") from None


def build_model(config: Config, problem: Problem) -> nn.Module:
    """One member, its parameters `[1, I, O]`, or `[I, O]` where the optimizer takes only matrices."""
    with _fitting_memory("model"):
        model = build(config.model.arguments(), problem.inputs, problem.outputs)
    if isinstance(model, models.Custom):
        return model
    return model if takes_member_axis(config.optimizer.target_) else without_member_axis(model)


def build_optimizer(config: Config, model: nn.Module) -> Driven:
    """The optimizer over the model's parameters, and its schedule."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    schedule = config.scheduler.arguments() if config.scheduler else None
    return drive(config.optimizer.arguments(), schedule, trained, config.trainer.create_graph)


def build_module(
    config: Config,
    problem: Problem,
    model: nn.Module,
    driven: Driven,
    curves: Sequence[Curves] = (),
    resumed: Mapping[str, Any] | None = None,
) -> Descent:
    """The LightningModule."""
    knobs = config.trainer
    about = {"problem": problem.describe(), "model": config.model.arguments(), **lineage(config, resumed)}
    return Descent(
        model,
        driven,
        loss_of(config.model.loss),
        gradient=config.model.gradient,
        zero_grad_every_n_steps=knobs.zero_grad_every_n_steps,
        gradient_clip_val=knobs.gradient_clip_val,
        gradient_clip_algorithm=knobs.gradient_clip_algorithm,
        divergence_factor=knobs.divergence_factor,
        target_spread=target_spread(problem, config.model.loss),
        scaling=problem.scaling,
        create_graph=knobs.create_graph,
        log_every_n_steps=knobs.log_every_n_steps,
        curves=curves,
        about=about,
        hyperparameters=hyperparameters(config),
    )


def lineage(config: Config, resumed: Mapping[str, Any] | None) -> dict[str, str]:
    """The fingerprint of a run, and that of a run of any length.

    A run that goes on from another of the same config is that config's longer run; one that changes a number on the way
    is a run that no single config describes, so what it went on from is hashed with it.
    """
    whole, any_length = config.fingerprint(), config.fingerprint(length=False)
    if resumed is not None:
        kept = resumed[CHECKPOINT_KEY]
        if kept["any_length"] != any_length:
            before = f"{kept['any_length']}@{resumed['global_step']}>"
            whole, any_length = digest(before + whole), digest(before + any_length)
    return {"fingerprint": whole, "any_length": any_length}


def target_spread(problem: Problem, reduction: str) -> Tensor:
    """The loss `[1]` of predicting every target's mean over the training rows; a surface has no targets, but unit 1."""
    if reduction == "value":
        return torch.ones(1, dtype=torch.float64)
    targets = problem.train.targets.double()
    squares = (targets - targets.mean(0)).square()
    return (squares.mean() if reduction == "mean" else squares.sum())[None]


def build_callbacks(config: Config) -> list[Callback]:
    """The callbacks that are not null."""
    return [_part(part.arguments(), f"callbacks.{name}", Callback) for name, part in config.callbacks.items() if part]


def build_loggers(config: Config, directory: Path) -> list[Logger]:
    """The loggers that are not null."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_part(part.arguments(), f"logger.{name}", Logger) for name, part in config.logger.items() if part]


def _part(section: Mapping[str, Any], key: str, kind: type) -> Any:
    """A callback or logger built from its section."""
    path = section["_target_"]
    factory = load(path, f"{key}._target_", kind)
    try:
        built = factory(**{name: value for name, value in section.items() if name != "_target_"})
        if isinstance(built, Logger) and hasattr(built, "experiment"):
            _ = built.experiment  # its writer is built when it is first asked for
    except ModuleNotFoundError as error:
        extra = key.partition(".")[2]
        raise LabError(f"{key} needs another package: pip install 'descent-lab[{extra}]' ({error})") from None
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"{key} cannot be built: {one_line(error)}") from None
    if not isinstance(built, kind):
        raise LabError(f"{key}._target_={path} is not a {kind.__name__} of Lightning")
    return built


def build_datamodule(config: Config, problem: Problem, callbacks: Sequence[Callback]) -> LabDataModule:
    """The data module; blocks end where a callback acts."""
    knobs = config.trainer
    return LabDataModule(
        problem,
        config.data.batch_size,
        [config.data.shuffle_seed],
        dtype=getattr(torch, config.model.dtype),
        val_every_n_steps=knobs.val_every_n_steps,
        block_size=knobs.block_size,
        cuts=sorted({getattr(callback, "every_n_steps", None) or knobs.max_steps for callback in callbacks}),
    )


def build_trainer(
    config: Config,
    directory: Path,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
) -> L.Trainer:
    """The Trainer: `max_steps` optimizer steps, a validation at the end of every pass of the loader.

    Args:
        config: of the run.
        directory: where it works.
        callbacks: of the run.
        loggers: of the run.

    Raises:
        LabError: the device that was asked for is not there.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    check_devices(config)
    knobs = config.trainer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return L.Trainer(
            accelerator="cuda" if on_gpu(config) else "cpu",
            devices=knobs.devices,
            strategy=knobs.strategy,
            max_steps=knobs.max_steps,
            max_epochs=-1,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            profiler=knobs.profiler,
            default_root_dir=directory,
            enable_checkpointing=any(isinstance(callback, LightningCheckpoint) for callback in callbacks),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


def on_gpu(config: Config) -> bool:
    """Whether this run goes to CUDA: asked for, or there by itself in the number that is asked for."""
    asked = config.trainer.accelerator
    return asked in ("gpu", "cuda") or (asked == "auto" and torch.cuda.device_count() >= config.trainer.devices)


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


# --- fitting ---------------------------------------------------------------------------------------------------------


def _curves(where: RunDirectory, config: Config, resumed: Mapping[str, Any] | None) -> Curves:
    if resumed is None or config.ckpt_path is None:
        return Curves(where.curves_path)
    old = Path(config.ckpt_path).resolve().parent.parent / where.curves_path.name
    return Curves(where.curves_path, carried=old, until=int(resumed["global_step"]))


def _carry_best(where: RunDirectory, ckpt_path: str) -> None:
    """The old run's best is the best until a better one comes."""
    best = Path(ckpt_path).resolve().parent / "best.ckpt"
    if best.is_file():
        where.checkpoints.mkdir(exist_ok=True)
        shutil.copy(best, where.checkpoints / best.name)


def _carry_over(loggers: Sequence[Logger], curves: Sequence[Curves]) -> None:
    """Log the old run's curve again, so that TensorBoard shows it whole."""
    for curve in curves:
        for step, values in sorted(curve.pending.items()):
            for logger in loggers:
                logger.log_metrics(values, step=step)


def fit(
    trainer: L.Trainer,
    module: L.LightningModule,
    datamodule: L.LightningDataModule,
    ckpt_path: str | None,
    seed: int,
    how_to_go_on: Callable[[], str],
) -> None:
    """`Trainer.fit`, with streams of random numbers of its own, and sentences for what it refuses.

    Raises:
        LabError: Lightning refuses.
        KeyboardInterrupt: it was interrupted; it says how to go on.
    """
    handler = signal.getsignal(signal.SIGINT)  # Lightning ignores it once it was pressed
    with warnings.catch_warnings(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        # nothing here draws from the global generators, but a user's module or optimizer may
        torch.manual_seed(stream(seed, "training").initial_seed())
        # what Lightning warns of is about epochs, workers and samplers, which blocks do not have
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            trainer.fit(module, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
        except MisconfigurationException as error:
            raise LabError(f"Lightning refuses: {one_line(error)}") from error
        except SystemExit:  # Lightning's answer to Ctrl-C
            if not trainer.interrupted:
                raise
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt(f"interrupted after {trainer.global_step:,} steps{how_to_go_on()}") from None


def result(
    config: Config,
    problem: Problem,
    known: Answer | None,
    *,
    directory: Path,
    ended: tuple[Status, str],
    steps: int,
    losses: Mapping[str, float],
    parameters: Mapping[str, Tensor],
    seconds: Mapping[str, float],
    device: torch.device,
    fingerprint: str,
    command: str,
    stack_size: int = 1,
) -> Result:
    """The result of one run.

    Args:
        config: of the run.
        problem: its data.
        known: what theory knows of it.
        directory: of the run.
        ended: status and reason, see `ending`.
        steps: optimizer steps taken.
        losses: final ones, in the data's units.
        parameters: of a linear model, `[I, O]` and `[1, O]` in the units of the data; of a surface `[1, 2]`; else none.
        seconds: "fit" and "total".
        device: where it ran.
        fingerprint: of the run, its lineage included.
        command: what was typed.
        stack_size: members trained together.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Result(
        status=ended[0],
        reason=ended[1],
        steps=steps,
        metrics={name: loss if math.isfinite(loss) else None for name, loss in losses.items()},
        parameters={key: _nested(value, key) for key, value in parameters.items()},
        exact=known.as_json(parameters.get("point")) if known else {},
        features=list(problem.features),
        targets=list(problem.targets),
        truth={key: value.tolist() for key, value in problem.truth.items()} if parameters else {},
        seconds=seconds,
        device=name,
        stack_size=stack_size,
        seed=config.seed,
        fingerprint=fingerprint,
        environment={**environment(), "device": name, "command": command},
        directory=directory,
    )


def _nested(value: Tensor, name: str) -> Any:
    return value[0].tolist() if name.startswith(("bias", "point")) else value.tolist()


def ending(
    config: Config, step: int, known: Answer | None, *, diverged_at: int | None = None, stopped: str | None = None
) -> tuple[Status, str]:
    """Status of a run that ended after `step` steps, and why.

    Args:
        config: of the run.
        step: optimizer steps taken.
        known: what theory knows of it.
        diverged_at: the step whose loss has diverged; None: none has.
        stopped: what ended it before its last step, in words; None: nothing did.
    """
    if diverged_at == 0 and known is not None and known.surface is not None:
        return "diverged", "the surface is not finite at the start: model.point is too far out"
    if diverged_at == 0:
        return "diverged", "the loss is not finite at the start: the initial weights or the data are too large"
    if diverged_at is not None:
        rate = config.optimizer.lr
        why = known.warning() if known else None
        hint = f": {why.replace('will diverge', 'diverges')}" if why else ""
        method = method_of(config.optimizer.target_, config.optimizer.arguments())
        if rate is not None and method is not None and known is not None and known.exact is not None:
            rate = min(rate, method.factor * known.exact.critical_lr)
        hint = hint or (f"; try a learning rate below {rate:.4g}" if rate else "")
        return "diverged", f"the loss after {step:,} steps is not finite or far above the first{hint}"
    if stopped is not None:
        return "completed", stopped
    outlook = known.outlook(step) if known and not config.ckpt_path else None
    return "completed", f"all {step:,} steps were taken{f'; {outlook}' if outlook else ''}"


def stopped_early(callback: EarlyStopping, step: int) -> str | None:
    """What early stopping did, in words; None where it did nothing."""
    if not callback.stopping_reason_message:
        return None
    why = " ".join(callback.stopping_reason_message.split()).partition(" Signaling")[0].rstrip(".")
    return f"stopped early after {step:,} steps: {why}"


def _stopped(trainer: L.Trainer, max_steps: int) -> str | None:
    step = trainer.global_step
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping) and step < max_steps and (told := stopped_early(callback, step)):
            return told
        left = callback.time_remaining() if isinstance(callback, Timer) else None
        if left is not None and left <= 0:
            return f"the time limit was reached after {step:,} steps"
    return None


def hyperparameters(config: Config) -> dict[str, Any]:
    """What loggers show of a config: keys joined by dots; what is no number, text or flag as text."""
    shown = {key: value for key, value in flat(config.decisive()).items() if value != {}}
    return {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in shown.items()
        if key.rpartition(".")[2] != "_partial_"
    }


def _read(where: RunDirectory) -> Result:
    """The result that the first of several processes wrote."""
    return Result(**where.read_result(), directory=where.path)


def _worker() -> None:
    """One of several processes of a run: `python -m src.run CONFIG_JSON DIRECTORY COMMAND`."""
    text, directory, command = sys.argv[1:]
    with told():
        train(Config.model_validate(json.loads(text)), Path(directory), command)


if __name__ == "__main__":
    _worker()
