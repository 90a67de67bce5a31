"""What is a network to reach?  For each kind of target: loss, cost of a member, activation and learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline import _ops
from fallline._array import Array
from fallline.data.target import Classification, Count, Quantiles, Target
from fallline.nn import losses

LABEL_SMOOTHING = 0.1
Costs = NDArray[np.float64]


@dataclass(frozen=True)
class Aim:
    """`loss` takes outputs (n, members, out) and targets (n, members), `cost` gives one number per member."""

    name: str  # of the loss, for the file
    loss: Callable[[Array, Array], Array]
    cost: Callable[[NDArray[Any], NDArray[Any]], Costs]
    activation: str
    rate: float
    classes: int = 0

    @property
    def watched(self) -> str:
        """What the cost is called in the history: for numbers it is the loss."""
        return "val_error" if self.classes else "val_loss"


def aim_of(target: Target) -> Aim:
    """Return what a network for this target is to reach."""
    if isinstance(target, Classification):
        return Aim("cross_entropy", _cross_entropy(len(target.classes)), _errors, "selu", 0.015, len(target.classes))
    if isinstance(target, Count):
        return Aim("poisson_nll", _poisson(target.high), _poisson_cost, "mish", 0.04)
    if isinstance(target, Quantiles):
        return Aim("quantile", _pinball(target.levels), _pinball_cost(target.levels), "mish", 0.1)
    return Aim("mse", lambda output, target: _ops.mean(_ops.square(output[..., 0] - target)), _squares, "mish", 0.08)


def _cross_entropy(classes: int) -> Callable[[Array, Array], Array]:
    def loss(output: Array, target: Array) -> Array:
        flat = _ops.reshape(output, (-1, classes))
        true = losses.cross_entropy(flat, _ops.reshape(target, (-1,)))
        even = _ops.mean(_ops.logsumexp(flat, axis=-1)) - _ops.mean(flat)
        found: Array = (1 - LABEL_SMOOTHING) * true + LABEL_SMOOTHING * even
        return found

    return loss


def _errors(output: NDArray[Any], target: NDArray[Any]) -> Costs:
    """Return the share of errors. In few rows they are few: a hundredth of the loss tells equals apart."""
    top = output.max(axis=2, keepdims=True)
    log_p = output - top - np.log(np.exp(output - top).sum(axis=2, keepdims=True))
    doubt = -np.take_along_axis(log_p, target[..., None], axis=2)[..., 0]
    found: Costs = (output.argmax(axis=2) != target).mean(axis=0) + 0.01 * np.minimum(doubt, 10).mean(axis=0)
    return found


def _squares(output: NDArray[Any], target: NDArray[Any]) -> Costs:
    found: Costs = np.square(output[..., 0] - target).mean(axis=0)
    return found


def _poisson(high: float) -> Callable[[Array, Array], Array]:
    """Return the loss; far beyond the largest count its exponential goes on as a line, which cannot diverge."""
    bend = math.log(max(high, 1.0)) + 3.0

    def loss(output: Array, target: Array) -> Array:
        z = output[..., 0]
        below = _ops.minimum(z, bend)
        found: Array = _ops.mean(_ops.exp(below) + math.exp(bend) * (z - below) - target * z)
        return found

    return loss


def _poisson_cost(output: NDArray[Any], target: NDArray[Any]) -> Costs:
    found: Costs = (np.exp(np.minimum(output[..., 0], 50)) - target * output[..., 0]).mean(axis=0)
    return found


def _pinball(levels: Sequence[float]) -> Callable[[Array, Array], Array]:
    q = np.asarray(levels, np.float32)

    def loss(output: Array, target: Array) -> Array:
        d = target[..., None] - output
        found: Array = _ops.mean(_ops.maximum(q * d, (q - 1) * d))
        return found

    return loss


def _pinball_cost(levels: Sequence[float]) -> Callable[[NDArray[Any], NDArray[Any]], Costs]:
    q = np.asarray(levels)

    def cost(output: NDArray[Any], target: NDArray[Any]) -> Costs:
        d = target[..., None] - output
        found: Costs = np.maximum(q * d, (q - 1) * d).mean(axis=(0, 2))
        return found

    return cost
