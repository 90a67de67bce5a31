"""Metrics: functions of outputs and targets that `fit` averages over steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._hints import did_you_mean
from fallline.nn import losses

Metric = Callable[[Any, Any], Array]


def accuracy(output: Any, target: Any) -> Array:
    """Share of samples whose largest output (or sign, for one output) is the class of the target."""
    output, target = asarray(output), asarray(target)
    if output.ndim == 1 or output.shape[-1] == 1:
        right = _ops.equal(_ops.ravel(output) > 0, _ops.ravel(target) > 0.5)
    else:
        labels = _ops.argmax(target, -1) if target.ndim == output.ndim and target.shape == output.shape else target
        right = _ops.equal(_ops.argmax(output, -1), labels.reshape(output.shape[:-1]))
    return _ops.mean(_core.astype(right, _core.default_dtype()))


_BY_NAME: dict[str, Metric] = {"accuracy": accuracy, "mse": losses.mse, "mae": losses.mae}


def get(metrics: Any) -> dict[str, Metric]:
    """Return metrics by name; each is given by name or as a function."""
    found: dict[str, Metric] = {}
    for metric in metrics:
        if callable(metric):
            found[getattr(metric, "__name__", "metric")] = metric
        elif metric in _BY_NAME:
            found[metric] = _BY_NAME[metric]
        else:
            hint = did_you_mean(metric, _BY_NAME, otherwise=f"; there are {', '.join(_BY_NAME)}, or pass a function")
            raise ValueError(f"[fit] no metric is named {metric!r}{hint}")
    return found
