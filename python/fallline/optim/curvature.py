"""Steps that know the curvature along each axis: Sophia."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline.optim.tensorwise import Shapes, Slots, TensorRule
from fallline.optim.wrappers import flat, write

__all__ = ["Sophia"]


class Sophia(TensorRule):
    r"""Momentum over an estimate of the Hessian's diagonal, clipped element by element. Needs `minimize`.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad
        h \leftarrow \beta_2 h + (1 - \beta_2)\, u \odot H u \ \text{every } k \text{ steps} \\
        w &\leftarrow w - \alpha\, \mathrm{clip}\!\left(\frac{m}{\max(\gamma h, \epsilon)},\ \pm 1\right)

    The product of the Hessian with the random signs u is a central difference of gradients, which costs two more
    evaluations at every k-th step.

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`: the longest step along an axis.
    betas, eps
        :math:`\beta_1, \beta_2, \epsilon`.
    gamma
        :math:`\gamma`: the smaller, the more elements are clipped.
    every
        k.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Liu et al. 2024, "Sophia: a scalable stochastic second-order optimizer", Algorithms 1 and 3; Hutchinson 1989.

    Examples
    --------
    >>> import numpy as np
    >>> curvature, w, opt = np.array([1.0, 100.0]), np.array([1.0, 1.0]), Sophia(0.01, gamma=1.0)
    >>> for _ in range(1000):
    ...     value = opt.minimize(lambda w: (float(curvature @ (w * w)) / 2, curvature * w), w)
    >>> value < 1e-6
    True
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("beta1", 0.96, "unit"),
        ("beta2", 0.99, "unit"),
        ("eps", 1e-12, "nonnegative"),
        ("gamma", 0.01, "nonnegative"),
        ("every", 10.0, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep a moment and the curvature."""
        return {"m": shape, "h": shape}

    def formula(self, h: Mapping[str, Any], t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Move the moment, step by at most lr."""
        m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
        d = np.minimum(np.maximum(m / np.maximum(h["gamma"] * s["h"], h["eps"]), -1.0), 1.0)
        return w - h["lr"] * d, {"m": m, "h": s["h"]}

    def step(self, params: Any, grads: Any) -> None:
        """Raise: the rule needs gradients elsewhere."""
        raise TypeError("[Sophia] needs gradients at other points: call minimize(value_and_grad, params)")

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Measure the curvature where it is time, then step; return the value from before."""
        value, grads = value_and_grad(params)
        h, curvature = self.hyperparameters(), None
        kept = {path: np.array(g) for path, g in _tree.flatten(grads).items()}  # the next call may write over them
        if self.t % max(1, int(h["every"])) == 0:
            curvature = self._curvature(value_and_grad, params)
        super().step(params, kept)
        if curvature is not None:
            sign = -1 if h["maximize"] else 1
            first = self.t == 1  # no mean yet
            for path, slots in self._states.items():
                new = sign * curvature[path]
                slots["h"] = new if first else h["beta2"] * slots["h"] + (1 - h["beta2"]) * new
        return value

    def _curvature(self, value_and_grad: Any, params: Any) -> dict[str, np.ndarray]:
        """Return u * H u for random signs u."""
        leaves = flat(params)
        here = {path: np.array(w) for path, w in leaves.items()}
        signs = {}
        for i, (path, w) in enumerate(here.items()):
            key = _core.derive_key(_core.derive_key(0x536F70686961, self.t), i)
            bits = np.asarray(_core.random_bits(key, 0, w.shape, np.uint64))
            signs[path] = np.where(bits >> np.uint64(63), 1, -1).astype(w.dtype)
        largest = max((float(np.abs(w).max()) for w in here.values() if w.size), default=0.0)
        least = max((float(np.finfo(w.dtype).eps) for w in here.values()), default=1e-16)
        far = least ** (1 / 3) * (1 + largest)
        ends = []
        try:
            for side in (far, -far):
                write(leaves, {path: here[path] + side * signs[path] for path in leaves})
                ends.append({path: np.array(g) for path, g in _tree.flatten(value_and_grad(params)[1]).items()})
        finally:
            write(leaves, here)
        return {path: signs[path] * (ends[0][path] - ends[1][path]) / (2 * far) for path in leaves}
