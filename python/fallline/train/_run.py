"""A training is a run of events: epochs in native code, and what callbacks do between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, optim
from fallline._array import Array
from fallline.nn import Module
from fallline.train._batches import Sizes
from fallline.train._history import DivergedError, History
from fallline.train._loop import PythonTrainer
from fallline.train._snapshot import Snapshot
from fallline.train._steps import Task, input_dtype, model_dtype, training_plan
from fallline.train.callbacks._protocol import Callback, hears_batches
from fallline.transforms import grad

__all__ = ["Data", "Run"]

SLICE = 0.1  # seconds of native work between two looks at signals and the progress bar
ORDER, DROPOUT = 0, 1  # what a seed is split into
FOREVER = 2**62


class Data(NamedTuple):
    """The arrays that batches are taken from."""

    x: Array
    y: Array
    weight: Array | None

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.x.shape[0])


class _Running(NamedTuple):
    """The epoch that is under way."""

    trainer: Any
    good: Snapshot
    first: int  # the optimizer's t before it
    steps: int
    epoch: int  # its place in the history
    before: int  # steps of this training before it


class Run:
    """One call of `fit`, as its callbacks see it.

    Attributes
    ----------
    model, optimizer, history
        What is trained, by what, and what came of it.
    epoch
        The place of the last finished epoch in the history, or of the one under way.
    step
        How many steps this training has made.
    steps
        How many it will make, if nothing ends it before.
    resumed
        Whether it goes on from a saved state.
    finished
        Whether it came to its end: by the number of epochs, or because a callback said so.
    """

    def __init__(
        self,
        task: Task,
        opt: optim.Optimizer,
        data: Data,
        sizes: Sizes,
        callbacks: Sequence[Callback],
        *,
        seed: int = 0,
        shuffle: bool = True,
        max_norm: float = 0.0,
        record_steps: bool = False,
    ) -> None:
        self.task, self.model, self.optimizer, self.data, self.sizes = task, task.model, opt, data, sizes
        self.callbacks = sorted(callbacks, key=lambda callback: callback.last)
        self.seed, self.shuffle, self.max_norm, self.record_steps = seed, shuffle, max_norm, record_steps
        self.history = History()
        self.epoch = self.steps = 0
        self.resumed = self.finished = False
        self._names = ["loss", *task.meter.steps, "grad_norm"]
        self._listeners = [callback for callback in self.callbacks if hears_batches(callback)]
        self._trainer = cache(self._make_trainer)
        self._done = 0  # steps of finished epochs
        self._stopped = False
        self._running: _Running | None = None

    def epochs(self, count: int) -> History:
        """Train for so many epochs, and tell the callbacks."""
        t, opt = self.optimizer.t, self.optimizer
        clock = opt.epochs or self.sizes.clock(t)
        runs = list(self.sizes.runs(clock.epoch(t), count))
        self.steps = sum(steps * times for steps, times in runs)
        opt.set_clock(clock.then_runs(t, runs), t + self.steps)
        try:
            self._tell("begin")
            while self.history.epochs < count and not self._stopped:
                self.epoch = self.history.epochs
                self._run_epoch()
                self._stopped |= self._tell("epoch")
            self.finished = True
        finally:
            self.close()
        return self.history

    def close(self) -> None:
        """Settle, and tell callbacks of the end; a signal may come while this is done, and then it is done again."""
        self.settle()
        self._tell("end")

    def _tell(self, event: str) -> bool:
        return any([getattr(callback, event)(self) for callback in self.callbacks])

    def _run_epoch(self) -> None:
        opt, t = self.optimizer, self.optimizer.t
        assert opt.epochs is not None
        place = opt.epochs.epoch(t)
        steps, samples = self.sizes.steps(place), self.sizes.samples
        trained = tuple(self.model.parameters())  # a callback may have frozen some
        trainer, good = self._trainer(self.sizes.size(place), trained)
        good.take()
        order = _core.RandomOrder(_core.derive_key(self.seed, ORDER), place << 32, samples) if self.shuffle else None
        rows, record = _core.wrap(opt.hyper_rows(t, steps)), _core.wrap(np.empty((0, len(self._names))))
        self.task.meter.start()
        trainer.start(samples, order, rows, t, _core.derive_key(self.seed, DROPOUT), self.max_norm, record)
        self._running = _Running(trainer, good, t, steps, self.epoch, self.step)
        try:
            while trainer.state == _core.TrainerState.running and not self._stopped:
                trainer.advance(SLICE, self._until_heard())
                for listener in self._listeners:
                    if not listener.every or self.step % listener.every == 0:
                        self._stopped |= bool(listener.batch(self))
        finally:
            self.settle()
        if trainer.state == _core.TrainerState.diverged:
            self._diverged(np.asarray(trainer.record)[trainer.done], trainer.done, t, place)

    def _until_heard(self) -> int:
        """Return how many steps may be made before somebody wants to hear of one."""
        waits = [listener.every - self.step % listener.every for listener in self._listeners if listener.every]
        return min(waits, default=FOREVER)

    def settle(self) -> None:
        """Write down how far the epoch came: all of it or nothing, so after an interruption it is called again.

        An epoch that a callback has ended counts with the steps that it had.
        """
        if self._running is None:
            return
        trainer, good, first, steps, epoch, before = self._running
        self.optimizer.t = first + trainer.done
        if trainer.state == _core.TrainerState.diverged:
            good.restore()
        elif trainer.done == steps or self._stopped:
            record = np.asarray(trainer.record)[: trainer.done]
            values = self._measured(record.mean(axis=0))
            self.history.put(epoch, dict.fromkeys(self.history, math.nan) | values)  # callbacks fill theirs in
            if self.record_steps:
                self.history.put_steps(before, dict(zip(self._names, record.T.copy(), strict=True)))
            self._done = before + trainer.done
        self._running = None

    @property
    def step(self) -> int:
        """How many steps this training has made."""
        return self._running.before + int(self._running.trainer.done) if self._running else self._done

    @property
    def values(self) -> dict[str, Any]:
        """Loss and norm of the gradient of the last step of the epoch under way, and its metrics so far."""
        if self._running is None or not self._running.trainer.done:
            return {}
        return self._measured(np.asarray(self._running.trainer.record)[self._running.trainer.done - 1])

    def _measured(self, row: np.ndarray) -> dict[str, Any]:
        """Return loss and norm of the gradient from a row of the record, and what the epoch has summed up."""
        return {"loss": float(row[0]), **self.task.meter.finish(), "grad_norm": float(row[-1])}

    def evaluated(self) -> dict[str, Array]:
        """Return parameters and buffers as they are evaluated: the parameters are those that the optimizer averages."""
        return {**self.model.state_dict(), **self.optimizer.averaged(self.model.parameters())}

    def first(self, samples: int) -> tuple[Array, Array]:
        """Return the first samples and their targets, cast as batches are."""
        dtype = model_dtype(self.model)
        x, y = (np.asarray(rows)[:samples] for rows in self.data[:2])
        return _core.wrap(x.astype(input_dtype(self.model, self.data.x))), _core.wrap(
            y.astype(dtype) if y.dtype.kind == "f" else y
        )

    def gradients(self, samples: int = 256) -> Mapping[str, Array]:
        """Return the gradient of the loss of the first samples by path, in the mode of evaluation."""
        x, y = self.first(samples)
        with self.model.in_mode(training=False):
            found: Mapping[str, Array] = grad(lambda model: self.task.loss(model(x), y))(self.model)
        return found

    def _make_trainer(self, batch: int, trained: tuple[str, ...]) -> tuple[Any, Snapshot]:
        opt, n, data = self.optimizer, self.data.samples, self.data
        # A gradient that is clipped, or whose state is compressed, is needed as a whole.
        stream = opt.native and not self.max_norm and opt._format.precision == "full"

        def plan(size: int) -> _core.BatchPlan:
            return training_plan(self.task, size, *data, stream=stream)

        last = plan(n % batch) if n % batch and n > batch else None
        if opt.native:
            trainer: Any = _core.Trainer(plan(batch), last, _parameters(opt, self.model))
        else:
            trainer = PythonTrainer(plan(batch), last, opt, self.task, data)
        return trainer, Snapshot(self.model, opt)

    def _diverged(self, row: np.ndarray, step: int, first: int, epoch: int) -> None:
        rate = self.optimizer.hyper_rows(first + step, 1)[0][0]
        what = f"the loss became {row[0]}" if not math.isfinite(row[0]) else f"the gradient became {row[-1]}"
        raise DivergedError(
            f"[fit] {what} in step {step + 1} of epoch {epoch + 1} (learning rate {rate:g}); "
            "the model holds the parameters from before this epoch. Lower the learning rate, scale the inputs, "
            "or pass clip_global_norm",
            self.history,
        )


def _parameters(opt: optim.Optimizer, model: Module) -> _core.Parameters:
    """Bind the native rule to parameters and state where they lie."""
    parameters = model.parameters()
    state: Mapping[str, Mapping[str, np.ndarray]] = opt.prepare(model)
    slots = [[_core.wrap(slot) for slot in state[path].values()] for path in parameters]
    return _core.Parameters(opt._rule_name, opt._format.precision, list(parameters.values()), slots)
