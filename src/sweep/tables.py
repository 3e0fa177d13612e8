"""The tables of a sweep, read in the command before anything is written.

So a column that is not there is one sentence, the plan knows sizes, and what was done to a table is told once. Stacks
that train in this process take what was read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from src.config.data import Framed
from src.config.schema import Config
from src.data import kept
from src.data.problem import check_batch_size
from src.run.build import build_loss, build_problem
from src.tables.account import Account
from src.tables.once import identity


@dataclass(frozen=True)
class Measured:
    """What there is to know of a table's problem without its rows.

    Attributes:
        sizes: as `Problem.sizes`.
        account: of what was done to it, without its split: there may be thousands of splits of millions of rows.
    """

    sizes: tuple[int, ...]
    account: Account | None


_measured: dict[str, Measured] = {}


def is_table(config: Config) -> bool:
    """Whether a run's data are columns of a table."""
    return isinstance(config.data, Framed)


def measured(config: Config, keep: bool = False) -> Measured:
    """Read the table of a run, if it was not read before.

    Args:
        config: of the run.
        keep: its rows, for the training in this process; see `src.data.kept`.

    Raises:
        LabError: it cannot be read, or a column of it cannot be used.
    """
    section, loss = config.data, build_loss(config)
    whole, split = (f"{loss.targets} {identity(section, seed=seed)}" for seed in (True, False))
    known = _measured.get(whole) or _measured.get(split)
    if known is None:
        problem = build_problem(config, loss)
        account = problem.table and replace(problem.table, split={})
        known = _measured[whole if problem.sizes_by_split else split] = Measured(problem.sizes, account)
        if keep:
            kept.keep(section, loss.targets, problem)
    return known


def check(config: Config, keep: bool = False) -> None:
    """Refuse a table that cannot be trained on as the run asks.

    Raises:
        LabError: it cannot.
    """
    check_batch_size(config.data.batch_size, measured(config, keep).sizes[2])


def accounts(configs: Iterable[Config]) -> list[Account]:
    """What was done to each distinct table; of several splits of one that of the first."""
    first: dict[str, Config] = {}
    for config in configs:
        if is_table(config):
            first.setdefault(identity(config.data, seed=False), config)
    found = (measured(config).account for config in first.values())
    return [account for account in found if account is not None]
