"""Adam with other moments: Adamax, NAdam, NAdamW, RAdam, AdaBelief and Yogi."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["AdaBelief", "Adamax", "NAdam", "NAdamW", "RAdam", "Yogi"]

Pair = tuple[Hyper, Hyper]


class Adamax(Optimizer):
    r"""Adam with the largest recent gradient in place of the root of the mean square.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        u &\leftarrow \max(\beta_2 u,\ |g| + \epsilon) \\
        w &\leftarrow w - \frac{\alpha}{1 - \beta_1^t} \frac{m}{u + \epsilon_o}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas
        :math:`\beta_1, \beta_2`.
    eps, eps_outside
        :math:`\epsilon` inside the maximum, as in PyTorch and Optax, and :math:`\epsilon_o` in the divisor, as in
        Keras and MLX; the paper has neither.
    bias_correction
        Without it the first factor is :math:`\alpha`, as in MLX.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Adamax(0.1)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 2e-3,
        *,
        betas: Pair = (0.9, 0.999),
        eps: Hyper = 1e-8,
        eps_outside: Hyper = 0.0,
        bias_correction: bool = True,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"eps": eps, "eps_outside": eps_outside, "bias_correction": bias_correction}
        super().__init__("adamax", lr=lr, beta1=betas[0], beta2=betas[1], **own, **common)


class NAdam(Optimizer):
    r"""Adam with Nesterov's momentum, which grows from half of :math:`\beta_1` to all of it.

    .. math::
        \mu_t &= \beta_1 (1 - \tfrac12\, 0.96^{\psi t}), \quad P_t = \mu_1 \cdots \mu_t \\
        w &\leftarrow w - \frac{\alpha}{\sqrt{\hat v + \epsilon_r} + \epsilon}
        \left(\frac{1 - \mu_t}{1 - P_t}\, g + \frac{\mu_{t+1}}{1 - P_{t+1}}\, m\right)

    with m and v as in :class:`Adam`. Under a schedule of :math:`\beta_1` each :math:`\mu_i` in the product is as it was
    at its step, and :math:`\mu_{t+1}` that of today's :math:`\beta_1`.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum_decay
        :math:`\psi`: 0.004 as in PyTorch; Keras has 1, and in Optax the momentum is :math:`\beta_1` from the start,
        which is ``math.inf``. Kept as the hyper-parameter ``rate``, :math:`0.96^\psi`.
    betas, eps, eps_root, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    References
    ----------
    Dozat 2016, "Incorporating Nesterov momentum into Adam", Algorithm 2 and section 3.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), NAdam(0.1)
    >>> opt.step(w, np.array([5.0]))
    >>> bool(-0.2 < w[0] < -0.1)  # the first step is longer than Adam's
    True
    """

    def __init__(
        self,
        lr: Hyper = 2e-3,
        *,
        betas: Pair = (0.9, 0.999),
        eps: Hyper = 1e-8,
        momentum_decay: float = 4e-3,
        **common: Any,
    ) -> None:
        super().__init__("nadam", lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, rate=0.96**momentum_decay, **common)


class NAdamW(NAdam):
    r"""NAdam with decoupled weight decay: first :math:`w \leftarrow (1 - \alpha\lambda) w`.

    Parameters
    ----------
    weight_decay
        :math:`\lambda`: 0.01, as in :class:`AdamW`; Optax has 0.0001.
    lr, **others
        As in :class:`NAdam`.

    References
    ----------
    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", Algorithm 2; Dozat 2016, as in :class:`NAdam`.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([1.0]), NAdamW(0.1, weight_decay=0.5)
    >>> opt.step(w, np.array([0.0]))
    >>> w
    array([0.95])
    """

    def __init__(self, lr: Hyper = 2e-3, *, weight_decay: Hyper = 1e-2, **others: Any) -> None:
        super().__init__(lr, weight_decay=weight_decay, **others)


class RAdam(Optimizer):
    r"""Adam that waits: plain momentum until enough gradients tell the variance of the adaptive rate.

    .. math::
        \rho_\infty &= \tfrac{2}{1 - \beta_2} - 1, \quad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \quad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\, \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\, \rho_t}} \\
        w &\leftarrow w - \alpha\, \hat m\, \frac{r_t}{\sqrt{\hat v} + \epsilon}
        \text{ where } \rho_t > 5, \text{ else } w - \alpha\, \hat m

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    eps_hat
        Add :math:`\epsilon` to the root before it is corrected, as in PyTorch; Optax adds it after.
    threshold
        What :math:`\rho_t` has to pass: 5, or 4 as in the paper, at least.
    betas, eps, eps_root, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    Notes
    -----
    The paper switches at :math:`\rho_t > 4` and has no epsilon (``threshold=4, eps=0``); its authors' code, PyTorch and
    Optax switch at 5.

    References
    ----------
    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), RAdam(0.1)
    >>> opt.step(w, np.array([5.0]))  # momentum alone
    >>> w.round(6)
    array([-0.5])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Pair = (0.9, 0.999),
        eps: Hyper = 1e-8,
        eps_hat: bool = True,
        threshold: Hyper = 5.0,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"eps": eps, "eps_hat": eps_hat, "threshold": threshold}
        super().__init__("radam", lr=lr, beta1=betas[0], beta2=betas[1], **own, **common)


class AdaBelief(Optimizer):
    r"""Adam that measures how far gradients stray from their mean, not from zero.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, (g - m)^2 + \epsilon_r \\
        w &\leftarrow w - \frac{\alpha\, \hat m}{\sqrt{\hat v} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    eps, eps_root
        1e-16 both, as in the authors' code and Optax; the paper's Algorithm 2 has one epsilon of 1e-8.
    betas, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    References
    ----------
    Zhuang et al. 2020, "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), AdaBelief(0.09)
    >>> opt.step(w, np.array([5.0]))  # the mean is 0.5, so the gradient strays by 4.5
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Pair = (0.9, 0.999),
        eps: Hyper = 1e-16,
        eps_root: Hyper = 1e-16,
        **common: Any,
    ) -> None:
        super().__init__("adabelief", lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, eps_root=eps_root, **common)


class Yogi(Optimizer):
    r"""Adam whose second moment changes by the size of the squared gradient only, so that it falls slowly.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        v &\leftarrow v - (1 - \beta_2)\, \mathrm{sign}(v - g^2)\, g^2 \\
        w &\leftarrow w - \frac{\alpha\, \hat m}{\sqrt{\hat v + \epsilon_r} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    initial_accumulator
        Where m and v start.
    betas, eps, eps_root, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    Notes
    -----
    The paper has no bias correction (``bias_correction=False``); Optax has it, and is this rule.

    References
    ----------
    Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Yogi(0.1, eps=0.0, initial_accumulator=0.0)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-2,
        *,
        betas: Pair = (0.9, 0.999),
        eps: Hyper = 1e-3,
        initial_accumulator: float = 1e-6,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"eps": eps, "initial_accumulator": initial_accumulator}
        super().__init__("yogi", lr=lr, beta1=betas[0], beta2=betas[1], **own, **common)
