"""fit: Python prepares and reports, epochs run in native code."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fallline import _core, optim
from fallline._arguments import takes
from fallline._array import asarray
from fallline.nn import Module, losses
from fallline.train import _kinds, _validation
from fallline.train._batches import BatchSizeSchedule, Sizes
from fallline.train._data import as_rows, check_finite, check_rows
from fallline.train._history import History
from fallline.train._run import Data, Run
from fallline.train._steps import Task, model_dtype
from fallline.train._targets import check_targets
from fallline.train.callbacks import Callback, Checkpoint, Progress
from fallline.train.callbacks._protocol import as_callback
from fallline.train.metrics import _meter
from fallline.train.metrics._meter import Meter
from fallline.train.metrics._metric import Metric

__all__ = ["fit"]


@takes(**_kinds.FIT)
def fit(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Callable[..., Any],
    optimizer: str | optim.Optimizer = "adam",
    batch_size: int | str | Callable[[int], float] | BatchSizeSchedule = 32,
    epochs: int = 1,
    validation: tuple[Any, Any] | None = None,
    metrics: Sequence[str | Metric | Callable[..., Any]] = (),
    callbacks: Sequence[Callback | Callable[..., Any]] = (),
    shuffle: bool = True,
    seed: int = 0,
    progress: bool = True,
    clip_global_norm: float | None = None,
    sample_weight: Any = None,
    record_steps: bool = False,
    resume: str | os.PathLike[str] | None = None,
    on_interrupt: str = "raise",
) -> History:
    """Train a model on arrays.

    Each epoch gathers batches, runs forward, backward and update, all in native code without the interpreter lock.
    The arrays are read where they lie and cast batch by batch to the model's dtype; integers that the model takes only
    as integers, such as the numbers of an embedding's rows, stay what they are.

    Parameters
    ----------
    model
        Its forward must be made of fallline's functions (it is traced once per batch size, then run natively).
    x, y
        Samples along the first axis. For ``cross_entropy``, y holds integer labels (n,) or probabilities.
    loss
        A name (``mse mae huber cross_entropy binary_cross_entropy``), or a function of (outputs, targets).
    optimizer
        A name for a new one, or an instance, whose state is continued; one that holds another model's is refused.
    batch_size
        Samples per update, or "full". The last, shorter batch is kept. A function of the number of finished epochs, or
        a :class:`fallline.train.BatchSizeSchedule`, gives each epoch its own.
    epochs
        Passes over the data.
    validation
        (x, y) to evaluate on after each epoch: ``val_loss`` and so on.
    metrics
        Names of :mod:`fallline.train.metrics`, metrics with options, or functions of (outputs, targets). Each is
        summed over the epoch as it runs; those that need all outputs at once, ``auc`` and ``average_precision``, are
        of the validation alone.
    callbacks
        Those of ``fl.train.callbacks``, and functions of (epoch, history, model, optimizer), which are called after
        each epoch; a true result ends the training.
    shuffle
        Whether each epoch takes the samples in a new order. Order and dropout depend on the seed and on how far the
        optimizer has come, so that n + m epochs equal n, save, load, m.
    seed
        Of the order and of dropout.
    progress
        Whether to show a bar on a terminal and in a notebook (with tqdm).
    clip_global_norm
        Scale gradients down to this Euclidean norm over all parameters.
    sample_weight
        (n,): weights of the samples in the loss.
    record_steps
        Whether ``history.steps`` shall hold loss, metrics and ``grad_norm`` of every step.
    resume
        A folder, which may be absent, that keeps the state of the training after each epoch: the same call again goes
        on from it, after `kill -9` too, and ends with the same bits, and a finished training returns its history. See
        :class:`fallline.train.callbacks.Checkpoint`, which writes it.
    on_interrupt
        What Ctrl-C does: "raise" KeyboardInterrupt, which carries ``.history``, or "return" the history. Model and
        optimizer are whole either way, and a further call goes on from there.

    Returns
    -------
    History
        One value per epoch, the mean over its steps: ``history["loss"]``, each metric, ``grad_norm`` (before
        clipping), and ``val_`` values.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; ``error.history`` holds the epochs until then.
    DivergedError
        When the loss or a gradient becomes NaN or infinite: the parameters are those of the last good epoch, and
        ``error.history`` tells the way there.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = fl.nn.Linear(1, 1)
    >>> history = fl.fit(model, x, 3 * x + 1, loss="mse", optimizer=fl.optim.Adam(0.1), epochs=100, progress=False)
    >>> history["loss"][-1] < 1e-4
    True
    """
    xs, ys = as_rows("x", x), as_rows("y", y)
    weight = None if sample_weight is None else as_rows("sample_weight", sample_weight)
    n = check_rows({"x": xs, "y": ys, "sample_weight": weight})
    sizes = Sizes(batch_size, callbacks, n)
    opt = optim.get(optimizer)
    function = losses.get(loss)
    task = Task(model, function, Meter(_meter.get(metrics, function), per_step=record_steps))
    check_parameters(model)
    for name, array in {"x": xs, "y": ys, "sample_weight": weight}.items():
        if array is not None:
            check_finite(name, array, model_dtype(model))
    check_targets(task, xs, ys)
    listeners: list[Callback] = _validation.validation(task, validation, xs, ys)
    listeners += [as_callback(given) for given in callbacks if not isinstance(given, BatchSizeSchedule)]
    if progress and not any(isinstance(listener, Progress) for listener in listeners):
        listeners.append(Progress())
    if resume is not None:
        listeners.append(Checkpoint(resume))

    opt.hold(model)
    if not model.training:  # parts that evaluate in a model that trains are meant so
        model.train()
    run = Run(
        task, opt, Data(xs, ys, weight), sizes, listeners,
        seed=seed, shuffle=shuffle, max_norm=clip_global_norm or 0.0, record_steps=record_steps,
        settings={
            "x": xs, "y": ys, "sample_weight": weight, "validation": validation and list(map(asarray, validation)),
            "loss": task.loss, "metrics": list(task.meter.metrics), "batch_size": batch_size, "shuffle": shuffle,
            "seed": seed, "clip_global_norm": clip_global_norm, "record_steps": record_steps,
        },
    )  # fmt: skip
    try:
        return run.epochs(epochs)
    except KeyboardInterrupt as signal:
        run.close()
        run.history.interrupted = True
        if on_interrupt == "return":
            return run.history
        signal.history = run.history  # type: ignore[attr-defined]
        raise


def check_parameters(model: Module) -> None:
    parameters = model.parameters()
    if not parameters:
        frozen = next(iter(model.named_parameters()), None) is not None
        raise ValueError(
            "[fit] all parameters of the model are frozen: unfreeze some"
            if frozen
            else "[fit] the model has no parameters: assign arrays or modules to its attributes"
        )
    dtypes = {path: array.dtype for path, array in parameters.items()}
    if len(set(dtypes.values())) > 1 or next(iter(dtypes.values())).kind != "f":
        raise _core.DTypeError(
            f"[fit] all parameters must be float32, or all float64, got {set(map(str, dtypes.values()))}"
        )
    for path, array in parameters.items():
        flags = np.asarray(array).flags
        if not (flags.c_contiguous or flags.f_contiguous):
            raise _core.ShapeError(f"[fit] parameter '{path}' is a strided view of a larger array; assign a copy of it")
        if not flags.writeable:
            raise ValueError(f"[fit] parameter '{path}' is read-only; assign a copy of it")
