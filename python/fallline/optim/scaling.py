"""Gradients of small numbers that would be zero: LossScale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import _tree
from fallline._arguments import takes, whole
from fallline.optim._base import Optimizer
from fallline.optim._kinds import positive
from fallline.optim._wrapper import Wrapper, flat

__all__ = ["LossScale"]


class LossScale(Wrapper):
    """Multiply the loss by `scale` before you differentiate; gradients are divided by it here.

    A step whose gradient is not finite is left out and the scale halved; after `growth_interval` good steps in a row it
    is doubled. For gradients in float16, whose small values would become zero.

    Parameters
    ----------
    inner
        Makes the steps.
    initial, growth_interval
        The first scale, and how many good steps double it.

    References
    ----------
    Micikevicius et al. 2018, "Mixed precision training", section 3.2.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> w, opt = np.zeros(1), LossScale(fl.optim.SGD(0.1), initial=4.0)
    >>> opt.step(w, np.array([np.inf]))
    >>> opt.scale
    2.0
    >>> opt.step(w, np.array([2.0]))
    >>> w
    array([-0.1])
    """

    @takes(initial=positive, growth_interval=whole(1))
    def __init__(self, inner: Optimizer, initial: float = 2.0**15, growth_interval: int = 2000) -> None:
        super().__init__(inner)
        self.growth_interval = growth_interval
        self.own["scale"] = {"": np.array(float(initial))}

    @property
    def scale(self) -> float:
        """What to multiply the loss by."""
        return float(self.own["scale"][""])

    def step(self, params: Any, grads: Any) -> None:
        """Divide and step, or leave the step out."""
        paths, given = flat(params), _tree.flatten(grads)
        scale, self.t = self.scale, self.t + 1
        if not all(np.isfinite(np.asarray(g)).all() for g in given.values()):
            self.own["scale"][""], self.own["good"] = np.array(scale / 2), 0
            return
        divided = {p: np.asarray(np.asarray(g, np.asarray(paths[p]).dtype) / scale) for p, g in given.items()}
        self.inner.step(paths, {p: g.astype(np.asarray(paths[p]).dtype) for p, g in divided.items()})
        self.own["good"] = self.own.get("good", 0) + 1
        if self.own["good"] == self.growth_interval:
            self.own["scale"][""], self.own["good"] = np.array(scale * 2), 0

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Step with gradients that are not scaled yet, as those of `fit` are."""
        value, grads = value_and_grad(params)
        self.step(params, {path: np.asarray(g) * self.scale for path, g in _tree.flatten(grads).items()})
        return value
