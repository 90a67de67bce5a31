"""How does a rule that is written in Python train?  The same plans, with a call of `minimize` for each step."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.nn import Module
from fallline.optim import Optimizer


class PythonTrainer:
    """An epoch with one call of the optimizer per step; otherwise what the native `Trainer` is."""

    def __init__(self, plan: _core.BatchPlan, last: _core.BatchPlan | None, opt: Optimizer, model: Module) -> None:
        self.plan, self.last, self.opt, self.model = plan, last, opt, model

    def start(self, samples: int, order: Any, hypers: Any, t: int, key: int, max_norm: float) -> None:
        """Begin an epoch; `hypers` says how many steps it has."""
        self.samples, self.order, self.key, self.t, self.max_norm = samples, order, key, t, max_norm
        self.steps, self.done, self.rows = len(hypers), 0, list[list[float]]()
        self.state = _core.TrainerState.running

    def advance(self, seconds: float) -> None:
        """Go on for about `seconds`."""
        end = time.monotonic() + seconds
        while self.done < self.steps:
            row = self._step()
            self.rows.append(row)
            if not (math.isfinite(row[0]) and math.isfinite(row[-1])):
                self.state = _core.TrainerState.diverged
                return
            self.done += 1
            if time.monotonic() >= end:
                break
        if self.done == self.steps:
            self.state = _core.TrainerState.finished

    @property
    def record(self) -> np.ndarray:
        """The scalars of every step and the norm of its gradient."""
        return np.array(self.rows).reshape(len(self.rows), -1)

    def _step(self) -> list[float]:
        begin = self.done * self.plan.batch
        plan = self.plan if self.last is None or begin + self.plan.batch <= self.samples else self.last
        parameters = self.model.parameters()
        first: list[float] = []

        def value_and_grad(_: Any) -> tuple[float, dict[str, Array]]:
            # The plan reads the parameters where they lie.
            plan.gather_and_run(self.order, begin, self.key, self.t + self.done + 1)
            values, grads = plan.values(), plan.gradients()
            norm = _core.global_norm(grads)
            if not first:
                first.extend([*values, norm])
            if not (math.isfinite(values[0]) and math.isfinite(norm)):
                raise _NotFinite
            if self.max_norm > 0 and norm > self.max_norm:
                grads = [g * (self.max_norm / norm) for g in grads]
            return values[0], dict(zip(parameters, grads, strict=True))

        try:
            self.opt.minimize(value_and_grad, parameters)
        except _NotFinite:
            return [*first[:-1], math.nan]
        plan.write_buffers()
        return first


class _NotFinite(Exception):
    """The loss or the gradient is not a number."""
