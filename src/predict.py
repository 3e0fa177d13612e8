"""Predict from a run: `python -m src.predict outputs/runs/RUN data.path=new.csv`."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.config.overrides import parsed
from src.config.table_path import table_file
from src.errors import LabError, exit_on_error, nearest
from src.run_directory import RunDirectory

if TYPE_CHECKING:
    import polars as pl
    from torch import Tensor

KEYS = {
    "data.path": "the table to predict for: a .csv, .tsv or .parquet file with the run's features",
    "data.target": "the column to hold the predictions against (default: the run's, if it is there)",
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
    directory, path = RunDirectory(Path(run)), asked["data.path"]
    source = directory.checkpoints / f"{asked['checkpoint']}.ckpt"
    if not directory.path.is_dir():
        raise LabError(f"{run}: there is no such run directory")
    if not source.is_file():
        raise LabError(f"{run}: it has no checkpoints/{source.name}; is it a run directory?")
    output = Path(asked.get("output") or directory.path / f"predictions_{Path(path).stem}.csv")
    if output.resolve() == table_file(path).resolve():
        raise LabError(f"output={output} is the table itself; choose another file")
    import polars as pl  # after the checks, like everything that takes long to import

    from src.tables.columns import numbers
    from src.tables.reading import read_table

    table = read_table(path).frame
    targets, predicted = _predicted(source, table, path)
    names = ["prediction"] if len(targets) == 1 else [f"prediction_{target}" for target in targets]
    taken = [name for name in names if name in table.columns]
    if taken:
        raise LabError(f"{path} has a column {taken[0]} already; rename it, so that it is not replaced")
    losses = {
        name: float(((predicted[:, index].numpy() - numbers(table, [name], path)[:, 0]) ** 2).mean())
        for index, name in _target_columns(table, targets, asked.get("data.target")).items()
    }
    table = table.with_columns(pl.Series(name, predicted[:, index].numpy()) for index, name in enumerate(names))
    replaced = output.exists()
    try:
        table.write_csv(output)
    except OSError as error:
        raise LabError(f"output={output} cannot be written ({error.strerror})") from None
    return Predictions(table, losses, output, replaced)


def _asked(overrides: Sequence[str]) -> dict[str, str]:
    """What was said, by key; a value that is no text in Hydra's grammar (`1.50`) is taken as it was typed."""
    asked = {"checkpoint": "last"}
    for word in overrides:
        key, equals, typed = word.partition("=")
        if not equals:
            raise LabError(f"{word}: this is not key=value (keys: {', '.join(KEYS)})")
        if key not in KEYS:
            raise LabError(f"{key}: there is no such key{nearest(key, KEYS)} (keys: {', '.join(KEYS)})")
        try:
            value = parsed(word).value()
        except LabError:
            value = None
        asked[key] = value if isinstance(value, str) else typed
    if "data.path" not in asked:
        raise LabError("missing: data.path (say data.path=new.csv)")
    if asked["checkpoint"] not in ("last", "best"):
        raise LabError(f"checkpoint={asked['checkpoint']}: must be last or best")
    return asked


def _predicted(source: Path, table: "pl.DataFrame", path: str) -> "tuple[list[str], Tensor]":
    """The names of a checkpoint's targets, and their predictions `[N, targets]` for the rows of a table."""
    import torch

    from src.data.problem import Rows, Scaling
    from src.engine import checkpoint as checkpoints
    from src.tables.columns import numbers

    checkpoint = checkpoints.read(source)
    model = checkpoints.model_of(checkpoint)
    if model.surface is not None:
        raise LabError(f"{source}: it went down a surface, which predicts nothing; its end is in result.json")
    about = checkpoint[checkpoints.KEY]["problem"]
    scaling, targets = Scaling.from_state(about["scaling"]), list(about["targets"])
    inputs = torch.from_numpy(numbers(table, about["features"], path))
    scaled = scaling.forward(Rows(inputs, torch.zeros(len(inputs), len(targets), dtype=torch.float64))).inputs
    with torch.no_grad():
        predicted = scaling.predictions(model(scaled.to(next(model.parameters()).dtype)[None])[0])
    if not bool(predicted.isfinite().all()):
        raise LabError(f"{source}: its predictions are not finite; did the run diverge?")
    return targets, predicted


def _target_columns(table: "pl.DataFrame", targets: Sequence[str], given: str | None) -> Mapping[int, str]:
    """The column of the table that each target is in."""
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
    with exit_on_error():
        predictions = predict(arguments["run"], arguments["key=value"])
        instead = ", instead of what was there" if predictions.replaced else ""
        print(f"{len(predictions.table):,} predictions in {predictions.output}{instead}")
        for name, loss in predictions.losses.items():
            print(f"mean squared error against {name}: {loss:.6g} (root: {loss**0.5:.6g})")


if __name__ == "__main__":
    main()
