"""Rules that divide by the size of past gradients: Adagrad, Adadelta and RMSprop."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    r"""Divide each step by the root of the sum of squared gradients.

    .. math::
        v &\leftarrow v + g^2 \\
        w &\leftarrow w - \frac{\alpha_t\, g}{\sqrt{v + \epsilon_r} + \epsilon},
        \quad \alpha_t = \frac{\alpha}{1 + (t - 1) d}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    lr_decay
        :math:`d`, as in PyTorch.
    eps, eps_root
        :math:`\epsilon` outside the root and :math:`\epsilon_r` inside it. Keras and Optax have
        ``eps=0, eps_root=1e-7``.
    include_current
        Whether the root sees the current gradient. Without it the first step divides by :math:`\epsilon` alone and
        is huge unless `initial_accumulator` is set.
    initial_accumulator
        Where v starts: 0 as in PyTorch, 0.1 in Keras and Optax.
    l2, weight_decay, maximize, state_dtype
        As in :class:`SGD`.

    References
    ----------
    Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, Figure 1; the paper's :math:`\delta` is `eps`.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Adagrad(0.1)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-2,
        *,
        lr_decay: Hyper = 0.0,
        eps: Hyper = 1e-10,
        eps_root: Hyper = 0.0,
        include_current: bool = True,
        initial_accumulator: float = 0.0,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        super().__init__(
            "adagrad",
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            eps_root=eps_root,
            include_current=include_current,
            initial_accumulator=initial_accumulator,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
        )


class Adadelta(Optimizer):
    r"""Steps as large as past steps were, so that the learning rate has no unit.

    .. math::
        v &\leftarrow \rho v + (1 - \rho)\, g^2, \quad
        d = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}}\, g \\
        u &\leftarrow \rho u + (1 - \rho)\, d^2, \quad w \leftarrow w - \alpha d

    Parameters
    ----------
    lr
        :math:`\alpha`; the paper has none, that is, 1.
    rho
        The share of both means that is kept.
    eps
        Inside both roots; it also sets the size of the first steps.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    References
    ----------
    Zeiler 2012, "ADADELTA: an adaptive learning rate method", Algorithm 1; the defaults are PyTorch's.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Adadelta(rho=0.75, eps=1.0)
    >>> opt.step(w, np.array([4.0]))  # 4 / sqrt(0.25 * 16 + 1)
    >>> w.round(6)
    array([-1.788854])
    """

    def __init__(self, lr: Hyper = 1.0, *, rho: Hyper = 0.9, eps: Hyper = 1e-6, **common: Any) -> None:
        super().__init__("adadelta", lr=lr, rho=rho, eps=eps, **common)


class RMSprop(Optimizer):
    r"""Divide each step by the root of a running mean of squared gradients.

    .. math::
        v &\leftarrow a v + (1 - a)\, g^2 \\
        w &\leftarrow w - \frac{\alpha\, g}{\sqrt{v + \epsilon_r} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    alpha
        :math:`a`, the share of the mean that is kept: 0.99 as in PyTorch; the lecture and Keras have 0.9.
    eps, eps_root
        Outside and inside the root. Keras and Optax put it inside.
    momentum
        Above 0, or a schedule: the scaled gradients are gathered in a velocity,
        :math:`u \leftarrow \mu u + g / (\sqrt v + \epsilon),\ w \leftarrow w - \alpha u`.
    lr_in_velocity
        With momentum: the learning rate stands inside the velocity, as in Keras and Optax.
    centered
        Also keep a running mean m of the gradients and use the variance :math:`v - m^2` in place of v.
    bias_correction
        Divide the running means by :math:`1 - a^t`, as Adam does.
    initial_accumulator
        Where v starts: 0; Optax calls it ``initial_scale``.
    l2, weight_decay, maximize, state_dtype
        As in :class:`SGD`; what the centered form keeps is too exact to be compressed, but for a velocity.

    References
    ----------
    Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6e.
    Graves 2013, "Generating sequences with recurrent neural networks", eq. (38) to (41), for the centered form.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), RMSprop(0.1, alpha=0.75)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.2])
    """

    def __init__(
        self,
        lr: Hyper = 1e-2,
        *,
        alpha: Hyper = 0.99,
        eps: Hyper = 1e-8,
        eps_root: Hyper = 0.0,
        momentum: Hyper = 0.0,
        lr_in_velocity: bool = False,
        centered: bool = False,
        bias_correction: bool = False,
        initial_accumulator: float = 0.0,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        moving = callable(momentum) or momentum != 0
        rule = "rmsprop" + ("_centered" if centered else "") + ("_momentum" if moving else "")
        velocity: dict[str, Any] = {"momentum": momentum, "lr_in_velocity": lr_in_velocity} if moving else {}
        super().__init__(
            rule,
            lr=lr,
            alpha=alpha,
            eps=eps,
            eps_root=eps_root,
            bias_correction=bias_correction,
            initial_accumulator=initial_accumulator,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
            **velocity,
        )
