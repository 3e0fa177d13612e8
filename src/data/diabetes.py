"""The diabetes data of scikit-learn."""

import polars as pl

from src.data.table import Framed
from src.errors import LabError
from src.tables.choosing import Asked
from src.tables.reading import ReadTable


class Diabetes(Framed):
    """442 patients, 10 features, disease progression a year later (Efron, Hastie, Johnstone, Tibshirani 2004)."""

    def _table(self) -> tuple[ReadTable, Asked]:
        try:
            from sklearn.datasets import load_diabetes
        except ImportError:
            raise LabError("data=diabetes needs scikit-learn: pip install 'descent-lab[diabetes]'") from None
        bunch = load_diabetes(scaled=False)
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
        table = ReadTable("diabetes", frame.with_columns(pl.Series("progression", bunch.target)))
        return table, Asked(["progression"], self.section.features)
