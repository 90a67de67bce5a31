"""How are outputs and targets read as classes?  Scores and labels, or one decision for each label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn import losses
from fallline.train.metrics._metric import Sums, double, repeated

C = TypeVar("C", bound="OfClasses")

# Losses for which every output is a decision of its own, and those whose outputs are probabilities already.
PER_LABEL = (
    losses.binary_cross_entropy,
    losses.binary_cross_entropy_of_probabilities,
    losses.focal,
    losses.soft_margin,
    losses.hinge,
    losses.squared_hinge,
    losses.multilabel_soft_margin,
)
OF_PROBABILITIES = (losses.binary_cross_entropy_of_probabilities,)


class Read(NamedTuple):
    """A batch, one row for each decision between classes, or one for each sample with a column for each label."""

    scores: Array  # (m, classes) or (m, labels): logits
    truth: Array  # (m,) labels, (m, classes) shares of classes, or (m, labels) of 0 and 1
    weight: Array | None  # (m,)
    per_label: bool

    @property
    def labels(self) -> Array:
        """The class of each row."""
        return self.truth if self.truth.ndim == 1 else _ops.argmax(self.truth, 1)

    @property
    def right(self) -> Array:
        """Of each row, whether the decision is right; of several labels, the share of them."""
        if not self.per_label:
            return _ops.equal(_ops.argmax(self.scores, 1), self.labels)
        return _ops.mean(double(_ops.equal(self.scores > 0, self.truth > 0.5)), 1)

    def columns(self, *, every: bool = False) -> tuple[Array, Array]:
        """Return what is predicted and what is true as bits, one column for each class or label.

        Of two classes it is class 1 alone, without `every`.
        """
        if self.per_label:
            found = self.scores > 0, self.truth > 0.5
            if not (every and self.scores.shape[1] == 1):
                return found
            return tuple(_ops.concat([_ops.logical_not(a), a], axis=1) for a in found)  # type: ignore[return-value]
        classes = self.scores.shape[1]
        numbers = np.arange(1 if classes == 2 and not every else 0, classes)
        both = (_ops.argmax(self.scores, 1), _core.astype(self.labels, np.int64))
        return tuple(_ops.equal(_ops.reshape(a, (-1, 1)), numbers) for a in both)  # type: ignore[return-value]


@dataclass(frozen=True)
class OfClasses(Sums):
    """A metric of outputs that choose among classes, or decide for each label.

    Outputs are logits: (n, classes) or (n, classes, ...) with labels, or (n,) or (n, 1) with 0 and 1 (or -1 and 1).

    Parameters
    ----------
    multilabel
        Whether each column of outputs and targets (n, labels) is a decision of its own. `fit` and `evaluate` see it
        from the loss.
    of_probabilities
        Whether outputs are probabilities of the labels, not logits; seen from the loss too.
    ignore_index
        A label whose samples do not count, such as that of padding.
    """

    multilabel: bool | None = None
    of_probabilities: bool | None = None
    ignore_index: int | None = None

    def suited(self: C, loss: Callable[..., Any]) -> C:
        """Return the metric that reads outputs as this loss does."""
        while isinstance(loss, partial):
            loss = loss.func
        return replace(
            self,
            multilabel=loss in PER_LABEL if self.multilabel is None else self.multilabel,
            of_probabilities=loss in OF_PROBABILITIES if self.of_probabilities is None else self.of_probabilities,
        )

    def read(self, output: Any, target: Any, weight: Any) -> Read:
        """Return a batch as decisions."""
        output, target = asarray(output), asarray(target)
        n, inner = output.shape[0], output.shape[1:]
        if self.of_probabilities:
            output = _ops.log(output) - _ops.log1p(-output)
        same = target.shape == output.shape
        per_label = output.ndim == 1 or output.shape[1] == 1 or (same and bool(self.multilabel))
        if per_label:
            if target.size != output.size:
                raise _mismatch(self.key, output, target)
            labels = inner[0] if inner else 1
            scores, truth = (_by_class(a, n, labels) for a in (output, _ops.reshape(target, output.shape)))
        else:
            scores, truth = _of_classes(self.key, output, target)
        counts = repeated(weight, scores.shape[0] // max(n, 1))
        if self.ignore_index is not None and truth.ndim == 1:
            kept = double(_ops.not_equal(truth, self.ignore_index))
            counts = kept if counts is None else kept * counts
        return Read(scores, truth, counts, per_label)


def _of_classes(metric: str, output: Array, target: Array) -> tuple[Array, Array]:
    """Return scores (m, classes) and labels (m,), or shares (m, classes). The classes are on axis 1, or the last."""
    n, classes = output.shape[0], output.shape[1]
    if target.shape == output.shape:
        return _by_class(output, n, classes), _by_class(target, n, classes)
    if target.shape == (*output.shape[:1], *output.shape[2:]) or target.shape == (n, 1, *output.shape[2:]):
        return _by_class(output, n, classes), _ops.reshape(target, (-1,))
    if target.shape in (output.shape[:-1], (*output.shape[:-1], 1)):
        return _ops.reshape(output, (-1, output.shape[-1])), _ops.reshape(target, (-1,))
    raise _mismatch(metric, output, target)


def _by_class(a: Array, n: int, classes: int) -> Array:
    """Return an array (n, classes, ...) with one row for each place, (n ..., classes)."""
    if a.ndim <= 2:
        return _ops.reshape(a, (n, classes))
    return _ops.reshape(_ops.permute_dims(a, [0, *range(2, a.ndim), 1]), (-1, classes))


def _mismatch(metric: str, output: Array, target: Array) -> Exception:
    return _core.ShapeError(
        f"[{metric}] targets {target.shape} do not fit outputs {output.shape}; expected labels (n,) for outputs "
        "(n, classes), or targets of the outputs' shape"
    )
