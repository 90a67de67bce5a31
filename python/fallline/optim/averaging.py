"""Rules that step at one point and are evaluated at another: Schedule-Free, MADGRAD and aggregated momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline.optim._base import Hyper, Optimizer
from fallline.optim._whole import over, squarable, sum_square
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["MADGRAD", "AggMo", "ScheduleFreeAdamW", "ScheduleFreeSGD"]

Hypers = Mapping[str, Any]


class _ScheduleFree(Optimizer):
    """What both rules share: y, where gradients are taken, is the parameter; z is a slot; x is what to evaluate."""

    def averaged(self, params: Any) -> Any:
        """Return x = (y - (1 - beta) z) / beta, where to evaluate; before the first step, the parameters themselves."""
        if not self._states:
            return params
        h = self.hyperparameters()
        beta = h.get("momentum", h.get("beta1", 0.0))
        if not beta:
            raise ValueError(f"[{self._name}] without momentum the average cannot be told from the parameters")
        leaves = _tree.flatten(params)
        found = {p: (np.asarray(y) - (1 - beta) * self._states[p]["z"]) / beta for p, y in leaves.items()}
        kinds = {p: (_core.wrap if isinstance(y, _core.Array) else np.asarray) for p, y in leaves.items()}
        return _tree.unflatten(params, {p: kinds[p](x.astype(leaves[p].dtype)) for p, x in found.items()})


class ScheduleFreeSGD(_ScheduleFree):
    r"""Gradient descent whose average takes the place of a decaying learning rate.

    .. math::
        \alpha_t = \alpha \min(1, t / W), \quad
        z \leftarrow z - \alpha_t g(y), \quad x \leftarrow (1 - c_t) x + c_t z, \quad
        y = (1 - \beta) z + \beta x, \quad
        c_t = \frac{\max_{i \le t} \alpha_i^2}{\sum_{s \le t} \max_{i \le s} \alpha_i^2}

    While the rate is constant, :math:`c_t = 1/t`; a schedule on `lr` acts as a warm-up does.

    The parameters that you hold are y; evaluate at ``opt.averaged(params)``, which is x. `fit` does so for validation;
    after it, ``model.load_state_dict({**model.state_dict(), **opt.averaged(model.parameters())})`` puts x into the
    model.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`: constant, and larger than with a schedule.
    momentum
        :math:`\beta`: constant, for it says where x lies between y and z.
    warmup
        :math:`W`: the rate rises to :math:`\alpha` in so many steps.
    paper
        :math:`c_t = 1 / (t + 1)`, eq. (3), which counts the starting point too; the authors' code does not.
    weight_decay
        Coupled: :math:`\lambda y` is added to the gradient, as in the authors' code.
    l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Defazio et al. 2024, "The road less scheduled", eq. (1) to (3); by default the rule is that of their code.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0]), ScheduleFreeSGD(0.5)
    >>> for _ in range(200):
    ...     opt.step(w, w - 1)
    >>> opt.averaged(w).round(2)
    array([1.])
    """

    def __init__(
        self, lr: Hyper = 1.0, *, momentum: Hyper = 0.9, warmup: Hyper = 0.0, paper: bool = False, **common: Any
    ) -> None:
        super().__init__("schedule_free_sgd", lr=lr, momentum=momentum, warmup=warmup, paper=paper, **common)


class ScheduleFreeAdamW(_ScheduleFree):
    r"""Adam's scaled gradients in :class:`ScheduleFreeSGD`; the average takes the place of the first moment.

    .. math::
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
        z \leftarrow z - \alpha_t \left(\frac{g}{\sqrt{\hat v} + \epsilon} + \lambda y\right)

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas, eps
        :math:`\beta` of the average, :math:`\beta_2` and :math:`\epsilon`.
    warmup
        As in :class:`ScheduleFreeSGD`.
    paper
        Algorithm 1 of the paper's first version, and the code of its experiments: v is not corrected, but
        :math:`\alpha_t = \alpha \sqrt{1 - \beta_2^t} \min(1, t / W)`, which also weighs z. The paths differ by a tenth.
    weight_decay
        :math:`\lambda`, at y.
    l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Defazio et al. 2024, "The road less scheduled", Algorithm 1; by default the rule is that of the authors' later code.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0]), ScheduleFreeAdamW(0.1)
    >>> for _ in range(500):
    ...     opt.step(w, w - 1)
    >>> abs(float(opt.averaged(w)[0]) - 1) < 0.2
    True
    """

    def __init__(
        self,
        lr: Hyper = 2.5e-3,
        *,
        betas: tuple[Hyper, Hyper] = (0.9, 0.999),
        eps: Hyper = 1e-8,
        warmup: Hyper = 0.0,
        paper: bool = False,
        **common: Any,
    ) -> None:
        own: dict[str, Any] = {"eps": eps, "warmup": warmup, "paper": paper}
        super().__init__("schedule_free_adamw", lr=lr, beta1=betas[0], beta2=betas[1], **own, **common)


class MADGRAD(TensorRule):
    r"""Dual averaging with the cube root of Adagrad's sum, and momentum.

    .. math::
        \lambda_t &= \alpha \sqrt{t}, \quad s \leftarrow s + \lambda_t g, \quad v \leftarrow v + \lambda_t g^2 \\
        z &= w_0 - \frac{s}{\sqrt[3]{v} + \epsilon}, \qquad w \leftarrow (1 - c)\, w + c\, z, \quad c = 1 - \mu

    Where v is zero, z is :math:`w_0`.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum, eps
        :math:`\mu` and :math:`\epsilon`.
    eps_in_lr
        Add :math:`\epsilon` to a learning rate that is not zero, as the authors' code does and the paper does not.
    weight_decay
        :math:`\alpha\lambda w` is taken away after the step, as in the authors' code with ``decouple_decay``.
    l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Defazio & Jelassi 2022, "A momentumized, adaptive, dual averaged gradient method", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0]), MADGRAD(0.1)
    >>> for _ in range(500):
    ...     opt.step(w, w - 1)
    >>> w.round(2)
    array([1.])
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-2, "nonnegative"),
        ("momentum", 0.9, "unit"),
        ("eps", 1e-6, "nonnegative"),
        ("eps_in_lr", 0.0, "flag"),
    )
    decays_first = False

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep both sums, and the start."""
        return {"s": shape, "v": shape, "w0": shape}

    def start(self, slot: str, w: np.ndarray) -> Any:
        """Start at the parameter."""
        return w if slot == "w0" else 0.0

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Add to both sums, then go towards the dual average."""
        lr = h["lr"] + h["eps"] * (h["lr"] != 0) if h["eps_in_lr"] else h["lr"]
        weight = lr * t**0.5
        g = squarable(g)
        total, v = s["s"] + weight * g, sum_square(s["v"], g, weight)
        z = s["w0"] - over(total, np.power(v, 1 / 3) + h["eps"])
        new = w + (1 - h["momentum"]) * (z - w) - lr * h["weight_decay"] * w
        return new, {"s": total, "v": v, "w0": s["w0"]}


class AggMo(Optimizer):
    r"""Several velocities with different memories, and their mean as the step.

    .. math::
        v_i \leftarrow \beta_i v_i + g, \qquad w \leftarrow w - \frac{\alpha}{K} \sum_{i=1}^{K} v_i

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas
        Three :math:`\beta_i`.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Lucas, Sun, Zemel & Grosse 2019, "Aggregated momentum: stability through passive damping", eq. (3) and (4).

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(1)
    >>> AggMo(0.1).step(w, np.ones(1))
    >>> w
    array([-0.1])
    """

    def __init__(self, lr: Hyper = 0.1, *, betas: tuple[Hyper, Hyper, Hyper] = (0.0, 0.9, 0.99), **common: Any) -> None:
        super().__init__("aggmo", lr=lr, beta1=betas[0], beta2=betas[1], beta3=betas[2], **common)
