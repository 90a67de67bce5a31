"""Schedules: a hyper-parameter as a function of how many updates, or epochs, are finished.

The formulas are native, in `cpp/optim/schedule.inc.h`. Where a length may be left out, ``fl.fit`` fills in what there
is: the number of its own updates, or, for a part of `warmup` and `join`, what the other parts leave of it.
"""

from __future__ import annotations

from collections.abc import Sequence as _Sequence

from fallline._explain import explain_all as _explain_all
from fallline._hints import module_names as _module_names
from fallline.optim._cycles import cosine_restarts, cyclic, one_cycle, wsd
from fallline.optim._schedule import Schedule
from fallline.optim._schedule import Value as _Value

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


def constant(value: float) -> Schedule:
    """Return the same value for ever.

    >>> constant(0.1)(1000)
    0.1
    """
    arguments = (("value", value),)
    return Schedule("constant", arguments)


def step(
    initial: float, every: int, factor: float = 0.5, *, per: str | None = None, steps_per_epoch: int | None = None
) -> Schedule:
    """Multiply by `factor` every so often: ``initial * factor ** (t // every)``.

    >>> [step(0.8, every=3)(t) for t in range(7)]
    [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    """
    arguments = (("initial", initial), ("every", every), ("factor", factor))
    return Schedule("step", arguments, per, steps_per_epoch)


def multi_step(
    initial: float,
    milestones: _Sequence[int],
    factor: float = 0.1,
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    """Multiply by `factor` at each milestone.

    >>> [multi_step(1.0, [2, 3], factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """
    arguments = (("initial", initial), ("milestones", milestones), ("factor", factor))
    return Schedule("multi_step", arguments, per, steps_per_epoch)


def piecewise(
    boundaries: _Sequence[int], values: _Sequence[float], *, per: str | None = None, steps_per_epoch: int | None = None
) -> Schedule:
    """Return ``values[i]`` from ``boundaries[i - 1]`` on, and ``values[0]`` before the first boundary.

    >>> [piecewise([2], [0.1, 0.01])(t) for t in range(4)]
    [0.1, 0.1, 0.01, 0.01]
    """
    arguments = (("boundaries", boundaries), ("values", values))
    return Schedule("piecewise", arguments, per, steps_per_epoch)


def exponential(initial: float, rate: float, *, per: str | None = None, steps_per_epoch: int | None = None) -> Schedule:
    r"""Decay as :math:`\alpha_0 e^{-k t}`; a factor of gamma per step is the rate ``-log(gamma)``.

    >>> round(exponential(1.0, 0.1)(10), 6)
    0.367879
    """
    arguments = (("initial", initial), ("rate", rate))
    return Schedule("exponential", arguments, per, steps_per_epoch)


def inverse_time(
    initial: float, rate: float, *, per: str | None = None, steps_per_epoch: int | None = None
) -> Schedule:
    r"""Decay as :math:`\alpha_0 / (1 + k t)`.

    >>> inverse_time(1.0, 1.0)(3)
    0.25
    """
    arguments = (("initial", initial), ("rate", rate))
    return Schedule("inverse_time", arguments, per, steps_per_epoch)


def polynomial(
    initial: float,
    final: float,
    steps: int | None = None,
    power: float = 1.0,
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Go from `initial` to `final` as :math:`(1 - t / T)^p`, then stay.

    >>> [polynomial(1.0, 0.0, 2, power=2)(t) for t in range(4)]
    [1.0, 0.25, 0.0, 0.0]
    """
    arguments = (("initial", initial), ("final", final), ("steps", steps), ("power", power))
    return Schedule("polynomial", arguments, per, steps_per_epoch)


def linear(
    initial: float,
    final: float,
    steps: int | None = None,
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    """Go from `initial` to `final` in a straight line of `steps`, then stay.

    >>> [linear(0.5, 1.0, 2)(t) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    arguments = (("initial", initial), ("final", final), ("steps", steps))
    return Schedule("linear", arguments, per, steps_per_epoch)


def cosine(
    initial: float,
    steps: int | None = None,
    final: float = 0.0,
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Half a cosine from `initial` to `final`: :math:`(1 + \cos(\pi t / T)) / 2`, then stay.

    References: Loshchilov & Hutter 2017, "SGDR", eq. (5).

    >>> [round(cosine(1.0, 4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    arguments = (("initial", initial), ("steps", steps), ("final", final))
    return Schedule("cosine", arguments, per, steps_per_epoch)


def warmup(
    after: _Value,
    steps: int,
    initial: float = 0.0,
    shape: str = "linear",
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Rise from `initial` to the start of `after`, which then runs from its own beginning.

    Parameters
    ----------
    after
        What follows: a number or a schedule.
    steps, initial
        How long the rise takes, and where it begins.
    shape
        "linear"; "cosine", which begins and ends gently, :math:`(1 - \cos(\pi t / T)) / 2` of the way; or
        "exponential", the same factor in every step, from an `initial` above 0.

    References
    ----------
    Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2.

    Examples
    --------
    >>> [warmup(0.4, 4)(t) for t in range(6)]
    [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.4]
    >>> [round(warmup(0.8, 3, initial=0.1, shape="exponential")(t), 3) for t in range(5)]
    [0.1, 0.2, 0.4, 0.8, 0.8]
    """
    arguments = (("after", after), ("steps", steps), ("initial", initial), ("shape", shape))
    return Schedule("warmup", arguments, per, steps_per_epoch)


def join(
    schedules: _Sequence[_Value],
    boundaries: _Sequence[int],
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    """One schedule after the other; each runs from its own beginning at its boundary.

    >>> [join([1.0, linear(0.5, 0.0, 2)], [2])(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.0]
    """
    arguments = (("schedules", schedules), ("boundaries", boundaries))
    return Schedule("join", arguments, per, steps_per_epoch)


def scale(schedule: _Value, factor: float) -> Schedule:
    """Multiply another schedule by a number.

    >>> scale(inverse_time(1.0, 1.0), 10.0)(1)
    5.0
    """
    arguments = (("schedule", schedule), ("factor", factor))
    return Schedule("scale", arguments)


_explain_all(__all__, globals())
__getattr__, __dir__ = _module_names(__name__)
