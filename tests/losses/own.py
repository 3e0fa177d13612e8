"""Losses of a user's own, and what cannot be one."""

from typing import Any

import torch
from torch import Tensor, nn

from src.losses.loss import Loss


def absolute(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).abs().mean()


def each_row(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).abs().mean(1)


def number(predictions: Tensor, targets: Tensor) -> float:
    return float((predictions - targets).detach().abs().mean())


def whole(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).abs().mean().long()


def detached(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.detach() - targets).abs().mean()


def elsewhere(predictions: Tensor, targets: Tensor) -> Tensor:
    return (targets.sum() + torch.zeros((), requires_grad=True)).abs()


def changing(predictions: Tensor, targets: Tensor) -> Tensor:
    return targets.sub_(predictions).abs().mean()


def raising(predictions: Tensor, targets: Tensor) -> Tensor:
    raise ArithmeticError("no such loss")


class Weighted(nn.Module):
    """Has a parameter, which nothing trains."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.weight * (predictions - targets)).abs().mean()


class Scalar(Loss):
    """One number, not one a member."""

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        return (predictions - targets).abs().mean()


class Members(Loss):
    """Written per member, with a derivative of its own."""

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        return (predictions - targets).abs().mean((1, 2))

    def derivative(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Any:
        return self.value(predictions, targets), (predictions - targets).sign() / targets[0].numel()
