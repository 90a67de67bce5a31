"""predict and evaluate: what a model gives for samples, in evaluation mode, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import takes
from fallline._array import Array
from fallline.nn import Identity, Module, losses
from fallline.train import _kinds
from fallline.train._batches import batch_of
from fallline.train._data import as_rows, check_rows, is_sparse
from fallline.train._predictor import Predictor
from fallline.train._steps import Task, evaluation_plan, output_layout, prediction_plan
from fallline.train._targets import check_targets
from fallline.train._weights import loss_weights, sample_weights
from fallline.train.metrics import _meter
from fallline.train.metrics._meter import Meter
from fallline.train.metrics._metric import Metric

__all__ = ["Evaluation", "evaluate", "predict"]

ROOM = 1 << 26  # bytes that a part of a sparse matrix may take


@takes(**_kinds.PREDICT)
def predict(model: Module | Predictor, x: Any, batch_size: int | str = 1024) -> Array:
    """Return the model's raw outputs for all samples, in evaluation mode.

    Parameters
    ----------
    model
        As for `fit`; or a :class:`fallline.train.Predictor`, which takes raw data.
    x
        Samples along the first axis; cast batch by batch to the model's dtype.
    batch_size
        Samples computed together; the result does not depend on it.

    Returns
    -------
    Array
        One row of outputs for each sample.
    """
    if isinstance(model, Predictor):
        return model.outputs(x)
    if is_sparse(x):
        return _core.concatenate([predict(model, part, batch_size) for part in _dense(x.tocsr(), batch_size)], 0)
    rows = as_rows("x", x, "predict")
    n = rows.shape[0]
    with model.in_mode(training=False):
        if n == 0:
            shape, dtype = output_layout(model, rows)
            return _core.empty((0, *shape[1:]), dtype)
        batch = batch_of(batch_size, n)
        parts: list[Array] = []
        for start, size in _batches(n, batch):
            if not parts or size != batch:
                plan = prediction_plan(model, size, rows)
            plan.run(start, 0, 0)
            parts.append(plan.output(0))
        return parts[0] if len(parts) == 1 else _core.concatenate(parts, 0)


@takes(**_kinds.EVALUATE)
def evaluate(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Callable[..., Any],
    metrics: Sequence[str | Metric | Callable[..., Any]] = (),
    sample_weight: Any = None,
    batch_size: int | str = 1024,
) -> dict[str, Any]:
    """Return the loss and the metrics over all samples, in evaluation mode.

    Parameters
    ----------
    model, x, y, loss
        As for `fit`.
    metrics
        Names of :mod:`fallline.train.metrics`, metrics with options, or functions of (outputs, targets).
    sample_weight
        (n,): what each sample counts, in the loss and the metrics.
    batch_size
        Samples computed together; the result does not depend on it, but for plain functions, which are averaged.

    Returns
    -------
    dict
        ``loss``, and each metric by its name.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x, y = np.array([[-1.0], [2.0], [3.0]]), np.array([0, 0, 1])
    >>> found = fl.evaluate(fl.nn.Identity(), x, y, loss="binary_cross_entropy", metrics=["accuracy", "recall", "auc"])
    >>> found["recall"], found["auc"]
    (1.0, 1.0)
    """
    if is_sparse(x):  # nothing but outputs enters losses and metrics
        model, x = Identity(), predict(model, x, batch_size)
    xs, ys = as_rows("x", x, "evaluate"), as_rows("y", y, "evaluate")
    weight = sample_weights(sample_weight, "evaluate")
    check_rows({"x": xs, "y": ys, "sample_weight": weight}, "evaluate")
    function = losses.get(loss)
    task = Task(model, function, Meter(_meter.get(metrics, function, "evaluate")))
    check_targets(task, xs, ys)
    return Evaluation(task, xs, ys, loss_weights(ys, weight, None), batch_size).run()


class Evaluation:
    """The loss and the metrics of a model over some samples, as often as they are asked for."""

    def __init__(
        self, task: Task, x: Array, y: Array, weights: tuple[Array, ...] = (), batch_size: int | str = 1024
    ) -> None:
        self.task, self.data = task, (x, y, weights)
        self.samples = x.shape[0]
        self.batch = batch_of(batch_size, self.samples)
        self._read: list[Array] = []  # the arrays that the plans read
        self._plans: dict[int, _core.BatchPlan] = {}

    def run(self) -> dict[str, Any]:
        """Return them as they are now; every part of the model is then in its own mode again."""
        meter, (_, y, weights) = self.task.meter, self.data
        total, count, outputs = 0.0, 0.0, list[Array]()
        with self.task.model.in_mode(training=False):
            self._forget_old()
            for start, size in _batches(self.samples, self.batch):
                plan = self._plan(size)
                if start == 0:
                    meter.start()
                plan.run(start, 0, 0)
                counts = float(np.asarray(weights[0][start : start + size]).sum()) if weights else size
                if counts:  # a batch that counts nothing has no mean
                    total, count = total + counts * plan.values()[0], count + counts
                    plan.write_buffers()
                if meter.everything:
                    outputs.append(plan.output(1))
        of_metrics = weights[1] if len(weights) > 1 else None
        everything = (_core.concatenate(outputs, 0), y, of_metrics) if outputs else ()
        return {"loss": total / count if count else float("nan"), **meter.finish(*everything)}

    def _plan(self, size: int) -> _core.BatchPlan:
        if size not in self._plans:
            self._plans[size] = evaluation_plan(self.task, size, *self.data)
        return self._plans[size]

    def _forget_old(self) -> None:
        """Forget plans that read arrays which the model no longer holds, such as averages that were made anew."""
        now = list(self.task.model.state_dict().values())
        if len(now) != len(self._read) or any(a is not b for a, b in zip(now, self._read, strict=True)):
            self._plans.clear()
        self._read = now


def _dense(x: Any, batch_size: int | str) -> Iterator[np.ndarray]:
    """Yield the rows of a sparse matrix as arrays of some batches."""
    rows = batch_of(batch_size, max(1, x.shape[0]))
    rows *= max(1, ROOM // max(1, rows * x.shape[1] * 8))
    return (x[start : start + rows].toarray() for start in range(0, max(1, x.shape[0]), rows))


def _batches(n: int, batch: int) -> list[tuple[int, int]]:
    return [(start, min(batch, n - start)) for start in range(0, n, batch)]
