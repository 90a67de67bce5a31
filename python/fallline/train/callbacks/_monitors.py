"""What else belongs into the history?  Learning rates and seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline._arguments import flag, takes
from fallline.optim import Optimizer
from fallline.optim.wrappers import Partition, Wrapper
from fallline.train.callbacks import _kinds
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["LearningRateMonitor", "Timer", "rates"]


def rates(opt: Optimizer) -> dict[str, float]:
    """Return the learning rate of the next step; of a partition that of each part, by its pattern."""
    if isinstance(opt, Partition):
        parts = zip(opt.patterns, opt.parts, strict=True)
        return {f"{name}[{pattern}]": rate for pattern, part in parts for name, rate in rates(part).items()}
    return rates(opt.inner) if isinstance(opt, Wrapper) else {"lr": opt.hyperparameters()["lr"]}


class LearningRateMonitor(Callback):
    r"""Write the learning rate with which the next step would be made into the history, as ``lr``.

    A partition has one for each of its parts: ``lr[*.bias]``.

    Parameters
    ----------
    effective
        Whether to write, for each parameter, how far the next step would move an element over its gradient, the median
        of all elements (R66): ``effective_lr 0.weight``. For gradient descent that is the learning rate itself; rules
        such as Adam give every element its own. Wrappers do not tell.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x, rate = np.ones((64, 1)), fl.optim.schedules.step(0.8, every=1, factor=0.5, per="epoch")
    >>> history = fl.fit(
    ...     fl.nn.Linear(1, 1), x, x, loss="mse", optimizer=fl.optim.SGD(rate), epochs=3, progress=False,
    ...     callbacks=[fl.train.callbacks.LearningRateMonitor()],
    ... )
    >>> history["lr"]
    [0.4, 0.2, 0.1]
    """

    @takes(effective=flag)
    def __init__(self, *, effective: bool = False) -> None:
        self.effective = effective

    def epoch(self, run: Run) -> None:
        """Look at the optimizer."""
        found = rates(run.optimizer)
        if self.effective:
            each = run.optimizer.effective_learning_rates(run.model.parameters(), run.gradients())
            found |= {f"effective_lr {path}": _median(rate) for path, rate in each.items()}
        run.history.put(run.epoch, found)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


class Timer(Callback):
    """Measure the training, and end it when its time is over.

    Parameters
    ----------
    limit
        Seconds that the training may take, those before a break included; it ends after the step in which they are
        over, within about 0.1 s or a step.
    record
        Whether the seconds of each epoch go into the history, as ``seconds``.

    Attributes
    ----------
    seconds
        How long the training has taken so far.
    """

    every = None

    @takes(limit=_kinds.seconds, record=flag)
    def __init__(self, limit: float | None = None, *, record: bool = True) -> None:
        self.limit, self.record = limit, record
        self._before = self._epoch = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """How long the training has taken so far."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def begin(self, run: Run) -> None:
        """Start the clock."""
        if not run.resumed:
            self._before = 0.0
        self._started = time.monotonic()
        self._epoch = self.seconds

    def batch(self, run: Run) -> bool:
        """Look whether the time is over."""
        return self.limit is not None and self.seconds >= self.limit

    def epoch(self, run: Run) -> bool:
        """Write the seconds down."""
        before, self._epoch = self._epoch, self.seconds
        if self.record:
            run.history.put(run.epoch, {"seconds": self._epoch - before})
        return self.batch(run)

    def end(self, run: Run) -> None:
        """Stop the clock."""
        self._before, self._started = self.seconds, None

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._before = float(state["seconds"])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_before": self.seconds, "_started": None}
