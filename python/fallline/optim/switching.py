"""Rules that find something out on the way: SWATS switches, NesterovLookahead looks where momentum leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline.optim import _leaves
from fallline.optim._whole import adam, inner, mean_square, squarable
from fallline.optim.tensorwise import Shapes, Slots, TensorRule, directed

__all__ = ["SWATS", "NesterovLookahead"]


class SWATS(TensorRule):
    r"""Adam that switches to momentum by itself, when it knows the learning rate for it.

    At each step p of Adam, :math:`\gamma = -\frac{p \cdot p}{p \cdot g}` is the learning rate with which plain descent
    would go as far along p. When its mean over time agrees with it, :math:`|\hat\lambda - \gamma| < \epsilon_s`, the
    rule goes on with :math:`\Lambda = \hat\lambda` as
    :math:`v \leftarrow \beta_1 v + g, \; w \leftarrow w - (1 - \beta_1) \Lambda v`.

    Parameters
    ----------
    lr, betas, eps
        Adam's: :math:`p = -\alpha \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt v + \epsilon}`.
    threshold
        :math:`\epsilon_s`; the paper takes :math:`\epsilon` for it.
    weight_decay
        As in :class:`SGD`; after the switch it is multiplied by :math:`\Lambda`.
    l2, maximize
        As in :class:`SGD`.

    Attributes
    ----------
    switched
        None, or the number of the step after which it switched and the learning rate that it found.

    Notes
    -----
    The paper's learning rate is constant. A schedule goes on after the switch: :math:`\Lambda` is multiplied by the
    learning rate over that of the step of the switch.

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
    wide = ("mean", "rate", "lr", "at")

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Keep two moments; the same for all tensors are the mean of the rates, and what was found at which lr when."""
        return {"m": shape, "v": shape, "mean": (), "rate": (), "lr": (), "at": ()}

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
        given = {path: squarable(directed(h, grads[path], w)) for path, w in params.items()}
        switched = next(iter(states.values()))["at"] > 0
        if not _leaves.recorded(switched):
            return (self._momentum if switched else self._adam)(h, t, given, params, states)
        ways = [way(h, t, given, params, states) for way in (self._momentum, self._adam)]
        new = {path: np.where(switched, *(way[0][path] for way in ways)) for path in params}
        slots = ({n: np.where(switched, *(way[1][path][n] for way in ways)) for n in states[path]} for path in params)
        return new, dict(zip(params, slots, strict=True))

    def _adam(self, h: Mapping[str, Any], t: Any, g: Slots, params: Slots, states: Any) -> tuple[Slots, Any]:
        kept, steps = {}, {}
        for path, s in states.items():
            m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g[path]
            v = mean_square(h["beta2"], s["v"], g[path])
            steps[path] = -h["lr"] * adam(h, t, m, v, h["eps"], eps_hat=True)
            kept[path] = {"m": m, "v": v}
        found = self._compare(h, t, g, steps, next(iter(states.values())))
        for s in kept.values():
            s.update(found, m=np.where(found["at"] > 0, 0, s["m"]))  # the velocity starts anew
        return {path: (1 - h["lr"] * h["weight_decay"]) * w + steps[path] for path, w in params.items()}, kept

    def _momentum(self, h: Mapping[str, Any], t: Any, g: Slots, params: Slots, states: Any) -> tuple[Slots, Any]:
        new, kept = {}, {}
        for path, w in params.items():
            s = states[path]
            v = h["beta1"] * s["m"] + g[path]
            rate = (s["rate"] * (h["lr"] / np.where(s["lr"] > 0, s["lr"], 1))).astype(w.dtype)
            new[path] = (1 - rate * h["weight_decay"]) * w - (1 - h["beta1"]) * rate * v
            kept[path] = {**s, "m": v}
        return new, kept

    def _compare(self, h: Mapping[str, Any], t: Any, g: Slots, p: Slots, shared: Slots) -> Slots:
        along, far = (sum(inner(p[path], other[path]) for path in p) for other in (g, p))
        none = along == 0
        rate = -far / np.where(none, 1, along)
        mean = np.where(none, shared["mean"], h["beta2"] * shared["mean"] + (1 - h["beta2"]) * rate)
        corrected = mean / (1 - h["beta2"] ** t)
        ends = ((abs(corrected - rate) < h["threshold"]) & (along != 0) & (t > 1)).astype(np.float64)
        return {"mean": mean, "rate": corrected * ends, "lr": h["lr"] * ends, "at": t * ends}


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

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """Raise: the rule needs the gradient elsewhere."""
        self.step(params, grads)
        raise AssertionError

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
