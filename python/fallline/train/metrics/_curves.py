"""How well do outputs rank samples?  Areas under curves, which need all outputs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline._array import Array
from fallline.train.metrics._metric import double
from fallline.train.metrics._reading import OfClasses

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OfRanks(OfClasses):
    """An area under a curve of thresholds: of class 1 where there are two, else the mean over classes, or labels.

    It needs all outputs at once: `evaluate` and validation give it, training epochs do not. A class that is always or
    never true has no curve and is left out.
    """

    everything = True

    def of_all(self, output: Array, target: Array, weight: Array | None) -> Any:
        """Return the area for all samples."""
        read = self.read(output, target, weight)
        truth, scores = np.asarray(read.columns()[1]), np.asarray(double(read.scores))
        if not read.per_label:  # one class against the others: by its probability
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores = (scores / scores.sum(axis=1, keepdims=True))[:, -truth.shape[1] :]
        each = np.ones(len(truth)) if read.weight is None else np.asarray(double(read.weight))
        areas = [self.area(*_steps(scores[:, i], truth[:, i], each)) for i in range(truth.shape[1])]
        found = [area for area in areas if not np.isnan(area)]
        return float(np.mean(found)) if found else float("nan")

    def area(self, tp: Floats, fp: Floats) -> float:
        """Return the area, from how many are found and how many are wrong above each threshold."""
        raise NotImplementedError


def _steps(scores: Floats, truth: NDArray[np.bool_], weight: Floats) -> tuple[Floats, Floats]:
    """Return true and false positives from the highest threshold to the lowest; equal scores are one."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return tuple(np.cumsum((weight * hit)[order])[last] for hit in (truth, ~truth))


@dataclass(frozen=True)
class AUC(OfRanks):
    """Area under the receiver operating characteristic: how often a true sample outranks a false one."""

    def area(self, tp: Floats, fp: Floats) -> float:
        if tp[-1] == 0 or fp[-1] == 0:
            return float("nan")
        return float(np.trapezoid(np.append(0, tp), np.append(0, fp)) / (tp[-1] * fp[-1]))


@dataclass(frozen=True)
class AveragePrecision(OfRanks):
    r"""The precision at every threshold, each by what it adds to the recall, :math:`\sum_i (r_i - r_{i-1}) p_i`."""

    def area(self, tp: Floats, fp: Floats) -> float:
        if tp[-1] == 0:
            return float("nan")
        found = tp + fp
        precision = np.divide(tp, found, out=np.zeros_like(tp), where=found > 0)
        return float(np.sum(np.diff(np.append(0, tp)) * precision) / tp[-1])


auc = AUC("auc")
average_precision = AveragePrecision("average_precision")
