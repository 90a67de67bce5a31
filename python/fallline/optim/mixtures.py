"""Adam with other mixtures of its moments: AdEMAMix, ADOPT, QHAdam and Adan."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["ADOPT", "AdEMAMix", "Adan", "QHAdam"]

Pair = tuple[Hyper, Hyper]
Triple = tuple[Hyper, Hyper, Hyper]


class AdEMAMix(Optimizer):
    r"""Adam with a second mean of gradients that forgets slowly.

    .. math::
        m_1 &\leftarrow \beta_1 m_1 + (1 - \beta_1)\, g, \quad m_2 \leftarrow \beta_3 m_2 + (1 - \beta_3)\, g \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        w &\leftarrow w - \frac{\eta\, (\hat m_1 + \alpha m_2)}{\sqrt{\hat v + \epsilon_r} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\eta`.
    betas
        :math:`\beta_1, \beta_2, \beta_3`.
    alpha
        The weight of the slow mean: 5, as in the paper's experiments; the authors' code has 2. The paper lets it and
        :math:`\beta_3` rise at the start: give schedules.
    eps, eps_root, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`; the slow mean is never corrected.

    References
    ----------
    Pagliardini et al. 2024, "The AdEMAMix optimizer: better, faster, older", section 3 and Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), AdEMAMix(0.1, betas=(0.9, 0.999, 0.5), alpha=2.0)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.2])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Triple = (0.9, 0.999, 0.9999),
        alpha: Hyper = 5.0,
        eps: Hyper = 1e-8,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"beta1": betas[0], "beta2": betas[1], "beta3": betas[2], "alpha": alpha, "eps": eps}
        super().__init__("ademamix", lr=lr, **own, **common)


class ADOPT(Optimizer):
    r"""Adam that divides by what it knew before this gradient, which makes it converge with any :math:`\beta_2`.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, \mathrm{clip}\!\left(\frac{g}{\max(\sqrt v, \epsilon)}, c_t\right) \\
        w &\leftarrow w - \alpha m, \quad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2

    The first step only sets :math:`v = g^2`; as in the authors' code nothing decays then.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas
        :math:`\beta_1, \beta_2`.
    eps
        The least divisor.
    clip
        Whether :math:`c_t = (t - 1)^{1/4}` bounds the scaled gradient, as in the paper's second version.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    References
    ----------
    Taniguchi et al. 2024, "ADOPT: modified Adam can converge with any beta2 with the optimal rate", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), ADOPT(0.1)
    >>> for _ in range(2):
    ...     opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.01])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Pair = (0.9, 0.9999),
        eps: Hyper = 1e-6,
        clip: bool = True,
        **common: Any,
    ) -> None:
        super().__init__("adopt", lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, clip=clip, **common)


class QHAdam(Optimizer):
    r"""Adam with quasi-hyperbolic moments: each a mean of the current term and the running one.

    .. math::
        w \leftarrow w - \alpha\, \frac{(1 - \nu_1)\, g + \nu_1 \hat m}
        {\sqrt{(1 - \nu_2)\, g^2 + \nu_2 \hat v + \epsilon_r} + \epsilon}

    with m and v as in :class:`Adam`.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    nus
        :math:`\nu_1, \nu_2`: (1, 1) is :class:`Adam`, :math:`(\beta_1, 1)` nearly :class:`NAdam`.
    betas, eps, eps_root, bias_correction, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    References
    ----------
    Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", eq. (10); the defaults are the values
    that it recommends.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), QHAdam(0.1)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Pair = (0.995, 0.999),
        nus: Pair = (0.7, 1.0),
        eps: Hyper = 1e-8,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"beta1": betas[0], "beta2": betas[1], "nu1": nus[0], "nu2": nus[1], "eps": eps}
        super().__init__("qhadam", lr=lr, **own, **common)


class Adan(Optimizer):
    r"""Adam with Nesterov's momentum from differences of gradients, :math:`d = g_t - g_{t-1}` and 0 at first.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, \quad v \leftarrow \beta_2 v + (1 - \beta_2)\, d \\
        n &\leftarrow \beta_3 n + (1 - \beta_3)\, (g + \beta_2 d)^2 \\
        w &\leftarrow w - \frac{\alpha\, (\hat m + \beta_2 \hat v)}{\sqrt{\hat n + \epsilon_r} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas
        :math:`\beta_1, \beta_2, \beta_3`, the shares that are kept; the paper's are one minus these.
    small_difference
        Weigh d, and its mean in the step, by :math:`1 - \beta_2` instead of :math:`\beta_2`, as Optax does.
    eps, eps_root, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    Notes
    -----
    As in the authors' code the means are corrected for their start at zero, which the paper's Algorithm 1 leaves out.
    The paper divides by :math:`1 + \alpha\lambda` for weight decay; here w is multiplied by
    :math:`1 - \alpha\lambda`, as everywhere.

    References
    ----------
    Xie et al. 2022, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Adan(0.1)
    >>> opt.step(w, np.array([5.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: Triple = (0.98, 0.92, 0.99),
        eps: Hyper = 1e-8,
        **common: Any,
    ) -> None:
        super().__init__("adan", lr=lr, beta1=betas[0], beta2=betas[1], beta3=betas[2], eps=eps, **common)
