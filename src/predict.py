"""Predict from a run: `python -m src.predict outputs/runs/RUN data.path=new.csv`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.errors import LabError, nearest, told
from src.run_directory import RunDirectory

if TYPE_CHECKING:
    import polars as pl

KEYS = {
    "data.path": "the table to predict for: a .csv, .tsv or .parquet file with the run's features",
    "data.target": "the column to hold the predictions against (default: the run's target, where the table has it)",
    "output": "where the predictions go (default: RUN/predictions_TABLE.csv)",
    "checkpoint": "last or best (default: last)",
}


@dataclass(frozen=True)
class Predictions:
    """The table with a column per target added, the losses against target columns, and the file they are in."""

    table: "pl.DataFrame"
    losses: dict[str, float]
    output: Path
    replaced: bool


def predict(run: str | Path, overrides: Sequence[str]) -> Predictions:
    """Predict with a run's model for every row of a table, in the table's own units.

    Args:
        run: a run directory.
        overrides: `key=value` words, see `KEYS`.

    Raises:
        LabError: no such run, table or column; values that are missing or no numbers.
    """
    asked = _asked(overrides)
    directory = RunDirectory(Path(run))
    if not directory.path.is_dir():
        raise LabError(f"{run}: there is no such run directory")
    source = directory.checkpoints / f"{asked['checkpoint']}.ckpt"
    if not source.is_file():
        raise LabError(f"{run}: it has no checkpoints/{source.name}; is it a run directory?")
    output = Path(asked.get("output") or directory.path / f"predictions_{Path(asked['data.path']).stem}.csv")
    if output.resolve() == Path(asked["data.path"]).resolve():
        raise LabError(f"output={output} is the table itself; choose another file")
    from src.data.listed import read  # after the checks: it takes a second to import

    predictions = _predict(source, read(asked["data.path"]), asked, output)
    try:
        predictions.table.write_csv(output)
    except OSError as error:
        raise LabError(f"output={output} cannot be written ({error.strerror})") from None
    return predictions


def _asked(overrides: Sequence[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {"checkpoint": "last"}
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals:
            raise LabError(f"{word}: this is not key=value (keys: {', '.join(KEYS)})")
        if key not in KEYS:
            raise LabError(f"{key}: there is no such key{nearest(key, KEYS)} (keys: {', '.join(KEYS)})")
        try:
            asked[key] = str(OmegaConf.from_dotlist([f"value={value}"]).value)
        except OmegaConfBaseException:
            asked[key] = value
    if "data.path" not in asked:
        raise LabError("missing: data.path (say data.path=new.csv)")
    if asked["checkpoint"] not in ("last", "best"):
        raise LabError(f"checkpoint={asked['checkpoint']}: must be last or best")
    return asked


def _predict(source: Path, table: "pl.DataFrame", asked: dict[str, Any], output: Path) -> Predictions:
    import polars as pl
    import torch

    from src.data.listed import numbers
    from src.data.problem import Rows, Scaling
    from src.engine import checkpoint as checkpoints

    checkpoint = checkpoints.read(source)
    if checkpoint[checkpoints.KEY]["model"]["_target_"] == "src.models.Surface":
        raise LabError(f"{source}: it went down a surface, which predicts nothing; its end is in result.json")
    about = checkpoint[checkpoints.KEY]["problem"]
    scaling = Scaling.from_state(about["scaling"])
    features, targets = list(about["features"]), list(about["targets"])
    model = checkpoints.model_of(checkpoint)
    dtype = next(model.parameters()).dtype
    inputs = numbers(table, features, asked["data.path"])
    scaled = scaling.forward(Rows(inputs, torch.zeros(len(inputs), len(targets), dtype=torch.float64))).inputs
    with torch.no_grad():
        predicted = scaling.predictions(model(scaled.to(dtype)[None])[0])
    if not bool(predicted.isfinite().all()):
        raise LabError(f"{source}: its predictions are not finite; did the run diverge?")
    names = ["prediction"] if len(targets) == 1 else [f"prediction_{target}" for target in targets]
    there = [name for name in names if name in table.columns]
    if there:
        raise LabError(f"{asked['data.path']} has a column {there[0]} already; rename it, so that it is not replaced")
    columns = [pl.Series(name, predicted[:, index].numpy()) for index, name in enumerate(names)]
    known = _target_columns(table, targets, asked)
    losses = {
        name: float((predicted[:, index] - numbers(table, [name], asked["data.path"])[:, 0]).square().mean())
        for index, name in known.items()
    }
    return Predictions(table.with_columns(columns), losses, output, output.exists())


def _target_columns(table: "pl.DataFrame", targets: Sequence[str], asked: dict[str, Any]) -> dict[int, str]:
    """Which column of the table each target is in."""
    given = asked.get("data.target")
    if given is None:
        return {index: name for index, name in enumerate(targets) if name in table.columns}
    if len(targets) > 1:
        raise LabError(f"data.target={given}: the run has {len(targets)} targets ({', '.join(targets)}), found by name")
    if given not in table.columns:
        raise LabError(
            f"data.target={given}: the table has no such column{nearest(given, table.columns)} "
            f"(columns: {', '.join(table.columns)})"
        )
    return {0: given}


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predict with a trained run for every row of a table, in the table's own units.",
        epilog="keys:\n" + "\n".join(f"  {key + '=':14}{text}" for key, text in KEYS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory, such as outputs/runs/2026-11-21_09-00-00-000000")
    parser.add_argument("key=value", nargs="*", help="see below")
    arguments = vars(parser.parse_args(words))
    with told():
        predictions = predict(arguments["run"], arguments["key=value"])
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=True, markup=False)
        instead = ", instead of what was there" if predictions.replaced else ""
        console.print(f"{len(predictions.table):,} predictions in {predictions.output}{instead}")
        for name, loss in predictions.losses.items():
            console.print(f"mean squared error against {name}: {loss:.6g} (root: {loss**0.5:.6g})")


if __name__ == "__main__":
    main()
