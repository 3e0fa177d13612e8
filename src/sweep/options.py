"""What can be set of a sweep, checked: `hydra.sweeper.*` and `hydra.launcher.*`."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PlainValidator,
    PositiveInt,
    ValidationError,
)

from src.compare.halving import Halving
from src.compare.pairs import FEWEST_APART
from src.config.section import Section
from src.config.sentences import wrong_values


def _share(value: Any) -> str:
    """A fraction as it is typed, `1/3` or 0.5, in its lowest terms."""
    try:
        share = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share < 1:
        raise ValueError("must be a share between 0 and 1, such as 1/3 or 0.5")
    return str(share)


def _listed(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("must be a list of steps, such as [100, 300]")
    return value


def _ascending(rungs: list[int]) -> list[int]:
    if any(one >= other for one, other in pairwise(rungs)):
        raise ValueError("must be steps one after the other, such as [100, 300]")
    return rungs


def _against(value: Any) -> Any:
    if isinstance(value, list) and any(str(one).endswith(".parquet") for one in value):
        raise ValueError("a .parquet is given alone and without brackets, such as baseline.parquet")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if isinstance(value, str) and value.endswith(".parquet"):
        return value
    raise ValueError(
        "must be a list of optimizers, [sgd,adam], or a .parquet that python -m src.report export has written"
    )


class Sweeping(Section):
    """How jobs are made: see conf/hydra/sweeper/grid.yaml."""

    points: PositiveInt
    draws: PositiveInt | None
    seed: int
    together: list[list[str]]
    search: dict[str, dict[str, Any]]
    params: dict[str, Any]
    against: Annotated[list[str] | str, PlainValidator(_against)]
    confirm_seeds: NonNegativeInt
    report: bool
    equal_within: Annotated[float, Field(ge=0, lt=1)]
    rungs: Annotated[list[PositiveInt], BeforeValidator(_listed), AfterValidator(_ascending)]
    keep: Annotated[str, BeforeValidator(_share)]
    until: Literal["told_apart"] | None
    most_seeds: Annotated[int, Field(ge=FEWEST_APART)]

    @property
    def halving(self) -> Halving | None:
        """What is asked of stacks; None: everything is trained to its end."""
        return Halving(self.rungs, self.keep) if self.rungs else None


class Launching(Section):
    """How jobs are trained: see conf/hydra/launcher/stack.yaml."""

    backend: str
    workers: PositiveInt | None
    address: str | None
    memory: PositiveInt
    max_runs: PositiveInt
    dry_run: bool
    retry_failed: bool
    files: Literal["all", "few"]
    submitit: dict[str, Any]


Kind = TypeVar("Kind", Sweeping, Launching)


def checked(kind: type[Kind], given: Mapping[str, Any], node: str) -> Kind:
    """Options as Hydra hands them to a plugin.

    Args:
        kind: which ones.
        given: by name.
        node: of the config that they are from, such as `hydra.launcher`.

    Raises:
        LabError: one sentence for every value that is not allowed.
    """
    plain = {
        name: OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value
        for name, value in given.items()
    }
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        raise wrong_values(error, plain, f"{node}.") from None
