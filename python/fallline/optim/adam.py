"""Adam and its kin: running means of the gradient and of its square."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["AMSGrad", "Adam", "AdamW"]


class Adam(Optimizer):
    r"""Adaptive moments: the mean of the gradients over the root of the mean of their squares.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, & \hat m &= m / (1 - \beta_1^t) \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2, & \hat v &= v / (1 - \beta_2^t) \\
        w &\leftarrow w - \frac{\alpha\, \hat m}{\sqrt{\hat v + \epsilon_r} + \epsilon}

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas
        :math:`\beta_1, \beta_2`.
    eps, eps_root
        :math:`\epsilon` outside the root, as in the paper, and :math:`\epsilon_r` inside it, as in Optax.
    bias_correction
        Without it :math:`\hat m = m, \hat v = v`, and the first steps are larger. Under a schedule of
        :math:`\beta` the correction takes its present value for all steps, as PyTorch, Keras and Optax do;
        :class:`NAdam` keeps the product of past ones.
    eps_hat
        Add :math:`\epsilon` to the root before it is corrected, as in Keras; the end of section 2 of the paper.
    weight_decay
        Decoupled and multiplied by lr, as in :class:`AdamW`; PyTorch's Adam couples it, which is `l2` here.
    l2, maximize, state_dtype
        As in :class:`SGD`.

    References
    ----------
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", Algorithm 1; formula and defaults are the paper's.

    Examples
    --------
    >>> import numpy as np
    >>> params, opt = {"w": np.zeros(2)}, Adam(0.1)
    >>> opt.step(params, {"w": np.array([3.0, -4.0])})
    >>> params["w"].round(6)
    array([-0.1,  0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: tuple[Hyper, Hyper] = (0.9, 0.999),
        eps: Hyper = 1e-8,
        eps_root: Hyper = 0.0,
        bias_correction: bool = True,
        eps_hat: bool = False,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 0.0,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        beta1, beta2 = betas
        super().__init__(
            "adam",
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            eps_root=eps_root,
            bias_correction=bias_correction,
            eps_hat=eps_hat,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
        )


class AdamW(Adam):
    r"""Adam with decoupled weight decay: before the step of :class:`Adam`, :math:`w \leftarrow (1 - \alpha\lambda) w`.

    Parameters
    ----------
    weight_decay
        :math:`\lambda`, 0.01 as in PyTorch.
    lr, betas, eps, eps_root, bias_correction, eps_hat, l2, maximize, state_dtype
        As in :class:`Adam`.

    Notes
    -----
    The paper decays by its schedule multiplier times lambda, free of the learning rate; here, as in PyTorch, Keras and
    Optax, the decay is multiplied by it.

    References
    ----------
    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([1.0]), AdamW(0.1, weight_decay=0.5)
    >>> opt.step(w, np.array([0.0]))
    >>> w
    array([0.95])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: tuple[Hyper, Hyper] = (0.9, 0.999),
        eps: Hyper = 1e-8,
        eps_root: Hyper = 0.0,
        bias_correction: bool = True,
        eps_hat: bool = False,
        l2: Hyper = 0.0,
        weight_decay: Hyper = 1e-2,
        maximize: bool = False,
        state_dtype: str | None = None,
    ) -> None:
        super().__init__(
            lr,
            betas=betas,
            eps=eps,
            eps_root=eps_root,
            bias_correction=bias_correction,
            eps_hat=eps_hat,
            l2=l2,
            weight_decay=weight_decay,
            maximize=maximize,
            state_dtype=state_dtype,
        )


class AMSGrad(Optimizer):
    r"""Adam whose second moment never falls.

    .. math::
        u &\leftarrow \max(u, v), \quad \hat u = u / (1 - \beta_2^t) \\
        w &\leftarrow w - \frac{\alpha\, \hat m}{\sqrt{\hat u + \epsilon_r} + \epsilon}

    m and v are those of :class:`Adam`.

    Parameters
    ----------
    max_of_corrected
        Take the maximum of the corrected moments, :math:`u \leftarrow \max(u, \hat v)`, and do not correct it again, as
        in Optax; the first steps, whose :math:`\hat v` are large, then count for ever.
    lr, betas, eps, eps_root, bias_correction, eps_hat, l2, weight_decay, maximize, state_dtype
        As in :class:`Adam`.

    Notes
    -----
    The paper has no bias correction (``bias_correction=False``) and no epsilon; PyTorch's ``Adam(amsgrad=True)`` has
    both, and is this rule.

    References
    ----------
    Reddi, Kale & Kumar 2018, "On the convergence of Adam and beyond", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), AMSGrad(0.1)
    >>> opt.step(w, np.array([2.0]))
    >>> w.round(6)
    array([-0.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-3,
        *,
        betas: tuple[Hyper, Hyper] = (0.9, 0.999),
        eps: Hyper = 1e-8,
        max_of_corrected: bool = False,
        **others: Any,
    ) -> None:
        own: dict[str, Any] = {"eps": eps, "max_of_corrected": max_of_corrected}
        super().__init__("amsgrad", lr=lr, beta1=betas[0], beta2=betas[1], **own, **others)
