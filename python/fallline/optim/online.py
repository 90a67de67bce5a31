"""Rules from stochastic approximation and online learning: ASGD and FTRL."""

from __future__ import annotations

from typing import Any

from fallline import _core, _tree
from fallline.optim._base import Hyper, Optimizer

__all__ = ["ASGD", "FTRL"]


class ASGD(Optimizer):
    r"""Gradient descent with a falling step, and the average of the parameters it passes; see `averaged`.

    .. math::
        \eta_t &= \frac{\alpha}{(1 + \lambda\alpha (t - 1))^{a}}, \quad \mu_t = \frac{1}{\max(1,\ t - 1 - t_0)} \\
        w &\leftarrow (1 - \lambda\eta_t)\, w - \eta_t\, g, \quad \bar w \leftarrow (1 - \mu_t)\, \bar w + \mu_t w

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    lambd
        :math:`\lambda`: how fast the step falls, and the decay of the parameters.
    alpha
        The power :math:`a`, below 1. Derivatives do not pass through it.
    t0
        The average begins after so many steps.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    Notes
    -----
    With a schedule PyTorch's step lags one value behind; otherwise this is its rule.

    References
    ----------
    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging", eq. (2).
    Bottou 2012, "Stochastic gradient descent tricks", section 5.3.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), ASGD(1.0, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     opt.step(w, np.ones(1))
    >>> w, opt.averaged(w)  # -1, -2, -3; the average starts at the second
    (array([-3.]), array([-2.5]))
    """

    def __init__(
        self,
        lr: Hyper = 1e-2,
        *,
        lambd: Hyper = 1e-4,
        alpha: Hyper = 0.75,
        t0: Hyper = 1e6,
        **common: Any,
    ) -> None:
        super().__init__("asgd", lr=lr, lambd=lambd, alpha=alpha, t0=t0, **common)

    def averaged(self, params: Any) -> Any:
        """Return copies of the averages of the parameters; before the first step, the parameters themselves."""
        if not self.t:
            return params
        means = {path: slots["a"].copy() for path, slots in self.state.items()}
        leaves = _tree.flatten(params).items()
        return _tree.unflatten(
            params, {path: _core.wrap(means[path]) if isinstance(a, _core.Array) else means[path] for path, a in leaves}
        )


class FTRL(Optimizer):
    r"""Follow the regularised leader: an Adagrad that sets small weights to exactly zero.

    .. math::
        z &\leftarrow z + \alpha g - (\sqrt{n + g^2} - \sqrt{n})\, w, \quad n \leftarrow n + g^2 \\
        w &\leftarrow \frac{\mathrm{clip}(z, \pm\alpha\lambda_1) - z}{\beta + \sqrt{n} + \alpha\lambda_2}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    l1, ridge
        :math:`\lambda_1, \lambda_2` of the paper. Keras halves the second: its ``l2_regularization_strength`` is
        ``ridge / 2``. `l2` is another thing: it adds to the gradient.
    beta
        :math:`\beta` of the paper, 0 in Keras.
    initial_accumulator
        Where n starts: 0.1 as in Keras, 0 in the paper.
    l2, weight_decay, maximize, state_dtype
        As in :class:`SGD`.

    Notes
    -----
    z is the paper's times the learning rate, which is the same while it is constant, and lets it be zero. z starts
    at zero, as in Keras, so of the starting parameters the first step keeps :math:`1 - \sqrt{n / (n + g^2)}`.

    References
    ----------
    McMahan et al. 2013, "Ad click prediction: a view from the trenches", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(2), FTRL(1.0, l1=1.0, initial_accumulator=0.0)
    >>> opt.step(w, np.array([0.5, 4.0]))
    >>> w
    array([ 0.  , -0.75])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        l1: Hyper = 0.0,
        ridge: Hyper = 0.0,
        beta: Hyper = 0.0,
        initial_accumulator: float = 0.1,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"l1": l1, "ridge": ridge, "beta": beta, "initial_accumulator": initial_accumulator}
        super().__init__("ftrl", lr=lr, **own, **common)
