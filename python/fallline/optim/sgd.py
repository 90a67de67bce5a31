"""Gradient descent, with and without momentum."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["QHM", "SGD", "Momentum", "Nesterov"]


class SGD(Optimizer):
    r"""Gradient descent, on whatever batch the gradient comes from.

    .. math:: w \leftarrow w - \alpha g

    With `momentum` it is :class:`Momentum`, with `nesterov` too it is :class:`Nesterov`.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum, dampening, nesterov
        As in PyTorch: `momentum` above 0 (or a schedule) keeps a velocity.
    weight_decay
        Decoupled: w is first multiplied by ``1 - lr * weight_decay``. PyTorch's is coupled; that one is `l2`.
    l2
        Adds ``l2 * w`` to the gradient.
    maximize
        Go up instead of down.
    state_dtype
        None keeps state in the parameter's dtype; "bfloat16" and "float8" compress that of float32 parameters to two
        bytes or one per element, rounded stochastically: less memory, and faster where memory is what limits.

    References
    ----------
    Robbins & Monro 1951, "A stochastic approximation method", Ann. Math. Statist. 22, eq. (6).

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> SGD(0.5).step(w, np.array([2.0, 2.0]))
    >>> w
    array([0., 1.])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        momentum: Hyper = 0.0,
        dampening: Hyper = 0.0,
        nesterov: bool = False,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        common: dict[str, Any] = {"lr": lr, "l2": l2, "weight_decay": weight_decay, "maximize": maximize}
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("[SGD] nesterov=True needs momentum above 0 and dampening=0")
        if nesterov:
            super().__init__("nesterov", momentum=momentum, state_dtype=state_dtype, **common)
        elif callable(momentum) or momentum != 0:
            super().__init__("momentum", momentum=momentum, dampening=dampening, state_dtype=state_dtype, **common)
        else:
            super().__init__("sgd", state_dtype=state_dtype, **common)


class Momentum(Optimizer):
    r"""Gradient descent with a velocity, the heavy ball.

    .. math::
        v &\leftarrow \mu v + (1 - d)\, g \\
        w &\leftarrow w - \alpha v

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\mu`, the share of the velocity that is kept.
    dampening
        :math:`d`; ``dampening=momentum`` makes the velocity an average of gradients.
    dampen_first
        The first velocity is :math:`(1 - d) g` instead of :math:`g`, as in MLX.
    lr_in_velocity
        :math:`v \leftarrow \mu v + \alpha (1 - d) g,\ w \leftarrow w - v`, as in Keras. The path is the same
        while the learning rate is constant.
    l2, weight_decay, maximize, state_dtype
        As in :class:`SGD`.

    Notes
    -----
    PyTorch's ``SGD(momentum=...)`` is this rule; its `weight_decay` is called `l2` here.

    References
    ----------
    Polyak 1964, "Some methods of speeding up the convergence of iteration methods", eq. (9).
    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", eq. (1) and (2).

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Momentum(1.0, momentum=0.5)
    >>> for _ in range(3):
    ...     opt.step(w, np.ones(1))
    >>> w  # 1 + 1.5 + 1.75 down
    array([-4.25])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        momentum: Hyper = 0.9,
        dampening: Hyper = 0.0,
        dampen_first: bool = False,
        lr_in_velocity: bool = False,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        super().__init__(
            "momentum",
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            dampen_first=dampen_first,
            lr_in_velocity=lr_in_velocity,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
        )


class Nesterov(Optimizer):
    r"""Nesterov's accelerated gradient, with one gradient per step at the parameters that are kept.

    .. math::
        v &\leftarrow \mu v + g \\
        w &\leftarrow w - \alpha (g + \mu v)

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\mu`, the share of the velocity that is kept.
    lr_in_velocity
        Put the learning rate into the velocity, as in Keras; the path is the same while it is constant.
    l2, weight_decay, maximize, state_dtype
        As in :class:`SGD`.

    Notes
    -----
    The parameters that are kept are the look-ahead point :math:`w - \alpha \mu v` of the two-point form, so the
    gradient is needed in one place only. PyTorch's ``SGD(nesterov=True)`` is this rule.

    References
    ----------
    Nesterov 1983, "A method of solving a convex programming problem with convergence rate O(1/k^2)".
    Sutskever et al. 2013, eq. (3) and (4). Bengio et al. 2013, "Advances in optimizing recurrent networks", eq. (7).

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Nesterov(1.0, momentum=0.5)
    >>> opt.step(w, np.ones(1))
    >>> w
    array([-1.5])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        momentum: Hyper = 0.9,
        lr_in_velocity: bool = False,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        super().__init__(
            "nesterov",
            lr=lr,
            momentum=momentum,
            lr_in_velocity=lr_in_velocity,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
        )


class QHM(Optimizer):
    r"""Quasi-hyperbolic momentum: a mean of the plain step and the averaged one.

    .. math::
        m &\leftarrow \mu m + (1 - \mu)\, g \\
        w &\leftarrow w - \alpha\, ((1 - \nu)\, g + \nu m)

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\mu`, the paper's :math:`\beta`.
    nu
        The share of the averaged step: 0 is :class:`SGD`, 1 is :class:`Momentum` with ``dampening=momentum`` and
        ``dampen_first=True``, and ``nu=momentum`` is :class:`Nesterov` with its learning rate times ``1 - momentum``.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    References
    ----------
    Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", eq. (3) and (4); the defaults of
    `momentum` and `nu` are those of its section 6.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), QHM(1.0, momentum=0.5, nu=0.5)
    >>> opt.step(w, np.ones(1))
    >>> w
    array([-0.75])
    """

    def __init__(self, lr: Hyper = 1e-3, *, momentum: Hyper = 0.999, nu: Hyper = 0.7, **common: Any) -> None:
        super().__init__("qhm", lr=lr, momentum=momentum, nu=nu, **common)
