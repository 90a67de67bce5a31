"""How many samples each step of each epoch takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fallline._arguments import Kind, number, one_of, optional, takes, whole
from fallline.optim._clock import Clock

__all__ = ["BatchSizeSchedule", "Sizes", "batch_of", "scale_learning_rate"]


def _size(value: Any) -> Any:
    return value if callable(value) and not isinstance(value, type) else whole(1).accept(value)


class BatchSizeSchedule:
    r"""Let the batch grow from epoch to epoch, instead of letting the learning rate fall.

    .. math:: b_e = \min(b_{max},\ b_0 f^{\lfloor e / k \rfloor})

    Pass it to `fit` as `batch_size` or among the `callbacks`. The noise of a step falls with the batch as it does with
    the learning rate (Smith et al. 2018), with fewer updates.

    Parameters
    ----------
    size
        :math:`b_0`, or a pure function of the number of finished epochs that returns the size.
    factor, every
        f and k: the batch is multiplied by f every k epochs.
    most
        :math:`b_{max}`; all samples at once without it.

    References
    ----------
    Smith, Kindermans, Ying & Le 2018, "Don't decay the learning rate, increase the batch size".

    Examples
    --------
    >>> sizes = BatchSizeSchedule(32, factor=2, every=3, most=100)
    >>> [sizes.size(epoch) for epoch in range(8)]
    [32, 32, 32, 64, 64, 64, 100, 100]
    """

    @takes(
        size=Kind("a positive whole number, or a function of the finished epochs", _size),
        factor=number("positive", lambda x: x > 0),
        every=whole(1),
        most=optional(whole(1)),
    )
    def __init__(
        self, size: int | Callable[[int], float], *, factor: float = 2.0, every: int = 1, most: int | None = None
    ) -> None:
        self._size, self._factor, self._every, self._most = size, factor, every, most

    def __repr__(self) -> str:
        size = getattr(self._size, "__name__", repr(self._size))
        return f"BatchSizeSchedule({size}, factor={self._factor:g}, every={self._every}, most={self._most})"

    def size(self, epoch: int) -> int:
        """Return the batch size after `epoch` finished epochs."""
        if callable(self._size):
            return int(self._size(epoch))
        found = self._size * self._factor ** (epoch // self._every)
        return int(min(found, self._most or math.inf, 2**62))

    def same(self, epoch: int, samples: int) -> float:
        """Return for how many epochs, this one included, the size is known to stay, where it counts up to `samples`."""
        if callable(self._size):
            return 1
        final = self._factor >= 1 and self.size(epoch) >= min(samples, self._most or math.inf)
        return math.inf if final or self._factor == 1 else self._every - epoch % self._every

    def __call__(self, *epoch_history_model_optimizer: Any) -> None:
        """Do nothing: `fit` asks for sizes itself."""


class Sizes:
    """The batch size of each epoch of a run."""

    def __init__(self, batch_size: Any, callbacks: Sequence[Any], samples: int, *, drop_last: bool = False) -> None:
        self.drop_last = drop_last
        given = [c for c in callbacks if isinstance(c, BatchSizeSchedule)]
        schedule = batch_size if isinstance(batch_size, BatchSizeSchedule) else given[0] if given else None
        if schedule is None and callable(batch_size):
            schedule = BatchSizeSchedule(batch_size)
        self.samples = samples
        self.constant = None if schedule else batch_of(batch_size, samples)
        self._schedule = schedule

    def size(self, epoch: int) -> int:
        """Return the batch size of an epoch."""
        if self._schedule is None:
            assert self.constant is not None
            return self.constant
        return batch_of(self._schedule.size(epoch), self.samples)

    def steps(self, epoch: int) -> int:
        """Return the number of updates in an epoch; the last batch may be short, or is left out."""
        size = self.size(epoch)
        return self.samples // size if self.drop_last else -(-self.samples // size)

    def runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """Yield the lengths of `count` epochs from one on as (steps, how many epochs in a row); few where they stay."""
        end = first + count
        while first < end:
            times = int(min(self._schedule.same(first, self.samples) if self._schedule else math.inf, end - first))
            yield self.steps(first), times
            first += times

    def clock(self, t: int) -> Clock:
        """Return when the epochs began in which t batches went by, if they were of these sizes from the start."""
        if self.constant:
            return Clock.constant(self.steps(0))
        lengths = [self.steps(0)]
        done = lengths[0]
        while done <= t:
            lengths.append(self.steps(len(lengths)))
            done += lengths[-1]
        return Clock.constant(lengths[0]).then(0, lengths)


def batch_of(batch_size: Any, samples: int) -> int:
    """Return the batch size as a number, at most the number of samples."""
    if isinstance(batch_size, str) and batch_size == "full":
        return samples
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"[fit] batch_size must be a positive whole number or 'full', got {batch_size!r}")
    return min(int(batch_size), samples)


@takes(
    lr=number("at least 0", lambda x: x >= 0),
    batch_size=whole(1),
    new_batch_size=whole(1),
    rule=one_of("linear", "sqrt"),
)
def scale_learning_rate(lr: float, batch_size: int, new_batch_size: int, rule: str = "linear") -> float:
    r"""Return the learning rate for another batch size that makes training go about the same way.

    Parameters
    ----------
    lr, batch_size
        The learning rate that is known to work, and its batch size :math:`b`.
    new_batch_size
        :math:`b'`.
    rule
        "linear": :math:`\alpha b' / b`, for gradient descent with and without momentum (Goyal et al. 2017);
        "sqrt": :math:`\alpha \sqrt{b' / b}`, for Adam and its kin (Malladi et al. 2022). Neither holds for batches so
        large that their noise no longer matters.

    Examples
    --------
    >>> scale_learning_rate(0.1, 256, 1024), scale_learning_rate(1e-3, 32, 128, "sqrt")
    (0.4, 0.002)
    """
    powers = {"linear": 1.0, "sqrt": 0.5}
    return float(lr * (new_batch_size / batch_size) ** powers[rule])
