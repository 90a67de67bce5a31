"""Second moments in less memory than the parameters take: Adafactor and SM3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline.optim.layerwise import norm
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["SM3", "Adafactor"]

Hypers = Mapping[str, Any]


class Adafactor(TensorRule):
    r"""Adam without a first moment, whose second moment is a row times a column.

    .. math::
        \beta_t &= 1 - t^{-c}, \quad
        r \leftarrow \beta_t r + (1 - \beta_t) \overline{g^2}_{rows}, \quad
        q \leftarrow \beta_t q + (1 - \beta_t) \overline{g^2}_{columns} \\
        u &= g \,/ \sqrt{\max(r q / \bar r,\ \epsilon_1^2)}, \qquad
        w \leftarrow w - \max(\epsilon_2, \mathrm{rms}(w)) \min(\alpha, t^{-1/2})\, u / \max(1, \mathrm{rms}(u) / d)

    Tensors with one axis keep the whole second moment.

    Parameters
    ----------
    lr
        The largest relative step :math:`\alpha`.
    decay
        c.
    eps1, eps2
        :math:`\epsilon_1` (None of PyTorch is 1.2e-7 in float32; it is a number here) and :math:`\epsilon_2`.
    clip
        d.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Shazeer & Stern 2018, "Adafactor: adaptive learning rates with sublinear memory cost", Algorithms 4 and 5; the order
    of operations is PyTorch's.

    Examples
    --------
    >>> import numpy as np
    >>> opt = Adafactor()
    >>> opt.memory_bytes(np.zeros((1000, 1000)))
    16000
    """

    decays_first = False
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-2, "nonnegative"),
        ("decay", 0.8, "nonnegative"),
        ("eps1", 1.1920928955078125e-07, "nonnegative"),
        ("eps2", 1e-3, "nonnegative"),
        ("clip", 1.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a row and a column of each matrix, or all of a vector."""
        if len(shape) < 2:
            return {"v": shape}
        return {"row": (*shape[:-1], 1), "column": (*shape[:-2], 1, shape[-1])}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Form the second moment, scale the step and clip it."""
        share = t ** -h["decay"]  # 1 - beta_t
        if "v" in s:
            v = s["v"] + share * (g * g - s["v"])
            kept = {"v": v}
        else:
            row = s["row"] + share * (np.mean(g * g, axis=-1, keepdims=True) - s["row"])
            column = s["column"] + share * (np.mean(g * g, axis=-2, keepdims=True) - s["column"])
            v = row * column / np.maximum(np.mean(row, axis=-2, keepdims=True), h["eps1"])
            kept = {"row": row, "column": column}
        u = g / np.sqrt(np.maximum(v, h["eps1"] ** 2))
        root = max(1, w.size) ** 0.5
        rms = norm(w) / root  # before the decay, as in PyTorch
        w = (1 - h["lr"] * h["weight_decay"]) * w
        step = np.maximum(h["eps2"], rms) * min(h["lr"], t**-0.5)
        return w - step / np.maximum(1.0, norm(u) / (root * h["clip"])) * u, kept


class SM3(TensorRule):
    r"""Adagrad whose sums are kept for every index of every axis, not for every element.

    .. math::
        v = \min_i \mu_i + g^2, \quad \mu_i \leftarrow \max_{\text{other axes}} v, \qquad
        m \leftarrow \beta m + (1 - \beta) \frac{g}{\sqrt{v + \epsilon}}, \qquad w \leftarrow w - \alpha m

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\beta`.
    eps
        :math:`\epsilon`, inside the root as in Optax; where v is zero the step is.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Anil, Gupta, Koren & Singer 2019, "Memory-efficient adaptive optimization", Algorithm SM3-II.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros((2, 2))
    >>> SM3(0.1, momentum=0.0, eps=0.0).step(w, np.array([[1.0, 0.0], [4.0, 2.0]]))
    >>> w
    array([[-0.1,  0. ],
           [-0.1, -0.1]])
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("momentum", 0.9, "unit"),
        ("eps", 1e-8, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a moment, and one vector along each axis."""
        ones = [tuple(n if i == axis else 1 for i, n in enumerate(shape)) for axis in range(len(shape))]
        return {"m": shape, **{f"mu{axis}": s for axis, s in enumerate(ones or [()])}}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Find the least cover, step, and cover again."""
        covers = [s[name] for name in s if name != "m"]
        least = covers[0]
        for cover in covers[1:]:
            least = np.minimum(least, cover)
        v = least + g * g
        some = v > 0
        scaled = np.where(some, g / np.sqrt(np.where(some, v + h["eps"], 1)), 0)
        m = h["momentum"] * s["m"] + (1 - h["momentum"]) * scaled
        kept = {}
        for axis in range(len(covers)):
            others = tuple(i for i in range(v.ndim) if i != axis)
            kept[f"mu{axis}"] = np.max(v, axis=others, keepdims=True) if others and v.size else v
        return w - h["lr"] * m, {"m": m, **kept}
