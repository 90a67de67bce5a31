"""fit: Python prepares and reports, epochs run in native code."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fallline import _core, optim
from fallline._arguments import takes
from fallline.nn import Module, losses
from fallline.train import _kinds, _validation
from fallline.train._around import Averages, around, check_accumulate, limits
from fallline.train._batches import BatchSizeSchedule, Sizes
from fallline.train._data import as_rows, check_finite, check_rows
from fallline.train._history import History
from fallline.train._run import Data, Run
from fallline.train._split import divide
from fallline.train._statistics import norms
from fallline.train._steps import Task, model_dtype
from fallline.train._stream import opened
from fallline.train._targets import check_targets
from fallline.train._teach import Teach
from fallline.train._weights import loss_weights, sample_weights
from fallline.train.callbacks import Callback, Checkpoint, Progress
from fallline.train.callbacks._protocol import as_callback
from fallline.train.metrics import _meter
from fallline.train.metrics._meter import Meter
from fallline.train.metrics._metric import Metric

__all__ = ["fit"]

# Arguments that may differ when a training goes on after a break, and those that are compared by themselves.
UNSETTLED = ("model", "optimizer", "callbacks", "epochs", "progress", "resume", "on_interrupt", "teach", "max_steps",
             "max_time", "initial")  # fmt: skip


@takes(**_kinds.FIT)
def fit(
    model: Module,
    x: Any,
    y: Any = None,
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
    clip_value: float | None = None,
    clip_norm: float | None = None,
    clip_global_norm: float | None = None,
    adaptive_clip: float | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    validation_split: float = 0.0,
    validation_freq: int = 1,
    initial: bool = False,
    accumulate: int = 1,
    ema: float | None = None,
    swa: int | None = None,
    drop_last: bool = False,
    max_steps: int | None = None,
    max_time: float | None = None,
    record_steps: bool = False,
    resume: str | os.PathLike[str] | None = None,
    on_interrupt: str = "raise",
    teach: bool = False,
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
        Samples along the first axis: arrays, memory-mapped ones too, frames, or sparse matrices of SciPy. Or x alone: a
        :class:`fallline.train.Loader`, a list of batches (x, y), a function that returns an iterable of such, which is
        called for each epoch, or a generator of them, whose batches are kept; but for a loader, which has its own,
        steps take `batch_size` samples, whatever the length of the pieces. For ``cross_entropy``, y holds integer
        labels (n,) or probabilities.
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
    clip_value, clip_norm, clip_global_norm, adaptive_clip
        Limits for every element of a gradient, for the Euclidean norm of each tensor and of all together, and for the
        norm of each unit beside that of its weights: :func:`fallline.optim.clip_value` and so on.
    sample_weight
        (n,): what samples count in the loss and the metrics, 0 or more. A batch that counts nothing makes no step.
    class_weight
        What samples of each class count in the loss, besides: a dict or list by label, or "balanced".
    validation_split
        The share of the samples that is kept aside for validation: drawn by the seed, of labels from each class its
        share; the last ones without `shuffle`. It copies both parts where they are drawn.
    validation_freq
        Validate after every so many epochs, and after the last; in between its values are NaN.
    initial
        Whether to evaluate before the first step too: ``history.initial``.
    accumulate
        Step with the mean gradient of so many batches, which may be of several epochs; what is left over makes none.
    ema, swa
        Average the parameters: exponentially with this decay, or equally, once an epoch from this epoch on. Averages
        are what is validated and kept as best, and what the model holds in the end, with running statistics of their
        own.
    drop_last
        Whether to leave out the last batch of an epoch where it is shorter.
    max_steps, max_time
        End the training after so many steps or seconds, within an epoch, which then counts with the steps it had.
    record_steps
        Whether ``history.steps`` shall hold loss, metrics and ``grad_norm`` of every step.
    resume
        A folder, which may be absent, that keeps the state of the training after each epoch: the same call again goes
        on from it, after `kill -9` too, and ends with the same bits, and a finished training returns its history. See
        :class:`fallline.train.callbacks.Checkpoint`, which writes it.
    on_interrupt
        What Ctrl-C does: "raise" KeyboardInterrupt, which carries ``.history``, or "return" the history. Model and
        optimizer are whole either way, and a further call goes on from there.
    teach
        Whether to print what happens in each step: forward, loss, backward, update.

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
    settings = {name: value for name, value in locals().items() if name not in UNSETTLED}
    averages = None if ema is swa is None else Averages()
    at_once = {"validation_split": validation_split, "class_weight": class_weight is not None, "initial": initial,
               "teach": teach, "running statistics of averages": averages and norms(model)}  # fmt: skip
    whole = next((name for name, wanted in at_once.items() if wanted), "")
    given = opened(x, y, sample_weight, batch_size, shuffle=shuffle, seed=seed, whole=whole)
    xs, ys, weight = as_rows("x", given.x), as_rows("y", given.y), sample_weights(given.weight)
    check_rows({"x": xs, "y": ys, "sample_weight": weight})
    function = losses.get(loss)
    task = Task(model, function, Meter(_meter.get(metrics, function), per_step=record_steps))
    check_parameters(model)
    for name, array in {"x": xs, "y": ys, "sample_weight": weight}.items():
        if array is not None:
            check_finite(name, array, model_dtype(model))
    check_targets(task, xs, ys)
    settings |= {"x": xs, "y": ys, "sample_weight": weight, "loss": function}
    if validation_split:
        if validation is not None:
            raise ValueError("[fit] give validation or validation_split, not both")
        (xs, ys, weight), validation = divide(xs, ys, weight, validation_split, shuffle=shuffle, seed=seed)
    held = _validation.validation(task, validation, xs, ys, validation_freq)
    settings |= {"validation": list(held[0].evaluation.data[:2])} if held else {}

    data = given.data(Data(xs, ys, loss_weights(ys, weight, class_weight)), model_dtype(model))
    sizes = Sizes(given.batch_size, callbacks, data.samples, drop_last=drop_last)
    clips = {"clip_value": clip_value, "clip_norm": clip_norm, "clip_global_norm": clip_global_norm,
             "adaptive_clip": adaptive_clip}  # fmt: skip
    check_accumulate(accumulate, sizes, epochs)
    opt, max_norm = around(optim.get(optimizer), model, sizes, clips=clips, accumulate=accumulate, ema=ema, swa=swa)
    listeners: list[Callback] = [averages] if averages else []
    listeners += [*held, *(as_callback(given) for given in callbacks if not isinstance(given, BatchSizeSchedule))]
    listeners += limits(max_steps, max_time)
    bar = progress and not any(isinstance(given, Progress) for given in callbacks)
    listeners += [Teach()] if teach else [Progress()] if bar else []
    listeners += [Checkpoint(resume)] if resume is not None else []
    run = Run(
        task, opt, data, sizes, listeners,
        seed=seed, shuffle=shuffle, max_norm=max_norm, record_steps=record_steps, settings=settings,
    )  # fmt: skip
    return _interruptible(run, epochs, initial, on_interrupt)


def _interruptible(run: Run, epochs: int, initial: bool, on_interrupt: str) -> History:
    if not run.model.training:  # parts that evaluate in a model that trains are meant so
        run.model.train()
    try:
        return run.epochs(epochs, initial=initial)
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
