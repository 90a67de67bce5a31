"""Rules for matrices: Muon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _tree
from fallline.optim._whole import adam, mean_square, norm, over, squarable
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["Muon"]

Hypers = Mapping[str, Any]

QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalised(g: Any, least: Any, added: Any = 0.0, steps: int = 5) -> Any:
    """Bring all singular values of a matrix near 1, by Newton and Schulz's iteration with a quintic polynomial."""
    a, b, c = QUINTIC
    tall = g.shape[0] > g.shape[1]
    x = g.T if tall else g
    x = over(x, np.maximum(norm(x), least) + added)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


def shape_factor(rows: int, columns: int, match_rms: Any) -> float:
    """Return what steps of matrices of this shape are multiplied by."""
    return 0.2 * math.sqrt(max(rows, columns)) if match_rms else math.sqrt(max(1.0, rows / max(1, columns)))


class Muon(TensorRule):
    r"""Momentum, made orthogonal: every direction of a weight matrix moves equally far.

    .. math::
        v \leftarrow \mu v + (1 - \mu)\, g, \quad u = \mathrm{NS}((1 - \mu)\, g + \mu v), \quad
        w \leftarrow (1 - \alpha\lambda) w - \alpha \sqrt{\max(1, m / n)}\; u

    for m x n matrices, where NS brings the singular values to about one. Weights of convolutions are taken as matrices
    (out, in x kernel). Parameters with fewer than two axes get AdamW, with its own learning rate: `routes` tells.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha` of matrices.
    momentum, nesterov, eps
        :math:`\mu`; whether u looks ahead as above or is NS(v); the least length that NS divides by.
    add_eps
        Divide by the length + eps, as the authors do, and all libraries but PyTorch.
    bias_correction
        Correct both terms of u for their start at zero, as Optax does.
    scaled
        Whether there is a factor for the shape at all; tinygrad has none.
    match_rms
        Scale by :math:`0.2 \sqrt{\max(m, n)}` instead, so that AdamW's learning rates fit (Liu et al. 2025, eq. (4)).
    vector_lr, betas, vector_eps, vector_eps_hat
        AdamW's, for the rest.
    weight_decay, l2, maximize
        As in :class:`SGD`; the decay is 0.1 as in PyTorch.

    References
    ----------
    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", and KellerJordan/Muon. PyTorch
    and the authors iterate in bfloat16, this in the parameter's own dtype; PyTorch's max(length, eps) is the default.

    Examples
    --------
    >>> import numpy as np
    >>> Muon().routes({"weight": np.zeros((3, 2)), "bias": np.zeros(3)})
    {'weight': 'muon', 'bias': 'adamw'}
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("momentum", 0.95, "unit"),
        ("nesterov", 1.0, "flag"),
        ("eps", 1e-7, "nonnegative"),
        ("add_eps", 0.0, "flag"),
        ("bias_correction", 0.0, "flag"),
        ("scaled", 1.0, "flag"),
        ("match_rms", 0.0, "flag"),
        ("vector_lr", 1e-3, "nonnegative"),
        ("beta1", 0.9, "unit"),
        ("beta2", 0.999, "unit"),
        ("vector_eps", 1e-8, "nonnegative"),
        ("vector_eps_hat", 0.0, "flag"),
        ("weight_decay", 0.1, "nonnegative"),
    )
    decays_first = False

    def routes(self, params: Any) -> dict[str, str]:
        """Return by path which rule a parameter gets: "muon" or "adamw"."""
        return {path: "muon" if len(w.shape) > 1 else "adamw" for path, w in _tree.flatten(params).items()}

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a velocity of matrices, two moments of the rest."""
        return {"v": shape} if len(shape) > 1 else {"m": shape, "v": shape}

    def formula(self, h: Hypers, t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Make the velocity orthogonal, or step as AdamW."""
        if "m" in s:
            g = squarable(g)
            m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
            v = mean_square(h["beta2"], s["v"], g)
            w = (1 - h["vector_lr"] * h["weight_decay"]) * w
            return w - h["vector_lr"] * adam(h, t, m, v, h["vector_eps"], eps_hat=h["vector_eps_hat"]), {"m": m, "v": v}
        b = h["momentum"]
        v = b * s["v"] + (1 - b) * g
        now, following = (1 - b**t, 1 - b ** (t + 1)) if h["bias_correction"] else (1.0, 1.0)
        u = (1 - b) * g / now + b * v / following if h["nesterov"] else v / now
        u = np.reshape(u, (w.shape[0], -1))
        long = shape_factor(u.shape[0], u.shape[1], h["match_rms"]) if h["scaled"] else 1.0
        least, added = (0.0, h["eps"]) if h["add_eps"] else (h["eps"], 0.0)
        u = np.reshape(orthogonalised(u, least, added), w.shape)
        return (1 - h["lr"] * h["weight_decay"]) * w - h["lr"] * long * u, {"v": v}
