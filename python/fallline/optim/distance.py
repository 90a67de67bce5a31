"""Rules that estimate the learning rate from how far the parameters have come: Prodigy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline.optim._whole import inner, mean_square, over, squarable, wide
from fallline.optim.tensorwise import Shapes, Slots, TensorRule, directed

__all__ = ["Prodigy"]


class Prodigy(TensorRule):
    r"""Adam whose learning rate is an estimate d of the distance to the solution, over all parameters together.

    .. math::
        r &\leftarrow \beta_3 r + \tfrac{d}{d_0}\, \alpha d \langle g, w_0 - w \rangle, \quad
        s \leftarrow \beta_3 s + \tfrac{d}{d_0}\, \alpha d\, g, \quad
        d' = \max\!\left(d,\ c\, r / \|s\|_1\right) \\
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, d g, \quad v \leftarrow \beta_2 v + (1 - \beta_2)\, d^2 g^2, \quad
        w \leftarrow (1 - \alpha d \lambda) w - \alpha d\, \frac{m}{\sqrt{v} + d' \epsilon}

    and d becomes :math:`d'`.

    Parameters
    ----------
    lr
        :math:`\alpha`: leave it at 1, or give it a schedule that falls from 1.
    betas, eps
        As in :class:`Adam`; :math:`\beta_3 = \sqrt{\beta_2}`.
    d0, d_coef
        The first estimate, and c.
    bias_correction
        Multiply :math:`\alpha` by :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`.
    eps_with_new_d
        Whether the root has :math:`d' \epsilon`, as in the authors' code, or :math:`d \epsilon`, as in Algorithm 4.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Mishchenko & Defazio 2024, "Prodigy: an expeditiously adaptive parameter-free learner", Algorithm 4, whose r and s
    are these times :math:`(1 - \beta_3) d_0`, so that the quotient is the same; here as in the authors' code
    (konstmish/prodigy). The code leaves steps out, and does not count them, where the learning rate is zero or no
    gradient has been seen; here they are steps like others, as in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0, -3.0]), Prodigy()
    >>> for _ in range(300):
    ...     opt.step(w, w - 1)
    >>> bool(abs(w - 1).max() < 0.2)
    True
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1.0, "nonnegative"),
        ("beta1", 0.9, "unit"),
        ("beta2", 0.999, "unit"),
        ("eps", 1e-8, "nonnegative"),
        ("d0", 1e-6, "nonnegative"),
        ("d_coef", 1.0, "nonnegative"),
        ("bias_correction", 0.0, "flag"),
        ("eps_with_new_d", 1.0, "flag"),
    )
    decays_first = False
    wide = ("d", "r")

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep two moments, s and the start; and d and r, which all tensors share."""
        return {"m": shape, "v": shape, "s": shape, "w0": shape, "d": (), "r": ()}

    def start(self, slot: str, w: np.ndarray) -> Any:
        """Start at the parameter, and d at d0."""
        d0 = self._hypers["d0"]
        return {"w0": w, "d": d0(0) if callable(d0) else d0}.get(slot, 0.0)

    def formula(self, h: Mapping[str, Any], t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """See `apply`: no tensor moves alone."""
        new, slots = self.apply(h, t, {"": g}, {"": w}, {"": s})
        return new[""], slots[""]

    def apply(
        self, h: Mapping[str, Any], t: int, grads: dict[str, Any], params: dict[str, Any], states: dict[str, Slots]
    ) -> tuple[dict[str, Any], dict[str, Slots]]:
        """Estimate the distance over all tensors, then step each."""
        if not params:
            return {}, {}
        shared = next(iter(states.values()))
        d, beta3 = shared["d"], h["beta2"] ** 0.5
        lr = h["lr"] * ((1 - h["beta2"] ** t) ** 0.5 / (1 - h["beta1"] ** t) if h["bias_correction"] else 1.0)
        weight, r, length = d / h["d0"] * d * lr, beta3 * shared["r"], 0.0
        kept: dict[str, Slots] = {}
        for path, w in params.items():
            s, g = states[path], directed(h, grads[path], w)
            dg = squarable(d.astype(w.dtype) * g)
            r = r + weight * inner(g, s["w0"] - w)
            kept[path] = {
                "m": h["beta1"] * s["m"] + (1 - h["beta1"]) * dg,
                "v": mean_square(h["beta2"], s["v"], dg),
                "s": beta3 * s["s"] + weight.astype(w.dtype) * g,
                "w0": s["w0"],
            }
            length = length + np.sum(wide(np.abs(kept[path]["s"])))
        none = length == 0
        far = np.maximum(d, np.where(none, d, h["d_coef"] * r / np.where(none, 1.0, length)))
        new = {}
        for path, w in params.items():
            s, step = kept[path], (lr * d).astype(w.dtype)
            eps = ((far if h["eps_with_new_d"] else d) * h["eps"]).astype(w.dtype)
            w = (1 - step * h["weight_decay"]) * w
            new[path] = w - step * over(s["m"], np.sqrt(s["v"]) + eps)
            s["d"], s["r"] = far, r
        return new, kept
