"""A training is a run of events: epochs in native code, and what callbacks do between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, optim
from fallline._array import Array
from fallline.train._batches import Sizes
from fallline.train._data import DROPOUT, Data
from fallline.train._evaluate import Evaluation
from fallline.train._history import DivergedError, History
from fallline.train._loop import PythonTrainer, native_trainer
from fallline.train._same import differences, told
from fallline.train._snapshot import Snapshot
from fallline.train._steps import Task, input_dtype, model_dtype, training_plan
from fallline.train._symmetry import warn_of_equal_units
from fallline.train._validation import Validation
from fallline.train.callbacks._progress import Progress
from fallline.train.callbacks._protocol import Callback, hears_batches
from fallline.train.metrics._meter import Meter
from fallline.transforms import grad

__all__ = ["Data", "Run"]

SLICE = 0.1  # seconds of native work between two looks at signals and the progress bar
FOREVER = 2**62


class _Running(NamedTuple):
    """The epoch that is under way."""

    trainer: Any
    good: Snapshot
    first: int  # the optimizer's t before it
    steps: int
    epoch: int  # its place in the history
    before: int  # steps of this training before it
    batch: int
    order: Any


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
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.task, self.model, self.optimizer, self.data, self.sizes = task, task.model, opt, data, sizes
        self.callbacks = sorted(callbacks, key=lambda callback: callback.last)
        self.seed, self.shuffle, self.max_norm, self.record_steps = seed, shuffle, max_norm, record_steps
        self.settings = settings or {}  # what must not change when it goes on after a break
        self.history = History()
        self.epoch = self.steps = 0
        self.resumed = self.finished = False
        self._names = ["loss", *task.meter.steps, "grad_norm"]
        self._kept = [callback for callback in self.callbacks if not isinstance(callback, Progress)]
        self._listeners = [callback for callback in self.callbacks if hears_batches(callback)]
        self._trainers: dict[Any, tuple[Any, Snapshot]] = {}  # a cache would keep this object, and the data, alive
        # A batch of samples that count nothing makes no step, which is known when its loss is.
        self._may_skip = data.may_skip
        self._done = self._count = 0  # steps of finished epochs; epochs that are wanted
        self._stopped = False
        self._running: _Running | None = None
        self._half: np.ndarray | None = None  # the record of an epoch that was broken off
        self._sums: dict[str, np.ndarray] = {}  # and what its metrics had summed up

    def epochs(self, count: int, *, initial: bool = False) -> History:
        """Train for so many epochs, and tell the callbacks; `initial`: evaluate before."""
        self._count = count
        warn_of_equal_units(self.task, *self.data)
        try:
            self._tell("begin", [callback for callback in self.callbacks if callback.last])
            self._set_clock()
            self._tell("begin", [callback for callback in self.callbacks if not callback.last])
            if initial and not self.step and not self.history.initial:
                self.history.initial = self._initial()
            while self.history.epochs < count and (self._half is not None or not self._stopped):
                self.epoch = self.history.epochs
                self._run_epoch()
                self._tell("epoch", self.callbacks)
            self.finished = True
        finally:
            self.close()
        return self.history

    def _initial(self) -> dict[str, Any]:
        task = self.task._replace(meter=Meter(self.task.meter.metrics))
        found = Evaluation(task, self.data.x, self.data.y, self.data.weights).run()
        for callback in self.callbacks:
            found |= callback.values(self) if isinstance(callback, Validation) else {}
        return found

    def close(self) -> None:
        """Settle, and tell callbacks of the end; a signal may come while this is done, and then it is done again."""
        self.settle()
        self._tell("end", self.callbacks)

    def _tell(self, event: str, callbacks: Iterable[Callback]) -> None:
        for callback in callbacks:
            ends = getattr(callback, event)(self)
            self._stopped |= bool(ends) and event in ("batch", "epoch")

    def _set_clock(self) -> None:
        opt, half = self.optimizer, 0 if self._half is None else len(self._half)
        t = opt.t - half  # where the first epoch begins
        clock = opt.epochs or self.sizes.clock(t)
        runs = list(self.sizes.runs(clock.epoch(t), self._count - self.history.epochs))
        steps = sum(steps * times for steps, times in runs)
        self.steps = self._done + steps
        opt.set_clock(clock.then_runs(t, runs), t + steps)

    def _run_epoch(self) -> None:
        opt = self.optimizer
        assert opt.epochs is not None
        record = np.empty((0, len(self._names))) if self._half is None else self._half
        t, half = opt.t - len(record), len(record)
        place = opt.epochs.epoch(t)
        steps, samples = self.sizes.steps(place), self.sizes.samples
        conditions = tuple(self.model._conditions())  # a callback may have frozen or hooked a part, or had it evaluate
        key = self.sizes.size(place), conditions
        if key not in self._trainers:
            self._trainers[key] = self._make_trainer(*key)
        trainer, good = self._trainers[key]
        good.take()
        order = self.data.order(self.seed, place, self.shuffle)
        self.task.meter.start()
        for path, array in self.task.meter.arrays().items():
            array[...] = self._sums.get(path, array)
        rows = opt.hyper_rows(opt.t, steps - half)
        rows = np.concatenate([np.zeros((half, rows.shape[1])), rows]) if half else rows
        dropout = _core.derive_key(self.seed, DROPOUT)
        trainer.start(samples, order, _core.wrap(rows), t, dropout, self.max_norm, _core.wrap(record))
        self._running, self._half = _Running(
            trainer, good, t, steps, self.epoch, self._done, self.sizes.size(place), order
        ), None  # fmt: skip
        self._sums = {}
        try:
            while trainer.state == _core.TrainerState.running and not self._stopped:
                before = trainer.done
                trainer.advance(SLICE, self._until_heard())
                trainer.settle()
                if before < trainer.done and trainer.state != _core.TrainerState.diverged:
                    self._tell("batch", [li for li in self._listeners if not li.every or self.step % li.every == 0])
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
        trainer, good, _, steps, epoch, before, *_ = self._running
        trainer.settle()
        if trainer.state == _core.TrainerState.diverged:
            good.restore()
        elif trainer.done == steps or self._stopped:
            record = np.asarray(trainer.record)[: trainer.done]
            made = record[np.isfinite(record[:, -1])]  # steps that were left out have no norm
            values = self._measured(made.mean(axis=0) if len(made) else np.full(len(self._names), math.nan))
            self.history.put(epoch, dict.fromkeys(self.history, math.nan) | values)  # callbacks fill theirs in
            if self.record_steps:
                self.history.put_steps(before, dict(zip(self._names, record.T.copy(), strict=True)))
            self._done = before + trainer.done
        self._running = None

    # What survives a break

    @property
    def keeper(self) -> Callback | None:
        """The callback that may bring a state back: the first that keeps one."""
        return next((callback for callback in self.callbacks if callback.last), None)

    @property
    def ending(self) -> bool:
        """Whether the last epoch was the last: by their number, or because a callback said so."""
        return self._stopped or self.history.epochs >= self._count

    def to_bytes(self) -> bytes:
        """Return the whole state of this training, as the content of a file for `fallline.load`."""
        half = None if self._running is None else np.asarray(self._running.trainer.record)[: self._running.trainer.done]
        state = {
            "settings": self._told,
            "steps": self._done,
            "half": half,
            "sums": {} if half is None else self.task.meter.arrays(),
            "stopped": self._stopped,
            "history": self.history.state_dict(),
            "callbacks": [callback.state_dict() for callback in self._kept],
        }
        content: bytes = _checkpoint().to_bytes(self.model, self.optimizer, self.history, run=state)
        return content

    def model_bytes(self) -> bytes:
        """Return the model as it is evaluated, and its history, as the content of a file for `fallline.load`."""
        content: bytes = _checkpoint().to_bytes(self.model, None, self.history, weights=self.evaluated())
        return content

    def restore(self, path: Path) -> None:
        """Go on from what `to_bytes` returned; ValueError where that is the state of another training."""
        state = _checkpoint().read_run(path)
        if state is None:
            raise ValueError(f"[fit] {path} holds a model, and no training that could go on")
        wrong = differences(state["settings"], self._told)
        history = History.from_state(state["history"])
        if self._count < history.epochs:
            wrong.append(f"epochs is {self._count}, and {history.epochs} are done")
        if wrong:
            raise ValueError(
                f"[fit] {path.parent} holds a training of something else: {'; '.join(wrong)}. Give it what it had, or "
                "begin anew in another folder"
            )
        _checkpoint().load(path, self.model, self.optimizer)
        self.optimizer.hold(self.model)
        self.history, self._done, self._stopped = history, state["steps"], state["stopped"]
        self._half, self._sums = state["half"], state["sums"]
        self.epoch, self.resumed = max(history.epochs - 1, 0), True
        for callback, kept in zip(self._kept, state["callbacks"], strict=True):
            callback.load_state_dict(kept)

    @cached_property
    def _told(self) -> dict[str, str]:
        callbacks = {"callbacks": ", ".join(type(callback).__name__ for callback in self._kept)}
        return told({**self.settings, "optimizer": self.optimizer}) | callbacks

    # What callbacks ask for

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
        x, y, *_ = self.samples(slice(samples))
        return x, y

    def last_batch(self) -> tuple[np.ndarray, Array]:
        """Return which samples the last step took, and the key from which it drew."""
        assert self._running is not None
        batch, order, done = self._running.batch, self._running.order, self._running.trainer.done
        places = np.arange((done - 1) * batch, min(done * batch, self.data.samples))
        rows = places if order is None else np.asarray(order.numbers)[places]
        key = np.array([_core.derive_key(self.seed, DROPOUT), self._running.first + done], np.uint64)
        return rows, _core.wrap(key)

    def samples(self, rows: Any) -> list[Array]:
        """Return these samples, their targets and what they count in the loss, cast as batches are."""
        dtype = model_dtype(self.model)
        x, y, *weights = (np.asarray(part)[rows] for part in (self.data.x, self.data.y, *self.data.weights[:1]))
        cast = [x.astype(input_dtype(self.model, self.data.x)), y.astype(dtype) if y.dtype.kind == "f" else y]
        return [_core.wrap(np.ascontiguousarray(part)) for part in (*cast, *(w.astype(dtype) for w in weights))]

    def gradients(self, samples: int = 256) -> Mapping[str, Array]:
        """Return the gradient of the loss of the first samples by path, in the mode of evaluation."""
        x, y = self.first(samples)
        with self.model.in_mode(training=False):
            found: Mapping[str, Array] = grad(lambda model: self.task.loss(model(x), y))(self.model)
        return found

    def _make_trainer(self, batch: int, conditions: tuple[Any, ...]) -> tuple[Any, Snapshot]:
        opt, n, data = self.optimizer, self.data.samples, self.data.window(batch)
        # A gradient that is clipped, or whose state is compressed, is needed as a whole.
        stream = opt.native and not self.max_norm and opt._format.precision == "full" and not self._may_skip
        programmed = opt._plannable() and not self.max_norm

        def plan(size: int) -> _core.BatchPlan:
            return training_plan(self.task, size, *data, stream=stream)

        whole = plan(batch)  # first, for what is wrong is told with its shapes
        last = plan(n % batch) if n % batch and n > batch and not self.sizes.drop_last else None
        if opt.native or programmed:
            bound = native_trainer(whole, last, opt, self.model)
            return self.data.driven(bound, data, batch), Snapshot(self.model, opt, bound.running)
        trainer = PythonTrainer(whole, last, opt, self.task, data)
        return self.data.driven(trainer, data, batch), Snapshot(self.model, opt)

    def _diverged(self, row: np.ndarray, step: int, first: int, epoch: int) -> None:
        rate = self.optimizer.hyper_rows(first + step, 1)[0][0]
        what = f"the loss became {row[0]}" if not math.isfinite(row[0]) else f"the gradient became {row[-1]}"
        raise DivergedError(
            f"[fit] {what} in step {step + 1} of epoch {epoch + 1} (learning rate {rate:g}); "
            "the model holds the parameters from before this epoch. Lower the learning rate, scale the inputs, "
            "or pass clip_global_norm",
            self.history,
        )


def _checkpoint() -> Any:
    from fallline.train import _checkpoint as found  # only here: what it is made of is imported on the first use

    return found
