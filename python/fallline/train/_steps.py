"""How do a model and a loss become native plans?  One trace for each batch size; the plan reads parameters in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline._draws import dropout_key
from fallline._running import planned_updates
from fallline.nn import Module, losses


class Task(NamedTuple):
    """What is computed for a batch: the model's outputs, the loss, and the metrics by name."""

    model: Module
    loss: Callable[..., Any]
    metrics: Mapping[str, Callable[[Any, Any], Any]]


def model_dtype(model: Module) -> np.dtype[Any]:
    """Return the dtype that batches are cast to: that of the first float parameter."""
    for array in model.parameters().values():
        if array.dtype.kind == "f":
            return np.dtype(array.dtype)
    return np.dtype(_core.default_dtype())


def training_plan(
    task: Task, batch: int, x: Array, y: Array, weight: Array | None, *, stream: bool = False
) -> _core.BatchPlan:
    """Plan one training step: scalars (loss, metrics), the gradient of every parameter, new running statistics.

    With `stream`, gradients may go to the update rule tile by tile, without a memory of their own.
    """
    buffers: list[Array] = []

    def step(*inputs: Array) -> list[Array]:
        key, bx, by, *rest = inputs
        starts = {path: _core.start_record(p) for path, p in task.model.parameters().items()}
        with task.model.holding(starts), dropout_key(key), planned_updates() as updates:
            output = task.model(bx)
            check_output(output, by, task.loss)
            kwargs = {"sample_weight": rest[0]} if rest else {}
            loss = task.loss(output, by, **kwargs)
        if not isinstance(loss, Array) or loss.size != 1:
            raise _core.ShapeError(f"[fit] the loss must be a scalar array, got {getattr(loss, 'shape', type(loss))}")
        leaves = list(starts.values())
        grads = _core.gradients([loss], [_core.ones(loss)], leaves)
        with _core.no_grad():
            scalars = [_core.detach(loss), *(m(_core.detach(output), by) for m in task.metrics.values())]
        buffers[:] = [buffer for buffer, _ in updates]
        return [*scalars, *grads, *(value for _, value in updates)]

    others = [y] if weight is None else [y, weight]
    return _plan(step, task, batch, x, others, keyed=True, buffers=buffers, stream=stream)


def evaluation_plan(task: Task, batch: int, x: Array, y: Array) -> _core.BatchPlan:
    """Plan a forward pass that gives the loss and the metrics."""

    def step(bx: Array, by: Array) -> list[Array]:
        with _core.no_grad():
            output = task.model(bx)
            check_output(output, by, task.loss)
            return [task.loss(output, by), *(m(output, by) for m in task.metrics.values())]

    return _plan(step, task, batch, x, [y], keyed=False)


def prediction_plan(model: Module, batch: int, x: Array) -> _core.BatchPlan:
    """Plan a forward pass that gives the outputs."""

    def step(bx: Array) -> list[Array]:
        with _core.no_grad():
            return [model(bx)]

    return _plan(step, Task(model, step, {}), batch, x, [], keyed=False)


def _plan(
    step: Callable[..., list[Array]],
    task: Task,
    batch: int,
    x: Array,
    others: list[Array],
    *,
    keyed: bool,
    buffers: Sequence[Array] = (),
    stream: bool = False,
) -> _core.BatchPlan:
    dtype = model_dtype(task.model)
    specs: list[tuple[tuple[int, ...], Any]] = [((2,), np.uint64)] if keyed else []
    sources = []
    for rows, wanted in [(x, dtype), *((o, dtype if o.dtype.kind == "f" else o.dtype) for o in others)]:
        sources.append((rows, len(specs)))
        specs.append(((batch, *rows.shape[1:]), wanted))
    graph, outputs = _core.trace(step, specs)
    scalars = 1 + len(task.metrics)
    targets = list(enumerate(task.model.parameters().values(), scalars)) if stream else []
    plan = _core.Plan(graph, outputs, targets)
    return _core.BatchPlan(plan, sources, 0 if keyed else -1, scalars, list(buffers))


def check_output(output: Any, target: Array, loss: Callable[..., Any]) -> None:
    """Say early, and in words of the task, that outputs and targets do not belong together."""
    if not isinstance(output, Array):
        raise TypeError(f"[fit] the model must return an array, got {type(output).__name__}")
    if output.ndim == 0 or output.shape[0] != target.shape[0]:
        raise _core.ShapeError(
            f"[fit] the model returned shape {output.shape} for a batch of {target.shape[0]} samples"
        )


def output_layout(model: Module, x: Array) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of the model's output for two samples, without computing it."""
    found: list[tuple[tuple[int, ...], np.dtype[Any]]] = []

    def look(bx: Array) -> list[Array]:
        with _core.no_grad(), planned_updates():
            output = model(bx)
        found.append((tuple(getattr(output, "shape", ())), getattr(output, "dtype", model_dtype(model))))
        return []

    _core.trace(look, [((2, *x.shape[1:]), model_dtype(model))])  # two: one has no variance
    return found[0]


def check_targets(task: Task, x: Array, y: Array) -> None:
    """Look at every label once, so that a wrong one is found before anything is trained."""
    if task.loss is losses.cross_entropy and y.ndim == 1 and y.dtype.kind in "iu":
        shape, _ = output_layout(task.model, x)
        if len(shape) == 2:
            losses.check_labels(y, shape[1])
