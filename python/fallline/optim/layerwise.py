"""Steps as long as a layer is large: LARS, LAMB and NovoGrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline.optim._whole import adam, inner, mean_square, norm, over, squarable
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["LAMB", "LARS", "NovoGrad"]

Hypers = Mapping[str, Any]


def trust_ratio(a: Any, b: Any, factor: Any = 1.0) -> Any:
    """Return factor a / b of two lengths, and 1 where either is zero; one NaN makes it NaN."""
    none = (a == 0) | (b == 0)
    return np.where(none, 1.0, factor * a / np.where(none, 1, b))


class LARS(TensorRule):
    r"""Layer-wise adaptive rate scaling: momentum with steps in proportion to the length of each tensor.

    .. math::
        v \leftarrow \mu v + \alpha \frac{\eta \|w\|}{\|g\| + \epsilon}\, g, \qquad w \leftarrow w - v

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\mu`.
    trust_coefficient, eps
        :math:`\eta` and :math:`\epsilon`; the ratio is 1 where one of the lengths is zero.
    nesterov
        Step by :math:`\mu v + \alpha \dots g` instead of v.
    l2
        Coupled decay :math:`\lambda`, part of g.
    separate_norms
        Divide by :math:`\|g\| + \lambda \|w\|` of the g without decay, as in the paper; Optax divides by
        :math:`\|g + \lambda w\|`.
    weight_decay, maximize
        As in :class:`SGD`.

    References
    ----------
    You, Gitman & Ginsburg 2017, "Large batch training of convolutional networks", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([3.0, 4.0])
    >>> LARS(0.1, trust_coefficient=1.0).step(w, np.array([0.0, 2.0]))
    >>> w
    array([3. , 3.5])
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("momentum", 0.9, "nonnegative"),
        ("trust_coefficient", 1e-3, "nonnegative"),
        ("eps", 0.0, "nonnegative"),
        ("nesterov", 0.0, "flag"),
        ("separate_norms", 0.0, "flag"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep one velocity."""
        return {"v": shape}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Scale, then add to the velocity."""
        length = norm(g - h["l2"] * w) + h["l2"] * norm(w) if h["separate_norms"] else norm(g)
        g = h["lr"] * trust_ratio(norm(w), length + h["eps"] * (length != 0), h["trust_coefficient"]) * g
        v = h["momentum"] * s["v"] + g
        return w - (h["momentum"] * v + g if h["nesterov"] else v), {"v": v}


class LAMB(TensorRule):
    r"""Adam with steps in proportion to the length of each tensor.

    .. math::
        r = \frac{\hat m}{\sqrt{\hat v + \epsilon_r} + \epsilon} + \lambda w, \qquad
        w \leftarrow w - \alpha \frac{\|w\|}{\|r\|}\, r

    with :math:`\hat m, \hat v` as in :class:`Adam`.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas, eps, eps_root
        As in :class:`Adam`; eps is 1e-6 as in the paper.
    weight_decay
        :math:`\lambda`, inside r, so that the ratio sees it.
    l2, maximize
        As in :class:`SGD`.

    References
    ----------
    You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", Algorithm 2, with
    :math:`\phi(z) = z`; the ratio is 1 where one of the lengths is zero.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([3.0, 4.0])
    >>> LAMB(0.1).step(w, np.array([1.0, 0.0]))
    >>> w.round(4)
    array([2.5, 4. ])
    """

    decays_first = False
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("beta1", 0.9, "unit"),
        ("beta2", 0.999, "unit"),
        ("eps", 1e-6, "nonnegative"),
        ("eps_root", 0.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep two moments."""
        return {"m": shape, "v": shape}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Take Adam's direction, then the ratio."""
        g = squarable(g)
        m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
        v = mean_square(h["beta2"], s["v"], g)
        r = adam(h, t, m, v, h["eps"], h["eps_root"]) + h["weight_decay"] * w
        return w - h["lr"] * trust_ratio(norm(w), norm(r)) * r, {"m": m, "v": v}


class NovoGrad(TensorRule):
    r"""Momentum of gradients that are scaled to length one, tensor by tensor.

    .. math::
        v &\leftarrow \beta_2 v + (1 - \beta_2) \|g\|^2, \quad v_1 = \|g_1\|^2 \\
        m &\leftarrow \beta_1 m + \frac{g}{\sqrt{v + \epsilon_r} + \epsilon} + \lambda w, \quad
        w \leftarrow w - \alpha m

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    betas, eps, eps_root
        :math:`\beta_1, \beta_2, \epsilon, \epsilon_r`; one v for each tensor, so the state is half of Adam's.
    weight_decay
        :math:`\lambda`, inside the momentum.
    l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Ginsburg et al. 2019, "Stochastic gradient methods with layer-wise adaptive moments", Algorithm 1; defaults are
    Optax's, and eps stands in the first step too, as there: the paper's first step divides by :math:`\|g_1\|` alone.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(2)
    >>> NovoGrad(0.1, eps=0.0).step(w, np.array([3.0, 4.0]))
    >>> w
    array([-0.06, -0.08])
    """

    decays_first = False
    wide = ("v",)
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("beta1", 0.9, "unit"),
        ("beta2", 0.25, "unit"),
        ("eps", 1e-6, "nonnegative"),
        ("eps_root", 0.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a moment, and one number for the tensor."""
        return {"m": shape, "v": ()}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Scale, decay, and add to the moment."""
        square = inner(g, g)
        v = np.where(t == 1, square, h["beta2"] * s["v"] + (1 - h["beta2"]) * square)
        root = (np.sqrt(v + h["eps_root"]) + h["eps"]).astype(w.dtype)
        m = h["beta1"] * s["m"] + (over(g, root) + h["weight_decay"] * w)
        return w - h["lr"] * m, {"m": m, "v": v}
