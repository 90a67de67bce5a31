"""predict and evaluate: what a model gives for samples, in evaluation mode, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import takes
from fallline._array import Array
from fallline.nn import Module, losses
from fallline.train import _kinds, _metrics
from fallline.train._batches import batch_of
from fallline.train._data import as_rows, check_rows
from fallline.train._predictor import Predictor
from fallline.train._steps import Task, check_targets, evaluation_plan, output_layout, prediction_plan

__all__ = ["evaluate", "measured", "predict"]


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
    metrics: Sequence[str | Callable[..., Any]] = (),
    batch_size: int | str = 1024,
) -> dict[str, float]:
    """Return the loss and the metrics over all samples, in evaluation mode.

    Parameters are as for `fit`. The values are means over samples.
    """
    xs, ys = as_rows("x", x, "evaluate"), as_rows("y", y, "evaluate")
    check_rows({"x": xs, "y": ys}, "evaluate")
    task = Task(model, losses.get(loss), _metrics.get(metrics))
    check_targets(task, xs, ys)
    return measured(task, xs, ys, batch_size)


def measured(task: Task, x: Array, y: Array, batch_size: int | str = 1024) -> dict[str, float]:
    """Return the loss and the metrics over all samples; every part of the model is then in its own mode again."""
    with task.model.in_mode(training=False):
        return _measured(task, x, y, batch_of(batch_size, x.shape[0]))


def _measured(task: Task, x: Array, y: Array, batch: int) -> dict[str, float]:
    n = x.shape[0]
    names = ["loss", *task.metrics]
    total = np.zeros(len(names))
    plan = None
    for start, size in _batches(n, batch):
        if plan is None or size != batch:
            plan = evaluation_plan(task, size, x, y)
        plan.run(start, 0, 0)
        total += size * np.array([plan.output(i).item() for i in range(len(names))])
    return dict(zip(names, (total / n).tolist(), strict=True))


def _batches(n: int, batch: int) -> list[tuple[int, int]]:
    return [(start, min(batch, n - start)) for start in range(0, n, batch)]
