"""Steps that know the curvature along each axis: Sophia."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline._array import asarray
from fallline.optim import _leaves
from fallline.optim._wrapper import flat, write
from fallline.optim.tensorwise import Shapes, Slots, TensorRule
from fallline.transforms._linear import vjp

__all__ = ["Sophia"]


class Sophia(TensorRule):
    r"""Momentum over an estimate of the Hessian's diagonal, clipped element by element. Needs `minimize`.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad
        h \leftarrow \beta_2 h + (1 - \beta_2)\, u \odot H u \ \text{every } k \text{ steps} \\
        w &\leftarrow w - \alpha\, \mathrm{clip}\!\left(\frac{m}{\max(\gamma h, \epsilon)},\ \pm 1\right)

    The product of the Hessian with the random signs u is exact: the gradient is differentiated again, in `fit` and
    wherever `value_and_grad` computes with the arrays that it is given. Of a function that leaves no record of that,
    such as one that makes numbers of them, a central difference is taken, which costs two more evaluations.

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
        As in :class:`SGD`; l2 is part of the curvature too.

    References
    ----------
    Liu et al. 2024, "Sophia: a scalable stochastic second-order optimizer", Algorithms 1 and 3; Hutchinson 1989. The
    paper draws u from a normal distribution; signs have the same mean, and measure a diagonal Hessian without an error.

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
        """Raise: the rule needs the curvature too."""
        raise TypeError("[Sophia] needs gradients at other points: call minimize(value_and_grad, params)")

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """Raise: the rule needs the curvature too."""
        self.step(params, grads)
        raise AssertionError

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Measure the curvature where it is time, then step; return the value from before."""
        h = self.hyperparameters()
        if self.t % max(1, int(h["every"])) != 0:
            value, grads = value_and_grad(params)
        else:
            value, grads, curvature = self._measure(value_and_grad, params)
            states = self._states_for(_leaves.check(self._name, flat(params), grads))
            for path, slots in states.items():
                new = (-1 if h["maximize"] else 1) * curvature[path] + h["l2"]
                slots["h"] = h["beta2"] * slots["h"] + (1 - h["beta2"]) * new
            self._states = states
        super().step(params, grads)
        return value

    def _measure(self, value_and_grad: Any, params: Any) -> tuple[Any, dict[str, Any], dict[str, np.ndarray]]:
        """Return value, gradient and u * H u, for random signs u."""
        signs = {path: self._signs(i, w) for i, (path, w) in enumerate(flat(params).items())}
        if hasattr(value_and_grad, "hessian_product"):  # that of `fit` knows it
            value, grads = value_and_grad(params)
            kept = {path: np.array(g) for path, g in _tree.flatten(grads).items()}  # the product may write over them
            product = value_and_grad.hessian_product(signs)
        else:
            value, kept, product = derivative(value_and_grad, params, signs) or difference(
                value_and_grad, params, signs
            )
        return value, kept, {path: u * np.asarray(product[path]) for path, u in signs.items()}

    def _signs(self, i: int, w: Any) -> np.ndarray:
        key = _core.derive_key(_core.derive_key(0x536F70686961, self.t), i)
        bits = np.asarray(_core.random_bits(key, 0, tuple(w.shape), np.uint64))
        return np.where(bits >> np.uint64(63), 1, -1).astype(w.dtype)


Measured = tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]]


def derivative(value_and_grad: Any, params: Any, vectors: dict[str, np.ndarray]) -> Measured | None:
    """Return value, gradient and H v; None where the gradient keeps no record of how it came from the parameters."""
    seen: list[Any] = []

    def gradient(p: Any) -> Any:
        value, grads = value_and_grad(p)
        if not any(_leaves.recorded(g) for g in _tree.flatten(grads).values()):
            raise _core.TapeError
        seen.append(value.detach() if isinstance(value, _core.Array) else value)
        return grads

    try:
        grads, pull = vjp(gradient, params)
    except (_core.TapeError, TypeError):  # numbers, or functions that know plain arrays alone
        return None
    leaves = _tree.flatten(grads)
    (product,) = pull(_tree.unflatten(grads, {path: asarray(vectors[path]) for path in leaves}))
    flattened = {path: np.asarray(leaf) for path, leaf in _tree.flatten(product).items()}
    return seen[-1], {path: np.array(g) for path, g in leaves.items()}, flattened


def difference(value_and_grad: Any, params: Any, vectors: dict[str, np.ndarray]) -> Measured:
    """Return value, gradient and S^-1 H S v by a central difference, with steps S in proportion to each parameter."""
    value, grads = value_and_grad(params)
    kept = {path: np.array(g) for path, g in _tree.flatten(grads).items()}
    leaves = flat(params)
    here = {path: np.array(w) for path, w in leaves.items()}
    steps = {path: np.finfo(w.dtype).eps ** (1 / 3) * (1 + np.abs(w)) for path, w in here.items()}
    ends = []
    try:
        for side in (1, -1):
            write(leaves, {path: here[path] + side * steps[path] * vectors[path] for path in leaves})
            ends.append({path: np.array(g) for path, g in _tree.flatten(value_and_grad(params)[1]).items()})
    finally:
        write(leaves, here)
    return value, kept, {path: (ends[0][path] - ends[1][path]) / (2 * steps[path]) for path in leaves}
