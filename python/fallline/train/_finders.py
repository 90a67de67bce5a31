"""Which learning rate, and which batch size?  Asked by training a copy of the model for a short while."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fallline import optim
from fallline._arguments import flag, number, optional, takes, whole
from fallline.nn import Module, losses
from fallline.train import _kinds
from fallline.train._batches import batch_of
from fallline.train._data import as_rows, check_rows
from fallline.train._fit import fit
from fallline.train._history import DivergedError
from fallline.train._memory import Memory, _of
from fallline.train._show import axes
from fallline.train._steps import Task
from fallline.train._targets import check_targets
from fallline.train.callbacks import Callback
from fallline.train.metrics._meter import Meter

__all__ = ["BatchSizes", "LearningRates", "find_batch_size", "find_learning_rate"]

Floats = NDArray[np.float64]
TOO_LARGE = 3.0  # times the loss without any steps: there the sweep ends
WIDTH = 5  # steps that a look at the loss takes together


class LearningRates(NamedTuple):
    """The losses of a sweep of learning rates, and the rate that they speak for."""

    rates: Floats
    losses: Floats
    smoothed: Floats
    suggestion: float

    def __float__(self) -> float:
        return self.suggestion

    def __repr__(self) -> str:
        low, high = self.rates[0], self.rates[-1]
        return f"LearningRates(suggestion={self.suggestion:.2g}, {len(self.rates)} rates from {low:.2g} to {high:.2g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw losses over rates with matplotlib, the suggestion marked, and return the axes."""
        ax = axes() if ax is None else ax
        ax.semilogx(self.rates, self.losses, color="0.7", label="loss of a batch")
        ax.semilogx(self.rates, self.smoothed, label="smoothed")
        ax.axvline(self.suggestion, color="C3", linestyle="--", label=f"suggestion {self.suggestion:.2g}")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.set_ylim(top=float(self.smoothed[0]) * 1.5)
        ax.legend()
        return ax


@takes(
    model=_kinds.model,
    loss=_kinds.loss,
    optimizer=_kinds.optimizer,
    batch_size=_kinds.fixed_batch_size,
    lowest=_kinds.positive,
    highest=_kinds.positive,
    steps=whole(20),
    seed=_kinds.seed,
)
def find_learning_rate(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Callable[..., Any],
    optimizer: str | optim.Optimizer = "adam",
    batch_size: int | str = 32,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    seed: int = 0,
) -> LearningRates:
    """Suggest a learning rate: train a copy with a rate that grows at every step, and look where the loss falls.

    What batches differ by is taken out: of each loss the one that the same batch has before any step. The rest is
    smoothed over neighbours on both sides, without a lag. Model and optimizer stay as they are.

    Parameters
    ----------
    model, x, y, loss, optimizer, batch_size, seed
        As for `fit`; an optimizer instance keeps all but its rate.
    lowest, highest
        Between which the rate grows, by one factor at every step; the sweep ends before where the loss grows.
    steps
        How many rates are tried.

    Returns
    -------
    LearningRates
        ``suggestion``, and ``rates``, ``losses``, ``smoothed``; with `plot`.

    References
    ----------
    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.random.default_rng(0).normal(size=(512, 4)).astype(np.float32)
    >>> model = fl.nn.Linear(4, 1, rng=fl.random.default_rng(0))
    >>> found = fl.train.find_learning_rate(model, x, x.sum(1), loss="mse", optimizer="sgd")
    >>> 0.001 < found.suggestion < 1  # above 1 steps go past the minimum
    True
    """
    if not lowest < highest:
        raise ValueError(f"[find_learning_rate] lowest must be below highest, got {lowest:g} and {highest:g}")
    ratio = (highest / lowest) ** (1 / (steps - 1))
    n = check_rows({"x": as_rows("x", x), "y": as_rows("y", y)})
    epochs = -(-steps // -(-n // batch_of(batch_size, n)))

    def losses_at(rate: Any, sweep: _Sweep) -> Floats:
        opt = _fresh(optimizer, "find_learning_rate")
        opt.lr = rate
        with suppress(DivergedError):  # that is what a sweep goes for
            fit(
                copy.deepcopy(model), x, y, loss=loss, optimizer=opt, batch_size=batch_size, epochs=epochs, seed=seed,
                callbacks=[sweep], progress=False,
            )  # fmt: skip
        return np.array(sweep.losses)

    still = losses_at(0.0, _Sweep(steps))
    moving = losses_at(lambda t: lowest * ratio**t, _Sweep(steps, still))
    if len(moving) < 10:
        raise ValueError(
            f"[find_learning_rate] the loss grows from the start, after {len(moving)} steps from {lowest:g} on: lower "
            "`lowest`, or scale the inputs"
        )
    still = still[: len(moving)]
    rates, smoothed = lowest * ratio ** np.arange(len(moving)), still.mean() + smooth(moving - still)
    return LearningRates(rates, moving, smoothed, float(rates[steepest(smoothed)]))


class _Sweep(Callback):
    """Keeps the loss of every step, and ends the training after some, or where it has grown beyond `still`."""

    def __init__(self, steps: int, still: Floats | None = None) -> None:
        self.steps, self.still, self.losses = steps, still, list[float]()

    def batch(self, run: Any) -> bool:
        self.losses.append(run.values["loss"])
        count = len(self.losses)
        if self.still is not None and count > 2 * WIDTH:
            grown = np.median(np.array(self.losses[-WIDTH:]) - self.still[count - WIDTH : count])
            if grown > (TOO_LARGE - 1) * abs(self.still.mean()):
                return True
        return count >= self.steps


def smooth(values: Floats, width: int = 2 * WIDTH) -> Floats:
    """Return the values smoothed over neighbours on both sides: medians, which single outliers do not move, then means.

    At the ends there are fewer neighbours, as many on each side.
    """
    for reduce in (np.median, np.mean):
        reach = [min(width, i, len(values) - 1 - i) for i in range(len(values))]
        values = np.array([reduce(values[i - r : i + r + 1]) for i, r in enumerate(reach)])
    return values


def steepest(smoothed: Floats) -> int:
    """Return where a curve falls fastest before its minimum."""
    lowest = max(2, int(np.argmin(smoothed)))
    return int(np.argmin(np.gradient(smoothed)[: lowest + 1]))


class BatchSizes(NamedTuple):
    """Batch sizes that fit, what they take, and how long a sample then takes."""

    sizes: list[int]
    memory: list[Memory]
    seconds: list[float]  # for each sample, the shortest of several steps; NaN where it was not asked for
    largest: int
    fastest: int | None

    def __str__(self) -> str:
        rows = zip(self.sizes, self.memory, self.seconds, strict=True)
        lines = [f"{size:>10}{m.total / 1e6:>12.2f} MB{1e6 * s:>12.3f} us a sample" for size, m, s in rows]
        return "\n".join([*lines, f"largest {self.largest}, fastest {self.fastest}"])


@takes(
    model=_kinds.model,
    loss=_kinds.loss,
    memory=number("a positive number of bytes", lambda x: x > 0),
    optimizer=_kinds.optimizer,
    most=optional(whole(1)),
    timed=flag,
)
def find_batch_size(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Callable[..., Any],
    memory: float,
    optimizer: str | optim.Optimizer = "adam",
    most: int | None = None,
    timed: bool = True,
) -> BatchSizes:
    """Find the largest batch size whose training fits into some memory, and the one that is fastest for each sample.

    Memory is known from the plan of a step, which is made but not run. Model and optimizer stay as they are.

    Parameters
    ----------
    model, x, y, loss, optimizer
        As for `fit`.
    memory
        Bytes for parameters, state, activations with gradients, and the batch.
    most
        No larger sizes; the number of samples without it.
    timed
        Whether powers of two that fit are timed, on copies.

    Returns
    -------
    BatchSizes
        ``largest``, ``fastest`` (None without `timed`), and ``sizes``, ``memory``, ``seconds``.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> model = fl.nn.Sequential(fl.nn.Linear(64, 256), fl.nn.ReLU(), fl.nn.Linear(256, 1))
    >>> x = np.zeros((4096, 64), np.float32)
    >>> found = fl.train.find_batch_size(model, x, x[:, 0], loss="mse", memory=2e6, timed=False)
    >>> fl.train.memory(model, found.largest, x=x, y=x[:, 0], loss="mse").total <= 2e6
    True
    """
    xs, ys = as_rows("x", x, "find_batch_size"), as_rows("y", y, "find_batch_size")
    n = check_rows({"x": xs, "y": ys}, "find_batch_size")
    task, opt = Task(model, losses.get(loss), Meter()), optim.get(optimizer)
    check_targets(task, xs, ys)
    known: dict[int, Memory] = {}

    def fits(size: int) -> bool:
        known[size] = _of(task, opt, size, xs, ys)
        return known[size].total <= memory

    if not fits(1):
        raise ValueError(
            f"[find_batch_size] one sample takes {known[1].total:,} bytes, {memory:,.0f} are given; most of it:\n"
            f"{known[1]}"
        )
    low, top = 1, min(n, most or n)
    while low < top and fits(min(2 * low, top)):
        low = min(2 * low, top)
    high = min(2 * low, top + 1)
    while high - low > 1:  # low fits, high does not
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    sizes = [*(2**k for k in range(low.bit_length()) if 2**k < low), low]
    seconds = [_seconds(task, optimizer, size, x, y) if timed else float("nan") for size in sizes]
    fastest = sizes[int(np.argmin(seconds))] if timed else None
    return BatchSizes(sizes, [known.get(s) or _of(task, opt, s, xs, ys) for s in sizes], seconds, low, fastest)


class _Clock(Callback):
    """Keeps the times between steps."""

    def __init__(self) -> None:
        self.before, self.times = 0.0, list[float]()

    def batch(self, run: Any) -> bool:
        now = time.perf_counter()
        self.times.append(now - self.before)
        self.before = now
        return len(self.times) > 8


def _seconds(task: Task, optimizer: str | optim.Optimizer, size: int, x: Any, y: Any) -> float:
    """Return the time that a step takes for each sample: the shortest of some, since others may be at work."""
    clock = _Clock()
    opt = _fresh(optimizer, "find_batch_size")
    fit(
        copy.deepcopy(task.model), x, y, loss=task.loss, optimizer=opt, batch_size=size, epochs=9, callbacks=[clock],
        progress=False,
    )  # fmt: skip
    return min(clock.times[1:]) / size


def _fresh(optimizer: str | optim.Optimizer, where: str) -> optim.Optimizer:
    """Return a copy of an optimizer that has not begun."""
    opt = optim.get(optimizer) if isinstance(optimizer, str) else copy.deepcopy(optimizer)
    if opt.t:
        raise ValueError(f"[{where}] the optimizer has made {opt.t} steps already; give a new one")
    return opt
