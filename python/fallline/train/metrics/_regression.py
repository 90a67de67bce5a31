"""Metrics of numbers and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline import _ops
from fallline._array import Array
from fallline.nn import losses
from fallline.nn.losses._common import matched
from fallline.train.metrics._metric import State, Sums, double, mass, repeated, share, total


@dataclass(frozen=True)
class OfNumbers(Sums):
    """A metric of outputs (n,) or (n, outputs), the mean over outputs; further axes count as further samples."""

    def read(self, output: Any, target: Any) -> tuple[Array, Array, int]:
        """Return outputs and targets (m, outputs) in float64, and how many rows there are for each sample."""
        output, target = matched(self.key, output, target)
        n = output.shape[0]
        both = []
        for a in (double(output), double(target)):
            turned = a if a.ndim < 3 else _ops.permute_dims(a, [0, *range(2, a.ndim), 1])
            both.append(_ops.reshape(turned, (-1, output.shape[1] if output.ndim > 1 else 1)))
        return both[0], both[1], both[0].shape[0] // max(n, 1)


@dataclass(frozen=True)
class OfErrors(OfNumbers):
    """The mean of a function of output and target."""

    def errors(self, output: Array, target: Array) -> Array:
        """Return it for every element."""
        raise NotImplementedError

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        p, y, times = self.read(output, target)
        weight = repeated(weight, times)
        return total(self.errors(p, y), weight), mass(weight, p.shape[0])

    def result(self, *sums: Array) -> Any:
        return _ops.mean(super().result(*sums))


@dataclass(frozen=True)
class MSE(OfErrors):
    """Mean squared error."""

    def errors(self, output: Array, target: Array) -> Array:
        return losses.mse(output, target, reduction="none")


@dataclass(frozen=True)
class RMSE(MSE):
    """Root of the mean squared error; of several outputs, the mean of theirs."""

    def result(self, *sums: Array) -> Any:
        return _ops.mean(_ops.sqrt(sums[0] / sums[1]))


@dataclass(frozen=True)
class MAE(OfErrors):
    """Mean absolute error."""

    def errors(self, output: Array, target: Array) -> Array:
        return losses.mae(output, target, reduction="none")


@dataclass(frozen=True)
class MAPE(OfErrors):
    """Mean of |y - p| / |y|, a share as scikit-learn's; the loss of this name is in per cent."""

    def errors(self, output: Array, target: Array) -> Array:
        return losses.mape(output, target, eps=float(np.finfo(np.float64).eps), reduction="none") / 100


@dataclass(frozen=True)
class Quantile(OfErrors):
    """Mean of q (y - p) above and (1 - q) (p - y) below: smallest where p is the quantile q. Half the MAE at 0.5."""

    q: float = 0.5

    def errors(self, output: Array, target: Array) -> Array:
        return losses.quantile(output, target, q=self.q, reduction="none")


@dataclass(frozen=True)
class OfMoments(OfNumbers):
    """A metric of means and squares about them, of outputs p and targets y, that are merged batch by batch.

    Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance". Sums of squares of the numbers
    themselves would lose all digits where a mean is large.
    """

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        p, y, times = self.read(output, target)
        weight = repeated(weight, times)
        n = mass(weight, p.shape[0])
        mp, my = share(total(p, weight), n), share(total(y, weight), n)
        dp, dy = p - mp, y - my
        return n, mp, my, *(total(a * b, weight) for a, b in ((dp, dp), (dy, dy), (dp, dy)))

    def add(self, state: State, output: Any, target: Any, weight: Any) -> State:
        n, mp, my, *squares = state
        k, bp, by, *more = self.of_batch(output, target, weight)
        both = n + k
        part = share(k, both)
        dp, dy = bp - mp, by - my
        across = (dp * dp, dy * dy, dp * dy)
        return (
            both,
            mp + part * dp,
            my + part * dy,
            *(a + b + n * part * c for a, b, c in zip(squares, more, across, strict=True)),
        )

    def moments(self, n: Array, mp: Array, my: Array, pp: Array, yy: Array, py: Array) -> Array:
        """Return the number of each output."""
        raise NotImplementedError

    def result(self, *sums: Array) -> Any:
        return _ops.mean(self.moments(*sums))


def _explained(rest: Array, all_of_it: Array) -> Array:
    """Return 1 - rest / all; of targets that do not vary 1 where nothing is left, else 0, as scikit-learn does."""
    constant = _ops.where(rest == 0, 1.0, 0.0)
    return _ops.where(all_of_it == 0, constant, 1 - share(rest, all_of_it))


@dataclass(frozen=True)
class R2(OfMoments):
    r""":math:`1 - \sum (y - p)^2 / \sum (y - \bar y)^2`, the mean over outputs. Of targets that do not vary 0, or 1."""

    def moments(self, n: Array, mp: Array, my: Array, pp: Array, yy: Array, py: Array) -> Array:
        return _explained(pp - 2 * py + yy + n * _ops.square(my - mp), yy)


@dataclass(frozen=True)
class ExplainedVariance(OfMoments):
    """1 - Var(y - p) / Var(y): R2 of outputs with their common error taken out."""

    def moments(self, n: Array, mp: Array, my: Array, pp: Array, yy: Array, py: Array) -> Array:
        return _explained(pp - 2 * py + yy, yy)


@dataclass(frozen=True)
class Pearson(OfMoments):
    """Correlation of outputs and targets; NaN where one does not vary."""

    def moments(self, n: Array, mp: Array, my: Array, pp: Array, yy: Array, py: Array) -> Array:
        norm = _ops.sqrt(pp) * _ops.sqrt(yy)
        return _ops.where(norm == 0, np.nan, share(py, norm))


mse = MSE("mse")
rmse = RMSE("rmse")
mae = MAE("mae")
mape = MAPE("mape")
quantile = Quantile("quantile")
r2 = R2("r2")
explained_variance = ExplainedVariance("explained_variance")
pearson = Pearson("pearson")
