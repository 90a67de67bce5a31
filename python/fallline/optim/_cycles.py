"""Schedules that go up and down; see `fallline.optim.schedules`, which has the single ones."""

from __future__ import annotations

from fallline.optim._schedule import Schedule


def cosine_restarts(
    initial: float,
    period: int,
    growth: float = 1.0,
    factor: float = 1.0,
    final: float = 0.0,
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Half a cosine from `initial` to `final`, again and again; each period is `growth` times the one before.

    With `factor`, each start is `factor` times as far above `final` as the one before (Keras's ``m_mul``).

    References: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", eq. (5).

    >>> [round(cosine_restarts(1.0, 2, growth=2)(t), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    arguments = (("initial", initial), ("period", period), ("growth", growth), ("factor", factor), ("final", final))
    return Schedule("cosine_restarts", arguments, per, steps_per_epoch)


def one_cycle(
    peak: float,
    steps: int | None = None,
    rise: float = 0.3,
    initial_factor: float = 25.0,
    final_factor: float = 1e4,
    shape: str = "cosine",
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Rise from ``peak / initial_factor`` to `peak`, then fall to ``peak / (initial_factor final_factor)``.

    The peak comes after ``rise * steps - 1`` steps, which may be none, and the end after ``steps - 1``, as in PyTorch.
    A momentum that goes the other way is ``one_cycle(0.85, ...)`` with factors below one.

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
    arguments = (
        ("peak", peak),
        ("steps", steps),
        ("rise", rise),
        ("initial_factor", initial_factor),
        ("final_factor", final_factor),
        ("shape", shape),
    )
    return Schedule("one_cycle", arguments, per, steps_per_epoch)


def cyclic(
    low: float,
    high: float,
    half_period: int,
    mode: str = "triangular",
    gamma: float = 1.0,
    *,
    per: str | None = None,
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
    arguments = (("low", low), ("high", high), ("half_period", half_period), ("mode", mode), ("gamma", gamma))
    return Schedule("cyclic", arguments, per, steps_per_epoch)


def wsd(
    peak: float,
    warmup: int,
    stable: int | None,
    decay: int,
    final: float = 0.0,
    shape: str = "linear",
    *,
    per: str | None = None,
    steps_per_epoch: int | None = None,
) -> Schedule:
    r"""Warm up, stay, decay: rise from 0 to `peak`, stay there, then fall to `final`.

    Parameters
    ----------
    warmup, stable, decay
        The lengths of the three parts; None for `stable`: what the others leave of `fit`'s.
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
    arguments = (
        ("peak", peak),
        ("warmup", warmup),
        ("stable", stable),
        ("decay", decay),
        ("final", final),
        ("shape", shape),
    )
    return Schedule("wsd", arguments, per, steps_per_epoch)
