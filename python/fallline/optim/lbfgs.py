"""Limited-memory BFGS: steps along Newton's direction, as far as a line search says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fallline import _tree
from fallline.optim._base import Hyper
from fallline.optim._wrapper import Wrapper, flat, write
from fallline.optim.sgd import SGD

__all__ = ["LBFGS"]

DECREASE, CURVATURE, EVALUATIONS = 1e-4, 0.9, 25  # Wolfe's conditions, and how often the line search looks
LEAST_COSINE = 1e-10  # between the differences s and y of a pair that is kept: whatever the unit of the function is


class Point(NamedTuple):
    """A step along the line: value and gradient there, and the slope along the line."""

    step: float
    value: float
    gradient: np.ndarray
    slope: float


class LBFGS(Wrapper):
    r"""Quasi-Newton steps from the last differences of parameters and gradients. Needs `minimize`, and whole batches.

    The direction is :math:`-H g`, where H is built from the last pairs :math:`s = \Delta w, y = \Delta g` by the
    two-loop recursion, starting from :math:`\frac{s \cdot y}{y \cdot y} I`. With the strong Wolfe line search the step
    meets :math:`f(w + a d) \le f(w) + 10^{-4} a\, g \cdot d` and :math:`|g(w + a d) \cdot d| \le 0.9\, |g \cdot d|`.

    Parameters
    ----------
    lr
        The first step to try; without a line search, the step.
    max_iter
        How many iterations one call of `minimize` makes.
    tolerance_grad, tolerance_change
        It stops when no element of the gradient, or of the step, is larger. Both are absolute, as in PyTorch: a
        function whose gradients are about 1e-9 needs smaller ones, 0 at the least.
    history_size
        How many pairs are kept: the state is 2 history_size times the parameters, in float64.
    line_search
        "strong_wolfe", or None.

    Notes
    -----
    Values that are not finite count as too large: the search comes nearer. Where no step is better than none, the
    parameters stay at the best point and the pairs are forgotten, so that the next call starts with steepest descent.

    References
    ----------
    Liu & Nocedal 1989, "On the limited memory BFGS method"; Nocedal & Wright 2006, Algorithms 7.4, 3.5 and 3.6.

    Examples
    --------
    >>> import numpy as np
    >>> def rosenbrock(w):
    ...     x, y = w
    ...     slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
    ...     return (1 - x) ** 2 + 100 * (y - x * x) ** 2, slope
    >>> w, opt = np.array([-1.2, 1.0]), LBFGS(max_iter=50)
    >>> _ = opt.minimize(rosenbrock, w)
    >>> w.round(6)
    array([1., 1.])
    """

    by_name = True

    def __init__(
        self,
        lr: Hyper = 1.0,
        *,
        max_iter: int = 20,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search: str | None = "strong_wolfe",
    ) -> None:
        super().__init__(SGD(lr))  # has the learning rate and its schedule
        if max_iter < 1 or history_size < 1:
            raise ValueError(f"[LBFGS] max_iter and history_size must be positive, got {max_iter} and {history_size}")
        if line_search not in ("strong_wolfe", None):
            raise ValueError(f'[LBFGS] line_search must be "strong_wolfe" or None, got {line_search!r}')
        self.max_iter, self.history_size, self.line_search = max_iter, history_size, line_search
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change

    def hyperparameters(self) -> dict[str, float]:
        """Return those of the next call: the optimizer inside makes no steps, so that the clock is this one's."""
        return dict(zip(self.inner.hyperparameters(), self.hyper_rows(self.t, 1)[0].tolist(), strict=True))

    def step(self, params: Any, grads: Any) -> None:
        """Raise: the rule needs values and gradients elsewhere."""
        raise TypeError("[LBFGS] needs the value at other points: call minimize(value_and_grad, params)")

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Make up to `max_iter` iterations and return the value from before them."""
        leaves = flat(params)
        start = _join(leaves)

        def at(w: np.ndarray) -> tuple[float, np.ndarray]:
            write(leaves, _split(w, leaves))
            value, grads = value_and_grad(params)
            return float(value), _join({path: np.asarray(g) for path, g in _tree.flatten(grads).items()})

        first, gradient = at(start)
        w, value = start, first
        if not (math.isfinite(first) and np.isfinite(gradient).all()):
            return first
        lr = self.hyperparameters()["lr"]
        for _ in range(self.max_iter):
            if np.abs(gradient).max(initial=0.0) <= self.tolerance_grad:
                break
            s, y = self._pairs(w.size)
            direction = two_loops(gradient, s, y)
            if direction @ gradient >= 0:  # rounding has spoiled the pairs
                self.own.clear()
                direction = -gradient
                s = s[:0]
            trial = lr if len(s) else lr * min(1.0, 1 / max(float(np.abs(gradient).sum()), 1e-300))
            found = self._search(at, w, Point(0.0, value, gradient, float(direction @ gradient)), direction, trial)
            if found is None:
                self.own.clear()
                break
            moved = found.step * direction
            self._remember(moved, found.gradient - gradient)
            w, value, gradient = w + moved, found.value, found.gradient
            if np.abs(moved).max() <= self.tolerance_change:
                break
        write(leaves, _split(w, leaves))
        self.t += 1
        return first

    def _search(self, at: Any, w: np.ndarray, origin: Point, direction: np.ndarray, trial: float) -> Point | None:
        def look(step: float) -> Point:
            value, gradient = at(w + step * direction)
            if not (math.isfinite(value) and np.isfinite(gradient).all()):
                return Point(step, math.inf, gradient, math.inf)
            return Point(step, value, gradient, float(gradient @ direction))

        if self.line_search is None:
            point = look(trial)
            return point if math.isfinite(point.value) else None
        return strong_wolfe(look, origin, trial)

    def _pairs(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        none = {"": np.zeros((0, size))}
        s, y = self.own.get("s", none)[""], self.own.get("y", none)[""]
        if s.shape[1] != size:
            raise ValueError(f"[LBFGS] the state belongs to {s.shape[1]} numbers, the parameters have {size}")
        return s, y

    def _remember(self, s: np.ndarray, y: np.ndarray) -> None:
        if s @ y <= LEAST_COSINE * float(np.linalg.norm(s) * np.linalg.norm(y)):  # no curvature: H must stay positive
            return
        olds = self._pairs(s.size)
        for name, old, new in zip("sy", olds, (s, y), strict=True):
            self.own[name] = {"": np.concatenate([old, new[None]])[-self.history_size :]}


def two_loops(gradient: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return -H g. Nocedal & Wright 2006, Algorithm 7.4."""
    q, weights = gradient.copy(), np.zeros(len(s))
    for i in range(len(s) - 1, -1, -1):
        weights[i] = (s[i] @ q) / (s[i] @ y[i])
        q -= weights[i] * y[i]
    if len(s):
        q *= (s[-1] @ y[-1]) / (y[-1] @ y[-1])
    for i in range(len(s)):
        q += (weights[i] - (y[i] @ q) / (s[i] @ y[i])) * s[i]
    direction: np.ndarray = -q
    return direction


def strong_wolfe(look: Callable[[float], Point], origin: Point, trial: float) -> Point | None:
    """Return a point that meets both conditions, or the best one seen that is lower; None where there is none.

    Nocedal & Wright 2006, Algorithms 3.5 and 3.6, with cubic interpolation.
    """
    best, low, step = origin, origin, trial
    high: Point | None = None
    for _ in range(EVALUATIONS):
        here = look(step)
        if here.value < best.value:
            best = here
        if here.value > origin.value + DECREASE * here.step * origin.slope or (
            low.step > 0 and here.value >= low.value
        ):
            high = here
        elif abs(here.slope) <= CURVATURE * abs(origin.slope):
            return here
        else:
            if here.slope * (here.step - low.step if high is None else high.step - low.step) >= 0:
                high = low
            low = here
        if high is None:
            step = 3.0 * here.step
        else:
            if abs(high.step - low.step) <= 1e-12 * max(abs(high.step), abs(low.step)):
                break
            step = interpolated(low, high)
    return best if best is not origin else None


def interpolated(a: Point, b: Point) -> float:
    """Return the minimum of the cubic through both ends, or the middle where that lies too near to one of them."""
    left, right = min(a.step, b.step), max(a.step, b.step)
    middle, margin = (left + right) / 2, 0.1 * (right - left)
    if not (math.isfinite(a.value) and math.isfinite(b.value)):
        return middle
    d = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = d * d - a.slope * b.slope
    if square < 0:
        return middle
    root = math.copysign(math.sqrt(square), b.step - a.step)
    bottom = b.slope - a.slope + 2 * root
    step = b.step - (b.step - a.step) * (b.slope + root - d) / bottom if bottom else middle
    return step if left + margin <= step <= right - margin else middle


def _join(arrays: dict[str, Any]) -> np.ndarray:
    parts = [np.asarray(a, np.float64).ravel() for a in arrays.values()]
    return np.concatenate(parts) if parts else np.zeros(0)


def _split(w: np.ndarray, like: dict[str, Any]) -> dict[str, np.ndarray]:
    out, begin = {}, 0
    for path, a in like.items():
        size = math.prod(a.shape)
        out[path] = w[begin : begin + size].reshape(a.shape)
        begin += size
    return out
