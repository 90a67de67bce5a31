"""How do a model and a loss become native plans?  One trace for each batch size; the plan reads parameters in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.nn import Module
from fallline.train.metrics._meter import Meter
from fallline.transforms._trace import first_of, keyless, layout, trace

SINGLE_AXIS = (
    "x has a single axis, so it counts as samples of one number: one sample is x[None], one feature x[:, None]"
)


class Task(NamedTuple):
    """What is computed for a batch: the model's outputs, the loss, and what is measured."""

    model: Module
    loss: Callable[..., Any]
    meter: Meter


def model_dtype(model: Module) -> np.dtype[Any]:
    """Return the dtype that batches are cast to: that of the first float parameter."""
    for module in model.modules():  # most often the first has one: no list of all is made
        for name, value in vars(module).items():
            if isinstance(value, Array) and value.dtype.kind == "f" and name not in module.buffers:
                return np.dtype(value.dtype)
    for _, array in model.named_parameters():
        if array.dtype.kind == "f":
            return np.dtype(array.dtype)
    return np.dtype(_core.default_dtype())


def training_plan(
    task: Task, batch: int, x: Array, y: Array, weights: tuple[Array, ...] = (), *, stream: bool = False
) -> _core.BatchPlan:
    """Plan one training step: scalars (loss, metrics if each step's are asked for), the gradient of every parameter.

    Behind them come the new values of running statistics and of the sums of metrics.

    `weights` are what samples count in the loss, and in the metrics. With `stream`, gradients may go to the update rule
    tile by tile, without a memory of their own.
    """

    def step(bx: Array, by: Array, *weights: Array) -> Any:
        starts = {path: _core.start_record(p) for path, p in task.model.parameters().items()}
        output, loss = _loss(task, starts, bx, by, *weights)
        grads = _core.gradients([loss], [_core.ones(loss)], list(starts.values()))
        with _core.no_grad():
            scalars = [_core.detach(loss), *task.meter.add(_core.detach(output), by, *weights[1:])]
        return scalars, grads

    return _plan(step, task, batch, x, [y, *weights], training=True, stream=stream)


def curvature_plan(
    task: Task, x: Array, y: Array, weights: tuple[Array, ...], batch: int
) -> tuple[_core.BatchPlan, dict[str, Array]]:
    """Plan the product of the Hessian with vectors; return the arrays too that these are read from."""
    vectors = {path: _core.wrap(np.zeros(p.shape, p.dtype)) for path, p in task.model.parameters().items()}

    def step(bx: Array, by: Array, *weights: Array) -> Any:
        starts = {path: _core.start_record(p) for path, p in task.model.parameters().items()}
        again = {path: _core.start_record(p) for path, p in starts.items()}
        _, loss = _loss(task, again, bx, by, *weights)
        grads = _core.gradients([loss], [_core.ones(loss)], list(again.values()))
        along = [(g * v).sum() for g, v in zip(grads, vectors.values(), strict=True)]
        products = _core.gradients(along, [_core.ones(a) for a in along], list(starts.values()))
        return [_core.detach(loss)], products

    return _plan(step, task._replace(meter=Meter()), batch, x, [y, *weights], training=True), vectors


def _loss(task: Task, starts: Mapping[str, Array], bx: Array, by: Array, *weights: Array) -> tuple[Array, Array]:
    """Return the model's output and its loss, computed from other arrays in the place of the parameters."""
    with task.model.holding(starts):
        output = task.model(bx)
        check_count(output, by.shape[0], "fit")
        loss = task.loss(output, by, **({"sample_weight": weights[0]} if weights else {}))
    if not isinstance(loss, Array) or loss.size != 1:
        raise _core.ShapeError(f"[fit] the loss must be a scalar array, got {getattr(loss, 'shape', type(loss))}")
    if not loss._tracked:
        raise ValueError(
            "[fit] the loss depends on no parameter of the model, so nothing would be trained; compute it from the "
            "outputs with functions of fallline or NumPy, not from their values alone"
        )
    return output, loss


def evaluation_plan(task: Task, batch: int, x: Array, y: Array, weights: tuple[Array, ...]) -> _core.BatchPlan:
    """Plan a forward pass that gives the loss and adds to the metrics; and the outputs, where a metric needs them.

    `weights` are those of `training_plan`.
    """

    def step(bx: Array, by: Array, *weights: Array) -> list[Array]:
        with _core.no_grad():
            output = task.model(bx)
            check_count(output, batch, "evaluate")
            loss = task.loss(output, by, **({"sample_weight": weights[0]} if weights else {}))
            task.meter.add(output, by, *weights[1:])
            return [loss, output] if task.meter.everything else [loss]

    return _plan(step, task._replace(meter=Meter()), batch, x, [y, *weights])


def prediction_plan(model: Module, batch: int, x: Array) -> _core.BatchPlan:
    """Plan a forward pass that gives the outputs."""

    def step(bx: Array) -> list[Array]:
        with _core.no_grad():
            output = model(bx)
        check_count(output, batch, "predict")
        return [output]

    return _plan(step, Task(model, step, Meter()), batch, x, [])


def _plan(
    step: Callable[..., Any],
    task: Task,
    batch: int,
    x: Array,
    others: list[Array],
    *,
    training: bool = False,
    stream: bool = False,
) -> _core.BatchPlan:
    """Trace one step; in training it draws from a key and changes running statistics."""
    dtype = model_dtype(task.model)

    def attempt(x_dtype: np.dtype[Any]) -> _core.BatchPlan:
        rows = [(x, x_dtype), *((o, dtype if o.dtype.kind == "f" else o.dtype) for o in others)]
        batches = [layout((batch, *array.shape[1:]), wanted) for array, wanted in rows]
        traced = trace(step, batches, {}, into=_core.trace if training else keyless(_core.trace))
        scalars = 1 + len(task.meter.steps)
        targets = list(enumerate(task.model.parameters().values(), scalars)) if stream else []
        graph, outputs = traced.native
        plan = _core.Plan(graph, outputs, targets)
        sources = [(array, place) for place, (array, _) in enumerate(rows, int(training))]
        return _core.BatchPlan(plan, sources, 0 if training else -1, scalars, traced.buffers)

    try:
        return first_of(_dtypes(task.model, x), attempt)
    except _core.ShapeError as error:
        if x.ndim == 1:
            error.args = (f"{error}; {SINGLE_AXIS}",)
        raise


def _dtypes(model: Module, x: Array) -> list[np.dtype[Any]]:
    """Return what x may be cast to: the model's dtype; where that fails, integers stay as they are, for embeddings."""
    return [model_dtype(model), *([np.dtype(x.dtype)] if x.dtype.kind in "iu" else [])]


def check_count(output: Any, samples: int, where: str) -> None:
    """Say early, and in words of the task, that a model does not give one output for each sample."""
    if not isinstance(output, Array):
        raise TypeError(f"[{where}] the model must return an array, got {type(output).__name__}")
    if output.ndim == 0 or output.shape[0] != samples:
        raise _core.ShapeError(f"[{where}] the model returned shape {output.shape} for a batch of {samples} samples")


def output_layout(model: Module, x: Array) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of the model's output for two samples, without computing it."""
    with _core.no_grad():  # of two samples: one has no variance
        output = first_of(_dtypes(model, x), lambda t: trace(model, [layout((2, *x.shape[1:]), t)], {}).out)
    return tuple(getattr(output, "shape", ())), getattr(output, "dtype", model_dtype(model))


def input_dtype(model: Module, x: Array) -> np.dtype[Any]:
    """Return the dtype that the model takes x in: its own, or that of integers that are numbers of rows."""
    with _core.no_grad():
        return first_of(_dtypes(model, x), lambda t: (trace(model, [layout((2, *x.shape[1:]), t)], {}), t)[1])
