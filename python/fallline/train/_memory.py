"""How much memory does training take?  Known from the plan of a step, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, optim
from fallline._arguments import optional, takes, whole
from fallline._array import Array
from fallline.nn import Module, losses
from fallline.train import _kinds
from fallline.train._data import as_rows
from fallline.train._steps import Task, model_dtype, training_plan
from fallline.train.metrics._meter import Meter
from fallline.transforms._trace import layout

__all__ = ["Memory", "memory"]


class Memory(NamedTuple):
    """Bytes that training takes: of parameters, state of the optimizer, activations with gradients, and the batch."""

    parameters: int
    state: int
    activations: int
    batch: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)

    def __str__(self) -> str:
        rows = [*zip(self._fields, self, strict=True), ("total", self.total)]
        return "\n".join(f"{name:<12}{size / 1e6:12.3f} MB" for name, size in rows)


@takes(model=_kinds.model, batch_size=whole(1), optimizer=_kinds.optimizer, loss=optional(_kinds.loss))
def memory(
    model: Module,
    batch_size: int,
    optimizer: str | optim.Optimizer = "adam",
    *,
    x: Any = None,
    y: Any = None,
    loss: str | Callable[..., Any] | None = None,
) -> Memory:
    """Return the bytes that training with a batch size takes, without training.

    Parameters
    ----------
    model, optimizer
        As for `fit`.
    batch_size
        Samples per update.
    x
        Some samples, or the shape of one. A model that begins with a dense layer does without.
    y, loss
        Some targets and their loss; a mean of squares without them, which takes about the same.

    Returns
    -------
    Memory
        ``parameters, state, activations, batch`` and ``total``; ``activations`` is the one memory that all temporaries
        of a step share, gradients among them.

    Examples
    --------
    >>> import fallline as fl
    >>> model = fl.nn.Sequential(fl.nn.Linear(784, 128), fl.nn.ReLU(), fl.nn.Linear(128, 10))
    >>> found = fl.train.memory(model, 64, "adam")
    >>> found.parameters, found.state
    (407080, 814160)
    """
    opt = optim.get(optimizer)
    samples, targets = _samples(model, x), None if y is None else as_rows("y", y, "memory")
    task = Task(model, _squares if loss is None or targets is None else losses.get(loss), Meter())
    return _of(task, opt, batch_size, samples, targets)


def _of(task: Task, opt: optim.Optimizer, batch_size: int, x: Array, y: Array | None) -> Memory:
    """Return the bytes for samples of which only shapes and dtypes are looked at."""
    wanted = model_dtype(task.model)
    many = [_many(x, batch_size), _core.wrap(layout((batch_size,), wanted)) if y is None else _many(y, batch_size)]
    with task.model.in_mode(training=True):
        plan = training_plan(task, batch_size, many[0], many[1])
    parameters = task.model.parameters()
    sizes = [a.size * (wanted if a.dtype.kind == "f" else a.dtype).itemsize for a in many]
    return Memory(
        sum(a.nbytes for a in task.model.state_dict().values()),
        opt.memory_bytes(parameters),
        plan.plan.arena_bytes,
        2 * sum(sizes),  # one is read while the next is gathered
    )


def _squares(output: Any, target: Any) -> Any:
    return np.square(output).mean()


def _many(a: Array, samples: int) -> Array:
    return _core.wrap(layout((samples, *a.shape[1:]), a.dtype))


def _samples(model: Module, x: Any) -> Array:
    """Return what stands for samples: arrays, or a shape, or what the first dense layer takes."""
    if x is None:
        widths = (getattr(module, "in_features", None) for module in model.modules())
        width = next((width for width in widths if width is not None), None)
        if width is None:
            raise ValueError("[memory] give x, some samples, or the shape of one: memory(model, 32, x=(1, 28, 28))")
        x = (width,)
    if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
        return _core.wrap(layout((1, *x), model_dtype(model)))
    return as_rows("x", x, "memory")
