"""Fits of others, and the data that they are of: what statsmodels 0.15 prints, by Newton's method to its last digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_wine

from src.losses.cross_entropy import CrossEntropy
from src.losses.huber import Huber
from src.losses.logistic import Logistic
from src.losses.loss import Loss
from src.losses.poisson import Poisson

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A fit.

    Attributes:
        inputs: `[N, I]`.
        targets: `[N, O]`.
        loss: a sum over rows.
        parameters: bias first, `[d, O]`; of classes less those of the first.
        value: of the loss, where it is printed.
    """

    inputs: Numbers
    targets: Numbers
    loss: Loss
    parameters: Numbers
    value: float | None


def spector() -> Fit:
    """Grades after a course (Spector and Mazzeo 1980; Greene, Econometric Analysis, table F14.1), by `Logit`."""
    points = [2.66, 2.89, 3.28, 2.92, 4, 2.86, 2.76, 2.87, 3.03, 3.92, 2.63, 3.32, 3.57, 3.26, 3.53, 2.74, 2.75, 2.83]
    points += [3.12, 3.16, 2.06, 3.62, 2.89, 3.51, 3.54, 2.83, 3.39, 2.67, 3.65, 4, 3.1, 2.39]
    test = [20, 22, 24, 12, 21, 17, 17, 21, 25, 29, 20, 23, 23, 25, 26, 19, 25, 19, 23, 25, 22, 28, 14, 26, 24, 27, 17]
    test += [24, 21, 23, 21, 19]
    better = np.zeros(32)
    better[[4, 9, 13, 19, 21, 24, 25, 26, 28, 29, 31]] = 1
    known = [-13.021346858115692, 2.8261125948893215, 0.09515766131790929, 2.3786876550933544]
    inputs = np.c_[points, test, np.arange(32) >= 18].astype(float)
    return Fit(inputs, better[:, None], Logistic("sum"), np.array(known)[:, None], 12.889634222131415)


def dobson() -> Fit:
    """Counts of a trial (Dobson 1990, page 93; R's example of `glm`), by `GLM` with `families.Poisson`."""
    counts = np.array([18, 17, 15, 20, 10, 20, 25, 13, 12.0])
    outcome, treatment = np.tile([0, 1, 2], 3), np.repeat([0, 1, 2], 3)
    inputs = np.c_[outcome == 1, outcome == 2, treatment == 1, treatment == 2].astype(float)
    known = [3.0445224377234203, -0.4542552722775968, -0.292987124681474, 0, 0]
    return Fit(inputs, counts[:, None], Poisson("sum"), np.array(known)[:, None], 5.1291410770011465 / 2)


def stackloss() -> Fit:
    """Losses of a plant (Brownlee 1965, page 454), by `RLM` with `HuberT(1.345)`, whose scale is given."""
    air = [80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70]
    water = [27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20]
    acid = [89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80, 82, 91]
    lost = np.array([42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15.0])
    known = [-41.13749477404577, 0.8171067217614078, 0.982086661080552, -0.1313271932848543]
    delta = 1.345 * 2.842867948032296
    inputs = np.c_[air, water, acid].astype(float)
    return Fit(inputs, lost[:, None], Huber(delta, "sum"), np.array(known)[:, None], None)


def wine() -> Fit:
    """Cultivars by malic acid and ash (Forina et al. 1991), by `MNLogit`."""
    inputs, classes = load_wine(return_X_y=True)
    known = [[7.583620824013147, -2.7678421469957617], [0.03939430655822267, 1.2158316904023556]]
    known += [[-3.1786451826604365, -0.23291455327709273]]
    return Fit(inputs[:, 1:3], np.eye(3)[classes], CrossEntropy("sum"), np.c_[np.zeros(3), known], 155.92310421375007)
