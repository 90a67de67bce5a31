"""Metrics of decisions between classes, and of their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import Array
from fallline.nn import losses
from fallline.train.metrics._metric import double, mass, share, total
from fallline.train.metrics._reading import OfClasses, Read


@dataclass(frozen=True)
class Accuracy(OfClasses):
    """Share of samples whose largest output, or sign for one output, is the class of the target.

    Of several labels it is the share of right decisions, or with ``exact=True`` of samples whose labels are all right.
    """

    exact: bool = False

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        right = _ops.equal(read.right, 1.0) if self.exact and read.per_label else read.right
        return total(right, read.weight), mass(read.weight, right.shape[0])


@dataclass(frozen=True)
class TopK(OfClasses):
    """Share of samples whose class is among the k with the largest outputs. Of equal outputs the last counts first."""

    k: int = 5

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        if read.per_label:
            raise _core.ShapeError(f"[{self.key}] needs outputs of several classes, got shape {output.shape}")
        numbers = np.arange(read.scores.shape[1])
        labels = _ops.reshape(_core.astype(read.labels, np.int64), (-1, 1))
        own = _ops.sum(_ops.where(_ops.equal(labels, numbers), read.scores, 0.0), axis=1, keepdims=True)
        before = _ops.logical_or(
            _ops.greater(read.scores, own),
            _ops.logical_and(_ops.equal(read.scores, own), _ops.greater(numbers, labels)),
        )
        rank = _ops.sum(double(before), axis=1)
        return total(rank < self.k, read.weight), mass(read.weight, rank.shape[0])


@dataclass(frozen=True)
class Counts(OfClasses):
    r"""A ratio of true positives tp to what is predicted, p, and what is true, t.

    Of class 1 where there are two, else the mean over the classes that occur; of several labels the mean over labels.
    Where there is nothing to divide by it is 0.

    Parameters
    ----------
    average
        Over classes: "macro", each alike; "weighted", by how often they are true; "micro", tp, p and t of all together;
        "none", an array of all.
        All but the first look at both of two classes.
    """

    average: str = "macro"

    def __post_init__(self) -> None:
        if self.average not in ("macro", "micro", "weighted", "none"):
            raise ValueError(
                f"[{self.key}] average must be 'macro', 'micro', 'weighted' or 'none', got {self.average!r}"
            )

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        predicted, true = read.columns(every=self.average != "macro")
        hits = _ops.logical_and(predicted, true)
        return total(hits, read.weight), total(predicted, read.weight), total(true, read.weight)

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        """Return the ratio of each class."""
        raise NotImplementedError

    def result(self, *sums: Array) -> Any:
        if self.average == "micro":
            return self.score(*(_ops.sum(a) for a in sums))
        scores = self.score(*sums)
        if self.average == "none":
            return scores
        _, p, t = sums
        counted = t if self.average == "weighted" else _ops.ones_like(t) if self.multilabel else double(p + t > 0)
        return share(_ops.sum(scores * counted), _ops.sum(counted))


@dataclass(frozen=True)
class Precision(Counts):
    """Share of what is predicted that is true, tp / p."""

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        return share(tp, p)


@dataclass(frozen=True)
class Recall(Counts):
    """Share of what is true that is predicted, tp / t."""

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        return share(tp, t)


@dataclass(frozen=True)
class FBeta(Counts):
    r""":math:`(1 + \beta^2)\,tp / (\beta^2 t + p)`: recall counts beta times as much as precision. Beta 1 is F1."""

    beta: float = 1.0

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        b = self.beta**2
        return share((1 + b) * tp, b * t + p)


@dataclass(frozen=True)
class IoU(Counts):
    """Intersection over union, tp / (p + t - tp), Jaccard's coefficient; (n, classes, ...) are pixels by class."""

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        return share(tp, p + t - tp)


@dataclass(frozen=True)
class Dice(Counts):
    """Twice the intersection over the sum, 2 tp / (p + t): F1 by another name."""

    def score(self, tp: Array, p: Array, t: Array) -> Array:
        return share(2 * tp, p + t)


@dataclass(frozen=True)
class BalancedAccuracy(OfClasses):
    """Mean of the recalls of all classes that occur among the targets."""

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        predicted, true = read.columns(every=True)
        return total(_ops.logical_and(predicted, true), read.weight), total(true, read.weight)

    def result(self, *sums: Array) -> Any:
        tp, t = sums
        return share(_ops.sum(share(tp, t)), _ops.sum(double(t > 0)))


@dataclass(frozen=True)
class ConfusionMatrix(OfClasses):
    """How often each class, a row, was taken for each, a column: an array (classes, classes)."""

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        if read.per_label and read.scores.shape[1] > 1:
            raise _core.ShapeError(f"[{self.key}] needs one class for each sample, got labels {target.shape}")
        predicted, true = (double(a) for a in read.columns(every=True))
        if read.weight is not None:
            true = true * _ops.reshape(double(read.weight), (-1, 1))
        return (_ops.matmul(_ops.permute_dims(true, (1, 0)), predicted),)

    def result(self, *sums: Array) -> Any:
        return sums[0]


@dataclass(frozen=True)
class LogLoss(OfClasses):
    r"""Mean of :math:`-\ln p` of what is true: the cross entropy of a softmax, or of a sigmoid for each label."""

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        if read.per_label:
            each = _ops.mean(losses.binary_cross_entropy(read.scores, read.truth > 0.5, reduction="none"), 1)
        elif self.ignore_index is not None and read.truth.ndim == 1:
            each = losses.cross_entropy(read.scores, read.truth, ignore_index=self.ignore_index, reduction="none")
        else:
            each = losses.cross_entropy(read.scores, read.truth, reduction="none")
        return total(each, read.weight), mass(read.weight, each.shape[0])


@dataclass(frozen=True)
class Perplexity(LogLoss):
    """The exponential of the log loss: among how many words, all alike, the model seems to choose."""

    def result(self, *sums: Array) -> Any:
        return _ops.exp(super().result(*sums))


@dataclass(frozen=True)
class Brier(OfClasses):
    r"""Mean of :math:`\sum_c (p_c - t_c)^2`; of one probability, or of two classes, :math:`(p - t)^2`.

    Brier 1950, "Verification of forecasts expressed in terms of probability".
    """

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        if read.per_label:
            each = _ops.mean(_ops.square(_ops.sigmoid(read.scores) - double(read.truth > 0.5)), 1)
        else:
            p = _ops.softmax(read.scores, 1)
            each = _ops.sum(_ops.square(p - _shares(read)), 1) * (0.5 if p.shape[1] == 2 else 1.0)
        return total(each, read.weight), mass(read.weight, each.shape[0])


@dataclass(frozen=True)
class CalibrationError(OfClasses):
    r"""How far confidence is from accuracy, :math:`\sum_b \frac{n_b}{n} |acc_b - conf_b|` over bins of confidence.

    The confidence is the largest probability; the bins have one width. Guo et al. 2017, "On calibration of modern
    neural networks".
    """

    bins: int = 15

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        read = self.read(output, target, weight)
        if read.per_label:
            p = _ops.sigmoid(double(read.scores))
            confidence, right = _ops.maximum(p, 1 - p), _ops.equal(read.scores > 0, read.truth > 0.5)
        else:
            confidence = _ops.max(_ops.softmax(double(read.scores), 1), 1, keepdims=True)
            right = _ops.reshape(read.right, (-1, 1))
        place = _ops.clip(_ops.ceil(confidence * self.bins) - 1, 0, self.bins - 1)  # (a, b] belong together
        within = double(_ops.equal(_ops.expand_dims(place, 2), np.arange(float(self.bins))))
        parts = (within, within * _ops.expand_dims(confidence, 2), within * _ops.expand_dims(double(right), 2))
        return tuple(_ops.sum(total(part, read.weight), 0) for part in parts)

    def result(self, *sums: Array) -> Any:
        count, confidence, right = sums
        return share(_ops.sum(_ops.abs(right - confidence)), _ops.sum(count))


def _shares(read: Read) -> Array:
    """Return the true shares of classes: (m, classes)."""
    if read.truth.ndim == 2:
        return double(read.truth)
    labels = _ops.reshape(_core.astype(read.truth, np.int64), (-1, 1))
    return double(_ops.equal(labels, np.arange(read.scores.shape[1])))


accuracy = Accuracy("accuracy")
top_k = TopK("top_k")
balanced_accuracy = BalancedAccuracy("balanced_accuracy")
precision = Precision("precision")
recall = Recall("recall")
f1 = FBeta("f1")
fbeta = FBeta("fbeta", beta=2.0)
iou = IoU("iou")
dice = Dice("dice")
confusion_matrix = ConfusionMatrix("confusion_matrix")
log_loss = LogLoss("log_loss")
perplexity = Perplexity("perplexity")
brier = Brier("brier")
calibration_error = CalibrationError("calibration_error")
