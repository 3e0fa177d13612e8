"""A sweep as one command sees it: from the words of its jobs to how they have ended."""

import filecmp
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from src.compare.baseline import NAME as BASELINE
from src.compare.baseline import is_own
from src.compare.halving import Halving
from src.config.check_run import check_output_subdir
from src.config.data import Noise
from src.config.overrides import python_command
from src.config.schema import Config, flat
from src.errors import LabError, unwritable
from src.sweep.call import Call, all_wrong, ask, swept_keys, without_sign
from src.sweep.executors import INLINE, check_backend, pieces
from src.sweep.hydra_files import HydraFiles
from src.sweep.jobs import Composer, Job
from src.sweep.ledger import NAME, Entry, Ledger
from src.sweep.lock import check_place, claim
from src.sweep.options import Launching
from src.sweep.planning import Plan, plan, without_rule
from src.sweep.tensorboard import folder_of
from src.sweep.training import Training, with_directories
from src.tables.once import reading_once

SUBDIR = ("${hydra.job.num}", "${hydra:job.num}")
GRID = "hydra_plugins.descent_lab.GridSweeper"
REPEATS = (GRID, "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")
"""Sweepers that ask for the same jobs when they are given the same words."""
LONGER = ("n_trials", "max_failure_rate", "params")
"""Keys of a sweeper that change how long it asks, not for what; the words of `params` are looked at as if typed."""


class Sweep:
    """The sweep of this command.

    Args:
        config: of the sweep, Hydra's own node included.
        loader: that it was composed by.
        options: of the launcher.

    Raises:
        LabError: the directory is not for this sweep, or options that do not go together.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader, options: Launching) -> None:
        self.config, self.loader, self.options = config, loader, options
        self.directory = Path(str(config.hydra.sweep.dir))
        self.node = _as_typed(config)
        against = OmegaConf.select(config, "hydra.sweeper.against")
        self.baseline = Path(against) if isinstance(against, str) else None
        self._check()
        self.composer = Composer(searched(config))
        self.files = HydraFiles(config, loader)
        self.ledger = Ledger.without_results(self.directory)
        self.halving: Halving | None = None
        self.first: Config | None = None
        self._call: int | None = None
        self._told: set[str] = set()

    def _check(self) -> None:
        """Refuse what cannot be, before anything is composed."""
        subdir, sweeper = self.node["sweep"]["subdir"], self.node["sweeper"].get("_target_")
        if subdir not in SUBDIR:
            number = "stacks number their run directories (hydra.sweep.subdir=${hydra.job.num})"
            raise LabError(f"hydra.sweep.subdir={subdir}: {number}; hydra/launcher=basic takes any")
        check_output_subdir(self.node["output_subdir"])
        if self.config.hydra.job.chdir:
            raise LabError(
                "hydra.job.chdir=true: stacks train in one process, which stays where it is: leave it out, or say "
                "hydra/launcher=basic, which takes it"
            )
        check_backend(self.options)
        if sweeper != GRID:
            asked = {"hydra.launcher.dry_run": self.options.dry_run, "confirm_seeds": self.config.confirm_seeds}
            for key in (key for key, value in asked.items() if value):
                raise LabError(f"{key} needs the jobs beforehand, which only hydra/sweeper=grid knows")
        check_place(self.directory)
        kept = self.directory / BASELINE
        there = self.baseline is not None and self.baseline.is_file() and kept.is_file()
        if there and not filecmp.cmp(kept, str(self.baseline), shallow=False):
            raise LabError(f"{kept} is of another comparison than {self.baseline}: choose another hydra.sweep.dir")
        seed = OmegaConf.select(self.config, "hydra.sweeper.sampler.seed")
        if sweeper not in REPEATS and seed is None and (self.directory / NAME).is_file():
            raise LabError(
                f"{self.directory} holds a sweep, and a sampler without a seed asks for other settings each time: "
                "choose another hydra.sweep.dir (a sweep that is begun with hydra.sweeper.sampler.seed=1 goes on)"
            )

    # --- what is typed ---

    @property
    def typed(self) -> list[str]:
        """The words of the sweep, those of its file included."""
        params = self.node["sweeper"].get("params") or {}
        return [*(f"{key}={value}" for key, value in params.items()), *self.node["overrides"]["task"]]

    @property
    def command(self) -> str:
        """What to type to go on."""
        overrides = self.node["overrides"]
        words = [*overrides["task"], *(word for word in overrides["hydra"] if not word.startswith("hydra.mode="))]
        if not any(word.startswith("hydra.sweep.dir=") for word in words):
            words.append(f"hydra.sweep.dir={self.directory}")
        return python_command(["-m", *words])

    @property
    def tensorboard(self) -> Path | None:
        """Where TensorBoard's files of the sweep go, as its first job says; None: nowhere."""
        return folder_of(self.first, self.directory) if self.first else None

    # --- from words to results ---

    def train(self, words: Sequence[Sequence[str]]) -> Sequence[Entry]:
        """Train jobs, given by all their words; what is finished already is not trained again.

        Returns:
            Of each job its run.

        Raises:
            LabError: a wrong value in any of them, another sweep in the directory, a full disk.
            KeyboardInterrupt: it was interrupted; it says how to go on.
        """
        jobs, call = self._asked(words)
        with _writing():
            if self._call is None:
                claim(self.directory)
                self.ledger = Ledger.read(self.directory)  # what another process has done until it was ours
            return self._train(self._planned(*self._begun(jobs, call)))

    def confirm(
        self, words: Sequence[Sequence[str]], confirms: Sequence[int], phase: str, said: str = ""
    ) -> Sequence[Entry]:
        """Train winners again on other seeds.

        Args:
            words: of each run.
            confirms: of each, the number of the first run of the setting that it confirms.
            phase: what this is called on the terminal.
            said: is printed before, where anything is left to train.

        Returns:
            Of each its run.
        """
        jobs, _ = ask(words, self.typed, {}, self.composer)
        call = self._call or 0
        shared = set(self.ledger.calls[call].shared)
        jobs = [replace(job, swept=tuple(word for word in job.words if word not in shared)) for job in jobs]
        with reading_once(job.config.data for job in jobs):
            planned = self._planned(jobs, call, confirms)
        if said and planned.stacks:
            print(said)
        with _writing():
            return self._train(planned, phase)

    def plan(self, words: Sequence[Sequence[str]]) -> Plan:
        """What `train` would do; nothing is written."""
        jobs, call = self._asked(words)
        self.ledger = Ledger.read(self.directory)
        return self._planned(*self._begun(jobs, call))

    def _asked(self, words: Sequence[Sequence[str]]) -> tuple[list[Job], Call]:
        """The jobs, composed and checked, and what they share.

        Raises:
            LabError: a wrong value in any of them, too many of them, or another sweep in the directory.
        """
        check_number(len(words), self.options.max_runs)
        # beside the runs of a baseline the words of the one optimizer here are its name
        apart = is_own if self.baseline else lambda key: False
        jobs, call = ask(words, self.typed, self.config.hydra.runtime.choices, self.composer, apart)
        if self.config.hydra.sweeper.get("until") and not any(is_drawn(job.config) for job in jobs):
            raise LabError(
                "hydra.sweeper.until: nothing of these runs is drawn, so fresh seeds would be the same runs: "
                "leave it out, or add noise (data.noise=0.5 data.rows=1000 data.batch_size=1)"
            )
        call.study = self._study()
        check_rungs(self.halving, max(job.config.trainer.max_steps for job in jobs))
        if self._call is None:
            self.ledger.check_same(call)
        waiting, there = self.ledger.left(self.options.retry_failed), self.ledger.entries
        over = {one.fingerprint for one in there if self.ledger.run(one).finished or one.number not in waiting}
        if left := [job.config for job in jobs if job.fingerprint not in over]:
            from src.sweep.preflight import mistakes  # it imports torch, which a finished sweep does without

            with reading_once(config.data for config in left):
                if wrong := mistakes(left, keep=self.options.backend == INLINE and not self.options.dry_run):
                    raise LabError(all_wrong(wrong, len(jobs)))
            self._tell_tables(left)
        self.first = jobs[0].config_in(self.directory.absolute() / "0")
        return jobs, call

    def _tell_tables(self, left: Sequence[Config]) -> None:
        """Print what was done to the tables of these runs, each once a sweep."""
        from src.sweep.tables import accounts

        for account in accounts(left):
            self._tell("\n".join(account.lines()))

    def _tell(self, text: str) -> None:
        """Print it, unless it was before."""
        if text not in self._told:
            print(text)
            self._told.add(text)

    def _study(self) -> dict[str, Any] | None:
        """What decides which settings the sweeper asks for; None: the words alone, of which it asks for all."""
        sweeper = self.config.hydra.sweeper
        if sweeper._target_ in REPEATS:
            return None
        several = swept_keys(self.typed)
        words = {
            key: value for key, _, value in (word.partition("=") for word in self.typed) if without_sign(key) in several
        }
        options = OmegaConf.create({key: sweeper[key] for key in sweeper if key not in LONGER})
        plain = OmegaConf.to_container(options, resolve=True, enum_to_str=True)
        return {f"hydra.sweeper.{key}": value for key, value in flat(plain).items()} | words

    def _planned(self, jobs: Sequence[Job], call: int, confirms: Sequence[int] = ()) -> Plan:
        """The plan of jobs, which the ledger takes in."""
        entries = self.ledger.enter(jobs, call, confirms)
        halving = None if confirms else self.halving
        return plan(jobs, entries, self.ledger, self.options, pieces(self.options), halving)

    def _begun(self, jobs: Sequence[Job], call: Call) -> tuple[Sequence[Job], int]:
        """The jobs, and which call of the ledger has asked for them: a sweeper may ask for them by and by."""
        if self._call is None:
            self._call = self.ledger.begin(call)
        else:
            jobs = self.ledger.go_on(self._call, call, jobs)
        return jobs, self._call

    def _train(self, planned: Plan, phase: str = "training") -> Sequence[Entry]:
        """Write the plan down, then train it."""
        planned.enter(self.ledger)
        self.ledger.save()
        OmegaConf.save(self.config, self.directory / "multirun.yaml")
        if self.baseline is not None and not (self.directory / BASELINE).is_file():
            shutil.copyfile(self.baseline, self.directory / BASELINE)
        for sentence in without_rule(planned, self.halving is not None):
            self._tell(sentence)
        for sentence in with_directories(planned) if self.options.files == "few" else ():
            self._tell(sentence)
        for remark in dict.fromkeys(stack.remark for stack in planned.stacks if stack.remark):
            self._tell(remark)
        try:
            Training(planned, self.ledger, self.options, self.files, self.command, self.tensorboard, phase).train()
        finally:
            if planned.stacks:
                from src.data.kept import forget

                forget()
        return planned.entries

    def words(self, number: int) -> tuple[str, ...]:
        """All words of the run of this number."""
        return self.ledger.words(next(entry for entry in self.ledger.entries if entry.number == number))


def is_drawn(config: Config) -> bool:
    """Whether anything of a run is, so that other seeds would be other runs."""
    return not isinstance(config.data, Noise) or config.data.noise > 0


def check_number(number: int, most: int) -> None:
    """Refuse more runs than a sweep may have.

    Raises:
        LabError: there are.
    """
    if number > most:
        limit = "hydra.launcher.max_runs"
        raise LabError(f"{number:,} runs are more than {limit}={most}: if you mean it, say {limit}={number}")


def check_rungs(halving: Halving | None, longest: int) -> None:
    """Refuse rungs that no run comes to.

    Raises:
        LabError: there are.
    """
    if halving is not None and halving.rungs[-1] > longest:
        raise LabError(
            f"hydra.sweeper.rungs={halving.rungs}: rungs lie before the end of a run, and the longest has {longest:,} "
            "steps (trainer.max_steps)"
        )


def searched(config: DictConfig) -> list[str]:
    """The words of a sweep that say where else than in `conf/` options are looked for."""
    return [word for word in config.hydra.overrides.hydra if word.startswith("hydra.searchpath=")]


def _as_typed(config: DictConfig) -> dict[str, Any]:
    """Hydra's own node, its words as they were typed."""
    node = OmegaConf.to_container(config.hydra, resolve=False)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


@contextmanager
def _writing() -> Iterator[None]:
    """Tell a full disk, or a directory that cannot be written, in a sentence."""
    try:
        yield
    except OSError as error:
        raise LabError(unwritable(error)) from None
