"""Rules that find something out on the way: SWATS switches, NesterovLookahead looks where momentum leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline.optim.tensorwise import Shapes, Slots, TensorRule

__all__ = ["SWATS", "NesterovLookahead"]


class SWATS(TensorRule):
    r"""Adam that switches to momentum by itself, when it knows the learning rate for it.

    At each step p of Adam, :math:`\gamma = -\frac{p \cdot p}{p \cdot g}` is the learning rate with which plain descent
    would go as far along p. When its mean over time agrees with it, :math:`|\hat\lambda - \gamma| < \epsilon_s`, the
    rule goes on as :math:`v \leftarrow \beta_1 v + g, \; w \leftarrow w - (1 - \beta_1) \hat\lambda v`.

    Parameters
    ----------
    lr, betas, eps
        Adam's.
    threshold
        :math:`\epsilon_s`.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    Attributes
    ----------
    switched
        None, or the number of the step after which it switched and the learning rate that it found.

    References
    ----------
    Keskar & Socher 2017, "Improving generalization performance by switching from Adam to SGD", Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0]), SWATS(0.1, threshold=1e-2)
    >>> for _ in range(300):
    ...     opt.step(w, 2 * w)
    >>> opt.switched is not None and bool(abs(w[0]) < 1e-3)
    True
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("beta1", 0.9, "unit"),
        ("beta2", 0.999, "unit"),
        ("eps", 1e-9, "nonnegative"),
        ("threshold", 1e-9, "nonnegative"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep two moments; and, the same for all tensors, the mean of the rates and what was found when."""
        return {"m": shape, "v": shape, "mean": (), "rate": (), "at": ()}

    @property
    def switched(self) -> tuple[int, float] | None:
        """When it switched, and to which learning rate."""
        first = next(iter(self._states.values()), None)
        return None if first is None or not first["at"] else (int(first["at"]), float(first["rate"]))

    def formula(self, h: Mapping[str, Any], t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """See `apply`: no tensor moves alone."""
        new, slots = self.apply(h, t, {"": g}, {"": w}, {"": s})
        return new[""], slots[""]

    def apply(
        self, h: Mapping[str, Any], t: int, grads: dict[str, Any], params: dict[str, Any], states: dict[str, Slots]
    ) -> tuple[dict[str, Any], dict[str, Slots]]:
        """Step all tensors as Adam or as momentum, and compare the rates over all of them."""
        if not params:
            return {}, {}
        sign = -1.0 if h["maximize"] else 1.0
        given = {path: sign * grads[path] + h["l2"] * w for path, w in params.items()}
        decayed = {path: (1 - h["lr"] * h["weight_decay"]) * w for path, w in params.items()}
        shared = next(iter(states.values()))
        if shared["at"]:
            kept = {p: {**s, "m": h["beta1"] * s["m"] + given[p]} for p, s in states.items()}
            return {p: w - (1 - h["beta1"]) * shared["rate"] * kept[p]["m"] for p, w in decayed.items()}, kept
        kept, steps = {}, {}
        for path, s in states.items():
            m = h["beta1"] * s["m"] + (1 - h["beta1"]) * given[path]
            v = h["beta2"] * s["v"] + (1 - h["beta2"]) * given[path] ** 2
            root = np.sqrt(v / (1 - h["beta2"] ** t)) + h["eps"]
            steps[path] = -h["lr"] / (1 - h["beta1"] ** t) * m / root
            kept[path] = {"m": m, "v": v}
        found = self._compare(h, t, given, steps, shared)
        for s in kept.values():
            if found["at"]:
                s["m"] = np.zeros_like(s["m"])  # the velocity starts anew
            s.update(found)
        return {path: w + steps[path] for path, w in decayed.items()}, kept

    def _compare(self, h: Mapping[str, Any], t: int, g: Slots, p: Slots, shared: Slots) -> Slots:
        along = float(sum(np.sum(p[path] * g[path]) for path in p))
        mean = float(shared["mean"])
        if along == 0:
            return {"mean": np.asarray(mean), "rate": np.asarray(0.0), "at": np.asarray(0.0)}
        rate = -float(sum(np.sum(p[path] * p[path]) for path in p)) / along
        mean = h["beta2"] * mean + (1 - h["beta2"]) * rate
        corrected = mean / (1 - h["beta2"] ** t)
        ends = t > 1 and corrected > 0 and abs(corrected - rate) < h["threshold"]
        return {"mean": np.asarray(mean), "rate": np.asarray(corrected * ends), "at": np.asarray(float(t * ends))}


class NesterovLookahead(TensorRule):
    r"""Nesterov's momentum to the letter: the gradient is taken where the velocity leads. Needs `minimize`.

    .. math::
        g = \nabla f(w - \beta v) \ \text{or}\ \nabla f(w - \alpha\beta v), \qquad
        v \leftarrow \beta v + g, \qquad w \leftarrow w - \alpha v

    Parameters
    ----------
    lr
        The learning rate :math:`\alpha`.
    momentum
        :math:`\beta`.
    consistent
        Look ahead by :math:`\alpha\beta v`, which is the step that the velocity would make; otherwise by
        :math:`\beta v`, as some lecture notes have it. The points ahead are then the parameters of :class:`Nesterov`.
    weight_decay, l2, maximize
        As in :class:`SGD`.

    References
    ----------
    Nesterov 1983; Sutskever et al. 2013, eq. (3) and (4).

    Examples
    --------
    >>> import numpy as np
    >>> w, opt = np.array([4.0]), NesterovLookahead(0.1)
    >>> for _ in range(200):
    ...     value = opt.minimize(lambda w: (float(w @ w) / 2, w.copy()), w)
    >>> value < 1e-6
    True
    """

    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (
        ("lr", 1e-3, "nonnegative"),
        ("momentum", 0.9, "nonnegative"),
        ("consistent", 1.0, "flag"),
    )

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep one velocity."""
        return {"v": shape}

    def formula(self, h: Mapping[str, Any], t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Move along the velocity."""
        v = h["momentum"] * s["v"] + g
        return w - h["lr"] * v, {"v": v}

    def step(self, params: Any, grads: Any) -> None:
        """Raise: the rule needs the gradient elsewhere."""
        raise TypeError(
            "[NesterovLookahead] needs the gradient at another point: call minimize(value_and_grad, params)"
        )

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Look ahead, come back and step; the value is that of the point ahead."""
        leaves = _tree.flatten(params.parameters() if callable(getattr(params, "parameters", None)) else params)
        h = self.hyperparameters()
        far = h["momentum"] * (h["lr"] if h["consistent"] else 1.0)
        here = {path: np.array(w) for path, w in leaves.items()}
        arrays = [w for w in leaves.values() if isinstance(w, _core.Array)]
        for path, slots in self._states.items():
            if path in leaves:
                np.asarray(leaves[path])[...] = here[path] - far * slots["v"]
        _core.written(arrays)
        try:
            value, grads = value_and_grad(params)
        finally:
            for path, w in leaves.items():
                np.asarray(w)[...] = here[path]
            _core.written(arrays)
        super().step(params, grads)
        return value
