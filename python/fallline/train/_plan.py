"""The plan that fit runs for every batch, for a look at where its time goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fallline._arguments import takes
from fallline.nn import Module, losses
from fallline.train import _kinds
from fallline.train._batches import batch_of
from fallline.train._data import as_rows, check_rows
from fallline.train._fit import check_parameters
from fallline.train._steps import Task, model_dtype, training_plan
from fallline.train._targets import check_targets
from fallline.train.metrics import _meter
from fallline.transforms import Plan

__all__ = ["plan"]


@takes(**_kinds.PLAN)
def plan(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Callable[..., Any],
    batch_size: int | str = 32,
    metrics: Sequence[str | Callable[..., Any]] = (),
) -> Plan:
    """Return the plan of one training step: outputs, loss, metrics and the gradient of every parameter.

    ``print(plan)`` runs it on the first batch and shows its steps with their times, ``plan.profile()`` returns them.
    Nothing is updated. `fit` runs such a plan for every batch, and then the optimizer's rule.

    Parameters
    ----------
    model, x, y, loss, metrics
        As for `fit`.
    batch_size
        Samples in the batch, or "full"; at most all of them.

    Returns
    -------
    Plan
        With the number of steps and the bytes of the arena that all temporaries share.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> model = fl.nn.Sequential(fl.nn.Linear(4, 8), fl.nn.Tanh(), fl.nn.Linear(8, 1))
    >>> plan = fl.train.plan(model, np.ones((64, 4)), np.ones((64, 1)), loss="mse")
    >>> text, seconds = plan.profile()[0]  # the dearest step
    >>> plan.steps == len(plan.profile())
    True
    """
    xs, ys = as_rows("x", x), as_rows("y", y)
    batch = batch_of(batch_size, check_rows({"x": xs, "y": ys}))
    function = losses.get(loss)
    task = Task(model, function, _meter.Meter(_meter.get(metrics, function, "plan")))
    check_parameters(model)
    check_targets(task, xs, ys)
    with model.in_mode(training=True):
        step = training_plan(task, batch, xs, ys)
    dtype = model_dtype(model)
    first = [np.asarray(rows[:batch]) for rows in (xs, ys)]
    cast = [rows.astype(dtype) if rows is first[0] or rows.dtype.kind == "f" else rows for rows in first]
    return Plan(step.plan, [np.zeros(2, np.uint64), *cast])
