"""Several features, and a Hessian whose condition number is chosen."""

import torch
from torch import Generator, Tensor

from src.config import data as sections
from src.data.generated import Drawn, exactly
from src.data.problem import Rows
from src.seeds import stream


class Features(Drawn):
    """`y = X w + intercept + noise ε`, where the Hessian of the training rows has a chosen condition number.

    The centred inputs are orthonormalised, stretched to variances from 1 down to `1 / condition_number` (evenly spaced
    in their logarithm) and rotated; the column of ones of a bias has variance 1, so it changes neither end.
    Validation and test rows are normal with that covariance.
    """

    section: sections.Features

    def _weight(self) -> Tensor:
        section = self.section
        if section.weights is None:
            return torch.randn(section.inputs, 1, generator=stream(section.seed, "data.weights"), dtype=torch.float32)
        return torch.tensor(section.weights, dtype=torch.float32)[:, None]

    def _stretch(self) -> Tensor:
        """`[I, I]`: deviations along the principal axes, then the rotation of these axes."""
        inputs, generator = self.section.inputs, stream(self.section.seed, "data.rotation")
        low = -torch.log10(exactly(self.section.condition_number)).item()
        variances = torch.logspace(low if inputs == 1 else 0.0, low, inputs, dtype=torch.float64)
        square = torch.randn(inputs, inputs, generator=generator, dtype=torch.float32).double()
        rotation = torch.linalg.qr(square).Q
        return variances.sqrt()[:, None] * rotation

    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        normal = torch.randn(rows, self.section.inputs, generator=generator, dtype=torch.float32).double()
        if train:  # shaped to the exact condition number
            normal = torch.linalg.qr(normal - normal.mean(0)).Q * rows**0.5
        x = (normal @ self._stretch()).float()
        noise = torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        return Rows(x, x @ self._weight() + self.section.intercept + self.section.noise * noise)

    def _truth(self) -> dict[str, Tensor]:
        given = self.section.weights
        weight = self._weight().double() if given is None else exactly(given)[:, None]
        return {"weight": weight, "bias": exactly([self.section.intercept])}
