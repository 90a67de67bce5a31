"""fit: Python prepares and reports, epochs run in native code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, optim
from fallline._arguments import takes
from fallline._array import Array
from fallline.nn import Module, losses
from fallline.train import _kinds, _metrics
from fallline.train._batches import BatchSizeSchedule, Sizes
from fallline.train._data import as_rows, check_finite, check_rows
from fallline.train._evaluate import measured
from fallline.train._history import DivergedError, History
from fallline.train._loop import PythonTrainer
from fallline.train._progress import NoBar, bar
from fallline.train._snapshot import Snapshot
from fallline.train._steps import Task, check_targets, training_plan

__all__ = ["fit"]

SLICE = 0.1  # seconds of native work between two looks at signals and the progress bar
ORDER, DROPOUT = 0, 1  # what a seed is split into


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
    metrics: Sequence[str | Callable[..., Any]] = (),
    callbacks: Sequence[Callable[..., Any]] = (),
    shuffle: bool = True,
    seed: int = 0,
    progress: bool = True,
    clip_global_norm: float | None = None,
    sample_weight: Any = None,
    record_steps: bool = False,
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
        Names (``accuracy mse mae``) or functions of (outputs, targets).
    callbacks
        Functions of (epoch, history, model, optimizer), called after each epoch; a true result ends the training.
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
    task = Task(model, losses.get(loss), _metrics.get(metrics))
    held = None if validation is None else _validation(validation)
    for name, array in {"x": xs, "y": ys, "sample_weight": weight}.items():
        if array is not None:
            check_finite(name, array)
    check_parameters(model)
    check_targets(task, xs, ys)
    if held:
        check_targets(task, *held)

    opt.hold(model)
    if not model.training:  # parts that evaluate in a model that trains are meant so
        model.train()
    # A gradient that is clipped, or whose state is compressed, is needed as a whole.
    stream = opt.native and clip_global_norm is None and opt._format.precision == "full"

    @cache
    def trainer(batch: int, trained: tuple[str, ...]) -> Any:
        last = training_plan(task, n % batch, xs, ys, weight, stream=stream) if n % batch and n > batch else None
        plan = training_plan(task, batch, xs, ys, weight, stream=stream)
        if opt.native:
            return _core.Trainer(plan, last, _parameters(opt, model))
        return PythonTrainer(plan, last, opt, task, (xs, ys, weight))

    run = _Run(task, opt, trainer, sizes, seed, shuffle, clip_global_norm or 0.0, record_steps)
    try:
        return run.epochs(epochs, held, callbacks, progress)
    except KeyboardInterrupt as signal:
        run.settle()  # the signal may have come while an epoch was being settled
        run.history.interrupted = True
        if on_interrupt == "return":
            return run.history
        signal.history = run.history  # type: ignore[attr-defined]
        raise


class _Running(NamedTuple):
    """The epoch that is under way."""

    trainer: Any
    good: Snapshot
    first: int  # the optimizer's t before it
    steps: int
    epoch: int  # its place in the history
    step: int  # the place of its first step in `history.steps`


class _Run:
    """One call of fit."""

    def __init__(
        self,
        task: Task,
        opt: optim.Optimizer,
        trainers: Callable[[int, tuple[str, ...]], Any],
        sizes: Sizes,
        seed: int,
        shuffle: bool,
        max_norm: float,
        record_steps: bool,
    ) -> None:
        self.task, self.opt, self.trainers, self.sizes = task, opt, trainers, sizes
        self.seed, self.shuffle, self.max_norm = seed, shuffle, max_norm
        self.record_steps = record_steps
        self.history = History()
        self.names = ["loss", *task.metrics, "grad_norm"]
        self.running: _Running | None = None

    def epochs(
        self, count: int, held: tuple[Array, Array] | None, callbacks: Sequence[Callable[..., Any]], progress: bool
    ) -> History:
        t, clock = self.opt.t, self.opt.epochs or self.sizes.clock(self.opt.t)
        done = clock.epoch(t)
        lengths = [self.sizes.steps(done + epoch) for epoch in range(count)]
        self.opt.set_clock(clock.then(t, lengths), t + sum(lengths))
        with bar(sum(lengths), progress) as shown:
            for epoch in range(count):
                self._epoch(shown)
                if held:
                    with self._averaged():
                        values = measured(self.task, *held)
                    self.history.put(epoch, {f"val_{name}": value for name, value in values.items()})
                shown.show(self.history)
                if any([callback(epoch, self.history, self.task.model, self.opt) for callback in callbacks]):
                    break
        return self.history

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Hold the parameters at which the optimizer wants to be judged."""
        parameters = self.task.model.parameters()
        found = self.opt.averaged(parameters)
        with nullcontext() if found is parameters else self.task.model.holding(found):
            yield

    def _epoch(self, bar: NoBar) -> None:
        first = self.opt.t
        assert self.opt.epochs is not None
        epoch = self.opt.epochs.epoch(first)
        steps, samples = self.sizes.steps(epoch), self.sizes.samples
        trainer = self.trainers(self.sizes.size(epoch), tuple(self.task.model.parameters()))  # a callback may freeze
        good = Snapshot(self.task.model, self.opt)
        key = _core.derive_key(self.seed, ORDER)
        order = _core.RandomOrder(key, epoch << 32, samples) if self.shuffle else None
        rows = _core.wrap(self.opt.hyper_rows(first, steps))
        trainer.start(samples, order, rows, first, _core.derive_key(self.seed, DROPOUT), self.max_norm)
        self.running = _Running(
            trainer, good, first, steps, self.history.epochs, len(self.history.steps.get("loss", ()))
        )
        try:
            while trainer.state == _core.TrainerState.running:
                before = trainer.done
                trainer.advance(SLICE)
                bar.update(trainer.done - before)
        finally:
            self.settle()
        if trainer.state == _core.TrainerState.diverged:
            self._diverged(np.asarray(trainer.record)[trainer.done], trainer.done, first, epoch)

    def settle(self) -> None:
        """Write down how far the epoch came: all of it or nothing, so after an interruption it is called again."""
        if self.running is None:
            return
        trainer, good, first, steps, at, at_step = self.running
        self.opt.t = first + trainer.done
        if trainer.state == _core.TrainerState.diverged:
            good.restore()
        elif trainer.done == steps:
            record = np.asarray(trainer.record)
            self.history.put(at, dict(zip(self.names, record.mean(axis=0), strict=True)))
            if self.record_steps:
                self.history.put_steps(at_step, dict(zip(self.names, record.T.copy(), strict=True)))
        self.running = None

    def _diverged(self, row: np.ndarray, step: int, first: int, epoch: int) -> None:
        rate = self.opt.hyper_rows(first + step, 1)[0][0]
        what = f"the loss became {row[0]}" if not np.isfinite(row[0]) else f"the gradient became {row[-1]}"
        raise DivergedError(
            f"[fit] {what} in step {step + 1} of epoch {epoch + 1} (learning rate {rate:g}); "
            "the model holds the parameters from before this epoch. Lower the learning rate, scale the inputs, "
            "or pass clip_global_norm",
            self.history,
        )


def _validation(validation: Any) -> tuple[Array, Array]:
    x, y = as_rows("validation x", validation[0]), as_rows("validation y", validation[1])
    check_rows({"validation x": x, "validation y": y})
    check_finite("validation x", x)
    check_finite("validation y", y)
    return x, y


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


def _parameters(opt: optim.Optimizer, model: Module) -> _core.Parameters:
    """Bind the native rule to parameters and state where they lie."""
    parameters = model.parameters()
    state: Mapping[str, Mapping[str, np.ndarray]] = opt.prepare(model)
    slots = [[_core.wrap(slot) for slot in state[path].values()] for path in parameters]
    return _core.Parameters(opt._rule_name, opt._format.precision, list(parameters.values()), slots)
