"""Landscapes: functions of two parameters to watch descent on, and the paths that optimizers take there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._array import asarray
from fallline.optim import Optimizer
from fallline.random import default_rng
from fallline.transforms import jit, value_and_grad

__all__ = ["ALL", "Landscape", "Line", "Path", "line", "path"]

Place = tuple[float, float, float]
Function = Callable[[Any, Any], Any]


class _Ground:
    """What a landscape and a line have in common: the value and the gradient are found natively, in float64."""

    _ground: _core.Ground
    name: str
    domain: tuple[float, float, float, float]

    def __call__(self, x: Any, y: Any = None) -> Any:
        """Return the value at (x, y), two numbers or two arrays; or at one array that holds both along its first axis.

        Of arrays that may be recorded, that is fl.Arrays, the result is one too and has derivatives of every order.
        """
        x, y = (x[0], x[1]) if y is None else (x, y)
        if isinstance(x, _core.Array) or isinstance(y, _core.Array):
            return self._recorded(x, y)
        both = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        values = self._ground.values(both[0].ravel(), both[1].ravel()).reshape(both[0].shape)
        return values if values.ndim else float(values)

    def _recorded(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def value_and_grad(self, w: Any) -> tuple[float, np.ndarray]:
        """Return the value and the gradient at ``w = [x, y]``; the gradient has the dtype of w, the value is a float.

        >>> import fallline as fl
        >>> fl.landscapes.bowl.value_and_grad([1.0, 2.0])
        (5.0, array([2., 4.]))
        """
        w = _pair(self.name, w)
        value, *gradient = self._ground.gradient(float(w[0]), float(w[1]))
        return value, np.array(gradient, w.dtype)

    def _batch(self, t: int, w: np.ndarray) -> tuple[float, np.ndarray]:
        return self.value_and_grad(w)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Landscape(_Ground):
    """A function of two parameters, such as ``fl.landscapes.rosenbrock``; `ALL` has them by name.

    Attributes
    ----------
    name, title, formula, teaches
        What it is called, and what it is there for.
    domain
        What to draw: x from, x to, y from, y to.
    start
        A point from which descent has something to show.
    minima, saddles
        Tuples of (x, y, value); of some landscapes only those that matter.
    dimensions
        1 for functions that do not depend on y, else 2.
    logarithmic
        Whether the values span orders of magnitude.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> f = fl.landscapes.rosenbrock
    >>> f(0.0, 0.0), f(np.array([0.0, 1.0]), 0.0), f.minima
    (1.0, array([  1., 100.]), ((1.0, 1.0, 0.0),))
    >>> fl.grad(f)(fl.asarray([0.0, 0.0])).tolist()
    [-2.0, 0.0]
    """

    title: str
    formula: str
    teaches: str
    start: tuple[float, float]
    minima: tuple[Place, ...]
    saddles: tuple[Place, ...]
    dimensions: int
    logarithmic: bool

    def __init__(self, name: str) -> None:
        self.name = name
        self._ground = _core.Ground(name)
        self.__dict__.update(_core.landscape_about(name))

    def _recorded(self, x: Any, y: Any) -> Any:
        return _core.landscape_recorded(self.name, x, y)

    def __reduce__(self) -> Any:
        return Landscape, (self.name,)


class Line(_Ground):
    """The loss of a straight line over its slope and intercept; made by `line`.

    Attributes
    ----------
    x, y
        The points.
    loss
        "mse", the mean of squared errors, or "mae", the mean of absolute ones.
    truth
        Slope and intercept of the line that the points were drawn around, or None.
    """

    def __init__(self, x: Any, y: Any, loss: str = "mse", truth: tuple[float, float] | None = None) -> None:
        self.x, self.y = np.array(x, np.float64), np.array(y, np.float64)
        if self.x.ndim != 1 or self.x.shape != self.y.shape or not self.x.size:
            raise _core.ShapeError(f"[line] x and y must be vectors of one length, got {self.x.shape}, {self.y.shape}")
        if loss not in ("mse", "mae"):
            raise ValueError(f"[line] loss is 'mse' or 'mae', got {loss!r}")
        self.name, self.loss, self.truth = "line", loss, truth
        self._ground = _core.Ground("", self.x, self.y, loss == "mae")

    def _recorded(self, x: Any, y: Any) -> Any:
        slope, intercept = (_ops.expand_dims(asarray(a), -1) for a in (x, y))
        error = slope * self.x + intercept - self.y
        return (abs(error) if self.loss == "mae" else error * error).mean(-1)

    def rows(self, step: int, batch_size: int, seed: int = 0) -> np.ndarray:
        """Return the points that step number `step` (0 first) takes: those that `fit` would, in the order of `seed`."""
        n = self.x.size
        steps = -(-n // batch_size)
        begin = step % steps * batch_size
        return np.array(_core.shuffled_rows(seed, step // steps, n)[begin : begin + batch_size])


def line(
    points: int = 300,
    noise: float = 0.5,
    slope: float = 2.0,
    intercept: float = -1.0,
    seed: int = 0,
    *,
    loss: str = "mse",
    x: Any = None,
    y: Any = None,
) -> Line:
    """Return the loss of a line over slope and intercept, for points around a line or for points that you have.

    Parameters
    ----------
    points, noise, slope, intercept, seed
        So many x in [-2, 2), and ``slope x + intercept`` plus normal noise of that deviation; drawn from `seed`.
    loss
        "mse" or "mae": the mean of squared or of absolute errors.
    x, y
        Points that you have, instead.

    Examples
    --------
    >>> f = line(points=100, noise=0.0, slope=3.0, intercept=1.0)
    >>> f(3.0, 1.0), f.value_and_grad([3.0, 2.0])[0]
    (0.0, 1.0)
    """
    if x is not None or y is not None:
        return Line(x, y, loss)
    rng = default_rng(seed)
    found = np.asarray(rng.uniform(-2.0, 2.0, points, dtype=np.float64))
    errors = np.asarray(rng.normal(size=points, dtype=np.float64))
    return Line(found, slope * found + intercept + noise * errors, loss, (slope, intercept))


@dataclass(frozen=True)
class Path:
    """What `path` returns.

    Attributes
    ----------
    points
        The parameters before each step and after the last: (steps + 1, 2), float64.
    losses
        The value there, of everything also where steps take batches.
    gradients
        What the optimizer was given at each step: (steps, 2).
    """

    points: np.ndarray
    losses: np.ndarray
    gradients: np.ndarray


def path(
    f: Landscape | Line | Function,
    start: Sequence[float] | np.ndarray,
    optimizer: Optimizer,
    steps: int,
    *,
    batch_size: int | None = None,
    seed: int = 0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """Follow an optimizer for some steps; the points are those of a loop of ``optimizer.step``, bit for bit.

    Rules that step natively do so on landscapes and lines without Python in between; of a Python function the gradient
    is traced once, where it can be. What overflows goes on as infinity and NaN. The optimizer is copied and stays as it
    is.

    Parameters
    ----------
    f
        A landscape, a line, or a function of two numbers written with ``fl.*`` or ``np.*``.
    start
        Two numbers. A float32 array makes the path in float32.
    optimizer
        Any, also wrappers and rules on whole tensors.
    steps
        How many.
    batch_size, seed
        Of a line: how many points a step takes, in the order in which `fit` shuffles them for this seed.
    shift
        How far f moves with every step: a target that drifts.

    Examples
    --------
    >>> import fallline as fl
    >>> found = path(fl.landscapes.bowl, [3.0, 4.0], fl.optim.SGD(0.25), 2)
    >>> found.points.tolist(), found.losses.tolist()
    ([[3.0, 4.0], [1.5, 2.0], [0.75, 1.0]], [25.0, 6.25, 1.5625])
    """
    w = _pair("path", start).copy()
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
        raise ValueError(f"[path] steps must be a whole number of at least 0, got {steps!r}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"[path] expected an optimizer, got {type(optimizer).__name__}")
    batch = _batch_size(f, batch_size)
    opt = copy.deepcopy(optimizer)
    if isinstance(f, _Ground) and _is_native(opt):
        slots = list(opt.prepare(w)[""].values())
        rows = opt.hyper_rows(opt.t, steps)
        return Path(*f._ground.walk(opt._rule_name, w, slots, rows, opt.t, shift, batch, seed))
    with np.errstate(over="ignore", invalid="ignore"):
        return _loop(_Shifted(f, shift, batch, seed), w, opt, steps)


def _is_native(opt: Optimizer) -> bool:
    own = type(opt).step is Optimizer.step and type(opt).minimize is Optimizer.minimize
    return opt.native and own and opt._format.state_dtype is None


def _batch_size(f: Any, batch_size: int | None) -> int:
    if batch_size is None:
        return 0
    if not isinstance(f, Line):
        raise ValueError("[path] batch_size belongs to a line: other functions have no points to choose from")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"[path] batch_size must be a positive whole number, got {batch_size!r}")
    return 0 if batch_size >= f.x.size else int(batch_size)


def _pair(name: str, w: Any) -> np.ndarray:
    found = np.asarray(w)
    found = found if found.dtype == np.float32 else found.astype(np.float64)
    if found.shape != (2,):
        raise _core.ShapeError(f"[{name}] expected two numbers, got shape {found.shape}")
    return found


class _Shifted:
    """A function as `path` sees it in Python: what it is worth after t steps, and its gradient for step t."""

    def __init__(self, f: Any, shift: tuple[float, float], batch: int, seed: int) -> None:
        self.f, self.shift, self.batch, self.seed = f, np.array(shift, np.float64), batch, seed
        self._both = f.value_and_grad if isinstance(f, _Ground) else _traced(f)

    def _at(self, t: int, w: np.ndarray) -> np.ndarray:
        return w.astype(np.float64) - t * self.shift

    def value(self, t: int, w: np.ndarray) -> float:
        """Return the value of everything."""
        return float(self._both(self._at(t, w))[0])

    def value_and_grad(self, t: int, w: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient of the batch whose turn it is."""
        at = self._at(t, w)
        if self.batch:
            value, *g = self.f._ground.gradient(at[0], at[1], self.f.rows(t, self.batch, self.seed))
        else:
            value, g = self._both(at)
        return float(value), np.asarray(g).astype(w.dtype)


def _traced(f: Function) -> Callable[[np.ndarray], tuple[Any, Any]]:
    """Return the value and gradient of a Python function, from one trace unless it looks at values on its way."""
    both = value_and_grad(lambda w: f(w[0], w[1]))
    traced: Callable[..., Any] = jit(both)

    def found(w: np.ndarray) -> tuple[Any, Any]:
        nonlocal traced
        try:
            return traced(w)  # type: ignore[no-any-return]
        except _core.TraceError:
            traced = both
            return both(w)  # type: ignore[no-any-return]

    return found


def _loop(f: _Shifted, w: np.ndarray, opt: Optimizer, steps: int) -> Path:
    points, losses, gradients = np.empty((steps + 1, 2)), np.empty(steps + 1), np.empty((steps, 2))
    points[0], losses[0] = w, f.value(0, w)
    for t in range(steps):

        def value_and_gradient(p: Any, t: int = t) -> tuple[float, np.ndarray]:
            found = f.value_and_grad(t, np.asarray(p))
            gradients[t] = found[1]
            return found

        opt.minimize(value_and_gradient, w)
        points[t + 1], losses[t + 1] = w, f.value(t + 1, w)
    return Path(points, losses, gradients)


ALL: dict[str, Landscape] = {name: Landscape(name) for name in _core.landscape_names()}


def __getattr__(name: str) -> Landscape:
    if name in ALL:
        return ALL[name]
    raise AttributeError(f"[landscapes] there is no landscape named {name!r}; there are {', '.join(ALL)}")


def __dir__() -> list[str]:
    return sorted([*__all__, *ALL])
