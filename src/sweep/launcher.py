"""Hydra's launcher of this project: jobs that can share a tensor program are trained as one stack.

Checks every job before anything is written, finds what the sweep directory holds already, and trains the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from src.config.schema import Config
from src.errors import LabError, unwritable
from src.run_directory import python_command
from src.sweep.asked import Job, all_wrong, ask
from src.sweep.hydra_files import HydraFiles
from src.sweep.jobs import Composed, Composer
from src.sweep.ledger import Ledger, Outcome
from src.sweep.options import Launching, checked
from src.sweep.place import check_place, claim
from src.sweep.tensorboard import place_of
from src.sweep.training import Training

SUBDIR = ("${hydra.job.num}", "${hydra:job.num}")
GRID = "hydra_plugins.descent_lab.GridSweeper"


@dataclass(frozen=True)
class Lot:
    """The runs of one program among those that are new.

    Attributes:
        places: of them in the ledger.
        alone: why they cannot be in a stack; None: they can.
        most: how many fit into a stack.
    """

    places: list[int]
    alone: str | None
    most: int


class StackLauncher(Launcher):
    """Trains jobs as stacks.

    Args:
        options: see conf/hydra/launcher/stack.yaml.
    """

    def __init__(self, **options: Any) -> None:
        self.given = options
        self.config: DictConfig | None = None
        self.ledger: Ledger | None = None
        self.composer = Composer(())
        self.jobs: dict[int, tuple[str, ...]] = {}
        self._call: int | None = None
        self._told: set[str] = set()
        self._kinds: dict[str, Lot] = {}
        self._lots: dict[str, Lot] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the sweep's own config, and refuse a directory that is not for this sweep before anything is composed.

        Raises:
            LabError: it is not, or options that are not allowed; in `__init__` Hydra would put words of its own
                before it.
        """
        from src.sweep.executors import check_backend

        self.config, self.context = config, hydra_context
        self.options = checked(Launching, self.given, "hydra.launcher")
        self.directory = Path(str(config.hydra.sweep.dir))
        subdir = self._node["sweep"]["subdir"]
        if subdir not in SUBDIR:
            told = "stacks number their run directories (hydra.sweep.subdir=${hydra.job.num})"
            raise LabError(f"hydra.sweep.subdir={subdir}: {told}; hydra/launcher=basic takes any")
        check_backend(self.options)
        if config.hydra.sweeper.get("_target_") != GRID:
            for key, asked in (
                ("hydra.launcher.dry_run", self.options.dry_run),
                ("confirm_seeds", config.confirm_seeds),
            ):
                if asked:
                    raise LabError(f"{key} needs the jobs beforehand, which only hydra/sweeper=grid knows")
        check_place(self.directory)

    # --- what Hydra calls ---

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train jobs; what is finished already is not trained again.

        Args:
            job_overrides: the words of each job.
            initial_job_idx: what Hydra would count from; the sweep directory has numbers of its own.

        Returns:
            Of each job what a sweeper minimizes: `val/loss`, or `train/loss` without it; infinite where there is none.

        Raises:
            LabError: a wrong value in any of them, another sweep in the directory, a full disk.
            KeyboardInterrupt: it was interrupted; it says how to go on.
        """
        jobs = self.asked(job_overrides)
        if self.options.dry_run:
            from src.sweep.dry import show  # imported where it is used, as is whatever imports torch

            show(self, jobs)
            return [_returned(job, None) for job in job_overrides]
        with _writing():
            places = self.enter(jobs)
            self._training().train(places)
        assert self.ledger is not None
        entries = self.ledger.entries
        return [_returned(words, entries[place].outcome) for words, place in zip(job_overrides, places, strict=True)]

    def confirm(self, jobs: Sequence[Sequence[str]], confirms: Sequence[int]) -> None:
        """Train winners again on other seeds.

        Args:
            jobs: the words of each run.
            confirms: of each, the number of the first run of the setting that it confirms.
        """
        composed, _ = ask(jobs, self.typed, {}, self.composer)
        assert self.ledger is not None
        assert self._call is not None
        shared = set(self.ledger.calls[self._call].shared)
        own = [Job(job.words, tuple(w for w in job.words if w not in shared), job.fingerprint) for job in composed]
        with _writing():
            self._training().train(self._take(own, confirms))

    def _training(self) -> Training:
        assert self.config is not None
        assert self.ledger is not None
        files = HydraFiles(self.config, self.context.config_loader)
        return Training(self.ledger, self.options, self.composed, files, self.command, self._told, self.tensorboard)

    @property
    def tensorboard(self) -> Path | None:
        """Where TensorBoard's files of the sweep go, as its first job says."""
        return place_of(self.composed(next(iter(self.jobs), 0)), self.directory)

    # --- before training ---

    @property
    def _node(self) -> dict[str, Any]:
        """Hydra's own node, its words as they were typed."""
        assert self.config is not None
        node = OmegaConf.to_container(self.config.hydra, resolve=False)
        assert isinstance(node, dict)
        return {str(key): value for key, value in node.items()}

    @property
    def typed(self) -> list[str]:
        """The words of the sweep, those of its file included."""
        node = self._node
        params = node["sweeper"].get("params") or {}
        return [*(f"{key}={value}" for key, value in params.items()), *node["overrides"]["task"]]

    @property
    def command(self) -> str:
        """What to type to go on."""
        overrides = self._node["overrides"]
        words = [*overrides["task"], *(word for word in overrides["hydra"] if not word.startswith("hydra.mode="))]
        if not any(word.startswith("hydra.sweep.dir=") for word in words):
            words.append(f"hydra.sweep.dir={self.directory}")
        return python_command(["-m", *words])

    def asked(self, job_overrides: Sequence[Sequence[str]]) -> list[Job]:
        """The jobs, composed and checked; nothing is written.

        Raises:
            LabError: a wrong value in any of them, too many of them, or another sweep in the directory.
        """
        assert self.config is not None
        if len(job_overrides) > self.options.max_runs:
            raise LabError(too_many(f"{len(job_overrides):,}", self.options.max_runs, len(job_overrides)))
        jobs, self._asked = ask(job_overrides, self.typed, self.config.hydra.runtime.choices, self.composer)
        if self.ledger is None:
            self.ledger = Ledger.read(self.directory)
            self.ledger.check_same(self._asked)
        known = {entry.fingerprint for entry in self.ledger.entries}
        if fresh := [job for job in jobs if job.fingerprint not in known]:
            from src.sweep.trial import mistakes  # it imports torch, which a finished sweep does without

            if wrong := mistakes(self._kinds_of(fresh)):
                raise LabError(all_wrong(wrong, len(jobs)))
        return jobs

    def _kinds_of(self, jobs: Sequence[Job]) -> Iterator[Config]:
        """The configs of jobs, one after the other; what kind of stack each belongs to is kept of them."""
        for job in jobs:
            config = self.composer.compose(job.words).check(Path())
            self._kinds[job.fingerprint] = self._kind(config)
            yield config

    def _kind(self, config: Config) -> Lot:
        """The lot, still empty, of runs like this one."""
        from src.engine.choice import choose_stepper
        from src.sweep.stacking import most_members, program

        alone = choose_stepper(config).reason or None
        key = alone or program(config)
        if key not in self._lots:
            most = 1 if alone else most_members(config, self.options.memory * 2**20)
            self._lots[key] = Lot([], alone, most)
        return self._lots[key]

    def enter(self, jobs: Sequence[Job]) -> list[int]:
        """Take jobs into the ledger, decide on stacks of those that are new, and write both; their places."""
        if self._call is None:
            claim(self.directory)
            self.ledger = Ledger.read(self.directory)  # what another process has done until it was ours
            self._call = self.ledger.begin(self._asked)
        else:
            assert self.ledger is not None
            jobs = self.ledger.go_on(self._call, self._asked, jobs)
        return self._take(jobs)

    def _take(self, jobs: Sequence[Job], confirms: Sequence[int | None] = ()) -> list[int]:
        places = self._cut(jobs, confirms)
        assert self.config is not None
        assert self.ledger is not None
        self.ledger.save()
        OmegaConf.save(self.config, self.directory / "multirun.yaml")
        return places

    def plan(self, jobs: Sequence[Job]) -> list[int]:
        """As `enter`, and nothing is written."""
        assert self.ledger is not None
        self._call = self.ledger.begin(self._asked)
        return self._cut(jobs)

    def _cut(self, jobs: Sequence[Job], confirms: Sequence[int | None] = ()) -> list[int]:
        from src.sweep.executors import pieces

        assert self.ledger is not None
        assert self._call is not None
        known = len(self.ledger.entries)
        places = self.ledger.enter(jobs, self._call, confirms)
        self.jobs |= {place: job.words for place, job in zip(places, jobs, strict=True)}
        for lot in self.lots([place for place in places if place >= known]):
            self.ledger.cut(lot.places, lot.most, pieces(self.options), lot.alone or "")
        return places

    def lots(self, places: Sequence[int]) -> list[Lot]:
        """Runs by program, in the order of their first jobs."""
        assert self.ledger is not None
        lots: dict[int, Lot] = {}
        for place in places:
            known = self._kinds.get(self.ledger.entries[place].fingerprint)
            kind = known or self._kind(self.composed(place).check(Path()))
            lots.setdefault(id(kind), Lot([], kind.alone, kind.most)).places.append(place)
        return list(lots.values())

    def words(self, number: int) -> tuple[str, ...]:
        """All words of the run of this number."""
        assert self.ledger is not None
        return self._words(next(place for place, entry in enumerate(self.ledger.entries) if entry.number == number))

    def _words(self, place: int) -> tuple[str, ...]:
        """Those of a run that is not asked for now are the ones that it was asked for with."""
        assert self.ledger is not None
        entry = self.ledger.entries[place]
        return self.jobs.get(place) or (*self.ledger.calls[entry.call].shared, *entry.swept)

    def composed(self, place: int) -> Composed:
        """The config of a run."""
        return self.composer.compose(self._words(place))


def too_many(number: str, most: int, enough: int) -> str:
    """The sentence for more runs than a sweep may have."""
    limit = "hydra.launcher.max_runs"
    return f"{number} runs are more than {limit}={most}: if you mean it, say {limit}={enough}"


@contextmanager
def _writing() -> Iterator[None]:
    """Tell a full disk, or a directory that cannot be written, in a sentence."""
    try:
        yield
    except OSError as error:
        raise LabError(unwritable(error)) from None


def _returned(words: Sequence[str], outcome: Outcome | None) -> JobReturn:
    """What Hydra hands to a sweeper; never a failure, which would be raised there."""
    loss = _loss(outcome.metrics) if outcome is not None and outcome.status == "completed" else None
    returned = JobReturn(overrides=list(words), status=JobStatus.COMPLETED)
    returned.return_value = float("inf") if loss is None else loss
    return returned


def _loss(metrics: Mapping[str, float | None]) -> float | None:
    return metrics.get("val/loss", metrics.get("train/loss"))
