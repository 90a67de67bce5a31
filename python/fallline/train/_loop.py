"""How do optimizers train that are more than one native rule?  As native programs, or with Python in each step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.nn import Module
from fallline.optim import Optimizer
from fallline.optim._program import Program, Running
from fallline.train._steps import Task, curvature_plan


class NativeTrainer:
    """An epoch without Python: a native rule, or what an optimizer has written into a program."""

    def __init__(self, native: _core.Trainer, opt: Optimizer, running: Running | None = None) -> None:
        self.native, self.opt, self.running = native, opt, running

    def start(self, samples: int, order: Any, hypers: Any, t: int, key: int, max_norm: float, record: Array) -> None:
        """Begin an epoch; see `PythonTrainer`."""
        self.first = t
        if self.running:
            self.running.start(len(hypers) - len(record))
        self.native.start(samples, order, hypers, t, key, max_norm, record)

    def advance(self, seconds: float, most: int) -> None:
        """Go on for about `seconds`, and at most so many steps."""
        self.native.advance(seconds, most)

    def settle(self) -> None:
        """Set the clocks of the optimizer to how far it came; may be called again."""
        if self.running:
            self.running.settle()
        else:
            self.opt.t = self.first + self.done

    @property
    def state(self) -> Any:
        """Whether the epoch goes on."""
        return self.native.state

    @property
    def done(self) -> int:
        """How many steps are done."""
        return self.native.done

    @property
    def record(self) -> Array:
        """The scalars of every step and the norm of its gradient."""
        return self.native.record


def native_trainer(plan: _core.BatchPlan, last: _core.BatchPlan | None, opt: Optimizer, model: Module) -> NativeTrainer:
    """Bind parameters and state where they lie."""
    parameters = model.parameters()
    if not opt.native:
        program = Program(parameters)
        opt._add_to(program)
        running = Running(program)
        return NativeTrainer(_core.Trainer(plan, last, running.native, program.guards), opt, running)
    state: Mapping[str, Mapping[str, np.ndarray]] = opt.prepare(model)
    slots = [[_core.wrap(slot) for slot in state[path].values()] for path in parameters]
    bound = _core.Parameters(opt._rule_name, opt._format.precision, list(parameters.values()), slots)
    return NativeTrainer(_core.Trainer(plan, last, bound), opt)


class PythonTrainer:
    """An epoch with one call of the optimizer per step; otherwise what the native `Trainer` is."""

    def __init__(
        self,
        plan: _core.BatchPlan,
        last: _core.BatchPlan | None,
        opt: Optimizer,
        task: Task,
        data: tuple[Array, Array, tuple[Array, ...]],
    ) -> None:
        self.plan, self.last, self.opt, self.model = plan, last, opt, task.model
        self.curvature = cache(partial(curvature_plan, task, *data))  # few rules ask for it

    def start(self, samples: int, order: Any, hypers: Any, t: int, key: int, max_norm: float, record: Array) -> None:
        """Begin an epoch; `hypers` says how many steps it has, `record` what came of those that are done already."""
        self.samples, self.order, self.key, self.t, self.max_norm = samples, order, key, t, max_norm
        self.steps, self.done, self.rows = len(hypers), len(record), np.asarray(record).tolist()
        self.state = _core.TrainerState.running

    def advance(self, seconds: float, most: int) -> None:
        """Go on for about `seconds`, and at most so many steps."""
        end, last = time.monotonic() + seconds, min(self.done + most, self.steps)
        while self.done < last:
            row = self._step()
            self.rows.append(row)
            if not (math.isfinite(row[0]) and math.isfinite(row[-1])) and not self.skipped:
                self.state = _core.TrainerState.diverged
                return
            self.done += 1
            if time.monotonic() >= end:
                break
        if self.done == self.steps:
            self.state = _core.TrainerState.finished

    def settle(self) -> None:
        """Set the clock to how far it came; steps set those of the parts."""
        self.opt.t = self.t + self.done

    @property
    def record(self) -> np.ndarray:
        """The scalars of every step and the norm of its gradient."""
        return np.array(self.rows).reshape(len(self.rows), -1)

    def _step(self) -> list[float]:
        begin = self.done * self.plan.batch
        plan = self.plan if self.last is None or begin + self.plan.batch <= self.samples else self.last
        batch, self.skipped = _Batch(self, plan, begin), False
        try:
            self.opt.minimize(batch, self.model.parameters())
        except _NotFinite:
            if plan.weightless:  # a batch that counts nothing makes no step
                self.skipped = True
                return [math.nan] * len(batch.first)
            return [*batch.first[:-1], math.nan]
        plan.write_buffers()
        return batch.first


class _Batch:
    """Loss and gradient of a batch at the parameters as they lie; `first` keeps what was seen before the step."""

    def __init__(self, trainer: PythonTrainer, plan: _core.BatchPlan, begin: int) -> None:
        self.trainer, self.plan, self.first = trainer, plan, list[float]()
        self.place = (trainer.order, begin, trainer.key, trainer.t + trainer.done + 1)

    def __call__(self, _: Any) -> tuple[float, dict[str, Array]]:
        self.plan.gather_and_run(*self.place)
        values, grads = self.plan.values(), self.plan.gradients()
        norm, most = _core.global_norm(grads), self.trainer.max_norm
        if not self.first:
            self.first.extend([*values, norm])
        if not (math.isfinite(values[0]) and math.isfinite(norm)):
            raise _NotFinite
        if most > 0 and norm > most:
            grads = [g * (most / norm) for g in grads]
        return values[0], dict(zip(self.trainer.model.parameters(), grads, strict=True))

    def hessian_product(self, vectors: Mapping[str, np.ndarray]) -> dict[str, Array]:
        """Return the product of the Hessian with vectors by path."""
        plan, held = self.trainer.curvature(self.plan.batch)
        for path, vector in vectors.items():
            np.asarray(held[path])[...] = vector
        _core.written(list(held.values()))
        plan.gather_and_run(*self.place)
        return dict(zip(held, plan.gradients(), strict=True))


class _NotFinite(Exception):
    """The loss or the gradient is not a number."""
