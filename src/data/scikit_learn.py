"""Data sets that scikit-learn ships, as tables."""

import polars as pl

from src.config import data as sections
from src.data.table import Framed
from src.errors import LabError
from src.tables.choosing import Asked
from src.tables.reading import ReadTable


class ScikitLearn(Framed):
    """One of them by its name; classes that have names are text, in a column called as what is predicted."""

    section: sections.ScikitLearn

    def _table(self) -> tuple[ReadTable, Asked]:
        name = self.section.name
        try:
            from sklearn import datasets
        except ImportError:
            raise LabError(f"data={name} needs scikit-learn: pip install 'descent-lab[data]'") from None
        keys = {"scaled": False} if name == "diabetes" else {}
        bunch = getattr(datasets, f"load_{name}")(**keys)
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
        target, values = TARGETS[name], pl.Series(bunch.target)
        named = "target_names" in bunch and bunch.target_names.dtype.kind == "U"
        if named:
            values = pl.Series([str(bunch.target_names[code]) for code in bunch.target])
        return ReadTable(name, frame.with_columns(values.alias(target))), Asked([target], self.section.features)


TARGETS = {
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
}
"""What is predicted of each."""
