"""Second moments in less memory than the parameters take: Adafactor and SM3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline.optim._whole import mean_square, norm, over, squarable, squares, sum_square
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

    Tensors with one axis keep the whole second moment; others are factored along their last two axes.

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
    add_eps
        Add :math:`\epsilon_1` to the squares, as the paper does (with 1e-30), instead of bounding the root from below.
    relative_step
        Whether :math:`t^{-1/2}` bounds the step; otherwise it is :math:`\alpha`, as in Optax.
    scale_parameter
        Whether the step is in proportion to rms(w).
    min_factored
        The least length of both axes for which a second moment is factored: 128 in Optax.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Shazeer & Stern 2018, "Adafactor: adaptive learning rates with sublinear memory cost", Algorithms 4 and 5: equal to
    them with ``add_eps=True, eps1=1e-30``; the defaults are PyTorch's, rms(w) is that from before the decay as there.

    Examples
    --------
    >>> import numpy as np
    >>> opt = Adafactor()
    >>> opt.memory_bytes(np.zeros((1000, 1000)))
    16000
    >>> opt.memory_bytes(np.zeros((1000, 1000), np.float32))  # rows and columns are float64 always
    16000
    """

    decays_first = False
    wide = ("row", "column")
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-2, "nonnegative"),
        ("decay", 0.8, "nonnegative"),
        ("eps1", 1.1920928955078125e-07, "nonnegative"),
        ("eps2", 1e-3, "nonnegative"),
        ("clip", 1.0, "nonnegative"),
        ("add_eps", 0.0, "flag"),
        ("relative_step", 1.0, "flag"),
        ("scale_parameter", 1.0, "flag"),
        ("min_factored", 0.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a row and a column of each matrix, or all of a vector."""
        if len(shape) < 2 or min(shape[-2:]) < self.hyperparameters()["min_factored"]:
            return {"v": shape}
        return {"row": (*shape[:-1], 1), "column": (*shape[:-2], 1, shape[-1])}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Form the second moment, scale the step and clip it."""
        beta = 1 - t ** -h["decay"]
        added, least = (h["eps1"], 0.0) if h["add_eps"] else (0.0, h["eps1"])
        if "v" in s:
            kept = {"v": mean_square(beta, s["v"], g) + (1 - beta) * added}
            root = np.sqrt(kept["v"])
        else:
            seen = squares(g) + added
            row, column = (
                beta * s[name] + (1 - beta) * np.mean(seen, axis=axis, keepdims=True)
                for name, axis in (("row", -1), ("column", -2))
            )
            kept = {"row": row, "column": column}
            rows = over(row, np.maximum(np.mean(row, axis=-2, keepdims=True), least))
            root = np.sqrt(rows).astype(w.dtype) * np.sqrt(column).astype(w.dtype)
        u = over(g, np.maximum(root, least))
        length = max(1, w.size) ** 0.5
        rms = norm(w) / length  # before the decay, as in PyTorch
        w = (1 - h["lr"] * h["weight_decay"]) * w
        step = np.minimum(h["lr"], t**-0.5) if h["relative_step"] else h["lr"]
        step = np.maximum(h["eps2"], rms) * step if h["scale_parameter"] else step
        step = step / np.maximum(1.0, norm(u) / (length * h["clip"]))
        return w - step.astype(w.dtype) * u, kept


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
        :math:`\epsilon`, inside the root as in Optax; the paper has none.
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
        g = squarable(g)
        v = sum_square(least, g)
        m = h["momentum"] * s["m"] + (1 - h["momentum"]) * over(g, np.sqrt(v + h["eps"]))
        kept = {}
        for axis in range(len(covers)):
            others = tuple(i for i in range(v.ndim) if i != axis)
            kept[f"mu{axis}"] = np.max(v, axis=others, keepdims=True) if others and v.size else v
        return w - h["lr"] * m, {"m": m, **kept}
