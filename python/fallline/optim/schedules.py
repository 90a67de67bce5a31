"""Schedules: a hyper-parameter as a function of how many updates, or epochs, are finished."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

from fallline.optim._cycles import cosine_restarts, cyclic, one_cycle, wsd
from fallline.optim._schedule import Schedule, at_least_one

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "cyclic",
    "exponential",
    "inverse_time",
    "join",
    "linear",
    "multi_step",
    "one_cycle",
    "piecewise",
    "polynomial",
    "scale",
    "step",
    "warmup",
    "wsd",
]

Value = float | Callable[[int], float]


def constant(value: float) -> Schedule:
    """Return the same value for ever.

    >>> constant(0.1)(1000)
    0.1
    """
    return Schedule("constant", lambda t: value, (("value", value),))


def step(
    initial: float, every: int, factor: float = 0.5, *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    """Multiply by `factor` every so often: ``initial * factor ** (t // every)``.

    >>> [step(0.8, every=3)(t) for t in range(7)]
    [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    """
    at_least_one("step", every=every)
    arguments = (("initial", initial), ("every", every), ("factor", factor))
    return Schedule("step", lambda t: initial * factor ** (t // every), arguments, (), per, steps_per_epoch)


def multi_step(
    initial: float,
    milestones: Sequence[int],
    factor: float = 0.1,
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    """Multiply by `factor` at each milestone.

    >>> [multi_step(1.0, [2, 3], factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """
    marks = _increasing("multi_step", milestones)
    arguments = (("initial", initial), ("milestones", marks), ("factor", factor))
    return Schedule(
        "multi_step", lambda t: initial * factor ** bisect_right(marks, t), arguments, (), per, steps_per_epoch
    )


def piecewise(
    boundaries: Sequence[int], values: Sequence[float], *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    """Return ``values[i]`` from ``boundaries[i - 1]`` on, and ``values[0]`` before the first boundary.

    >>> [piecewise([2], [0.1, 0.01])(t) for t in range(4)]
    [0.1, 0.1, 0.01, 0.01]
    """
    marks = _increasing("piecewise", boundaries)
    if len(values) != len(marks) + 1:
        raise ValueError(f"[piecewise] {len(marks)} boundaries need {len(marks) + 1} values, got {len(values)}")
    levels = tuple(values)
    arguments = (("boundaries", marks), ("values", levels))
    return Schedule("piecewise", lambda t: levels[bisect_right(marks, t)], arguments, (), per, steps_per_epoch)


def exponential(initial: float, rate: float, *, per: str = "step", steps_per_epoch: int | None = None) -> Schedule:
    r"""Decay as :math:`\alpha_0 e^{-k t}`; a factor of gamma per step is the rate ``-log(gamma)``.

    >>> round(exponential(1.0, 0.1)(10), 6)
    0.367879
    """
    arguments = (("initial", initial), ("rate", rate))
    return Schedule("exponential", lambda t: initial * math.exp(-rate * t), arguments, (), per, steps_per_epoch)


def inverse_time(initial: float, rate: float, *, per: str = "step", steps_per_epoch: int | None = None) -> Schedule:
    r"""Decay as :math:`\alpha_0 / (1 + k t)`.

    >>> inverse_time(1.0, 1.0)(3)
    0.25
    """
    arguments = (("initial", initial), ("rate", rate))
    return Schedule("inverse_time", lambda t: initial / (1 + rate * t), arguments, (), per, steps_per_epoch)


def polynomial(
    initial: float,
    final: float,
    steps: int,
    power: float = 1.0,
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Go from `initial` to `final` as :math:`(1 - t / T)^p`, then stay.

    >>> [polynomial(1.0, 0.0, 2, power=2)(t) for t in range(4)]
    [1.0, 0.25, 0.0, 0.0]
    """
    at_least_one("polynomial", steps=steps)
    arguments = (("initial", initial), ("final", final), ("steps", steps), ("power", power))
    return Schedule(
        "polynomial",
        lambda t: (initial - final) * (1 - min(t, steps) / steps) ** power + final,
        arguments,
        (),
        per,
        steps_per_epoch,
    )


def linear(
    initial: float, final: float, steps: int, *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    """Go from `initial` to `final` in a straight line of `steps`, then stay.

    >>> [linear(0.5, 1.0, 2)(t) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    at_least_one("linear", steps=steps)
    arguments = (("initial", initial), ("final", final), ("steps", steps))
    return Schedule(
        "linear",
        lambda t: final if t >= steps else initial + (final - initial) * (t / steps),
        arguments,
        (),
        per,
        steps_per_epoch,
    )


def cosine(
    initial: float, steps: int, final: float = 0.0, *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    r"""Half a cosine from `initial` to `final`: :math:`(1 + \cos(\pi t / T)) / 2`, then stay.

    References: Loshchilov & Hutter 2017, "SGDR", eq. (5).

    >>> [round(cosine(1.0, 4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    at_least_one("cosine", steps=steps)
    arguments = (("initial", initial), ("steps", steps), ("final", final))
    return Schedule(
        "cosine",
        lambda t: final if t >= steps else final + (initial - final) * (1 + math.cos(math.pi * t / steps)) / 2,
        arguments,
        (),
        per,
        steps_per_epoch,
    )


def warmup(
    after: Value, steps: int, initial: float = 0.0, *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    """Rise in a straight line from `initial` to the start of `after`, which then runs from its own beginning.

    >>> [warmup(0.4, 4)(t) for t in range(6)]
    [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.4]
    """
    at_least_one("warmup", steps=steps)

    def formula(t: int, then: Callable[[int], float]) -> float:
        return then(t - steps) if t >= steps else initial + (then(0) - initial) * (t / steps)

    arguments = (("after", after), ("steps", steps), ("initial", initial))
    return Schedule("warmup", formula, arguments, (_callable(after),), per, steps_per_epoch)


def join(
    schedules: Sequence[Value], boundaries: Sequence[int], *, per: str = "step", steps_per_epoch: int | None = None
) -> Schedule:
    """One schedule after the other; each runs from its own beginning at its boundary.

    >>> [join([1.0, linear(0.5, 0.0, 2)], [2])(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.0]
    """
    marks = _increasing("join", boundaries)
    if len(schedules) != len(marks) + 1:
        raise ValueError(f"[join] {len(marks)} boundaries need {len(marks) + 1} schedules, got {len(schedules)}")

    def formula(t: int, *parts: Callable[[int], float]) -> float:
        i = bisect_right(marks, t)
        return parts[i](t - marks[i - 1] if i else t)

    arguments = (("schedules", tuple(schedules)), ("boundaries", marks))
    return Schedule("join", formula, arguments, tuple(_callable(s) for s in schedules), per, steps_per_epoch)


def scale(schedule: Value, factor: float) -> Schedule:
    """Multiply another schedule by a number.

    >>> scale(inverse_time(1.0, 1.0), 10.0)(1)
    5.0
    """
    arguments = (("schedule", schedule), ("factor", factor))
    return Schedule("scale", lambda t, part: factor * part(t), arguments, (_callable(schedule),))


def _callable(value: Value) -> Callable[[int], float]:
    return value if callable(value) else constant(value)


def _increasing(name: str, marks: Sequence[int]) -> tuple[int, ...]:
    if any(b <= a for a, b in pairwise(marks)):
        raise ValueError(f"[{name}] the boundaries must increase, got {list(marks)}")
    return tuple(marks)
