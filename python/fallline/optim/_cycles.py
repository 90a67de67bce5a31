"""Schedules that go up and down; see `fallline.optim.schedules`, which has the single ones."""

from __future__ import annotations

import math
from collections.abc import Callable

from fallline.optim._schedule import Schedule, at_least_one


def cosine_restarts(
    initial: float,
    period: int,
    growth: float = 1.0,
    factor: float = 1.0,
    final: float = 0.0,
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Half a cosine from `initial` to `final`, again and again; each period is `growth` times the one before.

    With `factor`, each start is `factor` times the one before (Keras's ``m_mul``).

    References: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", eq. (5).

    >>> [round(cosine_restarts(1.0, 2, growth=2)(t), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    at_least_one("cosine_restarts", period=period)
    if growth < 1:
        raise ValueError(f"[cosine_restarts] growth must be at least 1, got {growth}")

    def formula(t: int) -> float:
        length, start, top = float(period), 0.0, initial
        while t >= start + length:
            start, length, top = start + length, length * growth, top * factor
        return final + (top - final) * (1 + math.cos(math.pi * (t - start) / length)) / 2

    arguments = (("initial", initial), ("period", period), ("growth", growth), ("factor", factor), ("final", final))
    return Schedule("cosine_restarts", formula, arguments, (), per, steps_per_epoch)


def one_cycle(
    peak: float,
    steps: int,
    rise: float = 0.3,
    initial_factor: float = 25.0,
    final_factor: float = 1e4,
    shape: str = "cosine",
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Rise from ``peak / initial_factor`` to `peak`, then fall to ``peak / (initial_factor final_factor)``.

    The peak comes after ``rise * steps - 1`` steps and the end after ``steps - 1``, as in PyTorch. A momentum that goes
    the other way is ``one_cycle(0.85, ...)`` with factors below one.

    Parameters
    ----------
    peak, steps, rise
        The largest value, the length, and the share of it that rises.
    initial_factor, final_factor
        How far below the peak it starts, and how far below the start it ends.
    shape
        "cosine" or "linear".

    References
    ----------
    Smith & Topin 2018, "Super-convergence: very fast training of neural networks using large learning rates".

    Examples
    --------
    >>> [round(one_cycle(1.0, 11, rise=0.5, shape="linear")(t), 3) for t in (0, 10)]
    [0.04, 0.0]
    """
    at_least_one("one_cycle", steps=steps)
    if shape not in ("cosine", "linear"):
        raise ValueError(f'[one_cycle] shape must be "cosine" or "linear", got {shape!r}')
    if not 0 < rise < 1:
        raise ValueError(f"[one_cycle] rise must be between 0 and 1, got {rise}")
    low, top = peak / initial_factor, rise * steps - 1

    def between(a: float, b: float, share: float) -> float:
        share = min(max(share, 0.0), 1.0)
        return a + (b - a) * (share if shape == "linear" else (1 - math.cos(math.pi * share)) / 2)

    def formula(t: int) -> float:
        if t <= top:
            return between(low, peak, t / top)
        return between(peak, low / final_factor, (t - top) / (steps - 1 - top))

    arguments = (("peak", peak), ("steps", steps), ("rise", rise), ("shape", shape))
    return Schedule("one_cycle", formula, arguments, (), per, steps_per_epoch)


def cyclic(
    low: float,
    high: float,
    half_period: int,
    mode: str = "triangular",
    gamma: float = 1.0,
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Go up from `low` to `high` and down again, in straight lines of `half_period` steps.

    Parameters
    ----------
    mode
        "triangular"; "triangular2" halves the height with every cycle; "exp_range" multiplies it by `gamma` per step.

    References
    ----------
    Smith 2017, "Cyclical learning rates for training neural networks", section 3.

    Examples
    --------
    >>> [cyclic(0.0, 1.0, 2, mode="triangular2")(t) for t in range(7)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5]
    """
    at_least_one("cyclic", half_period=half_period)
    if mode not in ("triangular", "triangular2", "exp_range"):
        raise ValueError(f'[cyclic] mode must be "triangular", "triangular2" or "exp_range", got {mode!r}')

    def formula(t: int) -> float:
        cycle = t // (2 * half_period)
        height = 1 - abs(t / half_period - 2 * cycle - 1)
        scale = {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": float(gamma**t)}[mode]
        return low + (high - low) * height * scale

    arguments = (("low", low), ("high", high), ("half_period", half_period), ("mode", mode), ("gamma", gamma))
    return Schedule("cyclic", formula, arguments, (), per, steps_per_epoch)


def wsd(
    peak: float,
    warmup: int,
    stable: int,
    decay: int,
    final: float = 0.0,
    shape: str = "linear",
    *,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Warm up, stay, decay: rise from 0 to `peak`, stay there, then fall to `final`.

    Parameters
    ----------
    warmup, stable, decay
        The lengths of the three parts.
    shape
        How it falls: "linear", "cosine", or "sqrt", :math:`1 - \sqrt{s}` for the share s of the decay.

    References
    ----------
    Hu et al. 2024, "MiniCPM", section 4.2; the square root is from Haegele et al. 2024, section 3.

    Examples
    --------
    >>> [wsd(1.0, 2, 1, 2)(t) for t in range(6)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    at_least_one("wsd", decay=decay)
    falls: dict[str, Callable[[float], float]] = {
        "linear": lambda s: 1 - s,
        "cosine": lambda s: (1 + math.cos(math.pi * s)) / 2,
        "sqrt": lambda s: 1 - s**0.5,
    }
    if shape not in falls:
        raise ValueError(f"[wsd] shape must be one of {', '.join(falls)}, got {shape!r}")
    if min(warmup, stable) < 0:
        raise ValueError(f"[wsd] the lengths must not be negative, got {warmup} and {stable}")

    def formula(t: int) -> float:
        if t < warmup:
            return peak * (t / warmup)
        return final + (peak - final) * falls[shape](min(max(t - warmup - stable, 0) / decay, 1.0))

    arguments = (("peak", peak), ("warmup", warmup), ("stable", stable), ("decay", decay), ("final", final))
    return Schedule("wsd", formula, (*arguments, ("shape", shape)), (), per, steps_per_epoch)
