"""The diabetes data of scikit-learn."""

from collections.abc import Sequence

import polars as pl

from src.data.table import Framed
from src.errors import LabError


class Diabetes(Framed):
    """442 patients, 10 features, disease progression a year later (Efron, Hastie, Johnstone, Tibshirani 2004)."""

    def _frame(self) -> tuple[pl.DataFrame, Sequence[str], str]:
        try:
            from sklearn.datasets import load_diabetes
        except ImportError:
            raise LabError("data=diabetes needs scikit-learn: pip install 'descent-lab[diabetes]'") from None
        bunch = load_diabetes(scaled=False)
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
        return frame.with_columns(pl.Series("progression", bunch.target)), ["progression"], "diabetes"
