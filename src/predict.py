"""Predict from a run: `python -m src.predict outputs/runs/RUN data.path=new.csv`."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.overrides import parsed
from src.config.table_path import TABLES, table_file
from src.errors import LabError, exit_on_error, nearest
from src.run_directory import RunDirectory
from src.run_directory.seal import owner

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from src.tables.columns import Column
    from src.tables.reading import ReadTable

KEYS = {
    "data.path": "the table to predict for, a file that data=table reads, with the run's columns",
    "data.target": "the column to hold the predictions against (default: the run's, if it is there)",
    "data.separator": "between fields (default: found out)",
    "data.decimal": "the decimal point, . or , (default: found out)",
    "data.header": "whether the first line has the names, true or false (default: found out)",
    "data.encoding": "of the text (default: found out)",
    "output": "where the predictions go (default: RUN/predictions_TABLE.csv)",
    "checkpoint": "last or best (default: last)",
}
READING = {"separator", "decimal", "header", "encoding"}


@dataclass(frozen=True)
class ClassScore:
    """Predicted classes against a column of the table, over the rows that have both.

    Attributes:
        accuracy: the share of rows whose class is the predicted one; a class that the run does not know never is.
        log_loss: the mean of minus the logarithm of the probability that was given to a row's class, over the rows of
            classes that the run knows; None: there are none, or the run's loss has no probabilities.
        rows: how many.
    """

    accuracy: float
    log_loss: float | None
    rows: int

    def sentence(self, name: str) -> str:
        """What is printed of the column of this name."""
        log = "" if self.log_loss is None else f", log loss {self.log_loss:.6g}"
        return f"accuracy against {name}: {self.accuracy:.6g} over {self.rows:,} row{'s' * (self.rows != 1)}{log}"


@dataclass(frozen=True)
class Score:
    """Predictions against a column of the table, in its units, over the rows that have both.

    Attributes:
        mean_squared: error.
        r2: 1 less the squared errors by those around the mean; None: the column is constant there.
        log_mean_squared: error of the logarithm, where the run fitted it.
        rows: how many.
    """

    mean_squared: float
    r2: float | None
    log_mean_squared: float | None
    rows: int

    def sentence(self, name: str) -> str:
        """What is printed of the column of this name."""
        r2 = "" if self.r2 is None else f", R² {self.r2:.6g}"
        log = "" if self.log_mean_squared is None else f"; of the logarithm: {self.log_mean_squared:.6g}"
        return (
            f"mean squared error against {name}: {self.mean_squared:.6g} (root: {self.mean_squared**0.5:.6g}{r2}){log}"
        )


@dataclass(frozen=True)
class Predictions:
    """The table with a column per target added, and where that is a class one more for the probability of each class.

    Attributes:
        table: as it was read, but for columns that no CSV file can hold; a prediction is empty in a row that cannot be
            encoded.
        rows: that have a prediction.
        scores: a `Score` or `ClassScore`, by the column that predictions were held against.
        told: what was found out, and which rows have no prediction, a line each.
        output: the file it is in.
        replaced: whether that was there before.
    """

    table: "pl.DataFrame"
    rows: int
    scores: Mapping[str, Any]
    told: list[str]
    output: Path
    replaced: bool


def predict(run: str | Path, overrides: Sequence[str]) -> Predictions:
    """Predict with a run's model for every row of a table, in the table's own units.

    Args:
        run: a run directory; of a run that its sweep keeps in columns it is made.
        overrides: `key=value` words, see `KEYS`.

    Raises:
        LabError: no such run, table or column; text where the run had numbers.
    """
    asked = _asked(overrides)
    directory, path = RunDirectory(Path(run)), asked["data.path"]
    directory.make()
    source = directory.checkpoints / f"{asked['checkpoint']}.ckpt"
    if not directory.path.is_dir():
        raise LabError(f"{run}: there is no such run directory")
    if not source.is_file():
        raise LabError(f"{run}: it has no checkpoints/{source.name}; is it a run directory?")
    if directory.finished and owner(source.read_bytes()) != directory.read_result()["fingerprint"]:
        raise LabError(f"{source} is not this run's, or damaged: see python -m src.report verify {run}")
    output = Path(asked.get("output") or directory.path / f"predictions_{_bare(path)}.csv")
    if output.resolve() == table_file(path).resolve():
        raise LabError(f"output={output} is the table itself; choose another file")

    from src.tables.columns import NOT_IN_TEXT, some
    from src.tables.reading import Reading, read_table

    how = Reading(**{key: asked.get(f"data.{key}") for key in READING})
    read = read_table(path, how)
    made = _predicted(source, read)
    columns = made.columns()
    taken = [name for name in columns if name in read.frame.columns]
    if taken:
        raise LabError(f"{path} has a column {taken[0]} already; rename it, so that it is not replaced")
    scores = {}
    for index, name in _target_columns(read, made.targets, asked.get("data.target")).items():
        known = replace(made.targets[index], name=name).parse(read.frame[name], read.decimal, read.name)
        if (score := made.score(index, known)) is not None:
            scores[name] = score
    table = read.frame.with_columns(values.alias(name) for name, values in columns.items())
    unwritable = [name for name, kind in table.schema.items() if kind.is_nested() or kind in NOT_IN_TEXT]
    told = [f"{some(unwritable)}: left out of {output}, which can hold no such values"] if unwritable else []
    table, replaced = table.drop(unwritable), output.exists()
    try:
        table.write_csv(output)
    except OSError as error:
        raise LabError(f"output={output} cannot be written ({error.strerror})") from None
    return Predictions(table, int(made.usable.sum()), scores, [*read.told, *made.told, *told], output, replaced)


def _bare(path: str) -> str:
    """The name of a file without what its kind adds: `cars` of `cars.csv.gz`."""
    bare = Path(Path(path).stem)
    return bare.stem if bare.suffix.lower() in TABLES else bare.name


def _asked(overrides: Sequence[str]) -> dict[str, Any]:
    """What was said, by key; a value that is no text in Hydra's grammar (`1.50`) is taken as it was typed."""
    asked = {"checkpoint": "last"}
    for word in overrides:
        key, equals, typed = word.partition("=")
        if not equals:
            raise LabError(f"{word}: this is not key=value; a table is data.path={word} (keys: {', '.join(KEYS)})")
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
    for key in READING & {word.removeprefix("data.") for word in asked}:
        asked[f"data.{key}"] = _checked(key, asked[f"data.{key}"])
    return asked


def _checked(key: str, typed: str) -> Any:
    """How a file is to be read, as the config of a run has it."""
    from pydantic import TypeAdapter, ValidationError

    from src.config.data import Table
    from src.config.sentences import message

    try:
        return TypeAdapter(Table.model_fields[key].rebuild_annotation()).validate_python(typed)
    except ValidationError as error:
        raise LabError(f"data.{key}={typed}: {message(error.errors()[0])}") from None


@dataclass(frozen=True)
class _Made:
    """Predictions of T targets for N rows.

    Attributes:
        targets: what their columns are.
        usable: which rows have a prediction, `[N]`.
        values: numbers, or the places of classes, `[N, T]`; of a row that has no prediction, whatever.
        classes: their names; none of numbers.
        probabilities: of each class, `[N, T, C]`; NaN where the loss has none, and empty of numbers.
        log_target: whether the run fitted the logarithm.
        told: which rows have no prediction, a line each.
    """

    targets: "Sequence[Column]"
    usable: "np.ndarray"
    values: "np.ndarray"
    classes: Sequence[str]
    probabilities: "np.ndarray"
    log_target: bool
    told: Sequence[str]

    def columns(self) -> "dict[str, pl.Series]":
        """What is added to the table, by name."""
        import numpy as np
        import polars as pl

        found = {}
        for index, target in enumerate(self.targets):
            own = f"_{target.name}" * (len(self.targets) > 1)
            values = pl.Series(self.values[:, index])
            if not self.classes:
                found[f"prediction{own}"] = values.set(pl.Series(~self.usable), None)
                continue
            names = pl.Series(self.classes).gather(values.cast(pl.UInt32))
            found[f"prediction{own}"] = names.set(pl.Series(~self.usable), None)
            for place, name in enumerate(self.classes):
                of_one = np.where(self.usable, self.probabilities[:, index, place], np.nan)
                if not np.isnan(of_one).all():
                    found[f"probability{own}_{name}"] = pl.Series(of_one, nan_to_null=True)
        return found

    def score(self, index: int, known: "pl.Series") -> Score | ClassScore | None:
        """The predictions of a target against what is known of it `[N]`; None where no row has both."""
        import numpy as np
        import polars as pl

        if not self.classes:
            predicted = np.where(self.usable, self.values[:, index], np.nan)
            return _score(known.cast(pl.Float64).to_numpy(), predicted, self.log_target)
        from src.tables.classes import places

        both = self.usable & known.is_not_null().to_numpy()
        if not both.any():
            return None
        right = places(known, self.classes)[both]
        chances = self.probabilities[both, index][~np.isnan(right)]
        given = np.take_along_axis(chances, right[~np.isnan(right), None].astype(int), 1)
        with np.errstate(divide="ignore"):
            log_loss = float(-np.log(given).mean()) if len(given) and not np.isnan(given).any() else None
        return ClassScore(float((right == self.values[both, index]).mean()), log_loss, len(right))


def _predicted(source: Path, table: "ReadTable") -> _Made:
    """The predictions of a checkpoint's model for the rows of a table."""
    import numpy as np
    import torch

    from src.data.problem import Rows, Scaling
    from src.engine import checkpoint as checkpoints
    from src.engine.scores import decided
    from src.tables.columns import Column
    from src.tables.encoding import Encoding

    checkpoint = checkpoints.read(source)
    model = checkpoints.model_of(checkpoint)
    if model.surface is not None:
        raise LabError(f"{source}: it went down a surface, which predicts nothing; its end is in result.json")
    about = checkpoint[checkpoints.KEY]["problem"]
    encoding, scaling = Encoding.from_state(about["encoding"]), Scaling.from_state(about["scaling"])
    targets = encoding.targets or [Column(name, "class" if about["classes"] else "number") for name in about["targets"]]
    encoded = encoding.apply(table)
    inputs = torch.from_numpy(encoded.numbers[encoded.usable])
    none = torch.ones(len(inputs), about["outputs"], dtype=torch.float64)
    scaled = scaling.forward(Rows(inputs, none)).inputs
    with torch.no_grad():
        predicted = model(scaled.to(next(model.parameters()).dtype)[None])[0].double()
    loss, probabilities = checkpoints.loss_of(checkpoint), torch.empty(len(predicted), len(targets), 0)
    if loss is not None and loss.classifies:
        values, probabilities = decided(loss, predicted)
    else:
        values = scaling.predictions(predicted if loss is None else loss.expected(predicted))
    finite = predicted.isfinite().all(1) & values.isfinite().all(1)
    if len(finite) and not bool(finite.any()):
        raise LabError(f"{source}: its predictions are not finite; did the run diverge?")

    def of_all(found: torch.Tensor) -> np.ndarray:
        """Of all rows of the table, 0 in those that have no prediction."""
        whole = np.zeros((len(encoded.usable), *found.shape[1:]))
        whole[encoded.usable] = found.numpy()
        return whole

    why = dict(encoded.why)
    usable = of_all(finite).astype(bool)
    if not bool(finite.all()):  # the exponential of a row that is far away, say
        why["it is not finite"] = np.flatnonzero(encoded.usable & ~usable)
    told = list(encoded.told)
    for reason, rows in sorted(why.items(), key=lambda one: int(one[1][0])):
        more = f" ({len(rows):,} such rows)" if len(rows) > 1 else ""
        told.append(f"row {rows[0] + 1} has no prediction: {reason}{more}")
    return _Made(targets, usable, of_all(values), about["classes"], of_all(probabilities), scaling.log_target, told)


def _score(known: "np.ndarray", predicted: "np.ndarray", log_target: bool) -> Score | None:
    """Predictions `[N]` of a target against what is known of it `[N]`; None where no row has both."""
    import numpy as np

    both = np.isfinite(known) & np.isfinite(predicted)
    if not both.any():
        return None
    known, predicted = known[both], predicted[both]
    error, spread = float(((known - predicted) ** 2).mean()), float(known.var())
    logarithm = log_target and bool((known > 0).all())
    return Score(
        error,
        1 - error / spread if bool((known != known[0]).any()) else None,
        float(((np.log(known) - np.log(predicted)) ** 2).mean()) if logarithm else None,
        len(known),
    )


def _target_columns(table: "ReadTable", targets: "Sequence[Column]", given: str | None) -> Mapping[int, str]:
    """The column of the table that each target is in."""
    from src.tables.columns import find

    names = [one.name for one in targets]
    if given is None:
        return {index: name for index, name in enumerate(names) if name in table.frame.columns}
    if len(names) > 1:
        raise LabError(f"data.target={given}: the run has {len(names)} targets ({', '.join(names)}), found by name")
    return {0: find(given, table.frame.columns, table.name)[0]}


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predict with a trained run for every row of a table, in the table's own units.",
        epilog="keys:\n" + "\n".join(f"  {key + '=':16}{text}" for key, text in KEYS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run directory, such as outputs/runs/2026-11-21_09-00-00-000000")
    parser.add_argument("key=value", nargs="*", help="see below")
    arguments = vars(parser.parse_args(words))
    with exit_on_error():
        predictions = predict(arguments["run"], arguments["key=value"])
        instead = ", instead of what was there" if predictions.replaced else ""
        for line in predictions.told:
            print(line)
        rows = predictions.rows
        print(f"{rows:,} prediction{'s' * (rows != 1)} in {predictions.output}{instead}")
        for name, score in predictions.scores.items():
            print(score.sentence(name))


if __name__ == "__main__":
    main()
