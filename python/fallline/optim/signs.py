"""Rules that step by the sign of something: Lion, Signum and Rprop."""

from __future__ import annotations

from typing import Any

from fallline.optim._base import Hyper, Optimizer

__all__ = ["Lion", "Rprop", "Signum"]

Pair = tuple[Hyper, Hyper]


class Lion(Optimizer):
    r"""The sign of a mean of the gradient and its momentum; one array of state.

    .. math::
        w &\leftarrow w - \alpha\, \mathrm{sign}(\beta_1 m + (1 - \beta_1)\, g) \\
        m &\leftarrow \beta_2 m + (1 - \beta_2)\, g

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`: a third to a tenth of Adam's.
    betas
        :math:`\beta_1, \beta_2`.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`; the paper's decay is `weight_decay`.

    References
    ----------
    Chen et al. 2023, "Symbolic discovery of optimization algorithms", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(3), Lion(0.5)
    >>> opt.step(w, np.array([3.0, -0.1, 0.0]))
    >>> w
    array([-0.5,  0.5,  0. ])
    """

    def __init__(self, lr: Hyper = 1e-4, *, betas: Pair = (0.9, 0.99), **common: Any) -> None:
        super().__init__("lion", lr=lr, beta1=betas[0], beta2=betas[1], **common)


class Signum(Optimizer):
    r"""The sign of the averaged gradient; with ``momentum=0`` it is signSGD.

    .. math::
        m &\leftarrow \mu m + (1 - \mu)\, g \\
        w &\leftarrow w - \alpha\, \mathrm{sign}(m)

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\mu`, the paper's :math:`\beta`.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    References
    ----------
    Bernstein et al. 2018, "signSGD: compressed optimisation for non-convex problems", Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(3), Signum(0.5)
    >>> opt.step(w, np.array([3.0, -0.1, 0.0]))
    >>> w
    array([-0.5,  0.5,  0. ])
    """

    def __init__(self, lr: Hyper = 1e-3, *, momentum: Hyper = 0.9, **common: Any) -> None:
        super().__init__("signum", lr=lr, momentum=momentum, **common)


class Rprop(Optimizer):
    r"""A step size for each element, which grows while the gradient keeps its sign; for whole batches.

    .. math::
        d &\leftarrow d\, \eta^+ \text{ where } g p > 0,\ d\, \eta^- \text{ and } g = 0 \text{ where } g p < 0 \\
        w &\leftarrow w - d\, \mathrm{sign}(g), \quad p \leftarrow g

    Parameters
    ----------
    lr
        The first d; later values have no effect.
    etas
        :math:`\eta^-, \eta^+`.
    step_sizes
        The smallest and the largest d.
    backtrack
        After a turn take the step before it back, as the paper does.
    **common
        `l2`, `weight_decay`, `maximize`, `state_dtype`, as in :class:`SGD`.

    Notes
    -----
    The paper steps back after a turn (`backtrack`); this rests once, as PyTorch does. Optax rests too, and makes every
    step one call later.

    References
    ----------
    Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    eq. (4) to (6).

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.zeros(1), Rprop(0.5)
    >>> for _ in range(2):
    ...     opt.step(w, np.array([3.0]))
    >>> w  # 0.5 + 0.5 * 1.2 down
    array([-1.1])
    """

    def __init__(
        self,
        lr: Hyper = 1e-2,
        *,
        etas: Pair = (0.5, 1.2),
        step_sizes: Pair = (1e-6, 50.0),
        backtrack: bool = False,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"smallest_step": step_sizes[0], "largest_step": step_sizes[1], "backtrack": backtrack}
        super().__init__("rprop", lr=lr, eta_minus=etas[0], eta_plus=etas[1], **own, **common)
